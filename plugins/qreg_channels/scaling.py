"""States across batch normalisation with stored statistics."""

import numpy as np

from qreg.records import OpCall
from qreg_channels.rounding import rounded, spread
from qreg_channels.state import Evaluate, State, States, all_live, state


def propagate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where the input is, and in channels whose scale is zero: there it is the shift.

    ``y = (x - mean) / sqrt(variance + epsilon) * scale + shift``.
    Source: ONNX BatchNormalization-15, inference.
    """
    data, *stored = states
    parameters = [s for s in stored if s is not None]
    computed = len(parameters) < 4 or not all(s.is_constant for s in parameters)
    if data is None or computed or call.attribute("training_mode", 0) or len(call.outputs) > 1:
        return all_live(call)
    scale, shift, mean, variance = (s.value for s in parameters)
    dead = (scale == 0).reshape(1, -1, *(1,) * (data.known.ndim - 2))
    if data.is_live and not dead.any():
        return all_live(call)
    value = evaluate(call, (data.value, scale, shift, mean, variance))[0]
    shares = (spread(data), np.abs(scale), rounded(shift), -rounded(mean), variance)
    return (state(value, data.known | dead, error=evaluate(call, shares)[0]),)
