"""A group of ops as one: what crosses its border, and what it costs."""

from typing import TypeAlias

from qreg.catalogue import Catalogue, Entry
from qreg.records import Cost, OpCall
from qreg.specs import FusionPatternSpec
from qreg_cost.estimate_cost import cost_of, sum_of
from qreg_cost.stored import stored_tensors
from qreg_fusion.records import FusedOp

Pattern: TypeAlias = Entry[FusionPatternSpec]


def fused_op(calls: tuple[OpCall, ...], pattern: Pattern | None, catalogue: Catalogue) -> FusedOp:
    """The record of ``calls``: only what they read from outside and what the last makes is moved."""
    made = {t.name for call in calls for t in call.outputs}
    read = {t.name: t for call in calls for t in call.activations if t.name not in made}
    stored = {t.name: t for call in calls for t in stored_tensors(call)}
    first = next(iter((*calls[0].activations, *calls[0].parameters, *calls[0].outputs)))
    return FusedOp(
        name=calls[0].name,
        pattern=pattern.id if pattern else "",
        calls=calls,
        cost=_cost(calls, pattern, catalogue),
        dtype=first.dtype,
        input_bytes=sum(t.bytes for t in read.values()),
        weight_bytes=sum(t.bytes for t in stored.values()),
        output_bytes=sum(t.bytes for t in calls[-1].outputs),
    )


def accepts(pattern: Pattern, calls: tuple[OpCall, ...]) -> bool:
    """Whether the pattern's own condition, where it has one, holds for ``calls``."""
    if pattern.spec.accept is None:
        return True
    return bool(pattern.call("accept", calls, about=_place(calls)))


def _cost(calls: tuple[OpCall, ...], pattern: Pattern | None, catalogue: Catalogue) -> Cost | None:
    """The pattern's own estimate, else the sum of its ops; None where one is unknown."""
    if pattern is not None and pattern.spec.estimate is not None:
        cost = pattern.call("estimate", calls, about=_place(calls))
        if not isinstance(cost, Cost):
            raise pattern.wrong("estimate", cost, _place(calls))
        return cost
    costs = [cost_of(call, catalogue) for call in calls]
    known = tuple(cost for cost in costs if cost is not None)
    return sum_of(known) if len(known) == len(costs) else None


def _place(calls: tuple[OpCall, ...]) -> str:
    return f"layers {', '.join(c.name for c in calls)}"
