"""What matrix products cost."""

from collections.abc import Sequence
from math import prod

from qreg.records import Contraction, Cost, OpCall, Weight


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


def gemm(call: OpCall) -> Cost:
    """Gemm and QGemm: an (m, k) by (k, n) product, and one addition per output where C is given.

    Source: ONNX Gemm-13, ONNX Runtime QGemm-1.
    """
    quantised = call.op == "QGemm"
    rows = call.input(0).shape
    m, k = reversed(rows) if call.attribute("transA", 0) else rows
    transposed = bool(call.attribute("transB", 0))
    added = call.optional(6 if quantised else 2)
    return Cost(
        (Contraction(m=m, n=call.output.shape[-1], k=k),),
        elementwise_flops=call.output.elements if added is not None else 0,
        weight=Weight(
            input=3 if quantised else 1,
            in_axis=1 if transposed else 0,
            out_axis=0 if transposed else 1,
            zero_point=5 if quantised else None,
            data_axis=0 if call.attribute("transA", 0) else 1,
        ),
    )


def matmul(call: OpCall) -> Cost:
    """MatMul and QLinearMatMul: nothing but the product."""
    quantised = call.op == "QLinearMatMul"
    second = 3 if quantised else 1
    left, right = call.input(0), call.input(second)
    cost = product(left.shape, right.shape, call.output.shape)
    if left.value is not None and right.value is None:
        weight = Weight(
            input=0, in_axis=-1, out_axis=-2 if len(left.shape) > 1 else -1, zero_point=2 if quantised else None,
            data=second, data_axis=-2 if len(right.shape) > 1 else -1, output_axis=-2,
        )  # fmt: skip
    else:
        weight = Weight(
            input=second, in_axis=-2 if len(right.shape) > 1 else -1, out_axis=-1,
            zero_point=5 if quantised else None, data_axis=-1, output_axis=-1,
        )  # fmt: skip
    return Cost((cost,), weight=weight)
