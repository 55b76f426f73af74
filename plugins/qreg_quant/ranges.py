"""The file of ranges, and the ranges as a rule sees them."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from attrs import asdict, field, frozen

from qreg.catalogue import Catalogue
from qreg.errors import Mistakes, QregError, StructureError
from qreg.lines import key_lines
from qreg.pipeline import located, read_toml
from qreg.records import Tensor
from qreg.structure import structure
from qreg_quant.affine import from_range
from qreg_quant.records import QParams, Range, limits

HEADER = """\
# Ranges of the activations of {model}, measured by {method} on {samples} samples of {data}.
# Edit min and max as you like: zero always belongs to the range, and what a Relu or Clip bounds
# takes the range behind it. `scale` and `zero_point` written into a table win over min and max:
# real value = (integer - zero_point) * scale. Other tools may write this file.
"""


@frozen
class Ranges:
    """What a rule asks for the parameters of activations.

    ``behind`` names, for a tensor that only a clamp reads, the tensor behind that clamp; ``known``
    holds the parameters of tensors that are 8-bit already.
    """

    tensors: Mapping[str, Range]
    origin: str = ""  # the file, for messages; empty where there is none
    behind: Mapping[str, str] = field(factory=dict)
    known: Mapping[str, QParams] = field(factory=dict)

    def params(self, tensor: Tensor, dtype: str, symmetric: bool = False) -> QParams:
        """Parameters for an activation: chosen by a person, else those it has, else of its range.

        Raises QregError for a tensor without a range.
        """
        chosen = self.chosen(tensor, dtype)
        if chosen is not None:
            return chosen
        known = self.known.get(tensor.name)
        if known is not None and _fits(known, dtype, symmetric):
            return known
        for name in self._names(tensor):
            found = self.tensors.get(name)
            if found is not None and found.min is not None and found.max is not None:
                return from_range(found.min, found.max, dtype, symmetric)
        raise QregError(self._missing(self._names(tensor)[0]))

    def chosen(self, tensor: Tensor, dtype: str) -> QParams | None:
        """The scale and zero-point a person wrote for this tensor, or for the one behind it."""
        for name in self._names(tensor):
            found = self.tensors.get(name)
            if found is not None and found.scale is not None:
                zero = found.zero_point
                low, high = limits(dtype)
                if zero is None or not low <= zero <= high:
                    raise Mistakes(
                        f"{found.place or self.origin}: zero_point {zero} of tensor {name!r} does "
                        f"not fit {dtype}; give one from {low} to {high}, or choose another type"
                    )
                return QParams(dtype=dtype, scale=found.scale, zero_point=zero)
        return None

    def _names(self, tensor: Tensor) -> tuple[str, ...]:
        """The tensors whose range counts for this one, the first that has one."""
        behind = self.behind.get(tensor.name)
        return (behind, tensor.name) if behind else (tensor.name,)

    def _missing(self, name: str) -> str:
        if not self.tensors:
            return (
                f"tensor {name!r} has no range: none were given; put a calibrate step before "
                'quantize, or name its file: ranges = "ranges.toml" (--ranges ranges.toml)'
            )
        near = get_close_matches(name, self.tensors, 1)
        typed = f" (is {near[0]!r} misspelt?)" if near else ""
        return (
            f"{self.origin}: no range for tensor {name!r}{typed}; calibrate this model again, or add "
            f"[tensor.{quoted(name)}] with min and max"
        )


@frozen(kw_only=True)
class TensorTable:
    """One ``[tensor."name"]`` table of the file."""

    layer: str = ""
    min: float | None = None
    max: float | None = None
    scale: float | None = None
    zero_point: int | None = None

    def __attrs_post_init__(self) -> None:
        faults = _faults(self)
        if faults:
            raise StructureError([((key,), what) for key, what in faults])


@frozen(kw_only=True)
class RangesFile:
    tensor: dict[str, TensorTable]


def read_ranges(path: Path, catalogue: Catalogue) -> dict[str, Range]:
    """The ranges in a file by tensor. Raises with ``file:line: key: what; cure`` for each fault."""
    text, table = read_toml(path)
    try:
        tables = structure(table, RangesFile, catalogue, path.parent).tensor
    except StructureError as exc:
        raise Mistakes(located(path, text, exc.problems)) from exc
    lines = key_lines(text)
    return {
        name: Range(tensor=name, place=f"{path}:{_line(lines, name)}", **asdict(item))
        for name, item in tables.items()
    }


def ranges_text(tensors: tuple[Range, ...], **facts: object) -> str:
    """The file of ranges; every float reads back as the same float32."""
    parts = [HEADER.format(**facts)]
    for item in tensors:
        parts.append(
            f"[tensor.{quoted(item.tensor)}]\nlayer = {quoted(item.layer)}\n"
            f"min = {item.min}\nmax = {item.max}\n"
        )
    return "\n".join(parts)


def quoted(name: str) -> str:
    """A TOML basic string."""
    return json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")


def _line(lines: Mapping[tuple[str | int, ...], int], name: str) -> int:
    """Where a tensor's zero-point stands, which may not fit a rule's type, or its table."""
    table = ("tensor", name)
    return lines.get((*table, "zero_point"), lines.get(table, 1))


def _faults(table: TensorTable) -> list[tuple[str, str]]:
    """Keys of one table that are wrong, each with what would be right."""
    values: dict[str, Any] = {"min": table.min, "max": table.max, "scale": table.scale}
    limit = float(np.finfo(np.float32).max)
    found = [
        (key, f"{value} is no finite float32; give a finite number")
        for key, value in values.items()
        if value is not None and not (isfinite(value) and abs(value) <= limit)
    ]
    if found:
        return found
    if (table.scale is None) != (table.zero_point is None):
        lacking = "scale" if table.scale is None else "zero_point"
        return [(lacking, "required key is missing: scale and zero_point come together")]
    if table.scale is not None and not np.float32(table.scale) > 0:
        return [("scale", f"{table.scale} must be above zero")]
    if (table.min is None) != (table.max is None) or (table.min is None and table.scale is None):
        lacking = "min" if table.min is None else "max"
        return [(lacking, "required key is missing: give min and max, or scale and zero_point")]
    if table.min is not None and table.max is not None and table.min > table.max:
        return [("min", f"{table.min} is above max = {table.max}; exchange them")]
    return []


def _fits(known: QParams, dtype: str, symmetric: bool) -> bool:
    low, high = limits(dtype)
    return known.dtype == dtype and (
        not symmetric or int(known.zero_point) == (low + high + 1) // 2
    )
