"""Fused work, as hardware models see it, and what did not fuse."""

from attrs import frozen

from qreg.records import Cost, OpCall


@frozen
class FusedOp:
    """Ops that run as one kernel; only what crosses its border is moved."""

    name: str  # of its first op
    pattern: str  # id of the fusion pattern, empty for a single op
    calls: tuple[OpCall, ...]
    cost: Cost | None  # None where an op's cost is unknown
    dtype: str  # of the arithmetic: ``int8``, ``float32``
    input_bytes: int  # activations made outside the group, each once
    weight_bytes: int  # stored tensors, each once
    output_bytes: int  # what the last op makes

    @property
    def bytes(self) -> int:
        return self.input_bytes + self.weight_bytes + self.output_bytes

    @property
    def op(self) -> str:
        """``Conv+Add+Relu``"""
        return "+".join(call.op for call in self.calls)


@frozen
class Rejected:
    """Ops that a pattern names in this order and that run apart all the same."""

    pattern: str
    layers: tuple[str, ...]
    reason: str


@frozen
class Fusion:
    """Every op in exactly one group, in an order in which the groups can run.

    But for those ``unknown``: of unknown shape, or on elements that have no size.
    """

    ops: tuple[FusedOp, ...]
    rejected: tuple[Rejected, ...]
    unknown: tuple[OpCall, ...] = ()


@frozen(kw_only=True)
class FusedLayer:
    """One group as the fuse step reports it; None is unknown."""

    name: str
    op: str
    pattern: str
    layers: tuple[str, ...]
    dtype: str
    macs: int | None
    elementwise_flops: int | None
    input_bytes: int
    weight_bytes: int
    output_bytes: int


@frozen(kw_only=True)
class FusionReport:
    """The result of the fuse step."""

    model: str
    ops: tuple[FusedLayer, ...]
    rejected: tuple[Rejected, ...]
    unknown: tuple[str, ...]  # nodes whose tensors have no known size: in no group
