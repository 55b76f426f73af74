"""States across pooling: a result is known where no element of its window is live."""

import numpy as np

from qreg.records import Array, OpCall
from qreg_channels.masks import as_float, float_form
from qreg_channels.rounding import spread
from qreg_channels.state import (
    EXACT,
    Evaluate,
    State,
    States,
    all_live,
    is_integer,
    live,
    state,
    values,
)
from qreg_channels.zero_points import output_zero


def propagate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Average and maximum, over windows or over all positions. Positions of maxima are live."""
    data = states[0]
    assert data is not None
    scales_known = all(s is None or s.is_constant for s in states[1:])
    if data.is_live or not scales_known or call.attribute("channels_last", 0):
        return all_live(call)
    target = "" if call.target.startswith("onnx.") else "onnx." + call.op.removeprefix("QLinear")
    form = float_form(call, target, without=("channels_last",))
    known: Array = evaluate(form, (as_float(~data.known),))[0] == 0
    value = evaluate(call, values(states))[0]
    error = EXACT if is_integer(value) else np.asarray(evaluate(call, (spread(data),))[0])
    first = state(value, known, output_zero(call, states), error)
    return (first, *(live(tensor) for tensor in call.outputs[1:]))
