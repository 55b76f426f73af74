"""An ``onnx_ir`` model as records: every node as an ``OpCall``, named by its module path."""

import ast
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import onnx_ir as ir

from qreg.errors import QregError
from qreg.records import OpCall, Tensor

LAYER = "qreg.layer"  # node metadata: the layer's name
SCOPES = "pkg.torch.onnx.name_scopes"
WEIGHT = re.compile(r"(.+)\.(?:weight|kernel)(?:_quantized)?")
ONNX_DOMAINS = ("", "ai.onnx")


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
        typed = [v for v in (*node.inputs, *node.outputs) if v is not None]
        (calls if _all_typed(typed) else lacking).append(op_call(node, model))
    return tuple(calls), tuple(lacking)


def op_call(node: ir.Node, model: ir.Model) -> OpCall:
    """One node as a record; inputs or outputs that have no shape yet are left out."""
    inputs = node.inputs if _all_typed(v for v in node.inputs if v is not None) else ()
    return OpCall(
        target=target_of(node),
        name=node.metadata_props.get(LAYER) or node.name or node.op_type,
        inputs=tuple(None if v is None else tensor_of(v) for v in inputs),
        outputs=tuple(tensor_of(v) for v in node.outputs) if _all_typed(node.outputs) else (),
        attributes={name: _plain(a) for name, a in sorted(node.attributes.items())},
        node=node.name or "",
        opset=model.opset_imports.get(node.domain, 1),
    )


def tensor_of(value: ir.Value) -> Tensor:
    """An edge as a record; its shape must be known."""
    assert value.shape is not None and value.dtype is not None and value.name is not None
    shape = tuple(d for d in value.shape if isinstance(d, int))
    return Tensor(value.name, dtype_name(value.dtype), shape, value.const_value)


def dtype_name(dtype: ir.DataType) -> str:
    """``int8``, ``float32``: the name numpy and ml_dtypes use."""
    return "string" if dtype == ir.DataType.STRING else str(dtype.numpy().name)


def has_static_type(value: ir.Value) -> bool:
    return (
        value.dtype is not None
        and value.shape is not None
        and all(isinstance(d, int) for d in value.shape)
    )


def _all_typed(values: Iterable[ir.Value]) -> bool:
    return all(has_static_type(v) for v in values)


def name_layers(model: ir.Model) -> None:
    """Give every node without one a unique layer name (metadata ``qreg.layer``).

    The module path of the weight it reads (``layer1.0.conv1``): an exporter that folds a batch
    norm into a convolution leaves it the batch norm's scope. Else the module that holds just this
    node, else that module and the traced op, else the node's own name.
    """
    nodes = list(model.graph)
    if all(LAYER in n.metadata_props for n in nodes):
        return
    modules = Counter(_module(n)[0] for n in nodes)
    taken = Counter(n.metadata_props[LAYER] for n in nodes if LAYER in n.metadata_props)
    for index, node in enumerate(nodes):
        if LAYER in node.metadata_props:
            continue
        name = _weight_owner(node) or _scope_name(node, modules) or node.name
        name = name or f"{node.op_type}_{index}"
        taken[name] += 1
        node.metadata_props[LAYER] = name if taken[name] == 1 else f"{name}#{taken[name]}"


def readers(value: ir.Value) -> list[ir.Node]:
    """The nodes that read ``value``, each once."""
    return list(dict.fromkeys(use.node for use in value.uses()))


def inputs_of(model: ir.Model) -> tuple[Tensor, ...]:
    """The graph's inputs that are not parameters."""
    initializers = model.graph.initializers
    return tuple(tensor_of(v) for v in model.graph.inputs if v.name not in initializers)


def outputs_of(model: ir.Model) -> tuple[Tensor, ...]:
    return tuple(tensor_of(v) for v in model.graph.outputs)


def parameters(calls: Iterable[OpCall]) -> int:
    """Elements of the distinct constants that ``calls`` read."""
    return sum(t.elements for t in {t.name: t for c in calls for t in c.parameters}.values())


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
