"""What element-by-element ops cost."""

from qreg.records import Cost, OpCall


def one_per_output(call: OpCall) -> Cost:
    """One operation per element of the result: an addition, a comparison.

    The quantised form counts what the float form counts: rescaling is part of storing the result.
    """
    return Cost(elementwise_flops=call.output.elements)
