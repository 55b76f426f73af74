"""What the normalisations cost that ONNX Runtime joined with their neighbours.

Source: ONNX Runtime contrib operators, com.microsoft, version 1 each.
"""

from qreg.records import Cost, OpCall
from qreg_elementwise.operations import present
from qreg_norm.cost import scale_by_mean_square, standardise

SILU = 5  # qreg_activation: negation, exponential, addition, division, product
SIGMOID = 4


def skip_layer_norm(call: OpCall) -> Cost:
    """SkipLayerNormalization, over input, skip, gamma, beta, bias: one or two additions before."""
    elements = call.output.elements
    added = present(call, 1, 4) * elements
    return Cost(elementwise_flops=added + standardise(elements, present(call, 2, 3)))


def skip_rms_norm(call: OpCall) -> Cost:
    """SkipSimplifiedLayerNormalization, over input, skip, gamma, bias."""
    elements = call.output.elements
    added = present(call, 1, 3) * elements
    return Cost(elementwise_flops=added + scale_by_mean_square(elements, present(call, 2)))


def group_norm(call: OpCall) -> Cost:
    """GroupNorm and SkipGroupNorm, over X, gamma, beta, skip, bias; ``activation`` 1 is SiLU."""
    elements = call.output.elements
    around = present(call, 3, 4) + (SILU if call.attribute("activation", 0) else 0)
    return Cost(elementwise_flops=around * elements + standardise(elements, present(call, 1, 2)))


def embed_layer_norm(call: OpCall) -> Cost:
    """EmbedLayerNormalization: the sum of two or three rows of tables, and a layer norm.

    The quantised form has the same first seven inputs.
    """
    elements = call.output.elements
    added = (present(call, 2, 3, 4) - 1) * elements
    return Cost(elementwise_flops=added + standardise(elements, present(call, 5, 6)))


def gated_rms_norm(call: OpCall) -> Cost:
    """GatedRMSNorm: an RMS norm with scale, times the sigmoid or SiLU of the gate."""
    elements = call.output.elements
    gate = SIGMOID if call.attribute("activation", "silu") == "sigmoid" else SILU
    return Cost(elementwise_flops=scale_by_mean_square(elements, 1) + (gate + 1) * elements)
