"""What normalisation costs."""

from qreg.records import Cost, OpCall


def batch_norm(call: OpCall) -> Cost:
    """``2 * outputs``: with stored statistics it is one multiplication and one addition.

    Source: ONNX BatchNormalization-15, inference: ``x * a + b`` with constant a and b.
    """
    return Cost(elementwise_flops=2 * call.output.elements)


def softmax(call: OpCall) -> Cost:
    """``5 * outputs``: maximum, subtraction, exponential, sum, division.

    Source: ONNX Softmax-13, with the maximum subtracted as every implementation does.
    """
    return Cost(elementwise_flops=5 * call.output.elements)
