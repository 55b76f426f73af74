"""A group of ops as one: what crosses its border, and what it costs."""

from typing import Any, TypeAlias

from qreg.catalogue import Catalogue, Entry, cause_of
from qreg.errors import QregError
from qreg.records import Cost, OpCall
from qreg.specs import FusionPatternSpec, Ref
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


def asked(pattern: Pattern, ref: Ref, calls: tuple[OpCall, ...]) -> Any:
    """What a pattern's own function says of ``calls``; its fault is told with the plugin's name."""
    function = ref.load()
    try:
        return function(calls)
    except Exception as exc:
        raise QregError(
            f"fusion pattern {pattern.id} ({pattern.distribution}) fails on "
            f"{', '.join(c.name for c in calls)}: {cause_of(exc)}"
        ) from exc


def _cost(calls: tuple[OpCall, ...], pattern: Pattern | None, catalogue: Catalogue) -> Cost | None:
    """The pattern's own estimate, else the sum of its ops; None where one is unknown."""
    if pattern is not None and pattern.spec.estimate is not None:
        cost: Cost = asked(pattern, pattern.spec.estimate, calls)
        return cost
    costs = [cost_of(call, catalogue) for call in calls]
    known = tuple(cost for cost in costs if cost is not None)
    return sum_of(known) if len(known) == len(costs) else None
