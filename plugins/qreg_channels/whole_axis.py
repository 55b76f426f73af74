"""States across ops whose every result depends on the whole of some axes: softmax."""

import numpy as np

from qreg.records import Array, OpCall
from qreg_channels.elementwise import exactly, is_step, reach
from qreg_channels.rounding import rounded
from qreg_channels.state import EXACT, Evaluate, State, States, all_live, state, values
from qreg_channels.zero_points import output_zero


def propagate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where all elements along the axes are; and beside any number, minus infinity gives 0.

    Moving every element by at most e changes a softmax p by a factor between exp(-2e) and exp(2e),
    and its logarithm by at most 2e.
    """
    data = states[0]
    assert data is not None
    if data.is_live or not all(s is None or s.is_constant for s in states[1:]):
        return all_live(call)
    axes = set_axes(call)
    certain = np.broadcast_to(data.known.all(axis=axes, keepdims=True), data.known.shape)
    certain = certain | _masked_away(data, axes)
    if not certain.any():
        return all_live(call)
    value = evaluate(call, values(states))[0]
    if is_step(value):
        return (state(value, certain, output_zero(call, states)),)
    off = 2 * reach(data).max(axis=axes, keepdims=True)
    with np.errstate(over="ignore", invalid="ignore"):
        moved = off if "log" in call.op.lower() else np.abs(value) * np.expm1(off)
        error = np.where(np.isinf(value), EXACT, moved + 2 * rounded(value))
        certain = certain & np.isfinite(error) & ~np.isnan(value)
    return (state(value, certain, error=error),)


def largest(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Which is the largest along an axis: known where all elements are, without any error."""
    data = states[0]
    assert data is not None
    whole = np.broadcast_to(data.known.all(axis=set_axes(call), keepdims=True), data.known.shape)
    return exactly(call, (state(data.value, whole, data.zero, data.error),), evaluate)


def _masked_away(data: State, axes: tuple[int, ...]) -> Array:
    """Known minus infinities that have something else beside them: what is live is finite."""
    if is_step(data.value) or not np.isneginf(data.value).any():
        return np.zeros((), np.bool_)
    away = data.known & np.isneginf(data.value)
    return away & ~away.all(axis=axes, keepdims=True)


def set_axes(call: OpCall) -> tuple[int, ...]:
    """One axis; before opset 13 that axis and all after it.

    The default is the last, whatever the attribute ``opset`` of the quantised form; but axis 1 in
    the float form before 13. Source: ONNX Softmax-1, Softmax-13; com.microsoft QLinearSoftmax-1.
    """
    rank = len(call.input(0).shape)
    if call.target.startswith("aten."):
        return (call.attribute("dim") % rank,) if rank else ()
    opset = call.attribute("opset", call.opset)
    last = opset >= 13 or call.target == "com.microsoft.QLinearSoftmax"
    axis = call.attribute("axis", -1 if last else 1) % rank
    return (axis,) if opset >= 13 else tuple(range(axis, rank))
