"""What crossing between real and quantised numbers costs."""

from qreg.records import Cost, OpCall


def boundary(call: OpCall) -> Cost:
    """``2 * outputs``: a scaling, and an addition or subtraction of the zero-point.

    Source: ONNX QuantizeLinear-21, DequantizeLinear-21.
    """
    return Cost(elementwise_flops=2 * call.output.elements)
