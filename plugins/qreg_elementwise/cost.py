"""What element-by-element ops cost. The quantised forms count what the float forms count:
rescaling is part of storing the result.

Source: the operator definitions of ONNX and PyTorch, as the entries in ``plugin.py`` name them.
"""

from qreg.records import Cost, OpCall, Tensor
from qreg_elementwise.operations import each_input, each_output, per_output

one_per_output = each_output("any")  # an addition, a comparison, one evaluation of a function
closeness = each_output("sub abs abs mul add less")  # |a - b| <= atol + rtol * |b|
equality = each_input("equal and")
interpolation = each_output("sub mul add")  # a + w * (b - a)
product_and_clamp = each_output("mul max")
gated_sum = each_output("mul add")  # x + y * gate
cross_product = each_output("mul mul sub")
complex_product = each_output("mul mul add")  # per real or imaginary part
sequence = each_output("mul add")  # start + i * step


def sum_with_factor(call: OpCall) -> Cost:
    """One addition per output element, and one product where the second operand has a factor.

    On complex numbers each is two. Source: PyTorch ``aten::add``: ``self + alpha * other``.
    """
    parts = 2 if is_complex(call.output) else 1
    return per_output(call, parts * (1 if call.attribute("alpha", 1) == 1 else 2))


def product(call: OpCall) -> Cost:
    """One product per output element.

    Two where one factor is complex; where both are, four products and two sums.
    """
    return per_output(call, (1, 2, 6)[complex_factors(call)])


def quotient(call: OpCall) -> Cost:
    """One division per output element.

    Two where the dividend alone is complex; else a product with the conjugate, the square of the
    absolute value, and two divisions.
    """
    return per_output(call, (1, 2, 11)[complex_factors(call)])


def is_complex(tensor: Tensor | None) -> bool:
    """Whether its elements have two parts."""
    return tensor is not None and tensor.dtype.startswith("complex")


def complex_factors(call: OpCall) -> int:
    """How many of two operands are complex tensors; a number counts as what it is."""
    given = [is_complex(t) for t in call.inputs] + [
        isinstance(call.attribute(name), complex) for name in ("self", "other")
    ]
    return min(sum(given), 2)


def sum_and_clamp(call: OpCall) -> Cost:
    """An addition and a ReLU per output element. Source: PyTorch ``aten::_add_relu``."""
    return per_output(call, 2 if call.attribute("alpha", 1) == 1 else 3)


def product_sum(call: OpCall) -> Cost:
    """``self + value * a * b`` (or ``a / b``): two operations, three where there is a factor.

    Source: PyTorch ``aten::addcmul``, ``aten::addcdiv``.
    """
    return per_output(call, 2 if call.attribute("value", 1) == 1 else 3)


def across_inputs(call: OpCall) -> Cost:
    """One operation fewer per output element than there are inputs: a sum, a maximum.

    Source: ONNX Sum-13, Max-13, Min-13.
    """
    return per_output(call, len(call.inputs) - 1)


def mean_of_inputs(call: OpCall) -> Cost:
    """One operation per output element and input: the sum, and a division. Source: ONNX Mean-13."""
    return per_output(call, len(call.inputs))
