"""A TFLite file as records. Every offset in it is data: what does not fit raises."""

from math import prod
from typing import Any

import numpy as np
import tflite
from attrs import define

from qreg.errors import QregError
from qreg.records import Array
from qreg_tflite.names import clean
from qreg_tflite.options import options_of
from qreg_tflite.records import FileTensor, Network, Operator

IDENTIFIER = b"TFL3"
LARGEST_RANK = 8
TYPES = {
    code: name
    for name, code in vars(tflite.TensorType).items()
    if not name.startswith("_") and isinstance(code, int)
}
NUMPY = ("float16", "float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32",
         "int64", "uint64", "bool")  # fmt: skip
GRIDS = ("INT4", "INT8", "UINT8", "INT16", "INT32", "INT64")  # the last two are of biases
# Tables of a sound file do not overlap; a hostile one can name the same bytes a million times.
READS_PER_BYTE = 8


@define
class Budget:
    """How many bytes may still be read, so that time and memory are bounded by the file's size."""

    left: int

    def take(self, count: int) -> int:
        self.left -= count
        if self.left < 0:
            raise QregError("its tables name the same bytes again and again")
        return count


def read_network(data: bytes) -> Network:
    """The file's main graph. Raises QregError, or whatever a broken offset makes of it."""
    if data[4:8] != IDENTIFIER:
        raise QregError("is no TFLite file: it lacks the identifier TFL3")
    model = tflite.Model.GetRootAs(data, 0)
    if model.Version() != 3:
        raise QregError(f"is of schema version {model.Version()}; version 3 is known")
    if not model.SubgraphsLength():
        raise QregError("holds no graph; convert or download it again")
    budget = Budget(READS_PER_BYTE * len(data))
    graph = model.Subgraphs(0)
    codes = [_opcode(model.OperatorCodes(i)) for i in _range(model.OperatorCodesLength(), budget)]
    tensors = tuple(
        _tensor(graph.Tensors(i), model, data, budget)
        for i in _range(graph.TensorsLength(), budget)
    )
    operators = tuple(
        _operator(graph.Operators(i), i, codes, budget)
        for i in _range(graph.OperatorsLength(), budget)
    )
    if not operators:
        raise QregError("holds no operators; convert or download it again")
    inputs, outputs = _ints(graph.InputsAsNumpy(), budget), _ints(graph.OutputsAsNumpy(), budget)
    _check_indices(operators, inputs, outputs, len(tensors))
    return Network(tensors, operators, inputs, outputs)


def _range(count: int, budget: Budget) -> range:
    """``range(count)``: each entry of a vector of tables takes four bytes."""
    budget.take(4 * count)
    return range(count)


def _ints(vector: Any, budget: Budget) -> tuple[int, ...]:
    """A vector of integers; the package gives 0 for one that is absent."""
    if isinstance(vector, int):
        return ()
    budget.take(vector.nbytes)
    return tuple(int(v) for v in vector)


def _opcode(code: Any) -> str:
    """``CONV_2D``; for a custom operator its own name."""
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if number == tflite.BuiltinOperator.CUSTOM:
        return clean(code.CustomCode() or b"") or "CUSTOM"
    return str(tflite.BUILTIN_OPCODE2NAME.get(number, f"BUILTIN_{number}"))


def _operator(operator: Any, index: int, codes: list[str], budget: Budget) -> Operator:
    name = codes[operator.OpcodeIndex()]
    return Operator(
        index=index,
        name=name,
        inputs=_ints(operator.InputsAsNumpy(), budget),
        outputs=_ints(operator.OutputsAsNumpy(), budget),
        options=options_of(operator, name),
    )


def _tensor(tensor: Any, model: Any, data: bytes, budget: Budget) -> FileTensor:
    name = tensor.Name() or b""
    budget.take(len(name))
    shape = _ints(tensor.ShapeAsNumpy(), budget)
    kind = TYPES.get(tensor.Type(), f"TYPE_{tensor.Type()}")
    if len(shape) > LARGEST_RANK or min(shape, default=0) < 0:
        raise QregError(f"tensor {clean(name)!r} has sizes {list(shape)[: LARGEST_RANK + 1]}")
    content = _content(tensor.Buffer(), model, data)
    budget.take(len(content))
    array, fault = _array(content, kind, shape)
    scales, zero_points, lacking = _grid(tensor.Quantization(), shape, kind, budget)
    if tensor.Sparsity() is not None:
        fault = "it is stored as a sparse tensor"
    return FileTensor(
        name=clean(name),
        dtype="int8" if kind == "INT4" else kind.lower(),
        shape=shape,
        data=None if fault else array,
        scales=scales,
        zero_points=zero_points,
        axis=tensor.Quantization().QuantizedDimension() if scales is not None else 0,
        variable=bool(tensor.IsVariable()),
        fault=fault or lacking,
    )


def _content(index: int, model: Any, data: bytes) -> bytes | memoryview:
    """The bytes of a buffer, inside its table or, in files over 2 GB, behind all tables."""
    buffer = model.Buffers(index) if index < model.BuffersLength() else None
    if buffer is None:
        raise QregError(f"a tensor names buffer {index} of {model.BuffersLength()}")
    if buffer.Offset() > 1:
        end = buffer.Offset() + buffer.Size()
        if end > len(data):
            raise QregError(f"buffer {index} ends at byte {end} of {len(data)}")
        return memoryview(data)[buffer.Offset() : end]
    array = buffer.DataAsNumpy()
    return b"" if isinstance(array, int) else memoryview(array)


def _array(
    content: bytes | memoryview, kind: str, shape: tuple[int, ...]
) -> tuple[Array | None, str]:
    """(the constant or None, why it cannot be read)."""
    count = prod(shape)
    if kind != "INT4" and kind.lower() not in NUMPY:
        return None, f"its element type is {kind}"
    if not len(content):
        none = np.zeros(shape, kind.lower()) if count == 0 and kind != "INT4" else None
        return none, "its element type is INT4" if kind == "INT4" else ""
    if kind == "INT4":
        if len(content) != -(-count // 2):
            raise QregError(f"a tensor of {count} INT4 elements is stored in {len(content)} bytes")
        return _nibbles(np.frombuffer(content, np.uint8), count).reshape(shape), ""
    dtype = np.dtype(kind.lower()).newbyteorder("<")
    if len(content) != count * dtype.itemsize:
        raise QregError(f"a tensor {kind} {list(shape)} is stored in {len(content)} bytes")
    if kind == "BOOL":
        return (np.frombuffer(content, np.uint8) != 0).reshape(shape), ""
    array = np.frombuffer(content, dtype).astype(dtype.newbyteorder("="), copy=False)
    return array.reshape(shape), ""


def _nibbles(packed: Array, count: int) -> Array:
    """Four-bit integers as int8, the low half of each byte first.

    Source: TensorFlow Lite, kernels/internal/tensor_utils, UnpackDenseInt4IntoInt8.
    """
    pairs = np.stack([packed << 4, packed & 0xF0], axis=-1).view(np.int8) >> 4
    return pairs.reshape(-1)[:count]


def _grid(
    found: Any, shape: tuple[int, ...], kind: str, budget: Budget
) -> tuple[Array | None, Array | None, str]:
    """(scales, zero-points, why they cannot be used); None where the tensor is not quantised."""
    if found is None:
        return None, None, ""
    budget.take(8 * found.ZeroPointLength() + 4 * found.ScaleLength())
    scales = found.ScaleAsNumpy()
    if found.DetailsType() != 0:
        return None, None, "it is quantised by a scheme of its own"
    if isinstance(scales, int) or not scales.size or "INT" not in kind:
        return None, None, ""
    zero_points = found.ZeroPointAsNumpy()
    if isinstance(zero_points, int) or not zero_points.size:
        zero_points = np.zeros(scales.size, np.int64)
    if zero_points.size == 1:
        zero_points = np.repeat(zero_points, scales.size)
    axis = found.QuantizedDimension()
    fits = scales.size == 1 or (0 <= axis < len(shape) and shape[axis] == scales.size)
    return scales, zero_points, _grid_fault(scales, zero_points, fits, kind)


def _grid_fault(scales: Array, zero_points: Array, fits: bool, kind: str) -> str:
    if kind not in GRIDS:
        return f"it is quantised to {kind}"
    if not fits or zero_points.size != scales.size:
        return f"it has {scales.size} scales and {zero_points.size} zero-points"
    if not (np.isfinite(scales) & (scales > 0)).all():
        return "it has a scale that is no positive number"
    limits = np.iinfo("int8" if kind == "INT4" else kind.lower())
    if (zero_points < limits.min).any() or (zero_points > limits.max).any():
        return "it has a zero-point outside its type"
    return ""


def _check_indices(
    operators: tuple[Operator, ...],
    inputs: tuple[int, ...],
    outputs: tuple[int, ...],
    count: int,
) -> None:
    read = [*inputs, *outputs, *(i for o in operators for i in o.outputs)]
    optional = [i for o in operators for i in o.inputs]
    for index in (*read, *(i for i in optional if i != -1)):
        if not 0 <= index < count:
            raise QregError(f"an operator names tensor {index} of {count}")
