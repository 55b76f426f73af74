"""What convolutions cost: the formulas, and ONNX ops."""

from collections.abc import Sequence
from math import prod

from attrs import evolve, frozen

from qreg.records import Contraction, Cost, OpCall, Tensor, Weight
from qreg_linear.activations import flops_of

INTERPOLATION = 7  # products of four neighbours with their shares, and three sums


@frozen
class Operands:
    """Which inputs of an op are what; the data is the first, its channels the second axis."""

    weight: int = 1
    bias: int | None = None
    weight_zero: int | None = None
    added: int | None = None  # a residual
    last: bool = False  # whether channels are the last axis
    depthwise: bool = False  # as many groups as channels, whatever the attributes say


# Source: ONNX Conv-22, ConvInteger-10, QLinearConv-10, CausalConvWithState-27; ONNX Runtime,
# contrib ops.
OPERANDS = {
    "com.microsoft.CausalConvWithState": Operands(1, 2, depthwise=True),
    "com.microsoft.FusedConv": Operands(1, 2, None, 3),
    "com.microsoft.NhwcConv": Operands(1, 2, last=True),
    "com.microsoft.NhwcFusedConv": Operands(1, 2, None, 3, last=True),
    "com.microsoft.QLinearConv": Operands(3, 8, 5),
    "onnx.CausalConvWithState": Operands(1, 2, depthwise=True),
    "onnx.Conv": Operands(1, 2),
    "onnx.ConvInteger": Operands(1, None, 3),
    "onnx.QLinearConv": Operands(3, 8, 5),
}
TRANSPOSED = {
    "com.microsoft.ConvTransposeWithDynamicPads": Operands(1, 3),
    "onnx.ConvTranspose": Operands(1, 2),
}


def contraction(
    batch: int,
    channels_in: int,
    channels_out: int,
    groups: int,
    kernel: Sequence[int],
    out: Sequence[int],
    weight: Weight | None = None,
) -> Contraction:
    """A convolution as ``groups`` matrix products over its output positions.

    Each of ``batch * prod(out)`` positions of each of ``channels_out`` channels sums
    ``channels_in / groups * prod(kernel)`` products; taps in the padding are counted.
    Strides, pads and dilation act through ``out`` alone.

    Source: ONNX Conv-22; Dumoulin, Visin, "A guide to convolution arithmetic", 2016.
    """
    return Contraction(
        m=batch * prod(out),
        n=channels_out // groups,
        k=channels_in // groups * prod(kernel),
        count=groups,
        weight=weight,
    )


def transposed(
    batch: int,
    channels_in: int,
    channels_out: int,
    groups: int,
    kernel: Sequence[int],
    size: Sequence[int],
    weight: Weight | None = None,
) -> Contraction:
    """A transposed convolution as ``groups`` matrix products over its *input* positions.

    Each position of ``batch * prod(size)`` spreads ``channels_in / groups`` numbers over a whole
    kernel of ``channels_out / groups`` channels; what falls on a cropped border is counted. The
    output's size does not enter: zeros that a stride puts between the inputs are never multiplied.

    Source: ONNX ConvTranspose-22; Dumoulin, Visin 2016, section 4.
    """
    return Contraction(
        m=batch * prod(size),
        n=channels_out // groups * prod(kernel),
        k=channels_in // groups,
        count=groups,
        weight=weight,
    )


def of_data(forward: Contraction, weight: Weight | None = None) -> Contraction:
    """The gradient of a convolution's data: as many products as forward, summed over channels out.

    Source: Dumoulin, Visin 2016, section 4; it is the transposed convolution, and that one's is it.
    """
    return evolve(forward, n=forward.k, k=forward.n, weight=weight)


def of_weight(forward: Contraction) -> Contraction:
    """The gradient of a convolution's weight: as many products as forward, summed over positions."""
    return evolve(forward, m=forward.k, k=forward.m, weight=None)


def in_real_numbers(forward: Contraction, data: Tensor) -> Contraction:
    """Complex data and weights take four real products each. Source: (a + ib)(c + id)."""
    complex_ = data.dtype.startswith("complex")
    return evolve(forward, count=4 * forward.count) if complex_ else forward


def conv(call: OpCall) -> Cost:
    """Conv and its quantised and fused forms: the contraction, then one addition per output for a
    bias, one for a residual, and what an activation takes.

    Rescaling is part of storing the result and counts nothing.
    """
    at = OPERANDS[call.target]
    if call.attribute("channels_last", 0):
        at = evolve(at, last=True)
    x, weight = call.input(0), call.input(at.weight)
    axis = -1 if at.last else 1
    batch, *_ = x.shape
    groups = x.shape[axis] if at.depthwise else call.attribute("group", 1)
    found = contraction(
        batch, x.shape[axis], weight.shape[0], groups, weight.shape[2:],
        call.output.shape[1:-1] if at.last else call.output.shape[2:],
        Weight(input=at.weight, in_axis=1, out_axis=0, zero_point=at.weight_zero, groups=groups,
               data_axis=axis, output_axis=axis),
    )  # fmt: skip
    return Cost((found,), _per_output(call, at) * call.output.elements)


def conv_transpose(call: OpCall) -> Cost:
    """ConvTranspose: the contraction, and one addition per output for a bias."""
    at = TRANSPOSED[call.target]
    x, weight = call.input(0), call.input(at.weight)
    groups = call.attribute("group", 1)
    found = transposed(
        x.shape[0], x.shape[1], call.output.shape[1], groups, weight.shape[2:], x.shape[2:],
        Weight(input=at.weight, in_axis=0, out_axis=1, groups=groups),
    )  # fmt: skip
    return Cost((found,), _per_output(call, at) * call.output.elements)


def deform_conv(call: OpCall) -> Cost:
    """The contraction, and for every tap four products and three sums that interpolate it.

    Source: ONNX DeformConv-22, bilinear sampling; the mask is one product more.
    """
    x, weight = call.input(0), call.input(1)
    groups = call.attribute("group", 1)
    out = call.output.shape[2:]
    found = contraction(
        x.shape[0], x.shape[1], weight.shape[0], groups, weight.shape[2:], out,
        Weight(input=1, in_axis=1, out_axis=0, groups=groups),
    )  # fmt: skip
    taps = x.shape[0] * x.shape[1] * prod(weight.shape[2:]) * prod(out)
    per_tap = INTERPOLATION + (call.optional(4) is not None)
    bias = call.output.elements if call.optional(3) is not None else 0
    return Cost((found,), taps * per_tap + bias)


def _per_output(call: OpCall, at: Operands) -> int:
    present = [i for i in (at.bias, at.added) if i is not None and call.optional(i) is not None]
    return len(present) + flops_of(call.attribute("activation", ""))
