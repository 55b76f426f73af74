"""Single IEEE 754 binary32 operations that numpy has no name for."""

import numpy as np

from qreg.records import Array

INT32_MIN = -(2**31)


def fma(a: Array, b: Array, c: Array) -> Array:
    """``a * b + c`` in float32, rounded once, as the processor's fused multiply-add rounds it.

    float64 holds the product of two float32 exactly. Its sum with ``c`` is rounded to *odd* (an
    inexact sum takes the neighbour whose last bit is 1), which keeps a trace of what was lost, so
    that the second rounding, to float32, is that of the exact sum. Rounding the sum to nearest
    instead would land on float32 ties that are none.

    Source: S. Boldo, G. Melquiond, "Emulation of a FMA and correctly rounded sums: proved
    algorithms using rounding to odd", IEEE Transactions on Computers 57(4), 2008.
    """
    with np.errstate(all="ignore"):
        product = np.asarray(a, np.float64) * np.asarray(b, np.float64)
        total, error = two_sum(product, np.asarray(c, np.float64))
        return _to_odd(total, error).astype(np.float32)


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """``a + b`` rounded to nearest and exactly what the rounding lost.

    Source: D. Knuth, The Art of Computer Programming 2, 4.2.2, theorem B.
    """
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def to_int32(value: Array) -> Array:
    """float32 to int32, halves to even; what does not fit (NaN too) becomes the smallest int32.

    Source: Intel 64 and IA-32 Architectures Software Developer's Manual, CVTPS2DQ.
    """
    fits = np.abs(value) < np.float32(2**31)
    return np.where(fits, np.rint(np.where(fits, value, 0)), INT32_MIN).astype(np.int32)


def _to_odd(total: Array, error: Array) -> Array:
    bits = np.atleast_1d(total).view(np.int64).reshape(np.shape(total))
    inexact = np.isfinite(error) & (error != 0) & (bits & 1 == 0)
    away_from_zero = (error > 0) == (total > 0)
    stepped = bits + np.where(inexact, np.where(away_from_zero, 1, -1), 0)
    return np.atleast_1d(stepped).view(np.float64).reshape(np.shape(total))
