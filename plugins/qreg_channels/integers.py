"""States across integer ops that spell their operands as tensors with zero-points of their own."""

from collections.abc import Mapping

import numpy as np

from qreg.records import Array, OpCall
from qreg_channels.contraction import changeable
from qreg_channels.elementwise import all_known, claimed
from qreg_channels.masks import float_form
from qreg_channels.movement import all_constant
from qreg_channels.state import Evaluate, State, States, all_live, state, values
from qreg_channels.zero_points import input_zero

FLOAT_FORMS: Mapping[str, str] = {"ConvInteger": "onnx.Conv", "MatMulInteger": "onnx.MatMul"}


def product(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """ConvInteger, MatMulInteger: known where every live input meets a weight at its zero-point.

    A zero-point that depends on the input (DynamicQuantizeLinear) leaves its operand live.
    """
    left, right, left_zero, right_zero = (*states, None, None)[:4]
    assert left is not None and right is not None
    if right_zero is not None and not right_zero.is_constant:
        return all_live(call)
    axis = 0 if call.op == "ConvInteger" else -1
    left, right_centred = _centred(left, left_zero, -2), _centred(right, right_zero, axis)
    count = changeable(float_form(call, FLOAT_FORMS[call.op]), left, right_centred, None, evaluate)
    return (state(evaluate(call, values(states))[0], count == 0, 0),)


def multiplied(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """QLinearMul: known where both factors are, or one is at its zero-point; scales are constant.

    Source: ONNX Runtime contrib operators, com.microsoft QLinearMul-1.
    """
    if not all_constant((*states[1:3], *states[4:])):
        return all_live(call)
    settled: Array = np.zeros((), np.bool_)
    for index in (0, 3):
        factor, zero = states[index], input_zero(call, states, index)
        if factor is not None and zero is not None:
            settled = settled | (factor.known & (factor.value == zero))
    return claimed(call, states, all_known(states) | settled, evaluate)


def concatenated(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """QLinearConcat: parts side by side on the scale of the result.

    Source: ONNX Runtime contrib operators, com.microsoft QLinearConcat-1.
    """
    parts = [s for s in states[2::3] if s is not None]
    scales = [s for i, s in enumerate(states) if i < 2 or (i - 2) % 3]
    if not all_constant(scales) or all(p.is_live for p in parts):
        return all_live(call)
    known = np.concatenate([p.known for p in parts], call.attribute("axis"))
    zero = states[1].value.item() if states[1] is not None else 0
    return (state(evaluate(call, values(states))[0], known, zero),)


def _centred(operand: State, zero: State | None, axis: int) -> State:
    """The operand less its zero-point, which may be one number per row, column or channel."""
    whole = operand.value.astype(np.int32)
    if zero is None:
        return state(whole, operand.known)
    offset = zero.value.astype(np.int32)
    if offset.size > 1 and offset.ndim == 1:
        shape = [1] * whole.ndim
        shape[axis] = -1
        offset = offset.reshape(shape)
    known = operand.known & zero.is_constant
    return state(whole - offset.reshape(() if offset.size == 1 else offset.shape), known)
