"""What calibrate, quantize and the static rule are told."""

import re
from pathlib import Path, PurePath
from typing import Any, Literal

from attrs import field, frozen

from qreg.specs import QuantRuleSpec
from qreg.structure import Use

Bits = Literal["int8", "uint8"]


def _file_name(_: Any, __: Any, value: str) -> None:
    if not value or PurePath(value).name != value:
        raise ValueError(f"'output' must be a file name without folders, found {value!r}")


def _samples(_: Any, __: Any, value: int) -> None:
    if value < 0:
        raise ValueError(f"'samples' must not be negative, found {value}; 0 means all")


def _pattern(_: Any, __: Any, value: str) -> None:
    try:
        re.compile(value)
    except re.error as exc:
        raise ValueError(
            f"'match' is not a regular expression: {exc}; "
            r"write the layer's name, or a pattern as 'layer1\..*'"
        ) from exc


@frozen(kw_only=True)
class Calibrate:
    data: Path = field(
        metadata={"doc": ".npz with one array per model input, named after it; samples lead"}
    )
    samples: int = field(
        default=0, validator=_samples, metadata={"doc": "use the first so many; 0 means all"}
    )
    output: str = field(
        default="ranges.toml",
        validator=_file_name,
        metadata={"doc": "name of the file of ranges in the step's folder"},
    )


@frozen(kw_only=True)
class Quantize:
    rule: tuple[Use[QuantRuleSpec], ...] = field(
        default=(),
        metadata={"doc": "what is quantised and how, first match wins; none: everything, static"},
    )
    rules: Path | None = field(
        default=None, metadata={"doc": "a TOML file of [[rule]] tables, in place of step.rule"}
    )
    ranges: Path | None = field(
        default=None,
        metadata={"doc": "the file calibrate wrote; default: this run's calibrate step"},
    )
    unmatched: Literal["error", "warn"] = field(
        default="error",
        metadata={"doc": "what a rule is that matches nothing, or only what it cannot quantise"},
    )


@frozen(kw_only=True)
class Rule:
    """The keys every rule has. A plugin's rule may inherit them."""

    match: str = field(
        default=".*",
        validator=_pattern,
        metadata={"doc": "regular expression for the whole layer name"},
    )
    op: tuple[str, ...] = field(
        default=(), metadata={"doc": "only these kinds of op, for example Conv"}
    )
    ranges: Path | None = field(
        default=None, metadata={"doc": "ranges for this rule alone, in place of the step's"}
    )


@frozen(kw_only=True)
class Static(Rule):
    """8-bit weights and activations, every scale known before anything runs."""

    act: Bits = field(default="int8", metadata={"doc": "type of activations"})
    weight: Bits = field(default="int8", metadata={"doc": "type of weights"})
    granularity: Literal["tensor", "channel"] = field(
        default="channel", metadata={"doc": "one weight scale per tensor or per output channel"}
    )
    symmetric: bool = field(
        default=False, metadata={"doc": "activations with the zero-point in the middle"}
    )

    @weight.validator
    def _computed(self, _: Any, value: str) -> None:
        if self.act == "int8" and value == "uint8":
            raise ValueError(
                "'weight' is uint8 with act int8, which ONNX Runtime does not compute; "
                'write weight = "int8", or act = "uint8"'
            )
