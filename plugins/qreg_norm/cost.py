"""What normalisation costs, over ``n`` elements. A sum, mean or maximum over a row does one operation
per element; what is done once per row (a root, an epsilon) is not counted.

The quantised forms count what the float forms count: rescaling is part of storing the result.
"""

from qreg.records import Cost, OpCall
from qreg_elementwise.operations import each_output, per_output, present

SOFTMAX = "max sub exp sum div"

softmax = each_output(SOFTMAX)  # ONNX Softmax-13; the maximum is subtracted, as everybody does
log_softmax = each_output("max sub exp sum sub")
masked_softmax = each_output("choose " + SOFTMAX)
biased_softmax = each_output("add " + SOFTMAX)
hardmax = each_output("max")
unit_norm = each_output("square sum div")  # with p = 1: the absolute value for the square
weight_norm = each_output("square sum mul")  # v * (g / |v|)
mean_variance = each_output("sum sub square sum mul")
affine = each_output("mul add")


def standardise(elements: int, parameters: int) -> int:
    """``(5 + parameters) * n``: mean, difference, its square, their mean, product; scale and shift.

    Over rows, groups of channels, whole channels alike.

    Source: ONNX LayerNormalization-17, GroupNormalization-21, InstanceNormalization-22,
    BatchNormalization-15 in training.
    """
    return (5 + parameters) * elements


def scale_by_mean_square(elements: int, parameters: int) -> int:
    """``(3 + parameters) * n``: the square, their mean, product; scale.

    Source: ONNX RMSNormalization-23.
    """
    return (3 + parameters) * elements


def layer_norm(call: OpCall) -> Cost:
    """Layer, group and instance norm, over input, scale, shift."""
    return Cost(elementwise_flops=standardise(call.output.elements, present(call, 1, 2)))


def rms_norm(call: OpCall) -> Cost:
    """RMS norm, over input and scale."""
    return Cost(elementwise_flops=scale_by_mean_square(call.output.elements, present(call, 1)))


def batch_norm(call: OpCall) -> Cost:
    """``2 * n``: with stored statistics it is one multiplication and one addition.

    Source: ONNX BatchNormalization-15, inference: ``x * a + b`` with constant a and b.
    """
    return layer_norm(call) if call.attribute("training_mode", 0) else affine(call)


def local_response(call: OpCall) -> Cost:
    """``(size + 5) * n``: the square, ``size`` additions, product, addition, power, division.

    Source: ONNX LRN-13.
    """
    return per_output(call, call.attribute("size") + 5)


def unit_row(call: OpCall) -> Cost:
    """Three operations per element; two by the largest. Source: ai.onnx.ml Normalizer-1."""
    return per_output(call, 2 if call.attribute("norm", "MAX") == "MAX" else 3)
