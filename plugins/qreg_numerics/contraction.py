"""Quantised sums of products: QLinearConv, QLinearMatMul, QGemm.

ONNX Runtime computes these alike on every CPU but one kind: on x86-64 with AVX2 and no VNNI, uint8
activations with int8 weights are multiplied by VPMADDUBSW, which saturates sums of two products at
16 bits (see ``qreg_numerics.platform``). The functions here never saturate before the output.
"""

import numpy as np

from qreg.records import Array, OpCall
from qreg_numerics.integers import convolve, matmul
from qreg_numerics.operands import Inputs, Quantized, grid, present, quantized, refusal
from qreg_numerics.requantize import contraction_scale, requantize, wrap_int32
from qreg_numerics.windows import window_of


def qlinear_conv(call: OpCall, inputs: Inputs) -> tuple[Array, ...]:
    """``y = rne(clamp(f32(f32(acc) * S))) + y_zp`` over 1, 2 or 3 (or more) spatial axes.

    ``acc = int32(sum((x - x_zp) * (w - w_zp)) + bias)``; a padded tap holds ``x_zp`` and adds 0.
    ``S[m] = f32(f32(x_scale * w_scale[m]) / y_scale)``.

    Source: ONNX QLinearConv-10; ONNX Runtime QLinearConv, MlasRequantizeOutput.
    """
    x = quantized(call, inputs, 0, "x")
    w = quantized(call, inputs, 3, "w", channels=True)
    y = grid(call, inputs, 6, x.values.dtype)
    groups = int(call.attribute("group", 1))
    _check_shapes(call, x.values.shape, w.values.shape, groups)
    channel = (-1, *(1,) * (x.values.ndim - 2))
    window = window_of(call, x.values.shape[2:], w.values.shape[2:])
    weight = w.values.astype(np.int32) - _one_zero_point(call, w)
    accumulator = convolve(x.centred, weight, window, groups)
    bias = present(inputs, 8)
    if bias is not None:
        accumulator += bias.astype(np.int64).reshape(channel)
    scale = contraction_scale(x.scale, w.scale, y.scale).reshape(channel)
    return (requantize(wrap_int32(accumulator), scale, y.zero_point, y.dtype),)


def qlinear_matmul(call: OpCall, inputs: Inputs) -> tuple[Array, ...]:
    """``y = rne(clamp(f32(f32(acc) * S))) + y_zp`` with ``acc = int32((a - a_zp) @ (b - b_zp))``.

    ``S[n] = f32(f32(a_scale * b_scale[n]) / y_scale)``; batched and broadcast as numpy's matmul.
    ``b``'s scale and zero point are single, per column (N), or per matrix and column (..., 1, N).

    Source: ONNX QLinearMatMul-21; ONNX Runtime QLinearMatMul, MlasRequantizeOutput.
    """
    a = quantized(call, inputs, 0, "a")
    b = quantized(call, inputs, 3, "b", channels=True)
    y = grid(call, inputs, 6, a.values.dtype)
    accumulator = matmul(a.centred, b.centred)
    scale = contraction_scale(a.scale, b.scale, y.scale)
    return (requantize(wrap_int32(accumulator), scale, y.zero_point, y.dtype),)


def qgemm(call: OpCall, inputs: Inputs) -> tuple[Array, ...]:
    """``y = rne(clamp(f32(f32(acc) * S))) + y_zp`` with ``acc = int32(A' @ B' + C)``.

    ``A' = A - a_zp``, ``B' = B - b_zp``, each transposed where the attribute says so.
    ``S[n] = f32(f32(f32(alpha * a_scale) * b_scale[n]) / y_scale)``. Without ``y_scale`` the output
    is real: ``y = f32(f32(acc) * f32(f32(alpha * a_scale) * b_scale[n]))``.

    Source: ONNX Runtime com.microsoft QGemm-1 (ComputeOutputScale).
    """
    a = quantized(call, inputs, 0, "A")
    b = quantized(call, inputs, 3, "B", channels=True)
    left = a.centred.T if call.attribute("transA", 0) else a.centred
    right = (b.values.T if call.attribute("transB", 0) else b.values).astype(
        np.int32
    ) - b.zero_point
    accumulator = matmul(left, right)
    bias = present(inputs, 6)
    if bias is not None:
        accumulator += bias.astype(np.int64)
    a_scale = np.float32(call.attribute("alpha", 1.0)) * a.scale
    if present(inputs, 7) is None:
        return (wrap_int32(accumulator).astype(np.float32) * (a_scale * b.scale),)
    y = grid(call, inputs, 7, a.values.dtype)
    scale = contraction_scale(a_scale, b.scale, y.scale)
    return (requantize(wrap_int32(accumulator), scale, y.zero_point, y.dtype),)


def _check_shapes(call: OpCall, x: tuple[int, ...], w: tuple[int, ...], groups: int) -> None:
    if len(x) < 3 or len(x) != len(w) or x[1] != w[1] * groups or w[0] % groups:
        found = f"x {list(x)} and w {list(w)} with group {groups}"
        raise refusal(call, f"{found} do not fit; expected (N, C, ...) and (M, C / group, ...)")


def _one_zero_point(call: OpCall, w: Quantized) -> int:
    values = np.unique(w.zero_point)
    if values.size != 1:
        raise refusal(call, "w_zero_point differs by channel; ONNX Runtime takes one for all")
    return int(values[0])
