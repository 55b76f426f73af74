"""From real numbers and accumulators to a quantised tensor's integers: the one rounding all share."""

from typing import Any

import numpy as np

from qreg.records import Array, item_bits


def limits(dtype: np.dtype[Any]) -> tuple[int, int]:
    """The smallest and the largest integer of ``int8``, ``uint16``, ``int4`` and the like."""
    bits = item_bits(dtype.name)
    return (
        (0, 2**bits - 1)
        if dtype.name.startswith("u")
        else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )


def round_to_grid(value: Array, zero_point: Array | int, dtype: np.dtype[Any]) -> Array:
    """``y = rne(clamp(value, lo - zp, hi - zp)) + zp`` for float32 ``value`` in units of the scale.

    ``rne`` rounds halves to even and comes *before* the zero point is added: with an odd zero point
    1.5 becomes 2 + zp. NaN becomes ``lo``.

    Source: ONNX QuantizeLinear-21 ("rounding to nearest even"); ONNX Runtime MlasQuantizeLinear,
    MlasRequantizeOutput. The ONNX reference evaluator adds the zero point first and differs on ties.
    """
    low, high = limits(dtype)
    floor = np.asarray(low - np.asarray(zero_point, np.int64), np.float32)
    ceiling = np.asarray(high - np.asarray(zero_point, np.int64), np.float32)
    value = np.where(value > floor, value, floor)
    rounded = np.rint(np.minimum(value, ceiling)).astype(np.int32)
    return (rounded + np.asarray(zero_point, np.int32)).astype(dtype)


def quantize(value: Array, scale: Array, zero_point: Array | int, dtype: np.dtype[Any]) -> Array:
    """``y = rne(clamp(f32(x / s), lo - zp, hi - zp)) + zp``, the division in float32.

    Source: ONNX QuantizeLinear-21. Multiplying by 1/s or dividing in float64 differs near halves.
    """
    with np.errstate(all="ignore"):
        return round_to_grid(np.asarray(value, np.float32) / scale, zero_point, dtype)


def dequantize(values: Array, scale: Array, zero_point: Array | int) -> Array:
    """``y = f32(f32(x - zp) * s)``: the difference is exact in int32, then rounded to float32.

    Source: ONNX DequantizeLinear-21.
    """
    with np.errstate(all="ignore"):
        centred = values.astype(np.int32) - np.asarray(zero_point, np.int32)
        return centred.astype(np.float32) * np.asarray(scale, np.float32)


def requantize(accumulator: Array, scale: Array, zero_point: int, dtype: np.dtype[Any]) -> Array:
    """``y = rne(clamp(f32(f32(acc) * S), lo - zp, hi - zp)) + zp`` for an int32 accumulator.

    float32 holds integers up to 2^24: a larger accumulator is rounded before it is scaled.

    Source: ONNX Runtime MlasRequantizeOutput; ONNX QLinearConv-10 leaves the precision open.
    """
    with np.errstate(all="ignore"):
        return round_to_grid(accumulator.astype(np.float32) * scale, zero_point, dtype)


def contraction_scale(x_scale: Array, w_scale: Array, y_scale: Array) -> Array:
    """``S = f32(f32(x_scale * w_scale) / y_scale)``, in this order and in float32.

    Source: ONNX Runtime QLinearConv, QLinearMatMul, QGemm (ComputeOutputScale).
    """
    with np.errstate(all="ignore"):
        return np.asarray(x_scale, np.float32) * w_scale / y_scale


def wrap_int32(accumulator: Array) -> Array:
    """The accumulator as 32-bit hardware holds it: modulo 2^32, in two's complement."""
    return accumulator.astype(np.int64).astype(np.int32)
