"""Convolutions by Winograd's F(2x2, 3x3): 16 products for 36."""

from qreg.records import Contraction, Cost, OpCall


def winograd(call: OpCall) -> Cost:
    n, c_out, *out = call.output.shape
    c_in = call.input(1).shape[1]
    return Cost((Contraction(m=n * out[0] * out[1] // 4, n=c_out, k=c_in, count=16),))
