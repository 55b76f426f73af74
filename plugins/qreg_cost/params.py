"""The keys of a count step."""

from attrs import field, frozen
from attrs.validators import ge, optional

from qreg.catalogue import Entry
from qreg.specs import MetricSpec


@frozen(kw_only=True)
class Count:
    metrics: tuple[Entry[MetricSpec], ...] = field(
        default=(), metadata={"doc": "which metrics to compute; all that are installed if empty"}
    )
    activation_bits: int | None = field(
        default=None,
        validator=optional(ge(1)),
        metadata={"doc": "bits of every activation in BOPs; by default those of its type"},
    )
    strict: bool = field(
        default=False, metadata={"doc": "fail where an op is unknown instead of listing it"}
    )
