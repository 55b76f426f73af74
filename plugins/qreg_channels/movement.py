"""States across ops that move elements and compute nothing.

The same op moves values, masks and errors.
"""

from collections.abc import Callable, Sequence

import numpy as np
from attrs import evolve

from qreg.records import Array, OpCall
from qreg_channels.state import EXACT, Evaluate, State, States, all_live, state, values

Move = Callable[[list[Array]], Sequence[Array]]  # the op as a function of the data alone


def propagate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Ops that move their first input; the others say where to."""
    data, *others = states
    if data is None or data.is_live or not _constant(others):
        return all_live(call)
    where = values(tuple(others))
    return _moved(call, [data], lambda parts: evaluate(call, (*parts, *where)))


def join(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Ops that put all their inputs into one result."""
    parts = [s for s in states if s is not None]
    if all(part.is_live for part in parts):
        return all_live(call)
    return _moved(call, parts, lambda arrays: evaluate(call, arrays))


def pad(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Padding is known where its value is; the rest moves. Source: ONNX Pad-2, Pad-11."""
    data, *others = states
    amounts, fill, axes = (*others, None, None, None)[:3]
    if data is None or not _constant((amounts, axes)):
        return all_live(call)

    def padded(array: Array, value: Array) -> Array:
        if amounts is None:  # before opset 11 amounts and value are attributes
            attributes = {**call.attributes, "value": float(value)}
            return evaluate(evolve(call, attributes=attributes), (array,))[0]
        axis = () if axes is None else (axes.value,)
        return evaluate(call, (array, amounts.value, value.astype(array.dtype), *axis))[0]

    given = np.asarray(call.attribute("value", 0.0)) if fill is None else fill.value.reshape(())
    certain = np.asarray(fill is None or fill.is_constant)
    known = padded(data.known.astype(data.value.dtype), certain) != 0
    error = padded(_error_of(data), EXACT) if data.error.any() else EXACT
    return (state(padded(data.value, given), known, data.zero, error),)


def _constant(states: Sequence[State | None]) -> bool:
    return all(s is None or s.is_constant for s in states)


def _moved(call: OpCall, parts: Sequence[State], move: Move) -> tuple[State, ...]:
    found = move([part.value for part in parts])
    masks = move([part.known.astype(part.value.dtype) for part in parts])
    if not any(mask.any() for mask in masks):
        return all_live(call)
    exact = not any(part.error.any() for part in parts)
    errors = [EXACT] * len(found) if exact else move([_error_of(part) for part in parts])
    zeros = {part.zero for part in parts}
    zero = zeros.pop() if len(zeros) == 1 else None
    return tuple(state(v, m != 0, zero, e) for v, m, e in zip(found, masks, errors, strict=True))


def _error_of(part: State) -> Array:
    return np.broadcast_to(part.error.astype(part.value.dtype), part.value.shape)
