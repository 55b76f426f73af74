"""What PyTorch's pools cost: the windows of ``cost`` under their own names, and backwards."""

import re
from math import prod

from qreg.records import Cost, OpCall
from qreg_pool.cost import adaptive_taps


def rank(call: OpCall) -> int:
    """The number of pooled axes, as the op's name says: 2 for ``max_pool2d``."""
    match = re.search(r"pool(\d)d", call.target)
    assert match is not None, call.target
    return int(match[1])


def kernel_taps(call: OpCall) -> int:
    """Elements of one window; a single size stands for all axes."""
    kernel = tuple(call.attribute("kernel_size"))
    return int(prod(kernel * rank(call) if len(kernel) == 1 else kernel))


def window(call: OpCall) -> Cost:
    """One operation per tap. Source: PyTorch ``aten::max_pool2d``, ``aten::avg_pool2d``."""
    return Cost(elementwise_flops=call.output.elements * kernel_taps(call))


def average_backward(call: OpCall) -> Cost:
    """A division per element of the gradient, and an addition per tap.

    Source: PyTorch ``aten::avg_pool2d_backward``.
    """
    return Cost(elementwise_flops=call.input(0).elements * (kernel_taps(call) + 1))


def adaptive(call: OpCall) -> Cost:
    """One operation per tap of windows that may overlap. Source: ``aten::adaptive_avg_pool2d``."""
    axes = rank(call)
    sizes, outputs = call.input(0).shape, call.output.shape
    taps = adaptive_taps(sizes[-axes:], outputs[-axes:])
    return Cost(elementwise_flops=prod(outputs[:-axes]) * taps)


def adaptive_average_backward(call: OpCall) -> Cost:
    """A division per element of the gradient, and an addition per tap.

    Source: PyTorch ``aten::_adaptive_avg_pool2d_backward``.
    """
    axes = rank(call)
    gradient, sizes = call.input(0), call.input(1).shape
    taps = prod(sizes[:-axes]) * adaptive_taps(sizes[-axes:], gradient.shape[-axes:])
    return Cost(elementwise_flops=gradient.elements + taps)


def maximum_backward(call: OpCall) -> Cost:
    """One addition per element of the gradient, at the place of the maximum.

    Source: PyTorch ``aten::max_pool2d_with_indices_backward``.
    """
    return Cost(elementwise_flops=call.input(0).elements)
