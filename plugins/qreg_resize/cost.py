"""What resampling costs: a weighted mean of neighbours per output element, ``2 * taps - 1``.

The weights of a resize depend on positions alone and are shared by all channels: they are not
counted. Taking the nearest neighbour is no arithmetic.
"""

from collections.abc import Sequence
from math import prod

from qreg.records import Cost, OpCall

WIDTH = {"linear": 2, "cubic": 4, "lanczos": 6}  # neighbours along an axis at its own scale


def weighted_mean(taps: int) -> int:
    """``taps`` products and their sum; one neighbour is taken as it is."""
    return 2 * taps - 1 if taps > 1 else 0


def interpolated(elements: int, axes: int, width: int) -> int:
    """Operations for ``elements`` results of a resize of so many axes, ``width`` neighbours each.

    Source: ONNX Resize-19: "a weighted average of neighborhood in the input tensor".
    """
    return elements * weighted_mean(width**axes)


def smoothed(batch: int, sizes: Sequence[int], outputs: Sequence[int], width: int) -> int:
    """Operations of a resize with antialiasing from ``sizes`` to ``outputs``: axis by axis from the
    last, over ``width * n / m`` neighbours where an axis shrinks from n to m.

    Source: ONNX Resize-19, attribute antialias; PyTorch ``aten::_upsample_bilinear2d_aa``.
    """
    shape = list(sizes)
    total = 0
    for axis in reversed(range(len(shape))):
        n, m = shape[axis], outputs[axis]
        if n != m:
            shape[axis] = m
            total += prod(shape) * weighted_mean(-(-width * max(n, m) // m))
    return batch * total


def resize(call: OpCall) -> Cost:
    """Resize and Upsample. An axis that keeps its size has one neighbour, unless it is cropped.

    Source: ONNX Resize-19, Upsample-10.
    """
    mode = call.attribute("mode", "nearest").lower().removeprefix("bi")
    if mode == "nearest":
        return Cost()
    sizes, outputs = call.input(0).shape, call.output.shape
    if call.attribute("antialias", 0):
        return Cost(elementwise_flops=smoothed(1, sizes, outputs, WIDTH[mode]))
    changed = sum(n != m for n, m in zip(sizes, outputs, strict=True))
    if call.attribute("coordinate_transformation_mode", "") == "tf_crop_and_resize":
        changed = len(call.attribute("axes") or sizes[2:])
    return Cost(elementwise_flops=interpolated(call.output.elements, changed, WIDTH[mode]))
