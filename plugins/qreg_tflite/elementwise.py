"""Ops on each element: arithmetic, comparison, activation."""

from typing import Any

import onnx_ir as ir

from qreg_tflite.forms import (
    common_order,
    dtype_of,
    grid,
    integers,
    on_one_grid,
    operand,
    real,
    sizes,
    store,
)
from qreg_tflite.graph import CONTRIB, Graph, shape_of
from qreg_tflite.records import Operator, UnmappedError

UNARY = {
    "ABS": "Abs", "CEIL": "Ceil", "COS": "Cos", "ELU": "Elu", "EXP": "Exp", "FLOOR": "Floor",
    "HARD_SWISH": "HardSwish", "LOG": "Log", "LOGICAL_NOT": "Not", "NEG": "Neg", "ROUND": "Round",
    "SIGN": "Sign", "SIN": "Sin", "SQRT": "Sqrt", "TANH": "Tanh",
}  # fmt: skip
BINARY = {
    "ADD": "Add", "DIV": "Div", "LOGICAL_AND": "And", "LOGICAL_OR": "Or", "MAXIMUM": "Max",
    "MINIMUM": "Min", "MUL": "Mul", "POW": "Pow", "SUB": "Sub",
}  # fmt: skip
COMPARISON = {
    "EQUAL": "Equal", "GREATER": "Greater", "GREATER_EQUAL": "GreaterOrEqual", "LESS": "Less",
    "LESS_EQUAL": "LessOrEqual",
}  # fmt: skip
ON_INTEGERS = {"ADD": "QLinearAdd", "MUL": "QLinearMul"}  # two operands with scales of their own
CLAMPS = ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1")


def unary(op: Operator, graph: Graph) -> None:
    order = graph.order(op.input(0))
    data = real(graph, op.input(0), order)
    store(graph, op, graph.node(UNARY[op.name], [data], shape_of(data)), order)


def binary(op: Operator, graph: Graph) -> None:
    left, right, output = op.input(0), op.input(1), op.outputs[0]
    made = graph.tensor(output)
    order = common_order(graph, (left, right), len(made.shape))
    shape = sizes(made, order)
    if op.name in ON_INTEGERS and on_one_grid(graph, left, right, output):
        inputs = [
            part
            for index in (left, right)
            for part in (operand(graph, index, order, as_real=False), *grid(graph, index))
        ]
        value = graph.node(
            ON_INTEGERS[op.name], [*inputs, *grid(graph, output)], shape, domain=CONTRIB
        )
    else:
        operands = [operand(graph, index, order) for index in (left, right)]
        value = graph.node(BINARY[op.name], operands, shape)
    store(graph, op, value, order)


def comparison(op: Operator, graph: Graph) -> None:
    order = common_order(graph, op.inputs[:2], len(graph.tensor(op.outputs[0]).shape))
    shape = sizes(graph.tensor(op.outputs[0]), order)
    operands = [operand(graph, index, order) for index in op.inputs[:2]]
    negated = op.name == "NOT_EQUAL"
    target = "Equal" if negated else COMPARISON[op.name]
    value = graph.node(target, operands, shape, ir.DataType.BOOL)
    if negated:
        value = graph.node("Not", [value], shape, role="not")
    store(graph, op, value, order)


def clamp(op: Operator, graph: Graph) -> None:
    """A rectifier of its own: on one grid a clamp of the integers, else on real numbers."""
    x, output = op.input(0), op.outputs[0]
    order = graph.order(x)
    whole = on_one_grid(graph, x) and graph.tensor(x).same_grid(graph.tensor(output))
    value = graph.view(x, order) if whole else real(graph, x, order)
    store(graph, op, value, order, activation=op.name)


def logistic(op: Operator, graph: Graph) -> None:
    _activation(op, graph, "Sigmoid", "QLinearSigmoid")


def leaky_relu(op: Operator, graph: Graph) -> None:
    _activation(op, graph, "LeakyRelu", "QLinearLeakyRelu", alpha=float(op.options["alpha"]))


def gelu(op: Operator, graph: Graph) -> None:
    order = graph.order(op.input(0))
    data = real(graph, op.input(0), order)
    kind = "tanh" if op.options["approximate"] else "none"
    store(graph, op, graph.node("Gelu", [data], shape_of(data), approximate=kind), order)


def prelu(op: Operator, graph: Graph) -> None:
    x, slope = op.input(0), op.input(1)
    order = graph.order(x)
    graph.name_parameter(slope, "slope")
    data = real(graph, x, order)
    value = graph.node("PRelu", [data, real(graph, slope, order)], shape_of(data))
    store(graph, op, value, order)


def square(op: Operator, graph: Graph) -> None:
    order = graph.order(op.input(0))
    data = real(graph, op.input(0), order)
    store(graph, op, graph.node("Mul", [data, data], shape_of(data)), order)


def reciprocal_root(op: Operator, graph: Graph) -> None:
    order = graph.order(op.input(0))
    data = real(graph, op.input(0), order)
    root = graph.node("Sqrt", [data], shape_of(data), role="sqrt")
    store(graph, op, graph.node("Reciprocal", [root], shape_of(data)), order)


def squared_difference(op: Operator, graph: Graph) -> None:
    output = graph.tensor(op.outputs[0])
    order = common_order(graph, op.inputs[:2], len(output.shape))
    operands = [operand(graph, index, order) for index in op.inputs[:2]]
    apart = graph.node("Sub", operands, sizes(output, order), role="sub")
    store(graph, op, graph.node("Mul", [apart, apart], shape_of(apart)), order)


def floor_division(op: Operator, graph: Graph) -> None:
    output = graph.tensor(op.outputs[0])
    if output.dtype != "float32":
        raise UnmappedError("division of integers rounds otherwise in ONNX")
    order = common_order(graph, op.inputs[:2], len(output.shape))
    operands = [operand(graph, index, order) for index in op.inputs[:2]]
    quotient = graph.node("Div", operands, sizes(output, order), role="div")
    store(graph, op, graph.node("Floor", [quotient], shape_of(quotient)), order)


def select(op: Operator, graph: Graph) -> None:
    output = graph.tensor(op.outputs[0])
    rank = len(output.shape)
    if op.name == "SELECT" and len(graph.tensor(op.input(0)).shape) not in (0, rank):
        raise UnmappedError("its condition chooses whole rows")
    order = common_order(graph, op.inputs[:3], rank)
    condition, *choices = (operand(graph, index, order) for index in op.inputs[:3])
    value = graph.node("Where", [condition, *choices], sizes(output, order), choices[0].dtype)
    store(graph, op, value, order)


def add_n(op: Operator, graph: Graph) -> None:
    output = graph.tensor(op.outputs[0])
    order = common_order(graph, op.inputs, len(output.shape))
    operands = [operand(graph, index, order) for index in op.inputs]
    store(graph, op, graph.node("Sum", operands, sizes(output, order)), order)


def cast(op: Operator, graph: Graph) -> None:
    order = graph.order(op.input(0))
    data = graph.view(op.input(0), order)
    kind = dtype_of(graph.tensor(op.outputs[0]))
    value = graph.node("Cast", [data], shape_of(data), kind, to=int(kind))
    graph.place(op.outputs[0], value, order)


HANDLERS = {
    **dict.fromkeys(UNARY, unary),
    **dict.fromkeys(BINARY, binary),
    **dict.fromkeys((*COMPARISON, "NOT_EQUAL"), comparison),
    **dict.fromkeys(CLAMPS, clamp),
    "ADD_N": add_n,
    "CAST": cast,
    "FLOOR_DIV": floor_division,
    "GELU": gelu,
    "LEAKY_RELU": leaky_relu,
    "LOGISTIC": logistic,
    "PRELU": prelu,
    "RSQRT": reciprocal_root,
    "SELECT": select,
    "SELECT_V2": select,
    "SQUARE": square,
    "SQUARED_DIFFERENCE": squared_difference,
}


def _activation(op: Operator, graph: Graph, plain: str, quantised: str, **attributes: Any) -> None:
    """One of the activations that ONNX Runtime has a table of 256 entries for."""
    x, output = op.input(0), op.outputs[0]
    order = graph.order(x)
    shape = sizes(graph.tensor(output), order)
    if on_one_grid(graph, x, output):
        inputs = [*integers(graph, x, order), *grid(graph, output)]
        value = graph.node(quantised, inputs, shape, domain=CONTRIB, **attributes)
    else:
        value = graph.node(plain, [real(graph, x, order)], shape, **attributes)
    store(graph, op, value, order)
