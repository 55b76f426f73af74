"""The keys of a count step."""

from collections.abc import Mapping
from typing import Any, Literal

from attrs import Attribute, field, frozen
from attrs.validators import deep_mapping, ge, instance_of, optional

from qreg.catalogue import Entry
from qreg.specs import MetricSpec
from qreg.structure import Source


def _positive(record: object, attribute: "Attribute[Any]", value: Mapping[str, int]) -> None:
    deep_mapping(instance_of(str), ge(1))(record, attribute, value)


@frozen(kw_only=True)
class Counting:  # what both steps take
    metrics: tuple[Entry[MetricSpec], ...] = field(
        default=(),
        metadata={"doc": "which metrics (`qreg list metrics`); all the usual ones if empty"},
    )
    as_: Literal["", "fvcore", "ptflops", "thop", "torch"] = field(
        default="", metadata={"doc": "count as this tool does, to explain a published number"}
    )
    activation_bits: int | None = field(
        default=None,
        validator=optional(ge(1)),
        metadata={"doc": "bits of every activation in BOPs; by default those of its type"},
    )
    layer_activation_bits: dict[str, int] = field(
        factory=dict,
        validator=_positive,
        metadata={"doc": "the same for single layers, by name or glob; the first match decides"},
    )
    convention: Literal["exact", "ignore-bias"] = field(
        default="exact",
        metadata={"doc": "'ignore-bias' calls a channel null when its weights are, as papers do"},
    )
    graph: bool = field(
        default=False,
        metadata={"doc": "count the ONNX graph also where the model can be watched as it runs"},
    )
    strict: bool = field(
        default=False, metadata={"doc": "fail where an op is unknown instead of listing it"}
    )


@frozen(kw_only=True)
class Count(Counting):
    prove: bool = field(
        default=False,
        metadata={
            "doc": "run the model on random inputs and check every claim; fail on a wrong one"
        },
    )


@frozen(kw_only=True)
class Compare(Counting):
    base: Source = field(
        metadata={"doc": "the network to compare with: a file or an import path",
                  "positional": True}
    )  # fmt: skip
