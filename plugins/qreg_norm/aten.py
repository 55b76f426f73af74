"""What PyTorch's normalisations cost where they differ from ONNX: their flags, and backwards.

Source: PyTorch ``aten/src/ATen/native/{layer,group,batch}_norm.cpp``, ``native_functions.yaml``.
"""

from qreg.records import Cost, OpCall
from qreg_elementwise.operations import each_output, present
from qreg_norm import cost

# Normalise by the batch, though no flag says so.
FRESH = ("_batch_norm_with_update", "_batch_norm_with_update_functional")

batch_norm_relu = each_output("mul add max")
softmax_backward = each_output("mul sum sub mul")  # y * (g - sum(g * y))
log_softmax_backward = each_output("sum exp mul sub")  # g - exp(y) * sum(g)
masked_softmax_backward = each_output("choose mul sum sub mul")
weight_norm_backward = each_output("mul sum mul sub mul")  # g / |v| * (dw - v * sum(dw * v) / v^2)


def batch_norm(call: OpCall) -> Cost:
    """As layer norm with the statistics of the batch, else two operations per element.

    The flag is ``training``; ``use_input_stats`` of instance norm.
    """
    training = call.attribute("training", call.op in FRESH)
    if training or call.attribute("use_input_stats", False):
        return cost.layer_norm(call)
    return cost.affine(call)


def cosine_similarity(call: OpCall) -> Cost:
    """Three sums of products per pair of numbers: six operations."""
    dim = call.attribute("dim", 1)
    length = max(call.input(0).shape[dim], call.input(1).shape[dim])
    return Cost(elementwise_flops=6 * length * call.output.elements)


def standardise_backward(elements: int, weight: int, data: bool, scale: bool, shift: bool) -> int:
    """Operations for the gradients of input, scale and shift of a layer norm.

    ``h = (x - mean) * rstd`` is 2; ``dx = rstd * (g - mean(g) - h * mean(g * h))`` with
    ``g = dy * weight`` is a sum, a sum of products, and 4; ``dw = sum(dy * h)`` is 2, ``db`` a sum.
    """
    return (
        (2 if data or scale else 0)
        + (7 + weight if data else 0)
        + (2 if scale else 0)
        + (1 if shift else 0)
    ) * elements


def layer_norm_backward(call: OpCall) -> Cost:
    """native_layer_norm_backward, native_group_norm_backward: over gradient, input, mean, rstd."""
    mask = call.attribute("output_mask")
    return Cost(
        elementwise_flops=standardise_backward(call.input(0).elements, present(call, 4), *mask)
    )


def batch_norm_backward(call: OpCall) -> Cost:
    """As layer norm in training; with stored statistics ``dx = dy * (weight * rstd)`` is 1."""
    data, scale, shift = call.attribute("output_mask", (True, True, True))
    elements = call.input(0).elements
    if call.attribute("train", call.attribute("update", True)):
        return Cost(
            elementwise_flops=standardise_backward(elements, present(call, 2), data, scale, shift)
        )
    each = (1 if data else 0) + (4 if scale else 0) + (1 if shift else 0)
    return Cost(elementwise_flops=each * elements)


def rms_norm_backward(call: OpCall) -> Cost:
    """``h = x * rstd``; ``dx = rstd * (g - h * mean(g * h))``: 1, 2 and 3; ``dw`` 2, weight 1."""
    data, scale = call.attribute("output_mask")
    each = (1 if data or scale else 0) + (5 + present(call, 3) if data else 0) + 2 * int(scale)
    return Cost(elementwise_flops=each * call.input(0).elements)
