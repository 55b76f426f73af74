"""Ops that take elements from one place to another: paddings, parts, copies."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from qreg.errors import QregError
from qreg.records import Array
from qreg_tflite.forms import (
    common_order,
    dtype_of,
    exact,
    fixed,
    grid,
    integers,
    real,
    sizes,
    store,
)
from qreg_tflite.graph import CONTRIB, Graph, Order, shape_of, without
from qreg_tflite.records import Operator, UnmappedError

MIRRORS = {0: "reflect"}  # 1 is symmetric, which repeats the border: ONNX has no such mode


def pad(op: Operator, graph: Graph) -> None:
    """PAD, PADV2, MIRROR_PAD. A quantised tensor is padded with its zero-point."""
    x = op.input(0)
    order = graph.order(x)
    data = exact(graph, x, order)
    mode = "constant"
    if op.name == "MIRROR_PAD":
        if op.options["mode"] not in MIRRORS:
            raise UnmappedError("it mirrors with the border repeated")
        mode = MIRRORS[op.options["mode"]]
    amounts = fixed(graph, op.input(1), "padding").reshape(-1, 2)
    fill = _fill(op, graph, data) if mode == "constant" else None
    shape = sizes(graph.tensor(op.outputs[0]), order)
    value = graph.node("Pad", [data, _pads(graph, amounts, order), fill], shape, mode=mode)
    store(graph, op, value, order)


def concatenation(op: Operator, graph: Graph) -> None:
    """Plain where all parts are on the result's grid."""
    made = graph.tensor(op.outputs[0])
    order = common_order(graph, op.inputs, len(made.shape))
    axis = order.index(int(op.options["axis"]) % len(order))
    shape = sizes(made, order)
    parts = [graph.tensor(index) for index in op.inputs]
    if not made.quantised or all(part.same_grid(made) for part in parts):
        value = graph.node("Concat", [graph.view(i, order) for i in op.inputs], shape, axis=axis)
    elif all(part.eight_bits and part.dtype == made.dtype for part in parts):
        inputs = [*grid(graph, op.outputs[0])]
        for index in op.inputs:
            inputs += integers(graph, index, order)
        value = graph.node(
            "QLinearConcat", inputs, shape, dtype_of(made), domain=CONTRIB, axis=axis
        )
    else:
        value = graph.node("Concat", [real(graph, i, order) for i in op.inputs], shape, axis=axis)
    store(graph, op, value, order)


def part(op: Operator, graph: Graph) -> None:
    """SLICE: where it begins; the result says how long it is."""
    begin = [int(b) for b in fixed(graph, op.input(1), "beginning").flat]
    shape = graph.tensor(op.outputs[0]).shape
    _cut(op, graph, [slice(b, b + size) for b, size in zip(begin, shape, strict=True)])


def strided_slice(op: Operator, graph: Graph) -> None:
    """Masked ends are those of the axis; a shrunk axis keeps one element and goes.

    Source: TensorFlow Lite, kernels/internal/strided_slice_logic.h.
    """
    if op.options["ellipsis_mask"] or op.options["new_axis_mask"]:
        raise UnmappedError("it has an ellipsis or adds an axis")
    begin, end, step = (
        [int(v) for v in fixed(graph, op.input(n), what).flat]
        for n, what in ((1, "beginning"), (2, "end"), (3, "stride"))
    )
    if 0 in step:
        raise QregError("a stride of 0")
    shrunk = [a for a in range(len(begin)) if op.options["shrink_axis_mask"] >> a & 1]
    cuts = []
    for axis, size in enumerate(graph.tensor(op.input(0)).shape[: len(begin)]):
        first = begin[axis] % max(size, 1)
        free_begin, free_end = (op.options[f"{m}_mask"] >> axis & 1 for m in ("begin", "end"))
        bounds = (None if free_begin else begin[axis], None if free_end else end[axis])
        cuts.append(slice(first, first + 1) if axis in shrunk else slice(*bounds, step[axis]))
    _cut(op, graph, cuts, shrunk)


def reverse(op: Operator, graph: Graph) -> None:
    rank = len(graph.tensor(op.input(0)).shape)
    axes = {int(a) % rank for a in fixed(graph, op.input(1), "axes").flat}
    _cut(op, graph, [slice(None, None, -1 if a in axes else 1) for a in range(rank)])


def split(op: Operator, graph: Graph) -> None:
    """SPLIT and SPLIT_V, which differ in the order of their inputs."""
    x, where = (op.input(1), op.input(0)) if op.name == "SPLIT" else (op.input(0), op.input(2))
    order = graph.order(x)
    data = graph.view(x, order)
    file_axis = int(fixed(graph, where, "axis").reshape(-1)[0]) % len(order)
    made = [graph.tensor(index) for index in op.outputs]
    lengths = np.array([t.shape[file_axis] for t in made], np.int64)
    assert data.dtype is not None
    parts = graph.results(
        "Split", [data, graph.constant(lengths, f"{graph.layer}.lengths")],
        [(data.dtype, sizes(t, order)) for t in made], axis=order.index(file_axis),
    )  # fmt: skip
    for number, value in enumerate(parts):
        store(graph, op, value, order, output=number)


def gather(op: Operator, graph: Graph) -> None:
    """GATHER along an axis, and EMBEDDING_LOOKUP, which names its inputs the other way round."""
    x, positions, axis = op.input(0), op.input(1), 0
    if op.name == "EMBEDDING_LOOKUP":
        x, positions = positions, x
    else:
        axis = int(op.options["axis"]) % max(len(graph.tensor(x).shape), 1)
        if op.options["batch_dims"]:
            raise UnmappedError("it gathers batch by batch")
    graph.name_parameter(x, "weight")
    made = graph.tensor(op.outputs[0])
    data = graph.view(x) if graph.tensor(x).dtype == made.dtype else real(graph, x)
    value = graph.node("Gather", [data, graph.view(positions)], made.shape, axis=axis)
    store(graph, op, value)


def gather_nd(op: Operator, graph: Graph) -> None:
    positions = graph.view(op.input(1))
    if positions.dtype != ir.DataType.INT64:
        shape, kind = shape_of(positions), ir.DataType.INT64
        positions = graph.node("Cast", [positions], shape, kind, role="cast", to=int(kind))
    data = graph.view(op.input(0))
    store(graph, op, graph.node("GatherND", [data, positions], graph.tensor(op.outputs[0]).shape))


def tile(op: Operator, graph: Graph) -> None:
    x = op.input(0)
    order = graph.order(x)
    times = [int(n) for n in fixed(graph, op.input(1), "number of copies").flat]
    counts = graph.constant(np.array([times[a] for a in order], np.int64), f"{graph.layer}.copies")
    shape = sizes(graph.tensor(op.outputs[0]), order)
    store(graph, op, graph.node("Tile", [graph.view(x, order), counts], shape), order)


def broadcast(op: Operator, graph: Graph) -> None:
    """BROADCAST_TO and FILL, to the shape the file gives the result."""
    shape = graph.tensor(op.outputs[0]).shape
    data = graph.view(op.input(1 if op.name == "FILL" else 0))
    target = graph.constant(np.array(shape, np.int64), f"{graph.layer}.shape")
    store(graph, op, graph.node("Expand", [data, target], shape))


HANDLERS = {
    "BROADCAST_TO": broadcast,
    "CONCATENATION": concatenation,
    "EMBEDDING_LOOKUP": gather,
    "FILL": broadcast,
    "GATHER": gather,
    "GATHER_ND": gather_nd,
    "MIRROR_PAD": pad,
    "PAD": pad,
    "PADV2": pad,
    "REVERSE_V2": reverse,
    "SLICE": part,
    "SPLIT": split,
    "SPLIT_V": split,
    "STRIDED_SLICE": strided_slice,
    "TILE": tile,
}


def _pads(graph: Graph, amounts: Array, order: Order) -> ir.Value:
    if len(amounts) != len(order) or (amounts < 0).any():
        raise QregError(f"paddings of {amounts.tolist()} on {len(order)} axes")
    ordered = amounts[list(order)].astype(np.int64)
    return graph.constant(np.concatenate([ordered[:, 0], ordered[:, 1]]), f"{graph.layer}.pads")


def _fill(op: Operator, graph: Graph, data: ir.Value) -> ir.Value | None:
    """What is padded with; None is ONNX's default, zero."""
    if op.name == "PADV2" and op.input(2) >= 0:
        given = graph.dequantised.get(op.input(2), op.input(2))
        value = real(graph, given) if data.dtype == ir.DataType.FLOAT else graph.view(given)
        return graph.reshape(value, ())
    x = graph.tensor(op.input(0))
    if not x.quantised or data.dtype == ir.DataType.FLOAT:
        return None
    return grid(graph, op.input(0))[1]


def _cut(op: Operator, graph: Graph, cuts: Sequence[slice], shrunk: Sequence[int] = ()) -> None:
    """The elements that ``cuts`` leaves of each axis of the file; ``shrunk`` axes are dropped."""
    x = op.input(0)
    order, lengths = graph.order(x), graph.tensor(x).shape
    kept = [range(n)[cut] for n, cut in zip(lengths, cuts, strict=False)]
    kept += [range(n) for n in lengths[len(kept) :]]
    cut = [axis for axis, n in enumerate(lengths) if kept[axis] != range(n)]
    value = graph.view(x, order)
    if cut:
        columns = {
            "starts": [kept[a].start for a in cut],
            # before the first element is -1 to Python, which is the last one to ONNX
            "ends": [kept[a].stop if kept[a].stop >= 0 else -lengths[a] - 1 for a in cut],
            "axes": [order.index(a) for a in cut],
            "steps": [kept[a].step for a in cut],
        }
        inputs = [
            graph.constant(np.array(column, np.int64), f"{graph.layer}.{name}")
            for name, column in columns.items()
        ]
        value = graph.node("Slice", [value, *inputs], [len(kept[a]) for a in order])
    left = [len(kept[a]) for a in order if a not in shrunk]
    store(graph, op, graph.reshape(value, left), without(order, shrunk))
