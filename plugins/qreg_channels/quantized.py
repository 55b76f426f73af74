"""States across quantised sums of products: QLinearConv, QLinearMatMul, QGemm.

The rule of the float op on operands whose zero is their zero-point. Integer arithmetic is exact, so
every claim is.
"""

from collections.abc import Mapping

import numpy as np
from attrs import frozen

from qreg.records import Array, OpCall
from qreg_channels.contraction import FACTORS, changeable, nothing_to_find
from qreg_channels.masks import float_form
from qreg_channels.state import Evaluate, Number, State, States, all_live, state
from qreg_channels.zero_points import input_zero, output_zero


@frozen
class Layout:
    """Where a quantised op keeps what its float form has."""

    float_target: str
    bias: int | None
    left: int = 0
    right: int = 3


LAYOUTS: Mapping[str, Layout] = {
    "onnx.QLinearConv": Layout("onnx.Conv", bias=8),
    "onnx.QLinearMatMul": Layout("onnx.MatMul", bias=None),
    "com.microsoft.QGemm": Layout("onnx.Gemm", bias=6),
}


def propagate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where every live input meets a weight at its zero-point; scales must be constant."""
    layout = LAYOUTS[call.target]
    data, weight = states[layout.left], states[layout.right]
    assert data is not None and weight is not None
    operands = (layout.left, layout.right)
    others = [s for i, s in enumerate(states) if i not in operands and s is not None]
    left_zero = input_zero(call, states, layout.left)
    if left_zero is None or not all(s.is_constant for s in others):
        return all_live(call)
    left = _refilled(data, left_zero)
    right = _centred(call, states, layout.right)
    zero = output_zero(call, states)
    bias = states[layout.bias] if layout.bias is not None and layout.bias < len(states) else None
    if nothing_to_find(left, right):
        return all_live(call)
    form = float_form(call, layout.float_target, without=FACTORS)
    count = changeable(form, left, right, bias, evaluate)
    inputs = [None if s is None else s.value for s in states]
    inputs[layout.left] = left.value
    return (state(evaluate(call, inputs)[0], count == 0, zero),)


def _refilled(data: State, zero: Number) -> State:
    """The same with ``zero`` as its zero: products of what is not known vanish."""
    return state(data.value, data.known, zero)


def _centred(call: OpCall, states: States, index: int) -> State:
    """The weight less its zero-point, which may be one number per channel."""
    weight, zero_point = states[index], states[index + 2]
    assert weight is not None
    whole = weight.value.astype(np.int32)
    if zero_point is None:
        return State(whole, weight.known)
    offset = zero_point.value.astype(np.int32)
    return State(whole - _aligned(offset, whole, _channel_axis(call)), weight.known)


def _channel_axis(call: OpCall) -> int:
    """The weight's axis that a vector of zero-points runs along: output channels."""
    if call.op == "QLinearConv" or (call.op == "QGemm" and call.attribute("transB", 0)):
        return 0
    return -1


def _aligned(offset: Array, whole: Array, axis: int) -> Array:
    if offset.ndim != 1 or offset.size == 1:
        return offset.reshape(()) if offset.size == 1 else offset
    shape = [1] * whole.ndim
    shape[axis] = -1
    return offset.reshape(shape)
