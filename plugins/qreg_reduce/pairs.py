"""What distances between rows cost."""

from qreg.records import Cost, OpCall
from qreg_reduce.cost import norm_operations


def pair_operations(order: float) -> int:
    """Per pair of numbers: their difference, and what a norm does with it."""
    return 1 + norm_operations(order)


def within(call: OpCall) -> Cost:
    """Distances of the pairs of rows of D numbers: D times a difference and what its norm does.

    Source: PyTorch ``aten::pdist``.
    """
    length = call.input(0).shape[-1]
    each = pair_operations(call.attribute("p", 2.0))
    return Cost(elementwise_flops=each * length * call.output.elements)


def aligned(call: OpCall) -> Cost:
    """Distances of rows that stand side by side, with an epsilon added to each difference.

    Source: PyTorch ``aten::pairwise_distance``.
    """
    length = max(call.input(0).shape[-1], call.input(1).shape[-1])
    each = 1 + pair_operations(call.attribute("p", 2.0))
    return Cost(elementwise_flops=each * length * call.output.elements)


def between_backward(call: OpCall) -> Cost:
    """Per pair of numbers their difference, the product with the gradient, and its sum.

    Source: PyTorch ``aten::_cdist_backward``, ``aten::_pdist_backward``.
    """
    length = call.input(1).shape[-1]
    return Cost(elementwise_flops=3 * length * call.input(0).elements)
