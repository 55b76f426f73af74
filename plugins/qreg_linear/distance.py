"""What distances between rows cost."""

from math import prod

from qreg.records import Contraction, Cost, OpCall

ROWS_FOR_A_PRODUCT = 25  # of either operand, above which PyTorch multiplies


def by_product(batch: int, rows: int, others: int, size: int) -> Cost:
    """``|x|^2 + |y|^2 - 2 x y`` and its root: one product, both norms, four operations a pair.

    Source: ATen ``_euclidean_dist``; ONNX Runtime ``CDist`` (core/providers/cpu/math/cdist.h).
    """
    norms = 2 * batch * (rows + others) * size
    pairs = Contraction(m=rows, n=others, k=size, count=batch)
    return Cost((pairs,), norms + 4 * batch * rows * others)


def directly(batch: int, rows: int, others: int, size: int) -> Cost:
    """Difference, power and sum of every coordinate, and a root: no products are summed.

    Source: ATen ``_cdist_forward``.
    """
    return Cost(elementwise_flops=batch * rows * others * (3 * size + 1))


def cdist(call: OpCall) -> Cost:
    """``torch.cdist``: a product where p is 2 and either operand has more than 25 rows.

    ``compute_mode`` 1 asks for the product, 2 for none. Source: ATen ``Distance.cpp``.
    """
    (rows, size), others = call.input(0).shape[-2:], call.input(1).shape[-2]
    batch = prod(call.output.shape[:-2])
    mode = call.attribute("compute_mode") or 0
    long = rows > ROWS_FOR_A_PRODUCT or others > ROWS_FOR_A_PRODUCT
    euclidean = call.op == "_euclidean_dist"
    multiplies = call.attribute("p", 2.0) == 2 and (mode == 1 or (mode == 0 and long))
    rule = by_product if euclidean or multiplies else directly
    return rule(batch, rows, others, size)


def onnx_cdist(call: OpCall) -> Cost:
    """The metrics that ONNX Runtime computes, ``euclidean`` and ``sqeuclidean``: by a product."""
    (rows, size), others = call.input(0).shape, call.input(1).shape[0]
    return by_product(1, rows, others, size)
