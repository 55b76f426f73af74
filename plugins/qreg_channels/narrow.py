"""Rules applied where something is known, and once where it repeats: the rest is much, and alike.

Constant channels that meet padding differ at the border only. Of such a map the corners, a piece of
each edge and one place inside are computed.
"""

from collections.abc import Sequence
from functools import wraps
from math import prod

import numpy as np
from attrs import evolve, frozen

from qreg.records import Array, OpCall, Tensor
from qreg_channels.state import Evaluate, Propagate, State, States, all_live
from qreg_channels.uniform import (
    SPATIAL,
    Repeated,
    along,
    compact,
    repeated,
    stretched,
    unfolded,
    whole,
)

LEAST = 4096  # elements that are worth the trouble
SAMPLE = 4  # channels that tell most tensors apart whose places are all different


@frozen(eq=False)
class Fold:
    """Which channels are kept, and for each axis of places which kind every place is."""

    chosen: Array
    kinds: tuple[Array, ...]
    first: tuple[Array, ...]  # where each kind stands first

    @property
    def folds(self) -> bool:
        return any(len(f) < len(k) for f, k in zip(self.first, self.kinds, strict=True))

    def shape(self, whole: Sequence[int]) -> tuple[int, ...]:
        count = int(np.count_nonzero(self.chosen))
        return (whole[0], count if whole[1] != 1 else 1,
                *(min(n, len(p)) for n, p in zip(whole[SPATIAL:], self.first, strict=True)))  # fmt: skip

    def small(self, array: Array | Repeated) -> Array:
        """The array folded; axes that are stored once stay so."""
        shape = self.shape(array.shape)
        places: Sequence[Array] = self.first
        if isinstance(array, Repeated):
            pairs = zip(array.kinds, self.first, strict=True)
            places = [k if len(k) == 1 else k[f] for k, f in pairs]
            array = array.small
        found = compact(array)
        if found.shape[1] != 1:
            found = found[:, self.chosen]
        return stretched(unfolded(found, places, _places(found, places)), shape)

    def whole(self, array: Array, rest: Array, shape: tuple[int, ...]) -> Array | Repeated:
        """The folded array among ``rest`` in the channels left out."""
        found = compact(array)
        found = stretched(found, (len(found), array.shape[1], *found.shape[SPATIAL:]))
        if not self.chosen.all():
            among = np.full((len(found), len(self.chosen), *found.shape[SPATIAL:]), rest)
            among[:, self.chosen] = found
            found = among
        if found.shape[SPATIAL:] == (1,) * len(self.kinds) or not self.folds:
            return stretched(found, shape)
        return Repeated(found, self.kinds, shape)


def folded(rule: Propagate) -> Propagate:
    """``rule`` of an op that takes each element alone, and is known only where all operands are."""
    return _folded(rule)


def folded_where_any(rule: Propagate) -> Propagate:
    """The same where one operand may settle a result alone: a factor that is zero."""
    return _folded(rule, alone=True)


def folded_by_channel(rule: Propagate) -> Propagate:
    """The same where operands of one axis hold a number for each channel: batch norms."""
    return _folded(rule, vectors=True)


def _folded(rule: Propagate, vectors: bool = False, alone: bool = False) -> Propagate:
    """It sees a smaller call."""

    @wraps(rule)
    def smaller(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
        fold = _fold(call, states, vectors, alone)
        if fold is None:
            return rule(call, states, evaluate)
        if not fold.chosen.any():
            return all_live(call)
        small = tuple(s and _small(s, fold) for s in states)
        inputs = tuple(t and _sized(t, s) for t, s in zip(call.inputs, small, strict=True))
        outputs = tuple(evolve(t, shape=fold.shape(t.shape)) if t.name else t for t in call.outputs)
        found = rule(evolve(call, inputs=inputs, outputs=outputs), small, evaluate)
        return tuple(
            _whole(f, fold, t.shape) if t.name else f
            for f, t in zip(found, call.outputs, strict=True)
        )

    return smaller


def _fold(call: OpCall, states: States, vectors: bool, alone: bool) -> Fold | None:
    """None where there is little to do, or operands run along the channels in ways of their own."""
    shape = call.output.shape
    if len(shape) <= SPATIAL or any(t.name and t.shape != shape for t in call.outputs):
        return None
    every: Array = np.ones(shape[1], np.bool_)
    some: Array = np.zeros(shape[1], np.bool_)  # a norm's scale of zero settles a channel
    parts: list[Array | Repeated] = []
    for operand in states:
        if vectors and operand is not None and operand.shape == shape[1:2]:
            some = some | (operand.value == 0)
        elif operand is None or prod(operand.shape) == 1:
            if alone:
                return None  # a number may settle every channel
        elif len(operand.shape) == len(shape) and operand.shape[0] == shape[0]:
            known = along(operand.known, 1)
            every, some = every & known, some | known if alone else some
            parts += [p for p in (*operand.stored, operand.known) if p.shape]
        else:
            return None
    maps = [p for p in parts if isinstance(p, Repeated)]
    arrays = [compact(p) for p in parts if not isinstance(p, Repeated)]
    if not maps and max((a.size for a in arrays), default=0) < LEAST:
        return None
    chosen = every | some
    runs = _runs([a if a.shape[1] == 1 else a[:, chosen] for a in arrays], maps, shape)
    kinds = tuple(np.cumsum(starts) - 1 for starts in runs)
    return Fold(chosen, kinds, tuple(np.flatnonzero(starts) for starts in runs))


def _runs(arrays: list[Array], maps: Sequence[Repeated], shape: Sequence[int]) -> list[Array]:
    """For each axis of places where something differs from the place before."""
    found = []
    for axis in range(SPATIAL, len(shape)):
        size = shape[axis]
        starts = _starts([a[:, :: -(-a.shape[1] // SAMPLE)] for a in arrays if a.size], axis, size)
        for kinds in (m.kinds[axis - SPATIAL] for m in maps if m.small.shape[axis] > 1):
            starts[1:] |= kinds[1:] != kinds[:-1]
        if 2 * np.count_nonzero(starts) > size:
            starts[:] = True
        else:
            starts |= _starts(arrays, axis, size)
        first = np.flatnonzero(starts)
        arrays = [a if a.shape[axis] == 1 else a.take(first, axis) for a in arrays]
        found.append(starts)
    return found


def _starts(arrays: Sequence[Array], axis: int, size: int) -> Array:
    starts: Array = np.arange(size) == 0
    for array in arrays:
        if array.shape[axis] > 1:
            moved = np.moveaxis(array, axis, 0)
            differs = (moved[1:] != moved[:-1]).reshape(size - 1, -1)
            starts[1:] |= differs.any(1)
    return starts


def _small(operand: State, fold: Fold) -> State:
    if operand.shape == fold.chosen.shape:
        value, known, error = (
            a[fold.chosen] if a.ndim else a for a in (operand.value, operand.known, operand.error)
        )
        return State(value, known, operand.zero, error)
    if len(operand.shape) <= SPATIAL:
        return operand
    kept, off = operand.stored
    return State(
        fold.small(kept),
        fold.small(operand.known),
        operand.zero,
        fold.small(off) if off.shape else operand.error,
    )


def _places(found: Array, places: Sequence[Array]) -> tuple[int, ...]:
    sizes = found.shape[SPATIAL:]
    return (*found.shape[:SPATIAL],
            *(1 if n == 1 else len(p) for n, p in zip(sizes, places, strict=True)))  # fmt: skip


def _sized(tensor: Tensor, operand: State | None) -> Tensor:
    return tensor if operand is None else evolve(tensor, shape=operand.shape)


def _whole(found: State, fold: Fold, shape: tuple[int, ...]) -> State:
    """The state of all channels and places: channels left out are live."""
    rest = np.asarray(found.zero or 0, found.dtype)
    known = whole(fold.whole(repeated(found.known), np.zeros((), np.bool_), shape))
    if not found.error.ndim:
        return State(fold.whole(found.value, rest, shape), known, found.zero)
    error = fold.whole(found.error, np.zeros((), found.error.dtype), shape)
    return State(fold.whole(found.value, rest, shape), known, found.zero, error)
