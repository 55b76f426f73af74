"""Random quantised sums of products, and such whose results lie on or next to halves."""

import numpy as np
from numerics_cases import Case
from numerics_values import Rng, integers, nudged, reachable_half, scale, zero_point

from qreg.records import Array
from qreg_numerics.integers import convolve, matmul
from qreg_numerics.windows import window_of

PAIRS = (("uint8", "uint8"), ("uint8", "int8"), ("int8", "int8"))


def conv(rng: Rng, near: bool = False) -> Case:
    x_type, w_type = PAIRS[rng.integers(3)]
    rank = int(rng.integers(1, 4))
    groups = int(rng.choice([1, 1, 2, 3]))
    inner, outer = (1, 1) if rng.random() < 0.2 else (int(n) for n in rng.integers(1, 5, 2))
    kernel = [int(n) for n in rng.integers(1, 4, rank)]
    attributes: dict[str, object] = {
        "group": groups,
        "strides": [int(n) for n in rng.integers(1, 4, rank)],
        "dilations": [int(n) for n in rng.integers(1, 3, rank)],
        "pads": [int(n) for n in rng.integers(0, 3, 2 * rank)],
    }
    if rng.random() < 0.2:
        attributes = {
            "group": groups,
            "auto_pad": str(rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])),
        }
    spatial = [int(n) for n in rng.integers(5, 10, rank)]
    x = integers(rng, x_type, [int(rng.integers(1, 3)), inner * groups, *spatial])
    w = integers(rng, w_type, [outer * groups, inner, *kernel])
    zx, zw, zy = zero_point(rng, x_type), zero_point(rng, w_type), zero_point(rng, x_type)
    bias = _bias(rng, outer * groups) if rng.random() < 0.7 else None
    probe = Case(
        "onnx.QLinearConv", (x, scale(rng), zx, w, scale(rng), zw, scale(rng), zy), attributes
    )
    window = window_of(probe.call, spatial, kernel)
    acc = convolve(x.astype(np.int32) - int(zx), w.astype(np.int32) - int(zw), window, groups)
    acc = np.moveaxis(acc, 1, 0).reshape(outer * groups, -1) + _column(bias)
    scales = _scales(rng, acc, near, zy)
    zw = zw if scales[1].ndim == 0 or rng.random() < 0.5 else np.full(scales[1].shape, zw)
    inputs = (x, scales[0], zx, w, scales[1], zw, scales[2], zy, bias)
    return Case("onnx.QLinearConv", inputs[:8] if bias is None else inputs, attributes)


def matrix_product(rng: Rng, near: bool = False) -> Case:
    a_type, b_type = PAIRS[rng.integers(3)]
    batch = [int(n) for n in rng.integers(1, 4, rng.integers(0, 3))]
    rows, inner, columns = (int(n) for n in rng.integers(1, 12, 3))
    b_batch = batch[rng.integers(len(batch) + 1) :]
    a = integers(rng, a_type, [*(1 if rng.random() < 0.2 else n for n in batch), rows, inner])
    b = integers(rng, b_type, [*b_batch, inner, columns])
    za, zb, zy = zero_point(rng, a_type), zero_point(rng, b_type), zero_point(rng, a_type)
    acc = matmul(a.astype(np.int32) - int(za), b.astype(np.int32) - int(zb))
    sa, sb, sy = _scales(rng, np.moveaxis(acc, -1, 0).reshape(columns, -1), near, zy)
    if sb.ndim and b_batch:  # ONNX Runtime wants a scale per matrix and column
        sb = np.ascontiguousarray(np.broadcast_to(sb, [*b_batch, 1, columns]))
    zb = zb if sb.ndim == 0 else np.full(sb.shape, zb)
    return Case("onnx.QLinearMatMul", (a, sa, za, b, sb, zb, sy, zy))


def gemm(rng: Rng, near: bool = False) -> Case:
    a_type, b_type = PAIRS[rng.integers(3)]
    rows, inner, columns = (int(n) for n in rng.integers(1, 12, 3))
    a, b = integers(rng, a_type, [rows, inner]), integers(rng, b_type, [inner, columns])
    za, zb, zy = zero_point(rng, a_type), zero_point(rng, b_type), zero_point(rng, a_type)
    acc = matmul(a.astype(np.int32) - int(za), b.astype(np.int32) - int(zb))
    bias = _bias(rng, columns) if rng.random() < 0.7 else None
    acc = acc if bias is None else acc + bias
    alpha = float(np.float32(rng.choice([1.0, 0.5, 0.37, 3.0])))
    sa, sb, sy = _scales(rng, acc.T, near, zy)
    sb = (sb / np.float32(alpha)).astype(np.float32)
    zb = zb if sb.ndim == 0 else np.full(sb.shape, zb)
    flips = {"transA": int(rng.integers(2)), "transB": int(rng.integers(2))}
    a, b = (
        np.ascontiguousarray(m.T) if f else m for m, f in zip((a, b), flips.values(), strict=True)
    )
    inputs = (a, sa, za, b, sb, zb, bias, sy, zy)
    real = rng.random() < 0.2
    return Case("com.microsoft.QGemm", inputs[:7] if real else inputs, {"alpha": alpha} | flips)


def _bias(rng: Rng, count: int) -> Array:
    reach = 2 ** int(rng.choice([10, 20, 29]))
    return rng.integers(-reach, reach, count).astype(np.int32)


def _column(bias: Array | None) -> Array:
    return np.zeros((1, 1), np.int64) if bias is None else bias.astype(np.int64)[:, None]


def _scales(rng: Rng, acc: Array, near: bool, zy: Array) -> tuple[Array, Array, Array]:
    """Scales of x, w and y for accumulators (channels, elements) that use the output's range."""
    sx, sy = scale(rng), scale(rng)
    size = np.maximum(np.abs(acc).max(1), 1)
    if not near:
        per_channel = rng.random() < 0.5
        sw = float(sy) / float(sx) * rng.uniform(30, 300, size.shape) / size
        return sx, np.asarray(sw if per_channel else sw.max(), np.float32), sy
    picked = acc[np.arange(acc.shape[0]), rng.integers(0, acc.shape[1], acc.shape[0])]
    target = reachable_half(rng, picked, zy) / np.where(picked == 0, 1, np.abs(picked))
    return sx, nudged(rng, target * float(sy) / float(sx)), sy
