"""Rule static: 8-bit weights and activations with scales fixed before anything runs."""

from qreg.records import OpCall
from qreg_quant.affine import from_range, from_values, refuse_not_finite
from qreg_quant.forms import SOFTMAX_STEP, form_of
from qreg_quant.params import Bits, Static
from qreg_quant.ranges import Ranges
from qreg_quant.records import NodePlan, QParams, limits


def apply(rule: Static, call: OpCall, ranges: Ranges) -> NodePlan:
    """Parameters as ONNX Runtime's quantize_static (QOperator, MinMax) gives them."""
    return plan(
        call, ranges, act=rule.act, weight=rule.weight, per_channel=rule.granularity == "channel",
        symmetric=rule.symmetric,
    )  # fmt: skip


def plan(
    call: OpCall, ranges: Ranges, *, act: Bits = "int8", weight: Bits = "int8",
    per_channel: bool = True, symmetric: bool = False,
) -> NodePlan:  # fmt: skip
    """The same for other rules to start from; see ``NodePlan.map``."""
    form = form_of(call)
    if form is None:
        return NodePlan()
    stored = form.weight(call)
    inputs = tuple(
        None if i == stored else _operand(call, i, ranges, act, symmetric)
        for i in range(form.operands)
    )
    return NodePlan(
        inputs=inputs,
        weight=None if stored is None else _weight(call, weight, per_channel),
        output=_output(call, ranges, act, symmetric),
    )


def _operand(call: OpCall, index: int, ranges: Ranges, act: Bits, symmetric: bool) -> QParams:
    """An activation, or a constant that meets one and so has the activations' type."""
    tensor = call.input(index)
    if tensor.value is None:
        return ranges.params(tensor, act, symmetric)
    values = tensor.numpy()
    refuse_not_finite(values, tensor.name)
    return from_values(values, act)


def _weight(call: OpCall, dtype: Bits, per_channel: bool) -> QParams:
    """Per output channel where the op's form allows; unsigned convolutions share a zero-point."""
    form = form_of(call)
    assert form is not None and form.channel_axis is not None
    tensor = call.input(1)
    values = tensor.numpy()
    refuse_not_finite(values, tensor.name)
    axis = form.channel_axis(call) if per_channel else None
    shared = form.op == "QLinearConv" and axis is not None
    return from_values(values, dtype, axis, symmetric=True if shared else None)


def _output(call: OpCall, ranges: Ranges, act: Bits, symmetric: bool) -> QParams:
    """Softmax gives steps of 1/256 from zero; other ops what the range says."""
    if call.op == "Softmax":
        chosen = ranges.chosen(call.output, act)
        if symmetric:
            return chosen or from_range(0.0, 1.0, act, symmetric)
        return chosen or QParams(dtype=act, scale=SOFTMAX_STEP, zero_point=limits(act)[0])
    return ranges.params(call.output, act, symmetric)
