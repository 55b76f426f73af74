"""Random nodes, and nodes whose results lie on or next to halves, where rounding rules differ.

``GENERATORS`` maps an op's name to a function ``(numpy generator, near) -> Case``.
"""

import numpy as np
from numerics_cases import Case
from numerics_contractions import conv, gemm, matrix_product
from numerics_values import Rng, half_scale, integers, nudged, scale, zero_point

from qreg.records import Array


def quantize(rng: Rng, near: bool = False) -> Case:
    dtype = str(rng.choice(["uint8", "int8", "uint16", "int16"]))
    shape = tuple(int(n) for n in rng.integers(1, 7, rng.integers(1, 5)))
    axis = int(rng.integers(-len(shape), len(shape)))
    channels = shape[axis] if rng.random() < 0.5 else 1
    s = scale(rng, channels) if channels > 1 else scale(rng)
    zp = np.array([zero_point(rng, dtype) for _ in range(channels)]).reshape(s.shape)
    info = np.iinfo(dtype)
    along = (
        s
        if s.ndim == 0
        else s.reshape([-1 if n == axis % len(shape) else 1 for n in range(len(shape))])
    )
    if near:
        x = nudged(rng, (rng.integers(info.min, info.max, shape) + 0.5) * along)
    else:
        x = (rng.standard_normal(shape) * (info.max - info.min) / 2 * along).astype(np.float32)
        special = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 3e38], np.float32)
        x = np.where(rng.random(shape) < 0.1, rng.choice(special, shape), x)
    inputs = (x, s, zp) if rng.random() < 0.9 or channels > 1 else (x, s)
    return Case("onnx.QuantizeLinear", inputs, {"axis": axis})


def dequantize(rng: Rng, near: bool = False) -> Case:
    dtype = str(rng.choice(["uint8", "int8", "uint16", "int16", "int32"]))
    shape = tuple(int(n) for n in rng.integers(1, 7, rng.integers(1, 5)))
    axis = int(rng.integers(-len(shape), len(shape)))
    kind = np.float16 if rng.random() < 0.2 else np.float32
    block = int(rng.integers(1, 4)) if rng.random() < 0.3 and dtype != "int32" else 0
    grid = [1] if rng.random() < 0.4 else [shape[axis]]
    if block:
        grid = list(shape)
        grid[axis] = -(-shape[axis] // block)
    if np.prod(grid) == 1:
        grid, block = [], 0
    s = scale(rng, grid).astype(kind)
    zp = np.array([zero_point(rng, dtype) for _ in range(int(np.prod(grid)))], dtype).reshape(grid)
    attributes = {"axis": axis} | ({"block_size": block} if block else {})
    inputs = (integers(rng, dtype, shape), s, zp * (dtype != "int32"))
    return Case("onnx.DequantizeLinear", inputs if rng.random() < 0.9 else inputs[:2], attributes)


SHAPES = (
    ((2, 3, 4, 5), (2, 3, 4, 5)), ((2, 3, 4, 5), (3, 1, 1)), ((3, 1, 1), (2, 3, 4, 5)),
    ((2, 3, 4, 5), ()), ((), (2, 3, 4, 5)), ((1,), (7,)), ((7,), (1,)), ((1,), (1,)), ((), ()),
    ((4, 1), (1, 6)), ((1, 6), (4, 1)), ((5, 1), (1,)), ((1,), (5, 1)), ((5, 1), ()), ((), (5, 1)),
    ((2, 3, 1), (1,)), ((1, 1), (2, 5, 1)), ((17, 2), (2,)), ((2, 1, 5), (3, 1)), ((40,), (40,)),
    ((2, 3, 1, 1), (1, 3, 1, 1)), ((1, 3, 1, 1), (2, 3, 1, 1)), ((3, 1), (3, 1)),
)  # fmt: skip


def add(rng: Rng, near: bool = False) -> Case:
    dtype = str(rng.choice(["uint8", "int8"]))
    shapes = SHAPES[rng.integers(len(SHAPES))]
    a, b = (integers(rng, dtype, shape) for shape in shapes)
    za, zb, zy = (zero_point(rng, dtype) for _ in range(3))
    sa, sb = scale(rng), scale(rng)
    sy = np.asarray((sa + sb) * rng.uniform(0.3, 2), np.float32)
    if near and rng.random() < 0.5:
        a, b = _all_pairs(rng, dtype)
        if rng.random() < 0.2:
            sa, sb, sy = (np.asarray(2.0 ** rng.integers(-6, 1), np.float32) for _ in range(3))
    elif near:
        real = float(sa) * (a.astype(int) - int(za)) + float(sb) * (b.astype(int) - int(zb))
        sy = half_scale(rng, rng.choice(np.ravel(real)), zy, 1e-4, 3)
    inputs = (a, sa, za, b, sb, zb, sy, zy)
    return Case("com.microsoft.QLinearAdd", inputs[:7] if rng.random() < 0.1 else inputs)


def _all_pairs(rng: Rng, dtype: str) -> tuple[Array, Array]:
    """Every pair of two 8-bit numbers, along one axis or broadcast either way."""
    every = np.arange(256, dtype=np.uint8).view(dtype)
    layouts = (
        (np.repeat(every, 256), np.tile(every, 256)),
        (every[:, None], every[None]),
        (every[None], every[:, None]),
    )
    return layouts[rng.integers(3)]


def average_pool(rng: Rng, near: bool = False) -> Case:
    dtype = str(rng.choice(["uint8", "int8"]))
    rank = int(rng.integers(1, 4))
    spatial = [int(n) for n in rng.integers(4, 8, rank)]
    kernel = spatial if rng.random() < 0.2 else [int(n) for n in rng.integers(1, 4, rank)]
    attributes: dict[str, object] = {
        "kernel_shape": kernel,
        "strides": [int(n) for n in rng.integers(1, 4, rank)],
        "pads": [int(rng.integers(0, k)) if rng.random() < 0.5 else 0 for k in kernel * 2],
        "ceil_mode": int(rng.integers(2)),
        "count_include_pad": int(rng.integers(2)),
    }
    if rng.random() < 0.15:
        attributes = {
            "kernel_shape": kernel,
            "auto_pad": str(rng.choice(["SAME_UPPER", "SAME_LOWER"])),
        }
    x, zx, zy = (
        integers(rng, dtype, [2, 3, *spatial]),
        zero_point(rng, dtype),
        zero_point(rng, dtype),
    )
    sx = scale(rng)
    sy = np.asarray(sx * rng.uniform(0.5, 1.5), np.float32)
    if near:
        window = x[(0, 0, *(slice(0, k) for k in kernel))]
        mean = float(sx) * (window.astype(int) - int(zx)).mean()
        sy = half_scale(rng, mean, zy, 1e-2 * float(sx), 3)
    inputs = (x, sx, zx, sy, zy)
    without = rng.random() < 0.1  # of the zero points ONNX Runtime lets only the last be absent
    return Case("com.microsoft.QLinearAveragePool", inputs[:4] if without else inputs, attributes)


def global_average_pool(rng: Rng, near: bool = False) -> Case:
    dtype = str(rng.choice(["uint8", "int8"]))
    x = integers(rng, dtype, [int(n) for n in rng.integers(1, 9, rng.integers(3, 6))])
    zx, zy, sx = zero_point(rng, dtype), zero_point(rng, dtype), scale(rng)
    last = int(rng.integers(2))
    sy = np.asarray(sx * rng.uniform(0.5, 1.5), np.float32)
    if near:
        image = x[0, ..., 0] if last else x[0, 0]
        mean = float(sx) * (image.astype(int) - int(zx)).mean()
        sy = half_scale(rng, mean, zy, float(sx))
    inputs = (x, sx, zx, sy, zy)
    return Case("com.microsoft.QLinearGlobalAveragePool", inputs, {"channels_last": last})


def softmax(rng: Rng, near: bool = False) -> Case:
    dtype = str(rng.choice(["uint8", "int8"]))
    shape = [int(n) for n in rng.integers(1, 6, rng.integers(1, 4))] + [int(rng.integers(1, 40))]
    x = integers(rng, dtype, shape)
    sy = scale(rng, low=-4, high=-1)
    if near:  # rows of few distinct values share L evenly, L odd: sums of halves
        x = rng.choice(np.array([0, 3, 100], dtype), shape)
        sy = np.asarray(1 / (2 * rng.integers(1, 200) + 1), np.float32)
    since = int(rng.choice([11, 13]))
    attributes = {"opset": since}
    if rng.random() < 0.7:
        attributes["axis"] = int(rng.integers(-len(shape), len(shape)))
    inputs = (x, scale(rng), zero_point(rng, dtype), sy, zero_point(rng, dtype))
    return Case("com.microsoft.QLinearSoftmax", inputs, attributes)


GENERATORS = {
    "QuantizeLinear": quantize,
    "DequantizeLinear": dequantize,
    "QLinearConv": conv,
    "QLinearMatMul": matrix_product,
    "QGemm": gemm,
    "QLinearAdd": add,
    "QLinearAveragePool": average_pool,
    "QLinearGlobalAveragePool": global_average_pool,
    "QLinearSoftmax": softmax,
}
