"""Cut rules of ops that take some places of an axis, or add some: Slice, Gather, Pad."""

import numpy as np

from qreg.records import OpCall
from qreg_prune.records import OUT, Change, End, Kept, Tie

Ties = tuple[Tie, ...]


def cut_out(call: OpCall) -> Ties:
    """Slice: contiguous places of an axis; an axis that is taken in strides stays whole.

    Source: ONNX Slice-13.
    """
    bounds = _bounds(call)
    if bounds is None:
        return ()
    ties = []
    for axis, size in enumerate(call.input(0).shape):
        taken = np.arange(size)[slice(*bounds[axis])] if axis in bounds else np.arange(size)
        if axis not in bounds or bounds[axis][2] == 1:
            rest = np.setdiff1d(np.arange(size), taken)
            ties += [Tie((End(0, axis, taken), End(OUT, axis))), Tie((End(0, axis, rest),))]
    return tuple(ties)


def cut_bounds(call: OpCall, kept: Kept) -> Change:
    """Where the slice starts and ends among the places that are left."""
    bounds, sizes = _bounds(call), call.input(0).shape
    assert bounds is not None
    starts, ends = [], []
    for axis, bound in bounds.items():
        taken = np.arange(sizes[axis])[slice(*bound)]
        bounded = list(bound[:2])
        if len(kept.places[0][axis]) < sizes[axis] and len(taken):
            bounded = np.searchsorted(kept.places[0][axis], [taken[0], taken[-1] + 1]).tolist()
        starts.append(bounded[0])
        ends.append(bounded[1])
    if call.opset < 10:
        return Change(attributes={"starts": tuple(starts), "ends": tuple(ends)})
    return Change({i: np.array(v, np.int64) for i, v in ((1, starts), (2, ends))})


def gather(call: OpCall) -> Ties:
    """Places by a constant list without repetition; or rows of a table, whose columns may leave.

    Source: ONNX Gather-13.
    """
    data, places = call.input(0), call.input(1)
    axis = call.attribute("axis", 0) % len(data.shape)
    ties = [
        Tie((End(0, a), End(OUT, a if a < axis else a + len(places.shape) - 1)))
        for a in range(len(data.shape))
        if a != axis
    ]
    if places.value is None or len(places.shape) != 1:
        own = [Tie((End(1, a), End(OUT, axis + a))) for a in range(len(places.shape))]
        return (*ties, *own) if places.value is None else tuple(ties)
    listed = places.numpy() % data.shape[axis]
    if len(np.unique(listed)) < len(listed):
        return tuple(ties)
    rest = np.setdiff1d(np.arange(data.shape[axis]), listed)
    return (*ties, Tie((End(0, axis, listed), End(OUT, axis))), Tie((End(0, axis, rest),)))


def gathered(call: OpCall, kept: Kept) -> Change:
    """The list, in numbers of the places that are left."""
    data, places = call.input(0), call.input(1)
    axis = call.attribute("axis", 0) % len(data.shape)
    if places.value is None or len(kept.places[0][axis]) == data.shape[axis]:
        listed = None if places.value is None or len(places.shape) != 1 else places.numpy()
        return Change() if listed is None else Change({1: listed[kept.places[OUT][axis]]})
    listed = (places.numpy() % data.shape[axis])[kept.places[OUT][axis]]
    return Change({1: np.searchsorted(kept.places[0][axis], listed).astype(places.numpy().dtype)})


def pad(call: OpCall) -> Ties:
    """Padding with a constant value may leave; an axis padded otherwise stays whole.

    Source: ONNX Pad-21.
    """
    amounts = _amounts(call)
    if amounts is None:
        return ()
    constant = call.attribute("mode", "constant") == "constant"
    ties = []
    for axis, (size, (before, after)) in enumerate(zip(call.input(0).shape, amounts, strict=True)):
        if min(before, after) < 0 or (max(before, after) and not constant):
            continue
        inside = np.arange(before, before + size)
        border = np.setdiff1d(np.arange(before + size + after), inside)
        ties += [Tie((End(0, axis), End(OUT, axis, inside))), Tie((End(OUT, axis, border),))]
    return tuple(ties)


def padded(call: OpCall, kept: Kept) -> Change:
    """How much is left to add before and after."""
    amounts, sizes = _amounts(call), call.input(0).shape
    assert amounts is not None
    before = [int((p < a).sum()) for p, (a, _) in zip(kept.places[OUT], amounts, strict=True)]
    ends = [a + n for n, (a, _) in zip(sizes, amounts, strict=True)]
    after = [int((p >= e).sum()) for p, e in zip(kept.places[OUT], ends, strict=True)]
    if call.optional(1) is None:
        return Change(attributes={"pads": (*before, *after)})
    axes = _axes(call, 3)
    chosen = [*(before[a] for a in axes), *(after[a] for a in axes)]
    return Change({1: np.array(chosen, np.int64)})


def _bounds(call: OpCall) -> dict[int, tuple[int, int, int]] | None:
    """(start, end, step) by axis; None where they are computed."""
    rank = len(call.input(0).shape)
    if call.opset < 10:
        starts, ends = call.attribute("starts"), call.attribute("ends")
        axes = call.attribute("axes") or range(len(starts))
        return {a % rank: (s, e, 1) for a, s, e in zip(axes, starts, ends, strict=True)}
    if any(t is not None and t.value is None for t in call.inputs[1:]):
        return None
    starts, ends = call.input(1).numpy().tolist(), call.input(2).numpy().tolist()
    given = call.optional(4)
    steps = given.numpy().tolist() if given is not None else [1] * len(starts)
    axes = _axes(call, 3, len(starts))
    return {a: b for a, *b in zip(axes, starts, ends, steps, strict=True)}  # type: ignore[misc]


def _amounts(call: OpCall) -> list[tuple[int, int]] | None:
    """(before, after) by axis; None where they are computed."""
    rank = len(call.input(0).shape)
    given = call.optional(1)
    if given is None:
        flat = list(call.attribute("pads", ()))
        return list(zip(flat[:rank], flat[rank:], strict=True))
    chosen = call.optional(3)
    if given.value is None or (chosen is not None and chosen.value is None):
        return None
    flat, axes = given.numpy().tolist(), _axes(call, 3)
    found = [(0, 0)] * rank
    for axis, first, last in zip(axes, flat[: len(axes)], flat[len(axes) :], strict=True):
        found[axis] = (first, last)
    return found


def _axes(call: OpCall, index: int, count: int | None = None) -> list[int]:
    """The axes that an input lists; without it the first ``count``, or all."""
    rank = len(call.input(0).shape)
    given = call.optional(index)
    if given is None:
        return list(range(rank if count is None else count))
    return [int(a) % rank for a in given.numpy()]
