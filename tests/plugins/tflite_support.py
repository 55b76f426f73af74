"""Small TFLite files, written with LiteRT's own schema, and what LiteRT computes with them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from qreg.api import catalogue
from qreg_onnx.runtime import session
from qreg_tflite.frontend import load

Array = npt.NDArray[Any]

REFERENCE = OpResolverType.BUILTIN_REF  # the portable kernels
XNNPACK = OpResolverType.AUTO  # what LiteRT runs unless told otherwise
SAME, VALID = 0, 1
RELU, RELU_N1_TO_1, RELU6, SIGN_BIT = 1, 2, 3, 5
GRIDS: Mapping[str, tuple[Any, Any]] = {  # type -> scale and zero-point
    "float32": ((), ()), "int32": ((), ()), "int8": (0.05, 4), "uint8": (0.05, 130),
    "int16": (0.001, 0),
}  # fmt: skip


class File:
    """A file under construction: one graph, tensors by index."""

    def __init__(self) -> None:
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.codes: list[schema.OperatorCodeT] = []
        self.buffers = [schema.BufferT()]

    def tensor(
        self,
        name: str | bytes,
        shape: Sequence[int],
        dtype: str = "float32",
        scale: float | Sequence[float] = (),
        zero_point: int | Sequence[int] = (),
        axis: int = 0,
        data: bytes | None = None,
    ) -> int:
        made = schema.TensorT()
        made.name, made.shape = name, list(shape)
        made.type = getattr(schema.TensorType, dtype.upper())
        scales = np.atleast_1d(np.asarray(scale, np.float32))
        if scales.size:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale = scales.tolist()
            points = np.atleast_1d(np.asarray(zero_point, np.int64)).tolist() or [0]
            made.quantization.zeroPoint = points * (scales.size if len(points) == 1 else 1)
            made.quantization.quantizedDimension = axis
        if data is not None:
            self.buffers.append(schema.BufferT())
            self.buffers[-1].data = list(data)
            made.buffer = len(self.buffers) - 1
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def activation(self, name: str, shape: Sequence[int], dtype: str) -> int:
        """A computed tensor on the usual grid of its type."""
        return self.tensor(name, shape, dtype, *GRIDS[dtype])

    def constant(self, name: str, array: Array, **quantised: Any) -> int:
        kind = str(array.dtype)
        return self.tensor(name, array.shape, kind, data=array.tobytes(), **quantised)

    def op(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: str = "",
        **values: Any,
    ) -> None:
        """One operator; ``options`` is the kind of its table, ``values`` what is in it."""
        code = schema.OperatorCodeT()
        builtin = getattr(schema.BuiltinOperator, name, schema.BuiltinOperator.CUSTOM)
        code.builtinCode, code.deprecatedBuiltinCode = builtin, min(builtin, 127)
        code.version = values.pop("version", 1)
        if builtin == schema.BuiltinOperator.CUSTOM:
            code.customCode = name
        self.codes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex = len(self.codes) - 1
        made.inputs, made.outputs = list(inputs), list(outputs)
        if options:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            made.builtinOptions = getattr(schema, options + "T")()
            for key, value in values.items():
                assert hasattr(made.builtinOptions, key), key
                setattr(made.builtinOptions, key, value)
        self.graph.operators.append(made)

    def bytes(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        model = schema.ModelT()
        self.graph.inputs, self.graph.outputs = list(inputs), list(outputs)
        model.version, model.subgraphs = 3, [self.graph]
        model.operatorCodes, model.buffers = self.codes, self.buffers
        return packed(model)


class Sharing(flatbuffers.Builder):  # type: ignore[misc]
    """A builder that writes equal strings once, as flatbuffers allow."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.found: dict[bytes, int] = {}

    def CreateString(self, text: bytes, *options: Any) -> int:
        if text not in self.found:
            self.found[text] = super().CreateString(text, *options)
        return self.found[text]


def packed(tree: Any, shared: bool = False) -> bytes:
    """The bytes of a file; ``shared`` stores equal names once."""
    builder = Sharing(1024) if shared else flatbuffers.Builder(1024)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def unpacked(data: bytes) -> Any:
    """The file as a tree of LiteRT's own records, to look at and to change."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))


def names_of(data: bytes) -> list[str]:
    """The operators in order."""
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
    tree = unpacked(data)
    codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in tree.operatorCodes]
    return [names[codes[o.opcodeIndex]] for o in tree.subgraphs[0].operators]


def alone(data: bytes, index: int) -> tuple[bytes, dict[str, tuple[int, ...]]]:
    """A file with just this operator, and the shapes of its inputs by name."""
    tree = unpacked(data)
    graph = tree.subgraphs[0]
    op = graph.operators[index]
    computed = [i for i in op.inputs if tree.buffers[graph.tensors[i].buffer].data is None]
    graph.operators, graph.inputs, graph.outputs = [op], computed, list(op.outputs)
    tree.signatureDefs = None
    found = [graph.tensors[i] for i in computed]
    return packed(tree), {t.name.decode(): tuple(t.shape) for t in found}


def model_of(data: bytes, folder: Path) -> ir.Model:
    path = folder / "m.tflite"
    path.write_bytes(data)
    return load(path, {}, catalogue())


def ours(model: ir.Model, feed: Mapping[str, Array]) -> list[Array]:
    """What ONNX Runtime computes with the model that was read."""
    return list(session(model).run(None, dict(feed)))


def theirs(data: bytes, feed: Mapping[str, Array], kernels: Any = REFERENCE) -> list[Array]:
    """What LiteRT computes with the file."""
    interpreter = Interpreter(
        model_content=data, experimental_op_resolver_type=kernels, num_threads=1
    )
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], feed[detail["name"]])
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]).copy() for d in interpreter.get_output_details()]


def drawn(seed: int, shape: Sequence[int], dtype: str) -> Array:
    """Normal floats, 8-bit integers over their whole range, others within 1000."""
    draw = np.random.default_rng(seed)
    if dtype == "float32":
        return draw.normal(size=shape).astype(dtype)
    info = np.iinfo(dtype)
    low, high = (info.min, info.max) if info.bits == 8 else (-1000, 1000)
    return draw.integers(low, high + 1, shape).astype(dtype)


def agree(
    data: bytes, feed: Mapping[str, Array], folder: Path, steps: int = 0, kernels: Any = XNNPACK
) -> ir.Model:
    """The model that was read, after comparing it with LiteRT.

    Integers may be ``steps`` apart, floats by a few roundings.
    """
    model = model_of(data, folder)
    found, wanted = ours(model, feed), theirs(data, feed, kernels)
    assert [(a.shape, a.dtype) for a in found] == [(a.shape, a.dtype) for a in wanted]
    for ours_, theirs_ in zip(found, wanted, strict=True):
        if ours_.dtype.kind == "f":
            np.testing.assert_allclose(ours_, theirs_, rtol=1e-5, atol=1e-5)
        else:
            assert np.abs(ours_.astype(np.int64) - theirs_.astype(np.int64)).max() <= steps
    return model


def ops_of(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]
