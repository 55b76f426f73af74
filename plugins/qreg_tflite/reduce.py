"""Ops along whole axes: means and other reductions, softmax, norms, arguments of extremes."""

import numpy as np
import onnx_ir as ir

from qreg_tflite.forms import (
    dtype_of,
    exact,
    fixed,
    grid,
    integers,
    on_one_grid,
    real,
    sizes,
    store,
)
from qreg_tflite.graph import CONTRIB, OPSET, Graph, channels_first, shape_of, without
from qreg_tflite.pool import global_average
from qreg_tflite.records import Operator

REDUCTIONS = {
    "MEAN": "ReduceMean", "REDUCE_MAX": "ReduceMax", "REDUCE_MIN": "ReduceMin",
    "REDUCE_PROD": "ReduceProd", "SUM": "ReduceSum",
}  # fmt: skip
SMALLEST_NORM = 1e-6  # Source: TensorFlow Lite, kernels/internal/reference/l2normalization.h


def reduction(op: Operator, graph: Graph) -> None:
    """Along the axes given; a mean over rows and columns is a global average pool."""
    x = op.input(0)
    rank = len(graph.tensor(x).shape)
    axes = tuple(sorted({int(a) % rank for a in fixed(graph, op.input(1), "axes").flat}))
    if op.name == "MEAN" and axes == (1, 2) and rank == 4:
        order = channels_first(4)
        value = global_average(graph, x, op.outputs[0])
    else:
        order = graph.order(x)
        data = real(graph, x, order)
        where = graph.constant(
            np.array([order.index(a) for a in axes], np.int64), f"{graph.layer}.axes"
        )
        shape = [1 if order[i] in axes else size for i, size in enumerate(shape_of(data))]
        value = graph.node(REDUCTIONS[op.name], [data, where], shape, keepdims=1)
    if op.options["keep_dims"]:
        store(graph, op, value, order)
        return
    left = [graph.tensor(x).shape[axis] for axis in order if axis not in axes]
    store(graph, op, graph.reshape(value, left), without(order, axes))


def softmax(op: Operator, graph: Graph) -> None:
    """Over the file's last axis."""
    x, output = op.input(0), op.outputs[0]
    order = graph.order(x)
    shape = sizes(graph.tensor(output), order)
    axis = order.index(len(order) - 1)
    beta = float(op.options["beta"])
    if beta == 1.0 and on_one_grid(graph, x, output) and not _overflows(graph, x, output):
        inputs = [*integers(graph, x, order), *grid(graph, output)]
        value = graph.node("QLinearSoftmax", inputs, shape, domain=CONTRIB, axis=axis, opset=OPSET)
    else:
        data = real(graph, x, order)
        if beta != 1.0:
            factor = graph.constant(np.array(beta, np.float32), f"{graph.layer}.beta")
            data = graph.node("Mul", [data, factor], shape, role="beta")
        value = graph.node("Softmax", [data], shape, axis=axis)
    store(graph, op, value, order)


def log_softmax(op: Operator, graph: Graph) -> None:
    order = graph.order(op.input(0))
    data = real(graph, op.input(0), order)
    axis = order.index(len(order) - 1)
    store(graph, op, graph.node("LogSoftmax", [data], shape_of(data), axis=axis), order)


def l2_normalization(op: Operator, graph: Graph) -> None:
    """Over the last axis; a norm under 1e-6 counts as that."""
    order = graph.order(op.input(0))
    data = real(graph, op.input(0), order)
    axis = order.index(len(order) - 1)
    single = [1 if i == axis else size for i, size in enumerate(shape_of(data))]
    where = graph.constant(np.array([axis], np.int64), f"{graph.layer}.axes")
    least = graph.constant(np.array(SMALLEST_NORM, np.float32), f"{graph.layer}.least")
    norm = graph.node("ReduceL2", [data, where], single, role="norm", keepdims=1)
    norm = graph.node("Max", [norm, least], single, role="least")
    store(graph, op, graph.node("Div", [data, norm], shape_of(data)), order)


def argument(op: Operator, graph: Graph) -> None:
    """The first position of the largest or smallest."""
    data = exact(graph, op.input(0))
    rank = len(shape_of(data))
    axis = int(fixed(graph, op.input(1), "axis").reshape(-1)[0]) % rank
    output = graph.tensor(op.outputs[0])
    name = {"ARG_MAX": "ArgMax", "ARG_MIN": "ArgMin"}[op.name]
    found = graph.node(name, [data], output.shape, ir.DataType.INT64, axis=axis, keepdims=0)
    graph.place(op.outputs[0], _as(graph, found, dtype_of(output)))


def top_k(op: Operator, graph: Graph) -> None:
    data = exact(graph, op.input(0))
    count = fixed(graph, op.input(1), "count").reshape(1).astype(np.int64)
    shape = graph.tensor(op.outputs[0]).shape
    values, positions = graph.results(
        "TopK", [data, graph.constant(count, f"{graph.layer}.count")],
        [(_type(data), shape), (ir.DataType.INT64, shape)], axis=-1,
    )  # fmt: skip
    store(graph, op, values)
    kind = dtype_of(graph.tensor(op.outputs[1]))
    graph.place(op.outputs[1], _as(graph, positions, kind))


def cumulative_sum(op: Operator, graph: Graph) -> None:
    data = real(graph, op.input(0))
    axis = fixed(graph, op.input(1), "axis").reshape(()).astype(np.int64)
    value = graph.node(
        "CumSum", [data, graph.constant(axis, f"{graph.layer}.axis")], shape_of(data),
        exclusive=int(op.options["exclusive"]), reverse=int(op.options["reverse"]),
    )  # fmt: skip
    store(graph, op, value)


HANDLERS = {
    **dict.fromkeys(REDUCTIONS, reduction),
    "ARG_MAX": argument,
    "ARG_MIN": argument,
    "CUMSUM": cumulative_sum,
    "L2_NORMALIZATION": l2_normalization,
    "LOG_SOFTMAX": log_softmax,
    "SOFTMAX": softmax,
    "TOPK_V2": top_k,
}


def _overflows(graph: Graph, x: int, output: int) -> bool:
    """Whether ONNX Runtime's product of table entry and 1 / scale leaves float32.

    The table's largest entry is FLT_MAX / (n e^5) for n classes; e^5 is 148.4.
    """
    classes = graph.tensor(x).shape[-1]
    return bool(np.floor(1 / graph.tensor(output).scale) >= 148 * classes)


def _type(value: ir.Value) -> ir.DataType:
    assert value.dtype is not None
    return value.dtype


def _as(graph: Graph, value: ir.Value, kind: ir.DataType) -> ir.Value:
    if value.dtype == kind:
        return value
    return graph.node("Cast", [value], shape_of(value), kind, role="cast", to=int(kind))
