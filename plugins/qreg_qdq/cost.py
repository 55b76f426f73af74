"""What crossing between real and quantised numbers costs.

Rounding, clamping and changing the type are part of storing the result.
"""

from qreg.records import Cost, OpCall
from qreg_elementwise.operations import each_input, each_output

boundary = each_output("scale add")  # a scaling, and the addition or subtraction of the zero-point
range_and_boundary = each_input("min max scale add")
extremes = each_input("min max")
there_and_back = each_output("scale add sub scale")
range_there_and_back = each_output("min max scale add sub scale")
masked_gradient = each_output("mul")


def learned_backward(call: OpCall) -> Cost:
    """Six operations per element: for the scale a difference, its product with the gradient, and
    the sum; for the zero-point a product and the sum; for the input a choice.

    Source: PyTorch ``aten::_fake_quantize_learnable_per_tensor_affine_backward``.
    """
    return Cost(elementwise_flops=6 * call.input(0).elements)


def as_integers(call: OpCall) -> Cost:
    """No arithmetic: the stored integers, or their scales. Source: PyTorch ``aten::int_repr``."""
    del call
    return Cost()
