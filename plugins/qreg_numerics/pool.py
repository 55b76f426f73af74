"""Quantised averages: QLinearAveragePool, QLinearGlobalAveragePool."""

from itertools import product
from math import prod
from typing import Any

import numpy as np

from qreg.records import Array, OpCall
from qreg_numerics.float32 import to_int32
from qreg_numerics.operands import Grid, Inputs, Quantized, grid, quantized, refusal
from qreg_numerics.requantize import dequantize, limits, requantize, wrap_int32
from qreg_numerics.windows import Window, window_of

LARGEST_IMAGE = 2**24  # positions; ONNX Runtime refuses more
SMALLEST_SCALE, SCALE_BOUND = np.float32(2.0**-32), np.float32(256)


def qlinear_global_average_pool(call: OpCall, inputs: Inputs) -> tuple[Array, ...]:
    """``y = rne(clamp(f32(f32(acc) * S))) + y_zp``, ``acc = sum(x) - n * x_zp`` over n positions.

    ``S = f32(x_scale / f32(y_scale * f32(n)))``. NCHW, or NHWC with ``channels_last``. Alike on
    every CPU.

    Source: ONNX Runtime com.microsoft QLinearGlobalAveragePool-1, MlasQLinearGlobalAveragePool.
    """
    x = quantized(call, inputs, 0, "X")
    y = grid(call, inputs, 3, x.values.dtype)
    rank = x.values.ndim
    if rank < 3:
        raise refusal(call, f"X has {rank} axes; it needs a batch, a channel and a spatial axis")
    first = 1 if call.attribute("channels_last", 0) else 2
    return (_whole_image(call, x, y, tuple(range(first, first + rank - 2))),)


def qlinear_average_pool(call: OpCall, inputs: Inputs) -> tuple[Array, ...]:
    """``y = clamp(int32(f32(f32(mean / y_scale) + y_zp)))``: the zero point *before* rounding.

    ``mean = f32(sum / count)`` in float32, the taps ``f32(x_scale * f32(x - x_zp))`` summed in
    order. ``count`` is the kernel's size with ``count_include_pad``, else the taps on the image.
    A kernel that covers the whole image without pads is QLinearGlobalAveragePool instead, which
    rounds elsewhere. Alike on every CPU.

    Source: ONNX Runtime com.microsoft QLinearAveragePool-1 (``fallback_to_global``).
    """
    if call.attribute("channels_last", 0):
        raise refusal(call, "channels_last is 1; only NCHW is known, as models are stored")
    x = quantized(call, inputs, 0, "X")
    y = grid(call, inputs, 3, x.values.dtype)
    spatial = x.values.shape[2:]
    kernel = tuple(int(k) for k in call.attribute("kernel_shape", ()))
    if len(kernel) != len(spatial) or len(kernel) not in (1, 2, 3):
        raise refusal(call, f"kernel_shape {list(kernel)} does not fit X {list(x.values.shape)}")
    window = window_of(call, spatial, kernel)
    if kernel == spatial and not any((*window.before, *window.after)):
        return (_whole_image(call, x, y, tuple(range(2, x.values.ndim))),)
    with np.errstate(all="ignore"):
        total = _sums(dequantize(x.values, x.scale, x.zero_point), window)
        mean = total / _counts(call, spatial, window).astype(np.float32)
        value = mean / y.scale + np.float32(y.zero_point)
    return (np.clip(to_int32(value), *limits(y.dtype)).astype(y.dtype),)


def _whole_image(call: OpCall, x: Quantized, y: Grid, axes: tuple[int, ...]) -> Array:
    positions = prod(x.values.shape[axis] for axis in axes)
    with np.errstate(all="ignore"):
        scale = x.scale / (y.scale * np.float32(positions))
    if positions >= LARGEST_IMAGE or not SMALLEST_SCALE <= scale < SCALE_BOUND:
        raise refusal(
            call,
            f"x_scale / (y_scale * {positions} positions) is {scale:g}; ONNX Runtime takes 2^-32 to "
            "256, and fewer than 2^24 positions",
        )
    total = x.values.sum(axes, dtype=np.int64, keepdims=True) - int(x.zero_point) * positions
    return requantize(wrap_int32(total), scale, y.zero_point, y.dtype)


def _sums(real: Array, window: Window) -> Array:
    """Sums over each window, tap after tap in float32; a padded tap adds 0, which changes nothing."""
    ends = [
        stride * (count - 1) + kernel
        for stride, count, kernel in zip(window.strides, window.outputs, window.kernel, strict=True)
    ]
    behind = [
        max(end - before - size, 0)
        for end, before, size in zip(ends, window.before, real.shape[2:], strict=True)
    ]
    padded = np.pad(real, ((0, 0), (0, 0), *zip(window.before, behind, strict=True)))
    total = np.zeros((*real.shape[:2], *window.outputs), np.float32)
    for tap in product(*(range(k) for k in window.kernel)):
        reads: tuple[Any, ...] = (
            ...,
            *(
                slice(at, at + stride * (count - 1) + 1, stride)
                for at, stride, count in zip(tap, window.strides, window.outputs, strict=True)
            ),
        )
        total += padded[reads]
    return total


def _counts(call: OpCall, spatial: tuple[int, ...], window: Window) -> Array:
    """What each sum is divided by."""
    if call.attribute("count_include_pad", 0):
        return np.array(prod(window.kernel))
    counts = np.ones((), np.int64)
    for axis, size in enumerate(spatial):
        start = np.arange(window.outputs[axis]) * window.strides[axis] - window.before[axis]
        taps = np.minimum(start + window.kernel[axis], size) - np.maximum(start, 0)
        counts = np.multiply.outer(counts, taps)
    return counts
