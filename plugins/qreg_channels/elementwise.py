"""States across ops that compute each element of the result from one element of each operand."""

import numpy as np

from qreg.records import Array, OpCall
from qreg_channels.rounding import rounded, spread
from qreg_channels.state import Evaluate, State, States, all_live, is_integer, state, values
from qreg_channels.zero_points import output_zero


def propagate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where every operand is, broadcast as numpy does.

    A whole number made of real ones (QuantizeLinear) is known only where rounding cannot change it.
    """
    known: Array = np.ones(call.output.shape, np.bool_)
    for operand in states:
        if operand is not None and not operand.is_constant:
            known = known & operand.known
    if not known.any():
        return all_live(call)
    value = evaluate(call, values(states))[0]
    error = _error(call, states, value, evaluate)
    if is_integer(value):
        return (state(value, known & (error == 0), output_zero(call, states)),)
    return (state(value, known, error=error),)


def boundary(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Quantising and dequantising: known where the data is; scale and zero-point are constant."""
    if not all(s is None or s.is_constant for s in states[1:]):
        return all_live(call)
    return propagate(call, states, evaluate)


def _error(call: OpCall, states: States, value: Array, evaluate: Evaluate) -> Array:
    """How far the result moves when each computed operand in turn is moved by its spread.

    For whole numbers made of real ones: how many of these moves change them.
    """
    total = np.broadcast_to(rounded(value), value.shape)
    given = values(states)
    for index, operand in enumerate(states):
        if operand is None or is_integer(operand.value) or call.input(index).value is not None:
            continue
        by = spread(operand)
        if not by.any():
            continue
        moved = [_distance(call, given, index, operand.value + step, value, evaluate)
                 for step in (by, -by)]  # fmt: skip
        total = total + np.maximum(*moved)
    return total


def _distance(
    call: OpCall,
    given: tuple[Array | None, ...],
    index: int,
    replaced: Array,
    value: Array,
    evaluate: Evaluate,
) -> Array:
    inputs = [replaced if i == index else v for i, v in enumerate(given)]
    result = evaluate(call, inputs)[0]
    found: Array
    if is_integer(value):
        found = np.not_equal(result, value).astype(np.float32)
    else:
        with np.errstate(invalid="ignore"):  # infinities: the distance is not a number, so not 0
            found = np.abs(result - value)
    return found
