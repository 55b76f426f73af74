"""Ops that give elements another shape or axes other numbers: RESHAPE, TRANSPOSE and their kin."""

from math import prod

import numpy as np

from qreg.errors import QregError
from qreg_tflite.forms import fixed, store
from qreg_tflite.graph import Graph, Order, Shape, channels_first, in_file, shape_of
from qreg_tflite.records import Operator


def reshape(op: Operator, graph: Graph) -> None:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: to the shape the file gives the result."""
    x, output = op.input(0), op.outputs[0]
    before, after = graph.tensor(x).shape, graph.tensor(output).shape
    if prod(before) != prod(after):
        raise QregError(f"{list(before)} reshaped to {list(after)}")
    order = graph.order(x)
    found = _kept(before, order, after)
    if found is None:
        order, found = in_file(len(before)), in_file(len(after))
    shape = [after[axis] for axis in found]
    graph.place(output, graph.reshape(graph.view(x, order), shape, role=""), found)


def transpose(op: Operator, graph: Graph) -> None:
    """Nothing moves here: the result's axes are the data's by other numbers."""
    x = op.input(0)
    wanted = [int(a) for a in fixed(graph, op.input(1), "permutation").flat]
    if sorted(wanted) != list(in_file(len(graph.tensor(x).shape))):
        raise QregError(f"a permutation of {wanted}")
    if x in graph.stored:
        graph.stored[op.outputs[0]] = np.transpose(graph.stored[x], wanted)
        return
    order = graph.order(x)
    graph.place(op.outputs[0], graph.view(x, order), tuple(wanted.index(axis) for axis in order))


def pack(op: Operator, graph: Graph) -> None:
    shape = graph.tensor(op.outputs[0]).shape
    axis = int(op.options["axis"]) % len(shape)
    single = [1 if a == axis else size for a, size in enumerate(shape)]
    parts = [graph.reshape(graph.view(index), single) for index in op.inputs]
    store(graph, op, graph.node("Concat", parts, shape, axis=axis))


def unpack(op: Operator, graph: Graph) -> None:
    data = graph.view(op.input(0))
    shape = shape_of(data)
    axis = int(op.options["axis"]) % len(shape)
    single = tuple(1 if a == axis else size for a, size in enumerate(shape))
    assert data.dtype is not None
    lengths = graph.constant(np.ones(len(op.outputs), np.int64), f"{graph.layer}.lengths")
    types = [(data.dtype, single)] * len(op.outputs)
    parts = graph.results("Split", [data, lengths], types, axis=axis)
    for number, part in enumerate(parts):
        flat = graph.reshape(part, graph.tensor(op.outputs[number]).shape)
        store(graph, op, flat, output=number)


def known_shape(op: Operator, graph: Graph) -> None:
    """SHAPE and RANK: sizes are fixed in the file, so the result is a constant."""
    shape = graph.tensor(op.input(0)).shape
    output = graph.tensor(op.outputs[0])
    graph.stored[op.outputs[0]] = np.array(
        shape if op.name == "SHAPE" else len(shape), output.dtype
    )


HANDLERS = {
    "EXPAND_DIMS": reshape,
    "PACK": pack,
    "RANK": known_shape,
    "RESHAPE": reshape,
    "SHAPE": known_shape,
    "SQUEEZE": reshape,
    "TRANSPOSE": transpose,
    "UNPACK": unpack,
}


def _kept(before: Shape, order: Order, after: Shape) -> Order | None:
    """An order of ``after`` in which elements lie as those of ``before`` do in ``order``.

    There is one where only axes of size 1 come or go: then a convolution over one axis keeps its
    channels first. None where the elements must be in the file's order first.
    """
    rank = len(after)
    if order == in_file(len(before)):
        return in_file(rank)
    sequence = _long_axes(before, order)
    if [before[a] for a in sorted(order) if before[a] != 1] == [s for s in after if s != 1]:
        for candidate in (channels_first(rank), in_file(rank)):
            if _long_axes(after, candidate) == sequence:
                return candidate
    alike = sequence == sorted(sequence)
    return in_file(rank) if alike else None


def _long_axes(shape: Shape, order: Order) -> list[int]:
    """The axes longer than 1, numbered among themselves, as they follow in ``order``."""
    long = [axis for axis, size in enumerate(shape) if size != 1]
    return [long.index(axis) for axis in order if shape[axis] != 1]
