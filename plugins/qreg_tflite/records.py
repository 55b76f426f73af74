"""What a TFLite file says, as plain data. Sizes and axes are those of the file: channels last."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import frozen

from qreg.records import Array

INTEGER_GRIDS = ("int8", "uint8", "int16")


class UnmappedError(Exception):
    """The operator has no ONNX form here; the text says why."""


@frozen(eq=False)
class FileTensor:
    """One tensor of the file. ``fault`` says why its numbers cannot be used, else it is empty."""

    name: str
    dtype: str  # numpy's name; of another type, TFLite's
    shape: tuple[int, ...]
    data: Array | None = None
    scales: Array | None = None  # float32: one number, or one per entry of ``axis``
    zero_points: Array | None = None  # int64, as many
    axis: int = 0
    variable: bool = False  # keeps its numbers from one run to the next
    fault: str = ""

    @property
    def quantised(self) -> bool:
        """Whether its integers stand for ``scale * (value - zero_point)``."""
        return self.scales is not None and self.dtype in INTEGER_GRIDS

    @property
    def eight_bits(self) -> bool:
        """Quantised to 8 bits with one scale, as activations are."""
        return self.quantised and self.dtype != "int16" and self.single_scale

    @property
    def single_scale(self) -> bool:
        return self.scales is not None and self.scales.size == 1

    @property
    def scale(self) -> np.float32:
        """The one scale of a quantised tensor."""
        assert self.scales is not None
        return np.float32(self.scales[0])

    @property
    def zero_point(self) -> int:
        assert self.zero_points is not None
        return int(self.zero_points[0])

    def same_grid(self, other: "FileTensor") -> bool:
        """Whether equal integers stand for equal numbers."""
        return (
            self.dtype == other.dtype
            and all(t.quantised and t.single_scale for t in (self, other))
            and self.scale == other.scale
            and self.zero_point == other.zero_point
        )


@frozen(eq=False)
class Operator:
    """One operator: ``CONV_2D``, the tensors it reads and makes by index, its options by name.

    An input of -1 is absent.
    """

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any]

    def input(self, position: int) -> int:
        """The tensor at ``position``; -1 where there is none."""
        return self.inputs[position] if position < len(self.inputs) else -1


@frozen(eq=False)
class Network:
    """The main graph of a file."""

    tensors: tuple[FileTensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
