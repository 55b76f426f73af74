"""Convolutions and pools over one or two axes, as sizes for templates."""

from attrs import frozen

from qreg.records import OpCall
from qreg_emit.operands import refuse
from qreg_numerics.windows import window_of


@frozen
class Window:
    """A window over (height, width); one spatial axis is the width of an image one high."""

    input: tuple[int, int]
    output: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]  # pads above and to the left
    after: tuple[int, int]

    @property
    def covers_everything(self) -> bool:
        """Whether the kernel is the whole image, without pads."""
        return self.kernel == self.input and not any((*self.before, *self.after))

    @property
    def is_pointwise(self) -> bool:
        return self.kernel == self.stride == (1, 1) and not any((*self.before, *self.after))

    def sizes(self) -> dict[str, object]:
        """The names templates use: ``IH, OW, KH, SW, DH, PW, ...``."""
        named = {"I": self.input, "O": self.output, "K": self.kernel, "S": self.stride,
                 "D": self.dilation, "P": self.before}  # fmt: skip
        return {f"{n}{axis}": size for n, pair in named.items()
                for axis, size in zip("HW", pair, strict=True)}  # fmt: skip


def window(call: OpCall, kernel: tuple[int, ...]) -> Window:
    """The node's window. Raises QregError for three axes and more, and for shapes that disagree."""
    x, y = call.input(0), call.output
    spatial = x.shape[2:]
    if len(spatial) not in (1, 2) or len(kernel) != len(spatial):
        raise refuse(call, f"{len(spatial)} spatial axes; one or two are known")
    found = window_of(call, spatial, kernel)
    if min(found.before) < 0 or found.outputs != y.shape[2:]:
        raise refuse(
            call, f"pads {found.before}, {found.after} give {found.outputs}, not {y.shape[2:]}"
        )
    missing = 2 - len(spatial)

    def pair(sizes: tuple[int, ...], fill: int) -> tuple[int, int]:
        height, width = (fill,) * missing + tuple(sizes)
        return height, width

    return Window(
        pair(spatial, 1), pair(found.outputs, 1), pair(found.kernel, 1), pair(found.strides, 1),
        pair(found.dilations, 1), pair(found.before, 0), pair(found.after, 0),
    )  # fmt: skip
