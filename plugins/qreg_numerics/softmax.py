"""Softmax from a table of 256 exponentials: QLinearSoftmax."""

import math

import numpy as np

from qreg.records import Array, OpCall
from qreg_numerics.float32 import to_int32
from qreg_numerics.operands import Grid, Inputs, grid, quantized, refusal

FLOAT_MAX = np.finfo(np.float32).max
RESERVE = 5.0  # nats kept free below the largest float
LAST_AXIS_SINCE = 13  # the operator set from which softmax runs over one axis


def qlinear_softmax(call: OpCall, inputs: Inputs) -> tuple[Array, ...]:
    """``y = rne(f32(f32(T[x] * L) / sum(T[x]))) + y_zp``, with ``L = floor(f32(1 / y_scale))``.

    ``T`` is indexed so that a row's largest element reads its last entry; the sum runs in order in
    float32. Before operator set 13 (attribute ``opset``) a row is all axes from ``axis`` on; the
    default is -1 all the same.
    The floor makes 254 of a ``y_scale`` whose inverse falls below 255. Where
    ``L`` exceeds 148.4 times the row's length the product overflows and uint8 gives 0 for the
    largest element: reproduced, not repaired.

    Source: ONNX Runtime com.microsoft QLinearSoftmax-1, QlinearSoftmaxCPU.
    """
    x = quantized(call, inputs, 0, "X")
    y = grid(call, inputs, 3, x.values.dtype)
    since = int(call.attribute("opset", 0))
    if not since:
        raise refusal(call, "attribute opset is missing; ONNX Runtime requires it")
    axis = int(call.attribute("axis", -1))
    rows, shape = _rows(x.values, axis, since)
    distance = rows.max(-1, keepdims=True).astype(np.int32) - rows.astype(np.int32)
    terms = exponentials(x.scale, rows.shape[-1])[255 - distance]
    with np.errstate(all="ignore"):
        total = np.add.accumulate(terms, -1, dtype=np.float32)[:, -1:]  # numpy's sum is pairwise
        levels = np.floor(np.float32(1) / y.scale)
        value = np.rint(terms * levels / total)
    result = _shifted(value, y).reshape(shape)
    return (result if since < LAST_AXIS_SINCE else np.moveaxis(result, -1, axis),)


def exponentials(scale: Array, length: int) -> Array:
    """``T[i] = f32(exp((i - 255 + b) * x_scale))`` with the exponent in float64.

    ``b = max(0, f32(log(f32(FLT_MAX / length))) - 5) / x_scale`` keeps a row's sum finite. The
    logarithm is rounded correctly; glibc's logf is not for 3 lengths below 200,000, the first 60,594.
    """
    step = float(scale)
    room = float(np.float32(math.log(float(np.float32(FLOAT_MAX) / np.float32(length)))))
    shift = max(0.0, room - RESERVE) / step
    # The C library's exp, which ONNX Runtime calls; numpy's own differs in the last bit.
    return np.array([math.exp((i - 255 + shift) * step) for i in range(256)]).astype(np.float32)


def _rows(x: Array, axis: int, since: int) -> tuple[Array, tuple[int, ...]]:
    """``x`` as rows to normalise, and the shape their result has."""
    if since >= LAST_AXIS_SINCE:
        moved = np.moveaxis(x, axis, -1)
        return moved.reshape(-1, moved.shape[-1]), moved.shape
    start = axis % x.ndim
    return x.reshape(math.prod(x.shape[:start]), -1), x.shape


def _shifted(value: Array, y: Grid) -> Array:
    """``value + y_zp`` as the C casts do it, saturated at the top (int8: at both ends)."""
    if y.dtype == np.int8:
        wrapped = (to_int32(value).astype(np.int64) + y.zero_point).astype(np.int32)
        return np.clip(wrapped, -128, 127).astype(np.int8)
    fits = np.abs(value) < np.float32(2**63)
    whole = np.where(fits, value, 0).astype(np.int64) + y.zero_point
    capped: Array = np.minimum(whole & 0xFFFFFFFF, 255).astype(np.uint8)
    return capped
