"""An ``onnx_ir`` model as records: every node as an ``OpCall``, named by its module path."""

import ast
import re
from collections import Counter
from collections.abc import Container, Iterable
from typing import Any

import onnx_ir as ir

from qreg.errors import QregError
from qreg.records import OpCall, Tensor, Trace

LAYER = "qreg.layer"  # node metadata: the layer's name
BITS = "qreg.bits"  # metadata of an initialiser: the bits of an element where its type has more
SCOPES = "pkg.torch.onnx.name_scopes"
WEIGHT = re.compile(r"(.+)\.(?:weight|kernel)(?:_quantized)?")
ONNX_DOMAINS = ("", "ai.onnx")
ABSENT = Tensor("", "uint8", (0,))  # an optional output that is not computed


def target_of(node: ir.Node) -> str:
    """``onnx.Conv``, ``com.microsoft.QGemm``: the op as plugins target it."""
    domain = "onnx" if node.domain in ONNX_DOMAINS else node.domain
    return f"{domain}.{node.op_type}"


def op_calls(model: ir.Model) -> tuple[OpCall, ...]:
    """Every node in execution order. Raises where a shape is unknown, naming node and cure."""
    calls, lacking = partial_op_calls(model)
    if lacking:
        first = lacking[0]
        raise QregError(
            f"node {first.name!r} ({first.target}) has a tensor of unknown shape: an op before it "
            "has no shape rule; a plugin can declare one in registry 'ops'"
        )
    return calls


def partial_op_calls(model: ir.Model) -> tuple[tuple[OpCall, ...], tuple[OpCall, ...]]:
    """The nodes whose tensors all have known shapes, and the others (without their tensors)."""
    name_layers(model)
    calls: list[OpCall] = []
    lacking: list[OpCall] = []
    for node in model.graph:
        typed = _all_typed((*reads(node), *outputs(node)))
        (calls if typed else lacking).append(op_call(node, model))
    return tuple(calls), tuple(lacking)


def trace(model: ir.Model) -> Trace:
    """What runs, as the steps that need no graph see it."""
    calls, lacking = partial_op_calls(model)
    return Trace(calls, tuple(v.name or "" for v in model.graph.outputs), lacking)


def op_call(node: ir.Node, model: ir.Model) -> OpCall:
    """One node as a record; inputs or outputs that have no shape yet are left out.

    What its subgraphs read from outside comes after its inputs. Outputs keep their positions: one
    that nobody asked for has no name and no elements, at the end it is left out.
    """
    inputs = (*node.inputs, *captured(node)) if _all_typed(reads(node)) else ()
    made = outputs(node)
    return OpCall(
        target=target_of(node),
        name=node.metadata_props.get(LAYER) or node.name or node.op_type,
        inputs=tuple(None if v is None else tensor_of(v) for v in inputs),
        outputs=tuple(tensor_of(v) if v.name else ABSENT for v in made) if _all_typed(made) else (),
        attributes={name: _plain(a) for name, a in sorted(node.attributes.items())},
        node=node.name or "",
        opset=model.opset_imports.get(node.domain, 1),
    )


def outputs(node: ir.Node) -> tuple[ir.Value, ...]:
    """The node's outputs up to the last that has a name."""
    last = max((i for i, v in enumerate(node.outputs) if v.name), default=-1)
    return tuple(node.outputs[: last + 1])


def reads(node: ir.Node) -> list[ir.Value]:
    """The values the node reads, by itself or in its subgraphs."""
    return [v for v in (*node.inputs, *captured(node)) if v is not None]


def subgraphs(node: ir.Node) -> list[ir.Graph]:
    """The graphs among the node's attributes: branches of an If, the body of a Loop."""
    found: list[ir.Graph] = []
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            found.append(attribute.as_graph())
        elif attribute.type == ir.AttributeType.GRAPHS:
            found.extend(attribute.as_graphs())
    return found


def captured(node: ir.Node) -> list[ir.Value]:
    """What the node's subgraphs read of the graphs around them, each value once."""
    used: list[ir.Value | None] = []
    own: set[ir.Value] = set()
    for graph in subgraphs(node):
        own |= {*graph.inputs, *graph.initializers.values()}
        for inner in graph:
            used += [*inner.inputs, *captured(inner)]
            own |= set(inner.outputs)
        used.extend(graph.outputs)
    return [v for v in dict.fromkeys(used) if v is not None and v not in own]


def tensor_of(value: ir.Value) -> Tensor:
    """An edge as a record; its shape must be known."""
    assert value.shape is not None and value.dtype is not None and value.name is not None
    shape = tuple(d for d in value.shape if isinstance(d, int))
    bits = value.metadata_props.get(BITS, "")  # in anybody's file it may be anything
    known = int(bits) if bits.isdecimal() and len(bits) < 4 and value.const_value is not None else 0
    return Tensor(value.name, dtype_name(value.dtype), shape, value.const_value, known or None)


def dtype_name(dtype: ir.DataType) -> str:
    """``int8``, ``float32``: the name numpy and ml_dtypes use."""
    return "string" if dtype == ir.DataType.STRING else str(dtype.numpy().name)


def has_static_type(value: ir.Value) -> bool:
    return (
        value.dtype not in (None, ir.DataType.UNDEFINED)
        and value.shape is not None
        and all(isinstance(d, int) for d in value.shape)
    )


def _all_typed(values: Iterable[ir.Value]) -> bool:
    return all(has_static_type(v) for v in values if v.name)


def name_layers(model: ir.Model) -> None:
    """Give every node a layer name of its own (metadata ``qreg.layer``); names it has stay.

    The module path of the weight it reads (``layer1.0.conv1``): an exporter that folds a batch
    norm into a convolution leaves it the batch norm's scope. Else the module that holds just this
    node, else that module and the traced op, else the node's own name.
    """
    nodes = list(model.graph)
    named: dict[str, ir.Node] = {}
    for node in nodes:
        named.setdefault(node.metadata_props.get(LAYER, ""), node)
    named.pop("", None)
    if len(named) == len(nodes):
        return
    modules = Counter(_module(n)[0] for n in nodes)
    counts: Counter[str] = Counter()
    for index, node in enumerate(nodes):
        given = node.metadata_props.get(LAYER, "")
        if named.get(given) is node:
            continue
        name = given or _weight_owner(node) or _scope_name(node, modules) or node.name
        name = _free(name or f"{node.op_type}_{index}", named, counts)
        node.metadata_props[LAYER] = name
        named[name] = node


def inputs_of(model: ir.Model) -> tuple[Tensor, ...]:
    """The graph's inputs that are not parameters."""
    initializers = model.graph.initializers
    return tuple(tensor_of(v) for v in model.graph.inputs if v.name not in initializers)


def outputs_of(model: ir.Model) -> tuple[Tensor, ...]:
    return tuple(tensor_of(v) for v in model.graph.outputs)


def _free(name: str, taken: Container[str], counts: Counter[str]) -> str:
    """``name``, else ``name#2`` and so on. A file may hold any name, also one like these."""
    counts[name] += 1
    candidate = name if counts[name] == 1 else f"{name}#{counts[name]}"
    while candidate in taken:
        counts[name] += 1
        candidate = f"{name}#{counts[name]}"
    return candidate


def _weight_owner(node: ir.Node) -> str:
    for value in node.inputs:
        if value is not None and value.const_value is not None and value.name:
            match = WEIGHT.fullmatch(value.name)
            if match:
                return match[1]
    return ""


def _module(node: ir.Node) -> tuple[str, str]:
    """(module path, traced op) from the exporter's metadata, empty where there is none."""
    try:
        scopes = ast.literal_eval(node.metadata_props.get(SCOPES, "[]"))
        return (str(scopes[-2]), str(scopes[-1])) if len(scopes) > 1 else ("", "")
    except (ValueError, SyntaxError, TypeError):
        return "", ""


def _scope_name(node: ir.Node, modules: Counter[str]) -> str:
    module, traced = _module(node)
    if module and modules[module] == 1:
        return module
    return f"{module}.{traced}".removeprefix(".") if traced else ""


def _plain(attribute: ir.Attr) -> Any:
    """An attribute's value as plain data; tensors stay ``onnx_ir`` tensors, graphs are None."""
    if attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS):
        return None
    value = attribute.value
    return tuple(value) if isinstance(value, (list, tuple)) else value
