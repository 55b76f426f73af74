"""What convolutions cost."""

from collections.abc import Sequence
from math import prod

from qreg.records import Contraction, Cost, OpCall, Weight


def contraction(
    batch: int,
    channels_in: int,
    channels_out: int,
    groups: int,
    kernel: Sequence[int],
    out: Sequence[int],
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
    )


def conv(call: OpCall) -> Cost:
    """Conv and QLinearConv: the contraction, and one addition per output where there is a bias.

    The quantised form counts what the float form counts: rescaling is part of storing the result.
    """
    quantised = call.op == "QLinearConv"
    weight = call.input(3 if quantised else 1)
    batch, channels_in = call.input(0).shape[:2]
    channels_out, _, *kernel = weight.shape
    groups = call.attribute("group", 1)
    product = contraction(batch, channels_in, channels_out, groups, kernel, call.output.shape[2:])
    bias = call.optional(8 if quantised else 2)
    return Cost(
        (product,),
        elementwise_flops=call.output.elements if bias is not None else 0,
        weight=Weight(
            input=3 if quantised else 1,
            in_axis=1,
            out_axis=0,
            zero_point=5 if quantised else None,
            groups=groups,
        ),
    )
