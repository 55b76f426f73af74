"""States across ops that compute each element of the result from one element of each operand."""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from attrs import evolve

from qreg.records import Array, OpCall
from qreg_channels.narrow import folded
from qreg_channels.rounding import rounded, spread
from qreg_channels.state import (
    EXACT,
    Evaluate,
    State,
    States,
    all_live,
    live,
    state,
    values,
)
from qreg_channels.uniform import compact
from qreg_channels.zero_points import output_zero

EVERYWHERE: Array = np.ones((), np.bool_)
PIECEWISE = ("hardsigmoid", "hardswish")  # zero is reached by clipping
JOINT = 3  # up to so many operands are moved at a time; more only in sums, maxima and means


@folded
def propagate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where every operand is, broadcast as numpy does.

    A whole number made of real ones (QuantizeLinear) is known only where rounding cannot change it.
    """
    return claimed(call, states, all_known(states), evaluate)


def smooth(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """As ``propagate`` for functions that programs compute in steps: erf, gelu, elu, softplus.

    A step may cancel, as 1 + erf(x) does, and leave a rounding of 1 or of x in a result near zero.
    A function of exactly zero is what it is.
    """
    first, *rest = propagate(call, states, evaluate)
    if first.is_live:
        return (first, *rest)
    size = sum((np.abs(compact(s.value)) for s in states if s is not None), EXACT)
    steps = np.where(size > 0, rounded(1 + size), 0)
    if call.op.lower() in PIECEWISE:
        steps = np.where(compact(first.value) == 0, 0, steps)
    error = compact(first.error) + steps
    return (evolve(first, error=np.broadcast_to(error, first.value.shape)), *rest)


def exactly(
    call: OpCall, states: States, evaluate: Evaluate, where: Array = EVERYWHERE
) -> tuple[State, ...]:
    """Known where every operand is without any error: for ops that jump or have poles (Mod, Tan)."""
    known = all_known(states) & where
    for index, operand in enumerate(states):
        if operand is not None and moves(call, index, operand):
            known = known & (compact(reach(operand)) == 0)
    return claimed(call, states, known, evaluate)


def boundary(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Quantising and dequantising: known where the data is; scale and zero-point are constant."""
    if not all(s is None or s.is_constant for s in states[1:]):
        return all_live(call)
    return propagate(call, states, evaluate)


def all_known(states: States) -> Array:
    """Where every operand is known; constants may be broadcast otherwise than numpy does."""
    known: Array = np.ones((), np.bool_)
    for operand in states:
        if operand is not None and not operand.is_constant:
            known = known & compact(operand.known)
    return known


def claimed(call: OpCall, states: States, known: Array, evaluate: Evaluate) -> tuple[State, ...]:
    """What the op computes from ``states``, where ``known`` says so and rounding leaves it a value.

    ``known`` broadcasts to the output. It may hold where an operand is live if whatever stands there
    does not matter.
    """
    if not known.any():
        return all_live(call)
    shape = call.output.shape
    known = np.broadcast_to(known, shape)
    axes = alike(states, shape)
    states = tuple(s and cut(s, axes) for s in states)
    known = _cut(known, axes) if set(axes) <= _alike(known) else known
    value = evaluate(call, values(states))[0]
    error = _error(call, states, value, evaluate)
    if is_step(value):
        certain = known & (error == 0) & _finite(states)
        first = whole(shape, value, certain, EXACT, output_zero(call, states))
    else:
        with np.errstate(invalid="ignore"):
            bounded = known & np.isfinite(error) & ~np.isnan(value)
        first = whole(shape, value, bounded, np.where(bounded, error, EXACT), 0)
    return (first, *(live(tensor) for tensor in call.outputs[1:]))


def alike(states: States, shape: Sequence[int]) -> tuple[int, ...]:
    """The axes of an op's result along which all its operands, and so the result, are alike.

    None where an operand has other axes: not every op aligns them as numpy does.
    """
    axes = set(range(len(shape)))
    for operand in states:
        if operand is None or operand.value.size == 1:
            continue
        if operand.value.ndim != len(shape):
            return ()
        arrays = (operand.value, operand.known, *((operand.error,) if operand.error.ndim else ()))
        for array in arrays:
            axes &= _alike(array)
    return tuple(sorted(axes))


def cut(found: State, axes: Sequence[int]) -> State:
    """The state with only the first along ``axes``."""
    if not axes or found.value.ndim <= max(axes):
        return found
    error = _cut(found.error, axes) if found.error.ndim else found.error
    return evolve(found, value=_cut(found.value, axes), known=_cut(found.known, axes), error=error)


def whole(
    shape: Sequence[int], value: Array, known: Array, error: Array, zero: float | None
) -> State:
    """The state of a result from its different parts."""
    known = np.broadcast_to(known, np.broadcast_shapes(known.shape, value.shape))
    value = np.broadcast_to(value, known.shape)
    small = state(value, known, zero, np.broadcast_to(error, known.shape) if error.ndim else error)
    wide = np.broadcast_to(small.error, shape) if small.error.ndim else small.error
    return evolve(
        small,
        value=np.broadcast_to(small.value, shape),
        known=np.broadcast_to(small.known, shape),
        error=wide,
    )


def is_step(value: Array) -> bool:
    """Whether results are whole numbers or truths, which are right or wrong but never near."""
    return _is_step(value.dtype)


@cache  # numpy takes a while to say so
def _is_step(dtype: np.dtype[Any]) -> bool:
    return dtype.name.startswith(("int", "uint", "bool"))  # int4 too


def moves(call: OpCall, index: int, operand: State) -> bool:
    """Whether rounding may move an operand: it is real, and computed."""
    return not is_step(operand.value) and call.input(index).value is None


def reach(operand: State) -> Array:
    """How far an operand may be from its value; infinities stay where they are."""
    infinite = np.isinf(compact(operand.value))
    if not infinite.any():
        return spread(operand)
    return np.where(np.isinf(operand.value), 0, spread(operand)).astype(operand.value.dtype)


def _alike(array: Array) -> set[int]:
    return {a for a, (size, stride) in enumerate(zip(array.shape, array.strides, strict=True))
            if size == 1 or stride == 0}  # fmt: skip


def _cut(array: Array, axes: Sequence[int]) -> Array:
    where = tuple(slice(0, 1) if a in axes else slice(None) for a in range(array.ndim))
    return array[where]


def _error(call: OpCall, states: States, value: Array, evaluate: Evaluate) -> Array:
    """How far the result moves when computed operands are moved by their reach.

    What an op adds, multiplies, or is monotone in, is farthest at a corner. For whole numbers and
    truths: how many corners change them.
    """
    reaches = {
        index: reach(operand)
        for index, operand in enumerate(states)
        if operand is not None and moves(call, index, operand)
    }
    reaches = {index: by for index, by in reaches.items() if compact(by).any()}
    groups = [tuple(reaches)] if len(reaches) <= JOINT else [(index,) for index in reaches]
    total: Array = _own_rounding(value)
    for group in groups:
        farthest: Array = EXACT
        for signs in product((1, -1), repeat=len(group)) if group else ():
            steps = {i: sign * reaches[i] for i, sign in zip(group, signs, strict=True)}
            farthest = np.maximum(farthest, _distance(call, states, steps, value, evaluate))
        total = total + farthest
    return total


def _own_rounding(value: Array) -> Array:
    """Of the result itself; infinities have none."""
    if is_step(value) or not np.isinf(value).any():
        return rounded(value)
    return np.where(np.isinf(value), 0, rounded(value))


def _distance(
    call: OpCall, states: States, steps: Mapping[int, Array], value: Array, evaluate: Evaluate
) -> Array:
    """How far from ``value`` the op comes with operands moved by ``steps``; NaN where that is NaN."""
    inputs = [
        given + steps[index] if given is not None and index in steps else given
        for index, given in enumerate(values(states))
    ]
    result = evaluate(call, inputs)[0]
    found: Array
    if is_step(value):
        found = np.not_equal(result, value).astype(np.float32)
    else:
        with np.errstate(invalid="ignore", over="ignore"):
            found = np.where(result == value, 0, np.abs(result - value))
    return found


def _finite(states: States) -> Array:
    """Where every real operand is: what becomes of an infinity as a whole number is nobody's word."""
    found: Array = np.ones((), np.bool_)
    for operand in states:
        if operand is not None and not is_step(operand.value) and operand.value.dtype != object:
            finite = np.isfinite(operand.value)
            if not finite.all():
                found = found & finite
    return found
