"""States across quantised sums of products: QLinearConv, QLinearMatMul, QGemm.

The rule of the float op on operands whose zero is their zero-point. Integer arithmetic is exact, so
every claim is.
"""

from collections.abc import Mapping

import numpy as np
from attrs import frozen

from qreg.records import Array, OpCall
from qreg_channels.backward import everything
from qreg_channels.contraction import changeable, nothing_to_find
from qreg_channels.geometry import Geometry, as_output, output_form
from qreg_channels.masks import float_form
from qreg_channels.state import Evaluate, Masks, Needed, Number, State, States, all_live, state
from qreg_channels.uniform import both, compact
from qreg_channels.weighted import bias_state, by_operand, read_data, untouched
from qreg_channels.zero_points import input_zero, output_zero


@frozen
class Layout:
    """Where a quantised op keeps what its float form has."""

    float_target: str
    bias: int | None
    left: int = 0
    right: int = 3

    def others(self, states: States) -> list[State]:
        """Scales, zero-points and bias."""
        operands = (self.left, self.right)
        return [s for i, s in enumerate(states) if i not in operands and s is not None]


LAYOUTS: Mapping[str, Layout] = {
    "onnx.QLinearConv": Layout("onnx.Conv", bias=8),
    "onnx.QLinearMatMul": Layout("onnx.MatMul", bias=None),
    "com.microsoft.QGemm": Layout("onnx.Gemm", bias=6),
}


def propagate(
    call: OpCall, states: States, evaluate: Evaluate, geometry: Geometry | None
) -> tuple[State, ...]:
    """Known where every live input meets a weight at its zero-point; scales must be constant."""
    layout = LAYOUTS[call.target]
    left_zero = input_zero(call, states, layout.left)
    if left_zero is None or not all(s.is_constant for s in layout.others(states)):
        return all_live(call)
    known = _known(call, states, left_zero, evaluate, geometry)
    if not compact(known).any():
        return all_live(call)
    inputs = [None if s is None else s.value for s in states]
    inputs[layout.left] = _refilled(states[layout.left], left_zero).value
    return (state(evaluate(call, inputs)[0], known, output_zero(call, states)),)


def needed(call: OpCall, states: States, wanted: Masks, geometry: Geometry | None) -> Needed:
    """The data that a wanted output reads through a weight that is not at its zero-point.

    ConvInteger and MatMulInteger too: wherever the weight is, its zero-point stands two behind it.
    """
    stored = () if geometry is None else (states[geometry.weight], _zero_point(states, geometry))
    if geometry is None or not all(s is None or s.is_constant for s in stored):
        return everything(call)
    weight = _centred(call, states, geometry.weight).value
    return by_operand(
        call, states, wanted[0], geometry, read_data(call, wanted[0], weight, geometry)
    )


def _known(
    call: OpCall, states: States, left_zero: Number, evaluate: Evaluate, geometry: Geometry | None
) -> Array:
    layout = LAYOUTS[call.target]
    weight = _weight(states, geometry)
    if geometry is not None and weight is not None and weight.is_constant:
        data = states[geometry.data]
        assert data is not None
        joined = _centred(call, states, geometry.weight).value
        known = untouched(call, data.known, joined, geometry)
        bias = bias_state(call, states, geometry)
        if bias is not None:
            known = both(known, output_form(bias.known, geometry))
        return as_output(known, call, geometry)
    left, right = _refilled(states[layout.left], left_zero), _centred(call, states, layout.right)
    if nothing_to_find(left, right):
        return np.broadcast_to(np.False_, call.output.shape)
    bias = states[layout.bias] if layout.bias is not None and layout.bias < len(states) else None
    form = float_form(call, layout.float_target)
    return np.equal(changeable(form, left, right, bias, evaluate), 0)


def _weight(states: States, geometry: Geometry | None) -> State | None:
    return None if geometry is None else states[geometry.weight]


def _zero_point(states: States, geometry: Geometry) -> State | None:
    index = geometry.weight + 2
    return states[index] if index < len(states) else None


def _refilled(data: State | None, zero: Number) -> State:
    """The same with ``zero`` as its zero: products of what is not known vanish."""
    assert data is not None
    return state(data.value, data.known, zero)


def _centred(call: OpCall, states: States, index: int) -> State:
    """The weight less its zero-point, which may be one number per channel."""
    weight = states[index]
    zero_point = states[index + 2] if index + 2 < len(states) else None
    assert weight is not None
    whole = weight.value.astype(np.int32)
    if zero_point is None:
        return State(whole, weight.known)
    offset = zero_point.value.astype(np.int32)
    return State(whole - _aligned(offset, whole, _channel_axis(call)), weight.known)


def _channel_axis(call: OpCall) -> int:
    """The weight's axis that a vector of zero-points runs along: output channels."""
    if call.op in ("QLinearConv", "ConvInteger") or (
        call.op == "QGemm" and call.attribute("transB", 0)
    ):
        return 0
    return -1


def _aligned(offset: Array, whole: Array, axis: int) -> Array:
    if offset.ndim != 1 or offset.size == 1:
        return offset.reshape(()) if offset.size == 1 else offset
    shape = [1] * whole.ndim
    shape[axis] = -1
    return offset.reshape(shape)
