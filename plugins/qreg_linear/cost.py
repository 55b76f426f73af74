"""What matrix products cost: the formulas, and ONNX ops."""

from collections.abc import Sequence
from math import prod

from attrs import evolve, frozen

from qreg.records import Contraction, Cost, OpCall, Tensor, Weight
from qreg_linear.activations import flops_of

NOWHERE = 99  # an axis that no tensor has: of a result without channels of the weight's


@frozen
class Operands:
    """Which inputs of an op are what. Zero-points and the bias may be absent."""

    right: int = 1
    bias: int | None = None
    left_zero: int | None = None
    right_zero: int | None = None


# Source: ONNX MatMul-13, Gemm-13, MatMulInteger-10, QLinearMatMul-21; ONNX Runtime, contrib ops.
OPERANDS = {
    "com.microsoft.DynamicQuantizeMatMul": Operands(1, 4, None, 3),
    "com.microsoft.FusedGemm": Operands(1, 2),
    "com.microsoft.GemmFastGelu": Operands(1, 2),
    "com.microsoft.GemmFloat8": Operands(1, 2),
    "com.microsoft.MatMulIntegerToFloat": Operands(1, 6, 4, 5),
    "com.microsoft.QGemm": Operands(3, 6, 2, 5),
    "onnx.Gemm": Operands(1, 2),
    "onnx.MatMulInteger": Operands(1, None, 2, 3),
    "onnx.QLinearMatMul": Operands(3, None, 2, 5),
}


def product(left: Sequence[int], right: Sequence[int], out: Sequence[int]) -> Contraction:
    """The product of two arrays as numpy's matmul defines it: vectors, batches, broadcasting.

    Where the right operand is one matrix, all rows of the left are one product: a linear layer
    over tokens costs once per token.

    Source: ONNX MatMul-13; numpy.matmul.
    """
    k = left[-1]
    if len(right) <= 2:
        return Contraction(m=prod(left[:-1]), n=right[-1] if len(right) == 2 else 1, k=k)
    m = left[-2] if len(left) > 1 else 1
    return Contraction(m=m, n=right[-1], k=k, count=prod(out[: len(out) - min(len(left), 2)]))


def in_real_numbers(contraction: Contraction, *factors: Tensor) -> Contraction:
    """Every complex factor doubles the real products: two complex numbers take four.

    Source: (a + ib)(c + id) = ac - bd + i(ad + bc).
    """
    parts = prod(2 for factor in factors if factor.dtype.startswith("complex"))
    return evolve(contraction, count=parts * contraction.count) if parts > 1 else contraction


def around(outputs: int, alpha: float = 1, beta: float = 1, added: bool = False) -> int:
    """FLOPs of ``alpha * product + beta * term``: a multiplication per output for each factor that
    is not 1, an addition for the term where there is one.

    Source: BLAS GEMM; a term whose factor is 0 is not read.
    """
    terms = 1 + (beta != 1) if added and beta != 0 else 0
    return outputs * ((alpha != 1) + terms)


def weight_of(
    call: OpCall,
    left: int,
    right: int,
    left_zero: int | None = None,
    right_zero: int | None = None,
) -> Weight:
    """The stored factor of a matmul of two inputs: the right one unless only the left is stored."""
    a, b = call.input(left), call.input(right)
    if a.value is not None and b.value is None:
        return Weight(
            input=left, in_axis=-1, out_axis=-2 if len(a.shape) > 1 else -1, zero_point=left_zero,
            data=right, data_axis=-2 if len(b.shape) > 1 else -1,
            output_axis=NOWHERE if len(a.shape) == 1 else -2 if len(b.shape) > 1 else -1,
        )  # fmt: skip
    return Weight(
        input=right, in_axis=-2 if len(b.shape) > 1 else -1, out_axis=-1, zero_point=right_zero,
        data=left, data_axis=-1, output_axis=-1 if len(b.shape) > 1 else NOWHERE,
    )  # fmt: skip


def hidden(index: int, in_axis: int, out_axis: int) -> Weight:
    """A stored factor whose other factor is made inside the op: it has no channels anyone knows."""
    return Weight(
        input=index, in_axis=in_axis, out_axis=out_axis, data_axis=NOWHERE, output_axis=NOWHERE
    )


def between(call: OpCall, left: int, right: int, weight: Weight) -> Contraction:
    """The matmul of two inputs of a call."""
    a, b = call.input(left), call.input(right)
    found = evolve(product(a.shape, b.shape, call.output.shape), weight=weight)
    return in_real_numbers(found, a, b)


def matmul(call: OpCall) -> Cost:
    """MatMul, MatMulInteger, QLinearMatMul and their fused forms: the product, then a bias.

    Rescaling is part of storing the result and counts nothing.
    """
    at = OPERANDS.get(call.target, Operands())
    weight = weight_of(call, 0, at.right, at.left_zero, at.right_zero)
    return Cost((between(call, 0, at.right, weight),), _bias(call, at) + _activated(call))


def gemm(call: OpCall) -> Cost:
    """Gemm, QGemm, FusedGemm: an (m, k) by (k, n) product, scaled, and what is added to it.

    Source: ONNX Gemm-13; ONNX Runtime QGemm-1, FusedGemm-1, GemmFloat8-1.
    """
    at = OPERANDS[call.target]
    across, down = bool(call.attribute("transB", 0)), bool(call.attribute("transA", 0))
    rows = call.input(0).shape
    m, k = reversed(rows) if down else rows
    weight = Weight(
        input=at.right,
        in_axis=1 if across else 0,
        out_axis=0 if across else 1,
        zero_point=at.right_zero,
        data_axis=0 if down else 1,
    )
    return Cost(
        (Contraction(m=m, n=call.output.shape[-1], k=k, weight=weight),),
        elementwise_flops=_bias(call, at) + _activated(call),
    )


def fused_matmul(call: OpCall) -> Cost:
    """FusedMatMul: either operand may lie transposed, or with its rows before its batches.

    Source: ONNX Runtime FusedMatMul-1, TransposeMatMul-1, FusedMatMulActivation-1.
    """
    a, b, out = call.input(0).shape, call.input(1).shape, call.output
    a_axes, b_axes = _axes(call, len(a), "A"), _axes(call, len(b), "B")
    weight = Weight(
        input=1, in_axis=b_axes[-2] if len(b) > 1 else -1, out_axis=b_axes[-1],
        data_axis=a_axes[-1], output_axis=-1 if len(b) > 1 else NOWHERE,
    )  # fmt: skip
    found = product([a[i] for i in a_axes], [b[i] for i in b_axes], out.shape)
    scaled = around(out.elements, call.attribute("alpha", 1.0))
    return Cost((evolve(found, weight=weight),), scaled + _activated(call))


def packed(call: OpCall) -> Cost:
    """Weights of a few bits in blocks: the sizes are attributes, and the blob has no channels.

    Source: ONNX Runtime MatMulNBits-1, MatMulBnb4-1.
    """
    k, n = call.attribute("K"), call.attribute("N")
    if not call.attribute("transB", 1):
        k, n = n, k
    bias = call.optional(5) if call.op == "MatMulNBits" else None
    found = Contraction(m=call.input(0).elements // k, n=n, k=k)
    return Cost((found,), call.output.elements if bias is not None else 0)


def _bias(call: OpCall, at: Operands) -> int:
    added = at.bias is not None and call.optional(at.bias) is not None
    alpha = 1 if call.op == "QGemm" else call.attribute("alpha", 1.0)  # there a part of rescaling
    return around(call.output.elements, alpha, call.attribute("beta", 1.0), added)


def _activated(call: OpCall) -> int:
    name = "FastGelu" if call.op == "GemmFastGelu" else call.attribute("activation", "")
    return call.output.elements * flops_of(name)


def _axes(call: OpCall, rank: int, letter: str) -> list[int]:
    """The axes of a FusedMatMul operand in the order of matmul: batches, rows, columns."""
    axes = list(range(rank))
    if rank > 1 and call.attribute(f"transBatch{letter}", 0):
        axes = [*axes[1:-1], 0, rank - 1]
    if rank > 1 and call.attribute(f"trans{letter}", 0):
        axes[-2:] = axes[-1], axes[-2]
    return axes
