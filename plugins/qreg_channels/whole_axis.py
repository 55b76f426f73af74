"""States across ops whose every result depends on the whole of some axes: softmax."""

import numpy as np

from qreg.records import OpCall
from qreg_channels.rounding import rounded, spread
from qreg_channels.state import EXACT, Evaluate, State, States, all_live, is_integer, state, values
from qreg_channels.zero_points import output_zero


def propagate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where all elements along the axes are."""
    data = states[0]
    assert data is not None
    if data.is_live or not all(s is None or s.is_constant for s in states[1:]):
        return all_live(call)
    whole = data.known.all(axis=_axes(call), keepdims=True)
    if not whole.any():
        return all_live(call)
    value = evaluate(call, values(states))[0]
    # Moving every element by at most e changes p by a factor between exp(-2e) and exp(2e).
    error = EXACT if is_integer(value) else value * np.expm1(2 * spread(data).max())
    known = np.broadcast_to(whole, data.known.shape)
    return (state(value, known, output_zero(call, states), error + 2 * rounded(value)),)


def _axes(call: OpCall) -> tuple[int, ...]:
    """One axis; before opset 13 that axis and all after it.

    The default is the last, whatever the attribute ``opset`` of the quantised form; but axis 1 in
    the float form before 13. Source: ONNX Softmax-1, Softmax-13; com.microsoft QLinearSoftmax-1.
    """
    rank = len(call.input(0).shape)
    opset = call.attribute("opset", call.opset)
    last = opset >= 13 or call.target == "com.microsoft.QLinearSoftmax"
    axis = call.attribute("axis", -1 if last else 1) % rank
    return (axis,) if opset >= 13 else tuple(range(axis, rank))
