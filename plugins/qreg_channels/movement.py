"""States across ops that move elements and compute nothing.

The same op moves values, masks and errors.
"""

from collections.abc import Callable, Sequence

import numpy as np
from attrs import evolve

from qreg.records import Array, OpCall
from qreg_channels.elementwise import alike, cut, whole
from qreg_channels.state import (
    EXACT,
    Evaluate,
    State,
    States,
    all_live,
    constant,
    is_integer,
    live,
    state,
    values,
)

SMALL = 1e-4  # a number that 16-bit types hold

Move = Callable[[list[Array]], Sequence[Array]]  # the op as a function of the data alone


def propagate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Ops that move their first input; the others say where to."""
    data, *others = states
    if data is None or data.is_live or not all_constant(others):
        return all_live(call)
    where = values(tuple(others))
    return moved(call, [data], lambda parts: evaluate(call, (*parts, *where)))


def as_other(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Ops that move their first input into the shape of the second, whose numbers do not matter."""
    return propagate(call, (states[0], *map(_settled, states[1:])), evaluate)


def join(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Ops that put all their inputs into one result."""
    parts = [s for s in states if s is not None]
    if all(part.is_live for part in parts):
        return all_live(call)
    return moved(call, parts, lambda arrays: evaluate(call, arrays))


def concatenate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Parts side by side along one axis; what is alike along another is put together once.

    Source: ONNX Concat-13; PyTorch, torch.cat, which leaves empty tensors of one axis out.
    """
    rank = len(call.output.shape)
    axis = call.attribute("axis", call.attribute("dim", 1)) % rank
    parts = tuple(s for s in states if s is not None and s.value.ndim == rank)
    if all(part.is_live for part in parts):
        return all_live(call)
    together = set.intersection(*(set(alike((s,), s.value.shape)) for s in parts)) - {axis}
    small = [cut(s, sorted(together)) for s in parts]
    zeros = {s.zero for s in parts}
    shapes = [s.value.shape for s in small]
    value, known, error = (
        np.concatenate([np.broadcast_to(a, n) for a, n in zip(arrays, shapes, strict=True)], axis)
        for arrays in zip(*((s.value, s.known, s.error) for s in small), strict=True)
    )
    zero = zeros.pop() if len(zeros) == 1 else None
    return (whole(call.output.shape, value, known, error, zero),)


def scatter(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Ops that put their last input into their first, at constant places, each once or alike."""
    data, *places, updates = states
    adds = call.attribute("reduction", "none") != "none" or call.attribute("accumulate", False)
    if data is None or updates is None or adds or not all_constant(places):
        return all_live(call)
    if data.is_live and updates.is_live:
        return all_live(call)
    where = values(tuple(places))
    return moved(call, [data, updates], lambda parts: evaluate(call, (parts[0], *where, parts[1])))


def dropout(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """The data itself where nothing is being trained."""
    data = states[0]
    if data is None or _trains(call, states):
        return all_live(call)
    return (data, *(live(tensor) for tensor in call.outputs[1:]))


def pad(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Padding is known where its value is; the rest moves. Source: ONNX Pad-2, Pad-11."""
    data, *others = states
    amounts, fill, axes = (*others, None, None, None)[:3]
    if data is None or not all_constant((amounts, axes)):
        return all_live(call)

    def padded(array: Array, value: Array) -> Array:
        if amounts is None:  # before opset 11 amounts and value are attributes
            return _with_value(call, array, value, evaluate)
        axis = () if axes is None else (axes.value,)
        return evaluate(call, (array, amounts.value, value.astype(array.dtype), *axis))[0]

    given = np.asarray(call.attribute("value", 0.0)) if fill is None else fill.value.reshape(())
    certain = np.asarray(fill is None or fill.is_constant)
    return _padded(data, given, certain, padded)


def pad_by_number(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Padding with an attribute. Source: PyTorch, torch.nn.functional.pad."""
    data = states[0]
    if data is None or call.attribute("mode", "constant") != "constant":
        return propagate(call, states, evaluate)
    given = np.asarray(call.attribute("value") or 0.0)
    return _padded(data, given, np.asarray(True), lambda a, v: _with_value(call, a, v, evaluate))


def made(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Ops that look at the shape of their first input only: every result is known."""
    value = evaluate(call, values(states))[0]
    return (constant(value), *(live(tensor) for tensor in call.outputs[1:]))


def all_constant(states: Sequence[State | None]) -> bool:
    return all(s is None or s.is_constant for s in states)


def moved(call: OpCall, parts: Sequence[State], move: Move) -> tuple[State, ...]:
    """The states of what ``move`` makes of ``parts``."""
    found = move([part.value for part in parts])
    masks = move([part.known.astype(part.value.dtype) for part in parts])
    if not any(mask.any() for mask in masks):
        return all_live(call)
    exact = not any(part.error.any() for part in parts)
    errors = [EXACT] * len(found) if exact else move([_error_of(part) for part in parts])
    zeros = {part.zero for part in parts}
    zero = zeros.pop() if len(zeros) == 1 else None
    return tuple(state(v, m != 0, zero, e) for v, m, e in zip(found, masks, errors, strict=True))


def _settled(other: State | None) -> State | None:
    return None if other is None else constant(other.value)


def _trains(call: OpCall, states: States) -> bool:
    """Whether a dropout drops anything. Source: ONNX Dropout-1, -7, -12; PyTorch, dropout."""
    if call.target.startswith("aten."):
        return call.attribute("train") is not False
    if call.opset < 7:
        return not call.attribute("is_test", 0)
    flag = states[2] if len(states) > 2 else None
    return flag is not None and not (flag.is_constant and not flag.value.any())


def _padded(
    data: State, given: Array, certain: Array, padded: Callable[[Array, Array], Array]
) -> tuple[State, ...]:
    """``padded(array, fill)`` of values, masks (filled with ``certain``) and errors."""
    known = padded(data.known.astype(data.value.dtype), certain) != 0
    error = padded(_error_of(data), EXACT) if data.error.any() else EXACT
    return (state(padded(data.value, given), known, data.zero, error),)


def _with_value(call: OpCall, array: Array, value: Array, evaluate: Evaluate) -> Array:
    attributes = {**call.attributes, "value": float(value)}
    return evaluate(evolve(call, attributes=attributes), (array,))[0]


def _error_of(part: State) -> Array:
    """The error in the type of the data, where a small one must not become none."""
    found = part.error.astype(part.value.dtype)
    if found.dtype.itemsize < 4 and not is_integer(part.value):
        found = np.where((part.error > 0) & (found == 0), SMALL, found).astype(found.dtype)
    return np.broadcast_to(found, part.value.shape)
