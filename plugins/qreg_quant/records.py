"""What quantisation rules and the engine exchange, and what the two steps report."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from attrs import cmp_using, evolve, field, frozen

from qreg.errors import QregError
from qreg.records import Array

_SAME = cmp_using(eq=np.array_equal)


def _float32(values: Any) -> Array:
    return np.asarray(values, np.float32)


def _integers(values: Any) -> Array:
    return np.asarray(values, np.int64)


def limits(dtype: str) -> tuple[int, int]:
    """Least and greatest value of an integer type."""
    found = np.iinfo(dtype)
    return int(found.min), int(found.max)


@frozen(kw_only=True)
class QParams:
    """The map ``q = saturate(round(x / scale) + zero_point)`` and its inverse.

    ``scale`` (float32) and ``zero_point`` are arrays without dimensions, or with one value per
    index of ``axis``. Source: ONNX QuantizeLinear-21.
    """

    dtype: str
    scale: Array = field(converter=_float32, eq=_SAME)
    zero_point: Array = field(converter=_integers, eq=_SAME)
    axis: int | None = None

    def __attrs_post_init__(self) -> None:
        low, high = limits(self.dtype)
        if not (np.all(np.isfinite(self.scale)) and np.all(self.scale > 0)):
            raise QregError(f"scale {self.scale} must be positive and finite")
        if np.any(self.zero_point < low) or np.any(self.zero_point > high):
            raise QregError(
                f"zero_point {self.zero_point} does not fit {self.dtype} ({low}..{high})"
            )
        wanted = 0 if self.axis is None else 1
        if self.scale.ndim != wanted or self.zero_point.shape != self.scale.shape:
            raise QregError(
                f"scale {self.scale.shape} and zero_point {self.zero_point.shape} must both have "
                f"{wanted} dimensions when axis is {self.axis}"
            )


@frozen(kw_only=True)
class NodePlan:
    """What a rule decides about one node.

    ``inputs`` follow the node's inputs: parameters for activations and for constants that are no
    weight, None elsewhere. An input that has other parameters already is requantised.
    ``weight`` says how input 1 of a contraction is stored. ``mode`` "float" leaves the node as it is.
    """

    mode: Literal["static", "float"] = "static"
    inputs: tuple[QParams | None, ...] = ()
    weight: QParams | None = None
    output: QParams | None = None

    def map(self, change: Callable[[QParams], QParams]) -> "NodePlan":
        """The same with every set of parameters changed."""
        return evolve(
            self,
            inputs=tuple(p and change(p) for p in self.inputs),
            weight=self.weight and change(self.weight),
            output=self.output and change(self.output),
        )


@frozen(kw_only=True)
class Range:
    """What is known of one activation: measured limits, or parameters somebody chose."""

    tensor: str
    layer: str = ""
    min: float | None = None
    max: float | None = None
    scale: float | None = None
    zero_point: int | None = None
    place: str = field(default="", metadata={"json": False}, eq=False)  # file:line


@frozen(kw_only=True)
class Calibration:
    """The ranges of a model's activations on some data."""

    method: str
    data: Path
    samples: int
    file: Path
    tensors: tuple[Range, ...]


@frozen(kw_only=True)
class RuleCoverage:
    """What became of one rule. Layers that an earlier rule took are shadowed."""

    rule: str
    use: str
    match: str
    op: tuple[str, ...]
    matched: tuple[str, ...]
    quantized: tuple[str, ...]
    shadowed: tuple[str, ...]
    unsupported: tuple[str, ...]


@frozen(kw_only=True)
class LayerReport:
    """One node of the float model. ``becomes`` is the op it is now, or the layer it went into."""

    name: str
    op: str
    rule: int | None  # its number; None where no rule matched
    outcome: Literal["quantized", "float", "unsupported"]
    becomes: str
    activation: str
    weight: str = ""
    granularity: str = ""
    input_scales: tuple[float, ...] = ()
    weight_scales: tuple[float, ...] = ()
    output_scale: float | None = None
    output_zero_point: int | None = None
    note: str = ""


@frozen(kw_only=True)
class Quantization:
    """What quantize did, node by node."""

    model: str
    rules: tuple[RuleCoverage, ...]
    layers: tuple[LayerReport, ...]
    changes: tuple[str, ...]  # of the graph, none of which changes what it computes
    warnings: tuple[str, ...]
    quantize_nodes: int
    dequantize_nodes: int
    float_bytes: int
    model_bytes: int


def number(value: Any) -> float:
    """A float32 as the shortest float that reads back as the same float32."""
    return float(str(np.float32(value)))
