"""A TFLite network as an ONNX graph, operator by operator."""

import re
from collections.abc import Callable, Mapping

import onnx_ir as ir

from qreg.errors import QregError, cause_of
from qreg_tflite import (
    blocks,
    boundary,
    convolution,
    elementwise,
    layout,
    linear,
    movement,
    pool,
    reduce,
)
from qreg_tflite.forms import dtype_of
from qreg_tflite.graph import CONTRIB, OPSET, OPSET_OF_16_BITS, Graph, Type
from qreg_tflite.names import layer_name
from qreg_tflite.records import FileTensor, Network, Operator, UnmappedError

Handler = Callable[[Operator, Graph], None]
DOMAIN = "tflite"  # of operators that stay what they are
ROUNDING = "qreg.rounding"  # model metadata: whose integer arithmetic the network was made for
REFERENCE = "tflite-reference"
IR_VERSION = 10  # the first with operator set 21
HANDLERS: Mapping[str, Handler] = {
    name: handler
    for family in (
        blocks, boundary, convolution, elementwise, layout, linear, movement, pool, reduce,
    )
    for name, handler in family.HANDLERS.items()
}  # fmt: skip


def converted(network: Network, name: str) -> ir.Model:
    """The network as a model that is not prepared yet. Raises QregError naming the operator.

    An operator without an ONNX form is a node of domain ``tflite`` with its reason beside it.
    """
    graph = Graph(network)
    inputs = _inputs(graph)
    reserved = [graph.free(network.tensors[i].name or f"output_{i}") for i in network.outputs]
    for op in network.operators:
        _write(op, graph)
    for index, output in zip(network.outputs, reserved, strict=True):
        _output(graph, index, output)
    # Not 21 for all: with it ONNX Runtime 1.31 refuses models whose DequantizeLinear a Transpose
    # follows, since its optimiser then writes a QuantizeLinear that contradicts itself.
    wide = any(t.quantised and t.dtype == "int16" for t in network.tensors)
    opsets = {"": OPSET_OF_16_BITS if wide else OPSET, CONTRIB: 1, DOMAIN: 1}
    used = {"", *(node.domain for node in graph.nodes)}
    made = ir.Graph(
        inputs, graph.outputs, nodes=graph.nodes, initializers=graph.constants, name=name,
        opset_imports={domain: n for domain, n in opsets.items() if domain in used},
    )  # fmt: skip
    integer = any(t.quantised and t.data is None for t in network.tensors)
    metadata = {ROUNDING: REFERENCE} if integer else {}
    return ir.Model(made, ir_version=IR_VERSION, metadata_props=metadata)


def _inputs(graph: Graph) -> list[ir.Value]:
    values = []
    for index in graph.network.inputs:
        tensor = graph.tensor(index)
        if graph.known(index):
            raise QregError(f"input {tensor.name!r} is stored in the file, or is an input twice")
        kind = _type(tensor)
        if kind is None:
            raise QregError(f"input {tensor.name!r}: {tensor.fault}")
        value = ir.Value(
            name=graph.free(tensor.name or f"input_{index}"),
            type=ir.TensorType(kind[0]), shape=ir.Shape(kind[1]),
        )  # fmt: skip
        graph.place(index, value)
        values.append(value)
    return values


def _output(graph: Graph, index: int, name: str) -> None:
    """Make the tensor an output, in the file's order and under its own name."""
    if not graph.known(index):
        raise QregError(f"output {graph.tensor(index).name!r} is made by no operator")
    graph.layer = name
    value = graph.view(index)
    if value.producer() is None or value in graph.outputs:
        value = graph.node("Identity", [value], graph.tensor(index).shape, role="output")
    value.name = name
    graph.outputs.append(value)


def _write(op: Operator, graph: Graph) -> None:
    tensors = [graph.tensor(i) for i in (*op.inputs, *op.outputs) if i >= 0]
    stored = [graph.tensor(i).name for i in op.inputs if i in graph.stored]
    first = graph.tensor(op.outputs[0]).name if op.outputs else ""
    graph.layer = layer_name(first, stored) or f"{op.name.lower()}_{op.index}"
    place = f"operator {op.index} ({op.name})"
    handler = HANDLERS.get(op.name)
    try:
        _check_read(op, graph)
        if handler is None:
            raise UnmappedError("it has no ONNX form here")
        faults = [t for t in tensors if t.fault]
        if faults:
            raise UnmappedError(f"tensor {faults[0].name!r}: {faults[0].fault}")
        handler(op, graph)
    except UnmappedError as reason:
        _keep(op, graph, str(reason))
    except QregError as exc:
        raise QregError(f"{place} cannot be read: {exc}") from exc
    except Exception as exc:  # a hostile file may break any assumption of a handler
        raise QregError(f"{place} does not fit its tensors: {cause_of(exc)}") from exc


def _check_read(op: Operator, graph: Graph) -> None:
    for index in op.inputs:
        tensor = graph.tensor(index) if index >= 0 else None
        if tensor is None or graph.known(index) or tensor.fault:
            continue
        if tensor.variable:
            raise UnmappedError(f"tensor {tensor.name!r} is kept from one run to the next")
        raise QregError(f"reads tensor {index} ({tensor.name!r}), which nothing has made")
    for index in op.outputs:
        if graph.known(index):
            raise QregError(f"makes tensor {index} ({graph.tensor(index).name!r}) again")


def _keep(op: Operator, graph: Graph, reason: str) -> None:
    """The operator as a node of its own domain, which nobody counts or computes."""
    inputs = [graph.view(i) if i >= 0 and graph.known(i) else None for i in op.inputs]
    types = [_type(graph.tensor(i)) for i in op.outputs]
    kind = re.sub(r"\W", "_", op.name, flags=re.ASCII)
    made = graph.results(kind, inputs, types, domain=DOMAIN, index=op.index, reason=reason)
    for index, value in zip(op.outputs, made, strict=True):
        graph.place(index, value)


def _type(tensor: FileTensor) -> Type | None:
    """None for an element type that ONNX lacks."""
    try:
        return dtype_of(tensor), tensor.shape
    except TypeError:
        return (ir.DataType.STRING, tensor.shape) if tensor.dtype == "string" else None
