"""Static shapes for every tensor: rules from registry ``ops`` first, else ONNX's own."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir
from onnx import shape_inference

from qreg.catalogue import Catalogue
from qreg.errors import QregError
from qreg.records import Array, OpCall
from qreg.specs import OpSpec
from qreg_onnx.graph import has_static_type, op_call, target_of, tensor_of

Evaluate = Callable[[OpCall, Sequence[Array | None]], Sequence[Array]]
MAX_SHAPE_ELEMENTS = 1 << 10  # constants that can say what shape a result has
FOLDED_ELEMENTS = 1 << 24  # larger results are computed at run time


def fix_inputs(model: ir.Model, shapes: Mapping[str, Sequence[int]]) -> None:
    """Give the graph's inputs the sizes asked for; refuse what stays without a size."""
    inputs = [v for v in model.graph.inputs if v.name not in model.graph.initializers]
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

    With ``evaluate``, nodes that compute only with constants are replaced by their results.
    """
    for node in list(model.graph):
        known = all(v is None or has_static_type(v) for v in node.inputs)
        if known and not all(has_static_type(v) for v in node.outputs):
            for value, (dtype, shape) in zip(
                node.outputs, _output_types(node, model, catalogue), strict=False
            ):
                value.dtype, value.shape = dtype, ir.Shape(shape)
        if known and evaluate and _is_constant(node):
            _fold(node, model, evaluate)


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


def _output_types(
    node: ir.Node, model: ir.Model, catalogue: Catalogue
) -> list[tuple[ir.DataType, tuple[int, ...]]]:
    """Types of a node's outputs; empty where nobody knows."""
    entry = catalogue.choose(OpSpec, target_of(node))
    if entry is None or entry.spec.shape is None:
        return _onnx_types(node, model)
    call = op_call(node, model)
    rule = entry.spec.shape.load()
    return [(ir.DataType.from_numpy(np.dtype(d)), tuple(s)) for d, s in rule(call)]


def _onnx_types(node: ir.Node, model: ir.Model) -> list[tuple[ir.DataType, tuple[int, ...]]]:
    version = model.opset_imports.get(node.domain, 1)
    try:
        schema = onnx.defs.get_schema(node.op_type, version, node.domain)
    except onnx.defs.SchemaError:
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
            ir.serde.serialize_node(node),
            {str(v.name): _type_proto(v) for v in inputs},
            constants,
            opset_imports=[onnx.helper.make_opsetid(d, n) for d, n in model.opset_imports.items()],
            ir_version=min(model.ir_version, onnx.IR_VERSION),
        )
    except shape_inference.InferenceError as exc:
        reason = str(exc).strip().splitlines()[-1]
        raise QregError(
            f"node {node.name!r} ({target_of(node)}) does not fit its inputs: {reason}"
        ) from exc
    found = []
    for value in node.outputs:
        tensor = types[str(value.name)].tensor_type if str(value.name) in types else None
        if tensor is None or not tensor.HasField("shape"):
            return []
        if not all(d.HasField("dim_value") for d in tensor.shape.dim):
            return []
        shape = tuple(int(d.dim_value) for d in tensor.shape.dim)
        found.append((ir.DataType(tensor.elem_type), shape))
    return found


def _type_proto(value: ir.Value) -> onnx.TypeProto:
    assert value.dtype is not None
    return onnx.helper.make_tensor_type_proto(value.dtype.value, tensor_of(value).shape)


def _is_constant(node: ir.Node) -> bool:
    """Whether the result is the same for every input, and small enough to store.

    Dequantised constants stay as they are: the pair (integers, scale) is what later steps read.
    """
    if not all(has_static_type(v) and not v.is_graph_output() for v in node.outputs):
        return False
    if sum(tensor_of(v).elements for v in node.outputs) > FOLDED_ELEMENTS:
        return False
    if target_of(node) in ("onnx.Shape", "onnx.DequantizeLinear"):
        return node.op_type == "Shape"
    return bool(node.inputs) and all(v is None or v.const_value is not None for v in node.inputs)


def _fold(node: ir.Node, model: ir.Model, evaluate: Evaluate) -> None:
    """Replace a constant node by its results; one that nobody can compute stays."""
    try:
        results = _constant_results(node, model, evaluate)
    except QregError:
        return
    for value, result in zip(node.outputs, results, strict=True):
        assert value.dtype is not None
        constant = ir.Value(
            name=value.name,
            type=ir.TensorType(value.dtype),
            shape=value.shape,
            const_value=ir.tensor(result, name=value.name),
        )
        ir.convenience.replace_all_uses_with(value, constant)
        value.name = None
        model.graph.register_initializer(constant)
    model.graph.remove(node, safe=True)


def _constant_results(node: ir.Node, model: ir.Model, evaluate: Evaluate) -> Sequence[Array]:
    call = op_call(node, model)
    if call.target == "onnx.Shape":  # known from the type; the numbers do not matter
        sizes = call.input(0).shape[call.attribute("start", 0) : call.attribute("end")]
        return [np.array(sizes, np.int64)]
    return evaluate(call, [t.numpy() if t else None for t in call.inputs])
