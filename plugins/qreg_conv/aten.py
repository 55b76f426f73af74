"""What convolutions cost as PyTorch's dispatcher spells them."""

from math import prod

from attrs import evolve

from qreg.records import Contraction, Cost, OpCall, Weight
from qreg_conv.cost import contraction, in_real_numbers, of_data, of_weight, transposed

# Ops that are transposed without saying so in an attribute.
TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
              "cudnn_convolution_transpose", "miopen_convolution_transpose",
              "slow_conv_transpose2d", "slow_conv_transpose3d")  # fmt: skip
DEPTHWISE = ("_conv_depthwise2d", "conv_depthwise3d")  # without an attribute for groups


def conv(call: OpCall) -> Cost:
    """Any convolution whose tensors are data, weight and bias: with or without a batch, padded by
    sizes or by name, transposed or not. One addition per output for a bias.

    Source: ATen ``native_functions.yaml``.
    """
    found = forward(call, 0, 1, call.output.shape)
    fused = call.op.endswith("_relu") + call.op.endswith("_add_relu")  # an activation, an addition
    bias = call.optional(3 if call.op.endswith("_add_relu") else 2)
    return Cost((found,), call.output.elements * (fused + (bias is not None)))


def conv_tbc(call: OpCall) -> Cost:
    """Along the first axis of (time, batch, channels); the weight is (taps, in, out)."""
    x, weight = call.input(0), call.input(1)
    taps, channels_in, channels_out = weight.shape
    found = contraction(
        x.shape[1], channels_in, channels_out, 1, [taps], call.output.shape[:1],
        Weight(input=1, in_axis=1, out_axis=2, data_axis=2, output_axis=2),
    )  # fmt: skip
    return Cost((in_real_numbers(found, x),), call.output.elements)


def conv_tbc_backward(call: OpCall) -> Cost:
    """Both gradients and the sum that is the bias'; the tensors are gradient, data and weight."""
    grad, x, (taps, channels_in, channels_out) = call.input(0), call.input(1), call.input(2).shape
    found = contraction(x.shape[1], channels_in, channels_out, 1, [taps], grad.shape[:1])
    return Cost((of_data(found), of_weight(found)), grad.elements)


def backward(call: OpCall) -> Cost:
    """convolution_backward: each gradient that ``output_mask`` asks for costs one forward pass,
    the bias' a sum over the gradient that comes in.

    Source: ATen ``convolution_backward``, whose tensors are gradient, data and weight.
    """
    found = forward(call, 1, 2, call.input(0).shape)
    weight = found.weight
    assert weight is not None
    back = evolve(
        weight, in_axis=weight.out_axis, out_axis=weight.in_axis, data=0,
        data_axis=weight.output_axis, output_axis=weight.data_axis,
    )  # fmt: skip
    of_x, of_w, of_bias = call.attribute("output_mask")
    products = ((of_data(found, back),) if of_x else ()) + ((of_weight(found),) if of_w else ())
    return Cost(products, call.input(0).elements if of_bias else 0)


def quantised(call: OpCall) -> Cost:
    """quantized::conv2d and its kind, transposed too, with weight and bias unpacked as inputs.

    A weight along one axis is packed as one of two; groups show in its sizes.
    """
    name = call.target.split(".")[1]
    at = 2 if "_add" in name else 1  # behind a residual
    x, w, out = call.input(0).shape, call.input(at), call.output
    turned = "transpose" in name
    groups = (out.shape[1] if turned else x[1]) // w.shape[1]
    use = Weight(input=at, in_axis=0 if turned else 1, out_axis=1 if turned else 0, groups=groups)
    if turned:
        found = transposed(x[0], x[1], out.shape[1], groups, w.shape[2:], x[2:], use)
    else:
        found = contraction(x[0], x[1], out.shape[1], groups, w.shape[2:], out.shape[2:], use)
    others = ("_add" in name) + ("_relu" in name) + (call.optional(at + 1) is not None)
    return Cost((found,), others * out.elements)


def forward(call: OpCall, data: int, weight: int, out: tuple[int, ...]) -> Contraction:
    """The contraction of a call's data with its weight that gives a result of shape ``out``."""
    x, w = call.input(data), call.input(weight)
    kernel = w.shape[2:]
    axis = len(x.shape) - len(kernel) - 1  # of channels: the first where there is no batch
    batch, channels = prod(x.shape[:axis]), x.shape[axis]
    use = Weight(
        input=weight, in_axis=1, out_axis=0, data=data, data_axis=axis, output_axis=axis
    )  # fmt: skip
    if call.attribute("transposed", False) or call.op in TRANSPOSED:
        groups = call.attribute("groups", 1)
        use = evolve(use, in_axis=0, out_axis=1, groups=groups)
        found = transposed(batch, channels, w.shape[1] * groups, groups, kernel,
                           x.shape[axis + 1:], use)  # fmt: skip
    else:
        groups = channels if call.op in DEPTHWISE else call.attribute("groups", 1)
        use = evolve(use, groups=groups)
        found = contraction(batch, channels, w.shape[0], groups, kernel, out[axis + 1 :], use)
    return in_real_numbers(found, x)
