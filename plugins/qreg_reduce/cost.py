"""What reductions and scans cost: so many operations per element read. What is done once per result
(the division of a mean, a root, a logarithm) is not counted.

Source: the operator definitions of ONNX and PyTorch that the entries in ``plugin.py`` name.
"""

from typing import Any

from qreg.records import Cost, OpCall
from qreg_elementwise.operations import each_input, per_input, present

one_per_input = each_input("any")  # a sum, a product, a mean, a maximum, the place of one
sum_of_absolutes = each_input("abs sum")
sum_of_squares = each_input("square sum")
sum_of_numbers = each_input("isnan sum")
count_of_nonzero = each_input("equal sum")
both_extremes = each_input("min max")
log_of_exponentials = each_input("max sub exp sum")  # the maximum is subtracted, as in softmax
running_log_of_exponentials = each_input("exp exp add log")
variance = each_input("sum sub square sum")
scaled_to_norm = each_input("square sum mul")
bins = each_input(
    "sub mul add"
)  # the place of an element among equal intervals, and one more there
running_product_backward = each_input("mul sum div")  # sums of g * y from the end, over x


def norm_operations(order: Any) -> int:
    """Operations per element of a vector norm of that order; None is 2.

    Absolute values and their sum or extreme; squares; a comparison for order 0; else a power too.

    Source: PyTorch ``aten::linalg_vector_norm``.
    """
    plain = (None, 0, 1, 2, float("inf"), float("-inf"))
    return 2 if order in plain else 3


def vector_norm(call: OpCall) -> Cost:
    """Two or three operations per input element."""
    return per_input(call, norm_operations(call.attribute("p", call.attribute("ord"))))


def norm(call: OpCall) -> Cost | None:
    """As a vector norm; norms of a matrix that need its singular values are unknown.

    Source: PyTorch ``aten::linalg_norm``, ``aten::linalg_matrix_norm``.
    """
    order, dims = call.attribute("ord"), call.attribute("dim")
    if order in (None, "fro"):
        return per_input(call, 2)
    axes = len(call.input(0).shape) if dims is None else len(dims)
    if axes < 2 and order != "nuc":
        return per_input(call, norm_operations(order))
    return per_input(call, 2) if order in (1, -1, float("inf"), float("-inf")) else None


def distance(call: OpCall) -> Cost:
    """The norm of a difference. Source: PyTorch ``aten::dist``."""
    elements = max(call.input(0).elements, call.input(1).elements)
    return Cost(elementwise_flops=(1 + norm_operations(call.attribute("p", 2))) * elements)


def diagonal_sum(call: OpCall) -> Cost:
    """One addition per element of the diagonal. Source: PyTorch ``aten::trace``."""
    return Cost(elementwise_flops=min(call.input(0).shape))


def differences(call: OpCall) -> Cost:
    """``n`` rounds of subtractions. Source: PyTorch ``aten::diff``, the order ``n`` is 1."""
    return Cost(elementwise_flops=call.attribute("n", 1) * call.output.elements)


def area(call: OpCall) -> Cost:
    """The sum of neighbours, their product with the step, the sum of these; the steps from x.

    Source: PyTorch ``aten::trapezoid``.
    """
    return per_input(call, 3 + present(call, 1))
