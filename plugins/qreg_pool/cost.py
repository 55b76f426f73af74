"""What pooling costs."""

from math import prod

from qreg.records import Cost, OpCall


def window(call: OpCall) -> Cost:
    """One operation per tap: ``outputs * prod(kernel)``.

    An average adds one number fewer than it has taps and divides once; a maximum compares. Taps in
    the padding are counted. Source: ONNX AveragePool-22, MaxPool-22.
    """
    return Cost(elementwise_flops=call.output.elements * prod(call.attribute("kernel_shape")))


def whole(call: OpCall) -> Cost:
    """One operation per input element: additions but for one per channel, which is a division.

    Source: ONNX GlobalAveragePool-22.
    """
    return Cost(elementwise_flops=call.input(0).elements)
