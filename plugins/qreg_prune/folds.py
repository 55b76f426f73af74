"""How a sum over channels does without some of them: what they add goes elsewhere."""

from enum import IntEnum

import numpy as np
from attrs import frozen

from qreg.catalogue import Entry
from qreg.records import Array, OpCall
from qreg_channels.propagate import Analysis
from qreg_channels.state import Evaluate
from qreg_prune.records import Coupling, Groups, Tie
from qreg_prune.specs import CutRuleSpec

ROUNDING = 1e-6  # a float sum is uniform where it varies by less of its size
INT32 = 2**31


class Takes(IntEnum):
    """What leaves with a channel."""

    NOTHING = 0  # it adds exactly 0
    BIAS = 1  # one number per output channel
    BORDER = 2  # differs by position, since padding meets one number: another such can carry it
    SUM = 3  # one number per output channel, but the op has no bias: an addition after it
    MAP = 4  # differs by position: an addition after it, or constants joined on before
    NEVER = 5  # nobody can say, or there is no place for it
    UNASKED = 6  # it cannot leave anyway


@frozen(eq=False)
class Sum:
    """The sum over channels that a call computes: which input, which weight, along which axes."""

    data: int
    data_axis: int
    weight: int
    weight_axis: int
    out_axis: int


def sum_of(couplings: tuple[Coupling, ...]) -> Sum | None:
    """The sum among a rule's couplings, if there is one."""
    for coupling in couplings:
        if isinstance(coupling, Groups):
            return Sum(coupling.data, 1, coupling.weight, 0 if coupling.inputs_first else 1, 1)
        if isinstance(coupling, Tie) and coupling.into is not None:
            data, weight = coupling.ends
            return Sum(data.port, data.axis, weight.port, weight.axis, coupling.into)
    return None


def takes(
    call: OpCall,
    rule: Entry[CutRuleSpec],
    total: Sum,
    candidates: Array,
    analysis: Analysis,
    evaluate: Evaluate,
) -> Array:
    """What each candidate among the data's channels takes along when it leaves.

    BORDER is said of all that differs by position.
    """
    found = np.full(len(candidates), Takes.UNASKED)
    room = has_bias(call, rule)
    reach = 0
    ignored = _ignored(call, total.out_axis, analysis)
    for channel in np.flatnonzero(candidates):
        added = remainder(call, rule, np.array([channel]), analysis, evaluate)
        if added is not None and added.ndim:
            added = np.where(ignored, 0, added)
        found[channel] = _kind(added, total.out_axis, room)
        if found[channel] == Takes.BIAS and added is not None and added.dtype.kind == "i":
            reach += int(np.abs(added).max())
    if reach + _largest_bias(call, rule) >= INT32:
        found[found == Takes.BIAS] = Takes.NEVER
    return found


def remainder(
    call: OpCall,
    rule: Entry[CutRuleSpec],
    channels: Array,
    analysis: Analysis,
    evaluate: Evaluate,
) -> Array | None:
    """What the known values of some input channels add to the output; None for nothing."""
    if rule.spec.remainder is None:
        return np.array(np.nan)
    about = f"node {call.name!r} ({call.target})"
    added: Array | None = rule.call(
        "remainder", call, analysis.inputs(call), channels, evaluate, about=about
    )
    return added


def has_bias(call: OpCall, rule: Entry[CutRuleSpec]) -> bool:
    """Whether a vector can be added to the op's bias: one that is stored, or that it may be given."""
    if rule.spec.biased is None or rule.spec.bias is None:
        return False
    given = call.optional(rule.spec.bias)
    return given is None or given.value is not None


def _kind(added: Array | None, out_axis: int, room: bool) -> Takes:
    if added is None or not added.any():
        return Takes.NOTHING
    if not np.isfinite(added).all():
        return Takes.NEVER
    rows = np.moveaxis(added, out_axis, 0).reshape(added.shape[out_axis], -1)
    limit = 0 if rows.dtype.kind == "i" else ROUNDING * np.abs(rows).max()
    if (np.ptp(rows, axis=1) > limit).any():
        return Takes.BORDER
    return Takes.BIAS if room else Takes.SUM


def _ignored(call: OpCall, axis: int, analysis: Analysis) -> Array:
    """Output channels that nobody reads and that are not claimed to be known, to be broadcast."""
    made = call.output
    others = tuple(a for a in range(len(made.shape)) if a != axis)
    ignored = ~analysis.needed(made) & ~analysis.of(made).known
    return np.asarray(ignored.all(axis=others, keepdims=True))


def _largest_bias(call: OpCall, rule: Entry[CutRuleSpec]) -> int:
    given = None if rule.spec.bias is None else call.optional(rule.spec.bias)
    if given is None or given.value is None or not given.dtype.startswith("int"):
        return 0
    return int(np.abs(given.numpy().astype(np.int64)).max(initial=0))
