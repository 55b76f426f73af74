"""What pooling costs: one operation per tap, that is, per element of a window.

An average adds one number fewer than it has taps and divides once; a maximum compares. Taps in the
padding are counted. The quantised forms count what the float forms count.
"""

from collections.abc import Sequence
from math import gcd, prod

from qreg.records import Cost, OpCall


def adaptive_taps(sizes: Sequence[int], outputs: Sequence[int]) -> int:
    """All elements of all windows of an adaptive pool over axes of ``sizes``, with ``outputs``.

    Window i of m over n elements is [floor(i * n / m), ceil((i + 1) * n / m)). Neighbours overlap
    by one element wherever i * n / m is no whole number, which it is ``gcd(n, m) - 1`` times inside
    the axis: n + (m - 1) - (gcd(n, m) - 1) elements in all.

    Source: PyTorch ``aten/src/ATen/native/AdaptivePooling.h``, ``start_index``, ``end_index``.
    """
    return prod(n + m - gcd(n, m) for n, m in zip(sizes, outputs, strict=True))


def power_operations(p: float) -> int:
    """Operations per tap of an Lp pool: the absolute value or square, and the sum; else a power too.

    Source: ONNX LpPool-22.
    """
    return 2 if p in (1, 2) else 3


def window(call: OpCall) -> Cost:
    """``outputs * prod(kernel)``. Source: ONNX AveragePool-22, MaxPool-22."""
    return Cost(elementwise_flops=call.output.elements * prod(call.attribute("kernel_shape")))


def whole(call: OpCall) -> Cost:
    """One operation per input element. Source: ONNX GlobalAveragePool-22, GlobalMaxPool-22."""
    return Cost(elementwise_flops=call.input(0).elements)


def lp_window(call: OpCall) -> Cost:
    """Two or three operations per tap. Source: ONNX LpPool-22."""
    taps = call.output.elements * prod(call.attribute("kernel_shape"))
    return Cost(elementwise_flops=power_operations(call.attribute("p", 2)) * taps)


def lp_whole(call: OpCall) -> Cost:
    """Two or three operations per input element. Source: ONNX GlobalLpPool-22."""
    return Cost(elementwise_flops=power_operations(call.attribute("p", 2)) * call.input(0).elements)


def unpool(call: OpCall) -> Cost:
    """No arithmetic: every element goes back to its place. Source: ONNX MaxUnpool-22."""
    del call
    return Cost()
