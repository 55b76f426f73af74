"""Tensors that are the same for every input become stored constants, and what that makes idle goes."""

from collections.abc import Mapping

import onnx_ir as ir

from qreg.records import Array, Tensor, Trace
from qreg_channels.propagate import Analysis
from qreg_onnx.graph import target_of
from qreg_prune.edit import Edit, slim

# Ops whose operands broadcast, so that a constant may be stored without the axes it repeats along.
BROADCASTING = ("onnx.Add", "onnx.Sub", "onnx.Mul", "onnx.Div", "onnx.Max", "onnx.Min")


def settle(trace: Trace, analysis: Analysis, edit: Edit, fold: bool) -> tuple[Tensor, ...]:
    """Store every tensor whose elements are all known or read by nobody, and return them.

    Without ``fold`` only where all that is known is zero.
    """
    stored = []
    for call in trace.calls:
        if not call.activations:  # a dequantised weight: later steps read its integers and scale
            continue
        for output, tensor in enumerate(call.outputs):
            value = edit.nodes[call.name].outputs[output]
            read = bool(value.uses()) or value.is_graph_output()
            dead = tensor.name and tensor.elements and read and _settled(tensor, analysis, fold)
            if dead and _store(value, analysis.of(tensor).value, edit):
                stored.append(tensor)
    return tuple(stored)


def add_up(model: ir.Model, edit: Edit) -> None:
    """Leave out additions of stored zeros, and put maps into constants that are added next."""
    for node in list(model.graph):
        data, constant = _addition(node)
        if data is None or constant is None or not _is_float(data):
            continue
        made = node.outputs[0]
        idle = not constant.any() and data.shape == made.shape and not made.is_graph_output()
        if idle and made.uses():
            ir.convenience.replace_all_uses_with(made, data)
            model.graph.remove(node, safe=True)
        elif node in edit.additions:
            _into_next(model, node, data, constant, edit)


def constant_outputs(model: ir.Model, edit: Edit) -> None:
    """Give every stored output a node that makes it: a graph without nodes is no model."""
    for value in list(model.graph.outputs):
        if value.producer() is None and value.const_value is not None:
            _copy(value, value, edit)


def _settled(tensor: Tensor, analysis: Analysis, fold: bool) -> bool:
    state = analysis.of(tensor)
    if not (state.known | ~analysis.needed(tensor)).all():
        return False
    return fold or not (state.known & ~state.zeros).any()


def _store(value: ir.Value, array: Array, edit: Edit) -> bool:
    """Whether the value had to be stored; an output that is a copy of a constant is so already."""
    node = value.producer()
    if value.is_graph_output():
        if node is not None and all(v is None or v.const_value is not None for v in node.inputs):
            return False
        _copy(value, edit.constant(f"{value.name}.value", array), edit)
        return True
    repeats = all(_broadcasts(u.node, value) for u in value.uses())
    constant = edit.constant(f"{value.name}.value", slim(array) if repeats else array)
    ir.convenience.replace_all_uses_with(value, constant)
    return True


def _copy(output: ir.Value, constant: ir.Value, edit: Edit) -> None:
    """Let a node that copies the constant make an output of the graph, under the output's name."""
    name = str(output.name)
    output.name = edit.fresh(f"{name}.was")
    node = edit.insert("Identity", [constant], f"{name}.constant", like=output)
    node.outputs[0].name = name
    edit.model.graph.append(node)
    readers = output.uses() if output is not constant else ()
    for reader, index in list(readers):
        reader.replace_input_with(index, node.outputs[0])
    outputs = edit.model.graph.outputs
    outputs[outputs.index(output)] = node.outputs[0]


def _broadcasts(node: ir.Node, value: ir.Value) -> bool:
    """Whether the other operand alone already has the size of the result."""
    if target_of(node) not in BROADCASTING:
        return False
    others = [v for v in node.inputs if v is not value and v is not None]
    return any(v.shape == node.outputs[0].shape and v.const_value is None for v in others)


def _addition(node: ir.Node) -> tuple[ir.Value | None, Array | None]:
    """(what is added to, the constant added); None where the node adds no constant."""
    if target_of(node) != "onnx.Add":
        return None, None
    first, second = node.inputs
    for data, other in ((first, second), (second, first)):
        if data is None or other is None or data.const_value is not None:
            continue
        if other.const_value is not None:
            return data, other.const_value.numpy()
    return None, None


def _into_next(model: ir.Model, node: ir.Node, data: ir.Value, constant: Array, edit: Edit) -> None:
    """``(x + a) + b`` as ``x + (a + b)``, where nothing else reads ``x + a``."""
    made = node.outputs[0]
    readers = [use.node for use in made.uses()]
    if len(readers) != 1 or made.is_graph_output():
        return
    (reader,) = readers
    _, other = _addition(reader)
    if other is None or data.shape != made.shape:
        return
    places: Mapping[bool, int] = {v is made: i for i, v in enumerate(reader.inputs)}
    edit.replace(reader, places[False], (constant + other).astype(other.dtype))
    reader.replace_input_with(places[True], data)
    model.graph.remove(node, safe=True)


def _is_float(value: ir.Value) -> bool:
    return value.dtype is not None and value.dtype.is_floating_point()
