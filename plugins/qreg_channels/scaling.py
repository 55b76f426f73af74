"""States across batch normalisation with stored statistics."""

import numpy as np

from qreg.records import Array, OpCall
from qreg_channels.elementwise import alike, cut, whole
from qreg_channels.movement import all_constant
from qreg_channels.narrow import folded_by_channel
from qreg_channels.rounding import rounded, spread
from qreg_channels.state import Evaluate, State, States, all_live, live

EPSILON = 1e-5  # ONNX's default


@folded_by_channel
def propagate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where the input is, and in channels whose scale is zero: there it is the shift.

    ``y = (x - mean) / sqrt(variance + epsilon) * scale + shift``.
    Source: ONNX BatchNormalization-15, inference; PyTorch, batch_norm with training false.
    """
    data, *stored = states
    if data is None or data.value.ndim < 2 or _trains(call) or not all_constant(stored[:4]):
        return all_live(call)
    scale, shift, mean, variance = _parameters(data, states)
    dead = (scale == 0).reshape(1, -1, *(1,) * (data.known.ndim - 2))
    if data.is_live and not dead.any():
        return all_live(call)
    shape = data.value.shape
    data = cut(data, [axis for axis in alike((data,), shape) if axis != 1])
    epsilon = call.attribute("epsilon", call.attribute("eps", EPSILON))
    value = _scaled(data.value, scale, shift, mean, variance + epsilon)
    error = _scaled(spread(data), np.abs(scale), rounded(shift), -rounded(mean), variance + epsilon)
    with np.errstate(invalid="ignore"):
        known = (data.known | dead) & np.isfinite(error) & ~np.isnan(value)
    first = whole(shape, value, known, error, 0)
    return (first, *(live(tensor) for tensor in call.outputs[1:]))


def _scaled(data: Array, scale: Array, shift: Array, mean: Array, variance: Array) -> Array:
    """Computed here: an op of its own for each of a network's many norms takes longer."""
    real = np.result_type(np.float32, data.dtype)
    factor = scale.astype(real) / np.sqrt(variance.astype(real))
    column = (-1, *(1,) * (data.ndim - 2))
    offset = shift.astype(real) - mean.astype(real) * factor
    found: Array = data * factor.reshape(column) + offset.reshape(column)
    return found.astype(data.dtype)


def _trains(call: OpCall) -> bool:
    """Whether statistics are taken from the batch.

    Source: ONNX BatchNormalization-1, -6, -7, -14; PyTorch, batch_norm, instance_norm.
    """
    if call.target.startswith("aten."):
        return bool(call.attribute("training", call.attribute("use_input_stats", False)))
    old = call.opset < 7 and not call.attribute("is_test", 0)
    return old or bool(call.attribute("training_mode", 0)) or len(call.outputs) > 1


def _parameters(data: State, states: States) -> tuple[Array, Array, Array, Array]:
    """Scale, shift, mean and variance; without a scale it is one, without a shift zero."""
    channels = data.value.shape[1]
    given = (*states[1:5], None, None, None, None)
    scale, shift, mean, variance = (
        np.full(channels, default, data.value.dtype) if found is None else found.value
        for found, default in zip(given, (1, 0, 0, 1), strict=False)
    )
    return scale, shift, mean, variance
