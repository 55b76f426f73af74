"""The forms a tensor is read and written in: real numbers, integers on a grid, clamped results."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from qreg.records import Array
from qreg_tflite.graph import Graph, Order, in_file, shape_of
from qreg_tflite.records import INTEGER_GRIDS, FileTensor, Operator, UnmappedError

REAL_LIMITS: Mapping[str, tuple[float, float]] = {
    "RELU": (0.0, float("inf")),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU_0_TO_1": (0.0, 1.0),
}


def dtype_of(tensor: FileTensor) -> ir.DataType:
    return ir.DataType.from_numpy(np.dtype(tensor.dtype))


def sizes(tensor: FileTensor, order: Order) -> tuple[int, ...]:
    """The tensor's shape with its axes in ``order``."""
    wide = (1,) * (len(order) - len(tensor.shape)) + tensor.shape
    return tuple(wide[axis] for axis in order)


def fixed(graph: Graph, index: int, what: str) -> Array:
    """The numbers of a tensor that must be known while reading: axes, sizes, paddings."""
    if index not in graph.stored:
        raise UnmappedError(f"its {what} is computed at run time")
    return graph.stored[index]


def grid(graph: Graph, index: int) -> list[ir.Value]:
    """The tensor's scale and zero-point as constants: one number each, or one per channel."""
    tensor = graph.tensor(index)
    assert tensor.scales is not None and tensor.zero_points is not None
    shape = () if tensor.scales.size == 1 else tensor.scales.shape
    name = f"{graph.layer}.{tensor.name or index}"
    scale = tensor.scales.astype(np.float32).reshape(shape)
    zero_point = tensor.zero_points.astype(tensor.dtype).reshape(shape)
    return [
        graph.constant(scale, f"{name}_scale", ("scale", index)),
        graph.constant(zero_point, f"{name}_zero_point", ("zero_point", index)),
    ]


def integers(graph: Graph, index: int, order: Order | None = None) -> list[ir.Value]:
    """A quantised operand as QOperator ops take it: values, scale, zero-point."""
    return [graph.view(index, order), *grid(graph, index)]


def real(graph: Graph, index: int, order: Order | None = None) -> ir.Value:
    """The tensor as the numbers it stands for; of a plain type, as it is."""
    index = graph.dequantised.get(index, index)
    tensor = graph.tensor(index)
    order = order or in_file(len(tensor.shape))
    if not tensor.quantised:
        if tensor.dtype in INTEGER_GRIDS:
            raise UnmappedError(f"tensor {tensor.name!r} is {tensor.dtype} without a scale")
        return graph.view(index, order)
    found = graph.reals.get((index, order))
    if found is None:
        axis = None if tensor.single_scale else _position(tensor, order)
        values = graph.view(index, order)
        found = graph.reals[index, order] = graph.node(
            "DequantizeLinear", [values, *grid(graph, index)], shape_of(values),
            ir.DataType.FLOAT, role="dequantize", axis=axis,
        )  # fmt: skip
    return found


def exact(graph: Graph, index: int, order: Order | None = None) -> ir.Value:
    """The tensor for ops that only move or compare what is stored: pads, pools, resizing.

    ONNX Runtime has these for 8-bit integers and not for 16 bits, which go through the numbers
    they stand for; that loses nothing.
    """
    wide = graph.tensor(index).dtype == "int16"
    return real(graph, index, order) if wide else graph.view(index, order)


def operand(graph: Graph, index: int, order: Order, as_real: bool = True) -> ir.Value:
    """The tensor for an element-by-element op in ``order``; a single number keeps its shape."""
    tensor = graph.tensor(index)
    single = index in graph.stored and not tensor.shape
    chosen = None if single else order
    return real(graph, index, chosen) if as_real else graph.view(index, chosen)


def common_order(graph: Graph, indices: Sequence[int], rank: int) -> Order:
    """The order of the first computed operand of full rank that is not the file's, else the file's."""
    for index in indices:
        order = graph.order(index)
        if len(order) == rank and order != in_file(rank) and index not in graph.stored:
            return order
    return in_file(rank)


def on_one_grid(graph: Graph, *indices: int) -> bool:
    """Whether all are 8-bit integers of one type, with one scale each."""
    tensors = [graph.tensor(i) for i in indices]
    return all(t.eight_bits and t.dtype == tensors[0].dtype for t in tensors)


def store(
    graph: Graph,
    op: Operator,
    value: ir.Value,
    order: Order | None = None,
    output: int = 0,
    activation: str = "",
) -> None:
    """Make ``value`` the operator's result: quantised where the file says so, then clamped.

    A fused activation of a quantised result is a clamp of its integers; there is nothing to clamp
    where the activation's range covers that of the type.
    """
    index = op.outputs[output]
    tensor = graph.tensor(index)
    kind = activation or op.options.get("activation", "NONE")
    if not tensor.quantised:
        graph.place(index, activated(graph, value, kind), order)
        return
    if value.dtype == ir.DataType.FLOAT:
        if tensor.dtype == "int16":  # ONNX Runtime has no Clip of 16-bit integers
            value, kind = activated(graph, value, kind), "NONE"
        value = graph.node(
            "QuantizeLinear", [value, *grid(graph, index)], shape_of(value), dtype_of(tensor),
            role="quantize",
        )  # fmt: skip
    graph.place(index, clamped(graph, value, tensor, kind), order)


def activated(graph: Graph, value: ir.Value, kind: str) -> ir.Value:
    """``value`` after a fused activation, on real numbers."""
    shape = shape_of(value)
    if kind == "NONE":
        return value
    if kind == "RELU":
        return graph.node("Relu", [value], shape, role="relu")
    if kind == "TANH":
        return graph.node("Tanh", [value], shape, role="tanh")
    if kind not in REAL_LIMITS:
        raise UnmappedError(f"fused activation {kind}")
    low, high = (np.array(v, np.float32) for v in REAL_LIMITS[kind])
    return graph.node("Clip", [value, *_ends(graph, low, high)], shape, role="clip")


def clamped(graph: Graph, value: ir.Value, tensor: FileTensor, kind: str) -> ir.Value:
    """Integers on the tensor's grid after a fused activation."""
    if kind == "NONE":
        return value
    low, high = limits(tensor, kind)
    whole = np.iinfo(tensor.dtype)
    if (low, high) == (whole.min, whole.max):
        return value
    ends = _ends(graph, np.array(low, tensor.dtype), np.array(high, tensor.dtype))
    return graph.node("Clip", [value, *ends], shape_of(value), role="clip")


def limits(tensor: FileTensor, kind: str) -> tuple[int, int]:
    """The integers that an activation leaves: ``zp + round(limit / scale)``, inside the type.

    Source: TensorFlow Lite, kernel_util, CalculateActivationRangeQuantized.
    """
    if kind not in REAL_LIMITS:
        raise UnmappedError(f"fused activation {kind} of a quantised result")
    whole = np.iinfo(tensor.dtype)
    low, high = (_on_grid(tensor, limit) for limit in REAL_LIMITS[kind])
    return int(max(whole.min, min(low, whole.max))), int(min(whole.max, max(high, whole.min)))


def _on_grid(tensor: FileTensor, limit: float) -> float:
    """Half away from zero, the quotient in float32, as C's ``round`` does it there."""
    quotient = float(np.float32(limit) / tensor.scale)
    if not np.isfinite(quotient):
        return quotient
    return tensor.zero_point + float(np.trunc(quotient + np.copysign(0.5, quotient)))


def _ends(graph: Graph, low: Array, high: Array) -> list[ir.Value]:
    return [
        graph.constant(v, f"{graph.layer}.{what}", ("limit", v.dtype.name, v.item()))
        for what, v in (("low", low), ("high", high))
    ]


def _position(tensor: FileTensor, order: Order) -> int:
    """Where the axis of a tensor's scales is in ``order``."""
    return order.index(tensor.axis + len(order) - len(tensor.shape))
