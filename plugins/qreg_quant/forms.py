"""How each float op is written on 8-bit tensors in ONNX's QOperator format.

Ops that only move or compare values need none: see ``follow``.
"""

from collections.abc import Callable, Mapping
from math import exp, floor, prod
from typing import Any, Literal

from attrs import frozen

from qreg.records import OpCall
from qreg_quant.records import NodePlan

SOFTMAX_STEP = 1 / 256  # Source: ONNX Runtime, operators/softmax.py
SOFTMAX_ONE_AXIS = 13  # before, softmax flattened all axes from ``axis`` on
CONTRIB = "com.microsoft"
POOL_ATTRIBUTES = (
    "auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides",
)  # fmt: skip
# (input, weight) types that ONNX Runtime computes; the output has the input's type.
PRODUCTS = (("int8", "int8"), ("uint8", "int8"), ("uint8", "uint8"))


def _no_attributes(_: OpCall) -> dict[str, Any]:
    return {}


@frozen(kw_only=True)
class Form:
    """The quantised op: operands as (integers, scale, zero-point), then output scale and zero-point.

    ``refusal`` says why a node has no such form, else "". ``bias`` is where int32 values go.
    """

    op: str
    domain: str = CONTRIB
    operands: int = 1
    channel_axis: Callable[[OpCall], int | None] | None = None  # of a constant input 1
    bias: Literal["", "before output", "last"] = ""
    attributes: Callable[[OpCall], dict[str, Any]] = _no_attributes
    refusal: Callable[[OpCall], str] = lambda _: ""

    def weight(self, call: OpCall) -> int | None:
        """The input that is stored as a weight."""
        if self.channel_axis is None or call.input(1).value is None:
            return None
        return 1


def form_of(call: OpCall) -> Form | None:
    return FORMS.get(call.target)


def refusal(call: OpCall) -> str:
    """Why the node has no 8-bit form of its own; empty where it has one."""
    form = form_of(call)
    if form is None:
        return f"{call.target} has no 8-bit form"
    if not call.outputs:
        return "a tensor of unknown shape: an op before it has no shape rule in registry 'ops'"
    used = [call.input(i) for i in range(form.operands)]
    other = [t.dtype for t in (*used, call.output) if t.dtype != "float32"]
    return f"computes {other[0]}: only float32 is quantised" if other else form.refusal(call)


def check_plan(call: OpCall, plan: NodePlan) -> str:
    """What is wrong with a rule's plan for a node that has a form; empty where it fits."""
    form = FORMS[call.target]
    weight = form.weight(call)
    if plan.output is None:
        return "gives no parameters for the output"
    operands = [*plan.inputs, *[None] * form.operands][: form.operands]
    if weight is not None:
        operands[weight] = plan.weight
    for index, params in enumerate(operands):
        if params is None:
            what = "the weight" if index == weight else f"input {index}"
            return f"gives no parameters for {what}"
        if params.axis is not None and index != weight:
            return f"gives input {index} one scale per channel; activations have a single scale"
    if form.op == "QLinearSoftmax" and softmax_overflows(call, float(plan.output.scale)):
        return f"gives output scale {plan.output.scale}, with which QLinearSoftmax overflows"
    if plan.output.axis is not None:
        return "gives the output one scale per channel; activations have a single scale"
    types = [p.dtype for p in operands if p is not None]
    product = (types[0], types[1] if weight is not None else types[0])
    same = {plan.output.dtype, *(t for i, t in enumerate(types) if i != weight)}
    if len(same) > 1 or product not in PRODUCTS:
        return (
            f"makes inputs {' and '.join(types)}, output {plan.output.dtype}; ONNX Runtime computes "
            "int8 with int8 weights, or uint8 with uint8 or int8 weights"
        )
    return ""


def _same(names: tuple[str, ...]) -> Callable[[OpCall], dict[str, Any]]:
    def attributes(call: OpCall) -> dict[str, Any]:
        return {n: call.attributes[n] for n in names if n in call.attributes}

    return attributes


def _conv(call: OpCall) -> str:
    if call.input(1).value is None:
        return "its weight is computed at run time"
    return _constant_bias(call)


def _gemm(call: OpCall) -> str:
    if call.input(0).value is not None or call.input(1).value is None:
        return "its weight is not the second input, or is computed at run time"
    if not call.attribute("alpha", 1.0) > 0:
        return f"has alpha = {call.attribute('alpha')}; a scale is positive"
    return _constant_bias(call)


def _constant_bias(call: OpCall) -> str:
    bias = call.optional(2)
    return "its bias is computed at run time" if bias is not None and bias.value is None else ""


def _matmul(call: OpCall) -> str:
    vectors = any(len(call.input(i).shape) < 2 for i in (0, 1))
    return "has a vector operand" if vectors else ""


def _gemm_axis(call: OpCall) -> int:
    return 0 if call.attribute("transB", 0) else 1


def _matmul_axis(call: OpCall) -> int | None:
    """Columns; batches of matrices have one scale, as QLinearMatMul has no form for more."""
    return 1 if len(call.input(1).shape) == 2 else None


def _average_pool(call: OpCall) -> str:
    if any(d != 1 for d in call.attribute("dilations", ())):
        return "is dilated, which QLinearAveragePool is not"
    if call.attribute("ceil_mode", 0) and call.attribute("count_include_pad", 0):
        return "has ceil_mode with count_include_pad, which QLinearAveragePool averages otherwise"
    return ""


def softmax_overflows(call: OpCall, scale: float) -> bool:
    """Whether ONNX Runtime's table times the output's steps exceeds float32, which gives zeros.

    Its entries reach FLT_MAX / (D * e^5) for D elements; ``floor(1 / scale) / D`` of that overflow
    above e^5. Source: ONNX Runtime 1.31, qlinear_softmax.cc, and measurement.
    """
    axis, shape = _softmax_axis(call), call.input(0).shape
    elements = shape[axis] if call.opset >= SOFTMAX_ONE_AXIS else prod(shape[axis:])
    return floor(1 / scale) > exp(5) * elements


def _softmax(call: OpCall) -> str:
    if softmax_overflows(call, SOFTMAX_STEP):
        return "is over a single element, where QLinearSoftmax overflows"
    return ""


def _softmax_axis(call: OpCall) -> int:
    """Source: ONNX Softmax-13; before, Softmax-11."""
    return int(call.attribute("axis", -1 if call.opset >= SOFTMAX_ONE_AXIS else 1))


def _softmax_attributes(call: OpCall) -> dict[str, Any]:
    """``opset`` says which flattening the float op has; the default axis of the quantised one is -1
    for each, so the axis is always written."""
    return {"axis": _softmax_axis(call), "opset": call.opset}


FORMS: Mapping[str, Form] = {
    "onnx.Conv": Form(
        op="QLinearConv", domain="", operands=2, channel_axis=lambda _: 0, bias="last",
        refusal=_conv,
        attributes=_same(("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")),
    ),
    "onnx.Gemm": Form(
        op="QGemm", operands=2, channel_axis=_gemm_axis, bias="before output", refusal=_gemm,
        attributes=_same(("alpha", "transA", "transB")),  # beta is multiplied into the bias
    ),
    "onnx.MatMul": Form(
        op="QLinearMatMul", domain="", operands=2, channel_axis=_matmul_axis, refusal=_matmul
    ),
    "onnx.Add": Form(op="QLinearAdd", operands=2),
    "onnx.AveragePool": Form(
        op="QLinearAveragePool", refusal=_average_pool, attributes=_same(POOL_ATTRIBUTES)
    ),
    "onnx.GlobalAveragePool": Form(
        op="QLinearGlobalAveragePool", attributes=lambda _: {"channels_last": 0}
    ),
    "onnx.Softmax": Form(
        op="QLinearSoftmax", refusal=_softmax, attributes=_softmax_attributes
    ),
}  # fmt: skip
