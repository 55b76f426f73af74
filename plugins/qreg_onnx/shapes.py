"""Static shapes for every tensor: rules from registry ``ops`` first, else ONNX's own."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir
from onnx import shape_inference

from qreg.catalogue import Catalogue, Entry
from qreg.errors import QregError
from qreg.records import Array, OpCall
from qreg.specs import OpSpec
from qreg_onnx.graph import (
    LAYER,
    has_static_type,
    op_call,
    outputs,
    subgraphs,
    target_of,
    tensor_of,
)

Type = tuple[ir.DataType, tuple[int, ...]]
Evaluate = Callable[[OpCall, Sequence[Array | None]], Sequence[Array]]
MAX_SHAPE_ELEMENTS = 1 << 10  # constants that can say what shape a result has
WINDOWED = (
    "Conv",
    "ConvTranspose",
    "ConvInteger",
    "QLinearConv",
    "AveragePool",
    "MaxPool",
    "LpPool",
)
FOLDED_ELEMENTS = 1 << 24  # larger results are computed at run time
RANDOM = (  # not the schemas' own flag: onnx 1.23 sets it for AffineGrid too
    "Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
    "RandomUniformLike",
)  # fmt: skip


def fix_inputs(model: ir.Model, shapes: Mapping[str, Sequence[int]]) -> None:
    """Give the graph's inputs the sizes asked for; refuse what stays without a size.

    Sizes without a name are those of the only input.
    """
    inputs = [v for v in model.graph.inputs if v.name not in model.graph.initializers]
    if "" in shapes:
        if len(inputs) != 1:
            known = ", ".join(repr(v.name) for v in inputs)
            raise QregError(f"sizes without a name are for a model with one input; it has {known}")
        shapes = {str(inputs[0].name): shapes[""]}
    for name in shapes:
        if name not in {v.name for v in inputs}:
            known = ", ".join(repr(v.name) for v in inputs)
            raise QregError(f"the model has no input {name!r}; it has {known}")
    for value in inputs:
        wanted = shapes.get(str(value.name))
        if wanted is not None:
            _fit(value, tuple(wanted))
        if not has_static_type(value):
            raise QregError(_lacking(value))


def infer_shapes(model: ir.Model, catalogue: Catalogue, evaluate: Evaluate | None = None) -> None:
    """Set dtype and shape of every value that can be inferred.

    What a file declares is kept only where nobody can infer: it may be left from other input sizes.
    With ``evaluate``, nodes that compute only with constants are replaced by their results.
    """
    for node in list(model.graph):
        if _infer(node, model, catalogue) and evaluate and _is_constant(node, model, catalogue):
            _fold(node, model, evaluate)


def _infer(node: ir.Node, model: ir.Model, catalogue: Catalogue) -> bool:
    """Set the types of the node's outputs; False where an input has none."""
    for graph in subgraphs(node):
        for inner in graph:
            _infer(inner, model, catalogue)
    if not all(v is None or has_static_type(v) for v in node.inputs):
        return False
    types = _output_types(node, model, catalogue)
    _refuse_no_window(node, types)
    for value, found in zip(outputs(node), types, strict=False):
        if value.name and found is not None:
            value.type, value.shape = ir.TensorType(found[0]), ir.Shape(found[1])
    return True


def _fit(value: ir.Value, wanted: tuple[int, ...]) -> None:
    declared = value.shape
    fits = declared is None or (
        len(declared) == len(wanted)
        and all(not isinstance(d, int) or d == w for d, w in zip(declared, wanted, strict=True))
    )
    if not fits or min(wanted, default=1) < 1:
        raise QregError(f"input {value.name!r} is {declared}: it cannot be {list(wanted)}")
    value.shape = ir.Shape(wanted)


def _lacking(value: ir.Value) -> str:
    if value.shape is None:
        return f"input {value.name!r} has no shape: give it one ({_cure(value, '1, 3, 32, 32')})"
    if value.dtype is None:
        return f"input {value.name!r} has no element type: the file must declare one"
    dims = ", ".join(str(d) if isinstance(d, int) else repr(d.value or "?") for d in value.shape)
    example = ", ".join(str(d) if isinstance(d, int) else "1" for d in value.shape)
    return (
        f"input {value.name!r} is [{dims}]: a dimension without a size; "
        f"give it one ({_cure(value, example)})"
    )


def _cure(value: ir.Value, example: str) -> str:
    packed = example.replace(" ", "")
    return f"[model] shape = {{ {value.name!r} = [{example}] }} or --shape {value.name}={packed}"


def _refuse_no_window(node: ir.Node, types: Sequence[Type | None]) -> None:
    """Raises QregError where a window is larger than what it slides over."""
    made = types[0][1] if types and types[0] is not None else ()
    given = node.inputs[0].shape if node.inputs and node.inputs[0] is not None else None
    if node.op_type in WINDOWED and any(size <= 0 for size in made) and given and 0 not in given:
        raise QregError(
            f"node {node.name!r} ({target_of(node)}) would give {list(made)}: its window is larger "
            f"than its input, {list(given)}; give the model's input a larger size"
        )


def _output_types(node: ir.Node, model: ir.Model, catalogue: Catalogue) -> list[Type | None]:
    """Types of a node's outputs; None, or nothing, where nobody knows."""
    entry = _declared(node, model, catalogue)
    if entry is None or entry.spec.shape is None:
        return _onnx_types(node, model)
    call = op_call(node, model)
    place = f"node {call.name!r} ({call.target})"
    types = entry.call("shape", call, about=place)
    try:
        return [(ir.DataType.from_numpy(np.dtype(d)), tuple(map(int, s))) for d, s in types]
    except (TypeError, ValueError) as exc:
        raise QregError(
            f"{place}: ops {entry.id} ({entry.distribution} {entry.version}): its shape rule must "
            f"give (dtype, sizes) for each output, not {types!r}; that is a fault of the plugin"
        ) from exc


def _declared(node: ir.Node, model: ir.Model, catalogue: Catalogue) -> Entry[OpSpec] | None:
    return catalogue.choose(OpSpec, target_of(node), model.opset_imports.get(node.domain, 1))


def _schema(node: ir.Node, model: ir.Model) -> onnx.defs.OpSchema | None:
    version = model.opset_imports.get(node.domain, 1)
    try:
        return onnx.defs.get_schema(node.op_type, version, node.domain)
    except onnx.defs.SchemaError:
        return None


def _onnx_types(node: ir.Node, model: ir.Model) -> list[Type | None]:
    schema = _schema(node, model)
    if schema is None:
        return []
    inputs = [v for v in node.inputs if v is not None]
    constants = {
        str(v.name): ir.serde.serialize_tensor(v.const_value)
        for v in inputs
        if v.const_value is not None and v.const_value.size <= MAX_SHAPE_ELEMENTS
    }
    try:
        types = shape_inference.infer_node_outputs(
            schema,
            _node_proto(node),
            {str(v.name): _type_proto(v) for v in inputs},
            constants,
            opset_imports=[onnx.helper.make_opsetid(d, n) for d, n in model.opset_imports.items()],
            ir_version=min(model.ir_version, onnx.IR_VERSION),
        )
    except shape_inference.InferenceError as exc:
        reason = str(exc).strip().splitlines()[-1]
        name = node.metadata_props.get(LAYER) or node.name or node.op_type
        raise QregError(
            f"node {name!r} ({target_of(node)}) does not fit its inputs: {reason}"
        ) from exc
    return [_static_type(types.get(f"o{i}")) for i in range(len(node.outputs))]


def _node_proto(node: ir.Node) -> onnx.NodeProto:
    """The node with a name for every output: rules of some ops insist on optional ones."""
    proto = ir.serde.serialize_node(node)
    del proto.output[:]
    proto.output.extend(f"o{i}" for i in range(len(node.outputs)))
    return proto


def _static_type(found: onnx.TypeProto | None) -> Type | None:
    tensor = None if found is None else found.tensor_type
    if tensor is None or not tensor.elem_type or not tensor.HasField("shape"):
        return None
    if not all(d.HasField("dim_value") for d in tensor.shape.dim):
        return None
    return ir.DataType(tensor.elem_type), tuple(int(d.dim_value) for d in tensor.shape.dim)


def _type_proto(value: ir.Value) -> onnx.TypeProto:
    assert value.dtype is not None
    return onnx.helper.make_tensor_type_proto(value.dtype.value, tensor_of(value).shape)


def _is_constant(node: ir.Node, model: ir.Model, catalogue: Catalogue) -> bool:
    """Whether the result is the same for every input, and small enough to store.

    Dequantised constants stay as they are: the pair (integers, scale) is what later steps read.
    """
    made = [v for v in node.outputs if v.name]
    if not all(has_static_type(v) and v.dtype != ir.DataType.STRING for v in made):
        return False
    if sum(tensor_of(v).elements for v in made) > FOLDED_ELEMENTS:
        return False
    if target_of(node) in ("onnx.Shape", "onnx.DequantizeLinear"):
        return node.op_type == "Shape"
    if not node.inputs and target_of(node) != "onnx.Constant":
        return False
    constant = all(v is None or v.const_value is not None for v in node.inputs)
    return constant and not subgraphs(node) and _is_deterministic(node, model, catalogue)


def _is_deterministic(node: ir.Node, model: ir.Model, catalogue: Catalogue) -> bool:
    """Whether equal inputs give equal results; an op that nobody describes may be random."""
    schema = _schema(node, model)
    if schema is None:
        entry = _declared(node, model, catalogue)
        return entry is not None and entry.spec.reference is not None
    return node.op_type not in RANDOM


def _fold(node: ir.Node, model: ir.Model, evaluate: Evaluate) -> None:
    """Replace a constant node by its results; one that nobody can compute stays."""
    try:
        results = _constant_results(node, model, evaluate)
    except QregError:
        return
    for value, result in zip(outputs(node), results, strict=False):
        if not value.name:
            continue
        assert value.dtype is not None
        constant = ir.Value(
            name=value.name,
            type=ir.TensorType(value.dtype),
            shape=ir.Shape(result.shape),
            const_value=ir.tensor(result, name=value.name),
        )
        ir.convenience.replace_all_uses_with(value, constant, replace_graph_outputs=True)
        value.name = None
        model.graph.register_initializer(constant)
    model.graph.remove(node, safe=True)


def _constant_results(node: ir.Node, model: ir.Model, evaluate: Evaluate) -> Sequence[Array]:
    call = op_call(node, model)
    if call.target == "onnx.Shape":  # known from the type; the numbers do not matter
        sizes = call.input(0).shape[call.attribute("start", 0) : call.attribute("end")]
        return [np.array(sizes, np.int64)]
    return evaluate(call, [t.numpy() if t else None for t in call.inputs])
