"""Exact integer contractions on the floating-point unit."""

import numpy as np

from qreg.records import Array
from qreg_numerics.windows import Window, patches


def matmul(a: Array, b: Array) -> Array:
    """The exact int64 product of two int32 arrays of at most 9-bit numbers; numpy's ``@``.

    float64 holds every partial sum below 2^53 exactly whatever their order, and products of 8-bit
    numbers less their zero points stay below 2^16: exact up to 2^37 terms, at the speed of BLAS.
    """
    product: Array = (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)
    return product


def convolve(x: Array, weight: Array, window: Window, groups: int) -> Array:
    """The exact int64 convolution (N, M, outputs) of centred ``x`` and ``weight``.

    ``x`` (N, C, spatial) and ``weight`` (M, C / groups, kernel) are less their zero points, so that
    a padded tap, which holds the zero point, is 0. Images are unfolded one at a time to bound memory.

    Source: ONNX Conv-11.
    """
    filters = weight.reshape(groups, weight.shape[0] // groups, -1).astype(np.float64)
    pads = ((0, 0), *zip(window.before, (max(n, 0) for n in window.after), strict=True))
    result = np.empty((x.shape[0], weight.shape[0], *window.outputs), np.int64)
    for image, out in zip(x, result, strict=True):
        columns = _columns(np.pad(image, pads), window, groups)
        out[...] = (filters @ columns).reshape(out.shape)
    return result


def _columns(image: Array, window: Window, groups: int) -> Array:
    """(groups, C / groups * kernel, outputs): each column is what one output position sees."""
    rank = len(window.kernel)
    taps = patches(image, window)
    order = (0, *range(1 + rank, 1 + 2 * rank), *range(1, 1 + rank))
    rows = image.shape[0] // groups * int(np.prod(window.kernel))
    return taps.transpose(order).astype(np.float64, order="C").reshape(groups, rows, -1)
