"""Quantised sum of two tensors: QLinearAdd."""

import numpy as np

from qreg.records import Array, OpCall
from qreg_numerics.float32 import fma, to_int32
from qreg_numerics.operands import Grid, Inputs, Quantized, grid, quantized
from qreg_numerics.requantize import limits


def qlinear_add(call: OpCall, inputs: Inputs) -> tuple[Array, ...]:
    """``y = clamp(int32(fma(a, ra, fma(b, rb, F))))`` on the raw integers, as x86-64 with AVX2 does.

    ``ra = f32(a_scale / y_scale)``, ``rb`` likewise, and
    ``F = f32(y_zp - fma(ra, a_zp, f32(rb * b_zp)))``: the zero point is added *before* rounding.
    Where A is what ONNX Runtime broadcasts as a scalar, A and B swap roles throughout.

    Differs by 1 at near ties on x86-64 without AVX2 (no FMA), on Arm (fixed point), and from
    dequantise, add, quantise, which the standard's QDQ form does.

    Source: ONNX Runtime com.microsoft QLinearAdd-1, MlasQLinearAddKernelAvx2 as GCC contracts it.
    """
    a, b = quantized(call, inputs, 0, "A"), quantized(call, inputs, 3, "B")
    y = grid(call, inputs, 6, a.values.dtype)
    if scalar_first(a.values.shape, b.values.shape):
        a, b = b, a
    return (_add(a, b, y),)


def scalar_first(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether ONNX Runtime walks A as a scalar: it is 1 on the last common axis where any is not.

    Source: ONNX Runtime Broadcaster, BroadcastLooper (``IsInput0Scalar``).
    """
    if not a:
        return True
    common = min(len(a), len(b)) or 1
    pairs = [(a[-n], b[-n] if len(b) >= n else 1) for n in range(1, common + 1)]
    return next((first == 1 for first, second in pairs if max(first, second) > 1), True)


def _add(a: Quantized, b: Quantized, y: Grid) -> Array:
    with np.errstate(all="ignore"):
        ratio_a, ratio_b = a.scale / y.scale, b.scale / y.scale
        zeros = fma(ratio_a, a.zero_point, ratio_b * b.zero_point.astype(np.float32))
        fixed = np.float32(y.zero_point) - zeros
        value = fma(a.values, ratio_a, fma(b.values, ratio_b, fixed))
    return np.clip(to_int32(value), *limits(y.dtype)).astype(y.dtype)
