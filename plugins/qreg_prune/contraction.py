"""Cut rules of sums of products: convolutions and matrix products, float and quantised."""

from collections.abc import Sequence

import numpy as np

from qreg.records import Array, OpCall
from qreg_prune.records import OUT, Change, Coupling, End, Groups, Tie

Couplings = tuple[Coupling, ...]


def conv(call: OpCall) -> Couplings:
    """Source: ONNX Conv-22."""
    return _convolution(call, 0, 1, (2,))


def conv_transpose(call: OpCall) -> Couplings:
    """The weight is (inputs, outputs of a group, ...). Source: ONNX ConvTranspose-22."""
    return _convolution(call, 0, 1, (2,), inputs_first=True)


def qlinear_conv(call: OpCall) -> Couplings:
    """Source: ONNX QLinearConv-10."""
    return _convolution(call, 0, 3, (4, 5, 8))


def conv_integer(call: OpCall) -> Couplings:
    """Source: ONNX ConvInteger-10."""
    return _convolution(call, 0, 1, (3,))


def gemm(call: OpCall) -> Couplings:
    """Source: ONNX Gemm-13."""
    return _gemm(call, 1, (2,))


def qgemm(call: OpCall) -> Couplings:
    """Source: ONNX Runtime com.microsoft QGemm-1."""
    return _gemm(call, 3, (4, 5, 6))


def matmul(call: OpCall) -> Couplings:
    """Source: ONNX MatMul-13."""
    return _product(call, 1, ())


def qlinear_matmul(call: OpCall) -> Couplings:
    """Source: ONNX QLinearMatMul-21."""
    return _product(call, 3, (4, 5))


def matmul_integer(call: OpCall) -> Couplings:
    """Source: ONNX MatMulInteger-10."""
    return _product(call, 1, (3,))


def biased(call: OpCall, vector: Array, bias: Array | None) -> Change:
    """``bias + vector`` of a convolution."""
    total = vector if bias is None else bias + vector
    return Change({8 if call.op == "QLinearConv" else 2: _stored(call, total)})


def gemm_biased(call: OpCall, vector: Array, bias: Array | None) -> Change:
    """``beta * C + vector`` with ``beta`` 1 from then on; C is broadcast to the output's shape."""
    if bias is None:
        return Change({2: _stored(call, vector)}, {"beta": 1.0})
    return Change({2: _stored(call, call.attribute("beta", 1.0) * bias + vector)}, {"beta": 1.0})


def qgemm_biased(call: OpCall, vector: Array, bias: Array | None) -> Change:
    return Change({6: _stored(call, vector if bias is None else bias + vector)})


def _stored(call: OpCall, total: Array) -> Array:
    kind = call.input(0).dtype
    return total.astype(np.int32 if kind in ("int8", "uint8") else kind)


def _convolution(
    call: OpCall, data: int, weight: int, vectors: Sequence[int], inputs_first: bool = False
) -> Couplings:
    groups = call.attribute("group", 1)
    images = Tie((End(data, 0), End(OUT, 0)))
    per_output = [End(v, 0) for v in vectors if _is_long(call, v)]
    if groups > 1:
        rows = Tie((End(OUT, 1), *per_output, End(weight, 0)))
        if inputs_first:
            rows = Tie((End(data, 1), End(weight, 0)))
        made = Tie((End(OUT, 1), *per_output))
        return images, made, rows, Groups(groups, data, weight, inputs_first)
    in_axis, out_axis = (0, 1) if inputs_first else (1, 0)
    summed = Tie((End(data, 1), End(weight, in_axis)), into=1)
    return images, summed, Tie((End(OUT, 1), End(weight, out_axis), *per_output))


def _gemm(call: OpCall, weight: int, vectors: Sequence[int]) -> Couplings:
    transposed_a, transposed_b = call.attribute("transA", 0), call.attribute("transB", 0)
    rows, summed = (1, 0) if transposed_a else (0, 1)
    columns, depth = (0, 1) if transposed_b else (1, 0)
    wide, high = [], []
    for port in vectors:
        tensor = call.optional(port)
        shape = tensor.shape if tensor is not None else ()
        if shape and shape[-1] == call.output.shape[1]:
            wide.append(End(port, len(shape) - 1))
        if len(shape) == 2 and shape[0] == call.output.shape[0]:
            high.append(End(port, 0))
    return (
        Tie((End(OUT, 0), End(0, rows), *high)),
        Tie((End(0, summed), End(weight, depth)), into=1),
        Tie((End(OUT, 1), End(weight, columns), *wide)),
    )


def _product(call: OpCall, weight: int, vectors: Sequence[int]) -> Couplings:
    """Leading axes are batches and broadcast; a vector has neither rows nor columns."""
    left, right, made = call.input(0).shape, call.input(weight).shape, call.output.shape
    if min(len(left), len(right)) < 2:
        return ()
    wide = [End(v, len(t.shape) - 1) for v in vectors
            if (t := call.optional(v)) is not None and t.shape and t.shape[-1] > 1]  # fmt: skip
    rank = len(made)
    ties = [
        Tie((End(0, len(left) - 1), End(weight, len(right) - 2)), into=rank - 1),
        Tie((End(OUT, rank - 1), End(weight, len(right) - 1), *wide)),
        Tie((End(OUT, rank - 2), End(0, len(left) - 2))),
    ]
    for axis in range(rank - 2):
        ends = [End(OUT, axis)]
        for port, shape in ((0, left), (weight, right)):
            own = axis - rank + len(shape)
            if own >= 0 and shape[own] == made[axis]:
                ends.append(End(port, own))
        ties.append(Tie(tuple(ends)))
    return tuple(ties)


def _is_long(call: OpCall, port: int) -> bool:
    """Whether an optional vector has one number per output channel; one for all stays as it is."""
    tensor = call.optional(port)
    return tensor is not None and tensor.shape == (call.output.shape[1],)
