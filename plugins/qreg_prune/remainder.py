"""What known input channels add to a sum of products, so that a bias can add it instead."""

import numpy as np
from attrs import evolve

from qreg.records import Array, OpCall
from qreg_channels.masks import float_form
from qreg_channels.quantized import LAYOUTS
from qreg_channels.state import Evaluate, State, States
from qreg_channels.zero_points import input_zero

NOBODY_KNOWS = np.array(np.nan)
EXACT_BELOW = 2**24  # whole numbers that float32 holds


def conv(call: OpCall, states: States, channels: Array, evaluate: Evaluate) -> Array | None:
    """Float convolutions, transposed ones too: those channels alone, without the bias."""
    data, weight = states[0], states[1]
    assert data is not None and weight is not None
    if not weight.is_constant:
        return NOBODY_KNOWS
    given = np.where(data.known, data.value, 0).astype(data.value.dtype)
    return _convolved(call, given, weight.value, channels, evaluate)


def quantised_conv(
    call: OpCall, states: States, channels: Array, evaluate: Evaluate
) -> Array | None:
    """``sum (x - x_zp) * (w - w_zp)`` in int64, exact: padding is the zero-point and adds nothing.

    Channel by channel in float32, where whole numbers of up to 24 bits are exact.
    Source: ONNX QLinearConv-10.
    """
    operands = _centred(call, states, 0)
    if operands is None or 255**2 * operands[1][0, 0].size >= EXACT_BELOW:
        return NOBODY_KNOWS
    data, weight = (o.astype(np.float32) for o in operands)
    form = float_form(call, "onnx.Conv")
    total = None
    for channel in channels:
        one = _convolved(form, data, weight, np.array([channel]), evaluate)
        if one is not None:
            whole = np.rint(one).astype(np.int64)
            total = whole if total is None else total + whole
    return total


def product(call: OpCall, states: States, channels: Array, evaluate: Evaluate) -> Array | None:
    """MatMul and Gemm, in float64. Between two computed operands: what is known of both."""
    left, right = (_known(states[i]) for i in (0, 1))
    return _multiplied(call, left, right, channels, call.attribute("alpha", 1.0))


def quantised_product(
    call: OpCall, states: States, channels: Array, evaluate: Evaluate
) -> Array | None:
    """``sum (a - a_zp) * (b - b_zp)`` in int64. Source: ONNX QLinearMatMul-21, QGemm-1."""
    transposed = call.op == "QGemm" and call.attribute("transB", 0)
    operands = _centred(call, states, 0 if transposed else -1)
    return NOBODY_KNOWS if operands is None else _multiplied(call, *operands, channels, 1)


def _convolved(
    call: OpCall, data: Array, weight: Array, channels: Array, evaluate: Evaluate
) -> Array | None:
    """A convolution of some input channels, group by group; None where these are all zero."""
    channels = channels[[bool(data[:, c].any()) for c in channels]]
    if not len(channels):
        return None
    groups = call.attribute("group", 1)
    inputs, outputs = data.shape[1] // groups, call.output.shape[1] // groups
    first = call.op == "ConvTranspose"
    one = evolve(call, attributes={**call.attributes, "group": 1})
    result = np.zeros(call.output.shape, data.dtype)
    for group in np.unique(channels // inputs):
        chosen = channels[channels // inputs == group]
        of_group = slice(group * outputs, (group + 1) * outputs)
        part = weight[chosen] if first else weight[of_group][:, chosen % inputs]
        result[:, of_group] = evaluate(one, (data[:, chosen], part))[0]
    return result


def _multiplied(
    call: OpCall, left: Array, right: Array, channels: Array, factor: float
) -> Array | None:
    if call.attribute("transA", 0):
        left = left.T
    if call.attribute("transB", 0):
        right = right.T
    left, right = left[..., channels], right[..., channels, :]
    if not left.any() or not right.any():
        return None
    found: Array = factor * (left @ right)
    return found


def _known(state: State | None) -> Array:
    assert state is not None
    return np.where(state.known, state.value, 0).astype(np.float64)


def _centred(call: OpCall, states: States, axis: int) -> tuple[Array, Array] | None:
    """Data and weight less their zero-points, unknown elements 0; None where these are unknown.

    ``axis`` is the weight's that a vector of zero-points runs along.
    """
    layout = LAYOUTS.get(call.target)
    right = 1 if layout is None else layout.right
    data, weight = states[0], states[right]
    assert data is not None and weight is not None
    if layout is None:  # ConvInteger, MatMulInteger: zero-points are inputs 2 and 3
        offsets = [states[i] if len(states) > i else None for i in (2, 3)]
        if not all(s is None or s.is_constant for s in offsets):
            return None
        zero, points = (np.zeros((), np.int64) if s is None else s.value for s in offsets)
    else:
        given, of_weight = input_zero(call, states, 0), states[right + 2]
        if given is None or (of_weight is not None and not of_weight.is_constant):
            return None
        zero = np.asarray(given)
        points = np.zeros((), np.int64) if of_weight is None else of_weight.value
    if zero.size != 1:
        return None
    return _less(data, zero.reshape(()), -1), _less(weight, points, axis)


def _less(state: State, zero: Array, axis: int) -> Array:
    if zero.ndim == 1 and zero.size > 1:
        shape = [1] * state.value.ndim
        shape[axis] = -1
        zero = zero.reshape(shape)
    elif zero.size == 1:
        zero = zero.reshape(())
    return np.where(state.known, state.value.astype(np.int64) - zero.astype(np.int64), 0)
