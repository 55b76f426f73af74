"""What PyTorch's upsampling costs: the formulas of ``cost`` under the names of its ops."""

import re
from math import prod

from qreg.records import Cost, OpCall
from qreg_resize.cost import WIDTH, interpolated, smoothed


def width(call: OpCall) -> int:
    """Neighbours along an axis: as the op's name says."""
    return next((taps for name, taps in WIDTH.items() if name in call.op), 1)


def rank(call: OpCall) -> int:
    """The number of resized axes, as the op's name says: 2 for ``upsample_bilinear2d``."""
    match = re.search(r"(\d)d", call.op)
    assert match is not None, call.target
    return int(match[1])


def upsample(call: OpCall) -> Cost:
    """A weighted mean per output element over the axes that change, nothing for the nearest.

    Source: PyTorch ``aten::upsample_bilinear2d``.
    """
    axes = rank(call)
    sizes, outputs = call.input(0).shape[-axes:], call.output.shape[-axes:]
    changed = sum(n != m for n, m in zip(sizes, outputs, strict=True))
    return Cost(elementwise_flops=interpolated(call.output.elements, changed, width(call)))


def smooth(call: OpCall) -> Cost:
    """The same with antialiasing. Source: PyTorch ``aten::_upsample_bilinear2d_aa``."""
    sizes, outputs = call.input(0).shape, call.output.shape
    batch = prod(outputs[:-2])
    return Cost(elementwise_flops=smoothed(batch, sizes[-2:], outputs[-2:], width(call)))


def upsample_backward(call: OpCall) -> Cost:
    """Per element of the gradient and neighbour a product and an addition; the nearest: an addition.

    Source: PyTorch ``aten::upsample_bilinear2d_backward``.
    """
    gradient, axes = call.input(0), rank(call)
    sizes = call.attribute("input_size")[-axes:]
    changed = sum(n != m for n, m in zip(sizes, gradient.shape[-axes:], strict=True))
    taps = width(call) ** changed
    return Cost(elementwise_flops=(2 * taps if taps > 1 else 1) * gradient.elements)


def smooth_backward(call: OpCall) -> Cost:
    """As the forward pass, whose weighted sums it turns round: a product and an addition each.

    Source: PyTorch ``aten::_upsample_bilinear2d_aa_backward``.
    """
    outputs, sizes = call.input(0).shape, call.attribute("input_size")
    flops = smoothed(prod(outputs[:-2]), sizes[-2:], outputs[-2:], width(call))
    return Cost(elementwise_flops=flops)
