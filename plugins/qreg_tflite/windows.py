"""Windows over rows and columns: paddings and strides as ONNX writes them."""

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from qreg.errors import QregError
from qreg_tflite.records import Operator

SAME, VALID = 0, 1
AXES = {1: "w", 2: "hw", 3: "dhw"}  # how options name the spatial axes


@frozen
class Window:
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    def attributes(self, *, dilated: bool = True) -> dict[str, Any]:
        """Those of Conv and the pools; average pools of ONNX Runtime's own know no dilation."""
        found: dict[str, Any] = {
            "kernel_shape": self.kernel, "strides": self.strides, "pads": self.before + self.after,
        }  # fmt: skip
        return {**found, "dilations": self.dilations} if dilated else found


def window(op: Operator, image: Sequence[int], kernel: Sequence[int]) -> Window:
    """The window that the operator's options put over ``image``."""
    strides = _steps(op, "stride", len(kernel))
    dilations = _steps(op, "dilation", len(kernel))
    if min(kernel) < 1:
        raise QregError(f"a kernel of {list(kernel)}")
    pads = [(0, 0)] * len(kernel)
    if op.options["padding"] == SAME:
        pads = [same(*sizes) for sizes in zip(image, kernel, strides, dilations, strict=True)]
    before, after = zip(*pads, strict=True)
    return Window(tuple(kernel), strides, dilations, before, after)


def same(image: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Padding before and after that gives ``ceil(image / stride)`` results; the odd one is after.

    Source: TensorFlow Lite, kernels/padding.h, ComputePaddingWithOffset.
    """
    results = -(-image // stride)
    reach = (kernel - 1) * dilation + 1
    total = max((results - 1) * stride + reach - image, 0)
    return total // 2, total - total // 2


def _steps(op: Operator, what: str, count: int) -> tuple[int, ...]:
    steps = tuple(int(op.options.get(f"{what}_{axis}", 1)) for axis in AXES[count])
    if min(steps) < 1:
        raise QregError(f"a {what} of {list(steps)}")
    return steps
