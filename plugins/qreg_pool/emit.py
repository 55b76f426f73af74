"""C for pools: output rows grow by one kernel tap at a time."""

from math import prod
from typing import Any

import numpy as np

from qreg.records import Array, OpCall
from qreg_emit.operands import (
    EIGHT_BITS,
    SATURATE,
    TO_GRID,
    activation,
    grid,
    on_grid,
    refuse,
)
from qreg_emit.window import Window, window

LARGEST_IMAGE = 2**23  # positions whose sum of 8-bit numbers an int32 holds


def average_pool_float(call: OpCall) -> dict[str, object]:
    """Source: ONNX AveragePool-22, GlobalAveragePool-22."""
    activation(call, 0, "X", ("float32",))
    found, values = _pool(call, "Global" in call.op)
    if found.covers_everything:
        return {**values, "whole": True, "positions": np.float32(prod(found.input))}
    return {**values, "whole": False, "arrays": _counts(call, found)}


def average_pool_int8(call: OpCall) -> dict[str, object]:
    """Over the whole image an exact sum and one rounding; else float32 sums tap after tap.

    Source: ONNX Runtime com.microsoft QLinearAveragePool-1, QLinearGlobalAveragePool-1.
    """
    x = activation(call, 0, "X", EIGHT_BITS)
    if call.attribute("channels_last", 0):
        raise refuse(call, "channels_last is 1; NCHW is known")
    x_grid, y = grid(call, 1, "x", x.dtype), grid(call, 3, "y", x.dtype)
    found, values = _pool(call, "Global" in call.op)
    values |= {**on_grid(y), "x_zero": x_grid.zero_point, "exact": True}
    if found.covers_everything:
        positions = prod(found.input)
        if positions >= LARGEST_IMAGE:
            raise refuse(call, f"{positions} positions; their sum may exceed 32 bits")
        scale = x_grid.scale / (y.scale * np.float32(positions))
        return {**values, "whole": True, "scale": scale, "helpers": TO_GRID}
    return {
        **values,
        "whole": False,
        "x_scale": x_grid.scale,
        "y_scale": y.scale,
        "y_shift": np.float32(y.zero_point),
        "arrays": _counts(call, found),
        "scratch": {"sums": ("float32", found.output[1])},
        "helpers": SATURATE,
    }


def max_pool(call: OpCall) -> dict[str, object]:
    """Source: ONNX MaxPool-22."""
    x = activation(call, 0, "X", ("float32", *EIGHT_BITS))
    if len([t for t in call.outputs if t.name]) > 1:
        raise refuse(call, "the indices of the largest elements are asked for")
    _, values = _pool(call, False)
    kind = np.dtype(x.dtype)
    lowest = kind.type(-np.inf if kind.kind == "f" else np.iinfo(kind).min)
    return {**values, "lowest": lowest, "exact": True}


def _pool(call: OpCall, whole_image: bool) -> tuple[Window, dict[str, Any]]:
    x = call.input(0)
    kernel = x.shape[2:] if whole_image else tuple(map(int, call.attribute("kernel_shape", ())))
    found = window(call, kernel)
    return found, {**found.sizes(), "planes": prod(x.shape[:2])}


def _counts(call: OpCall, found: Window) -> dict[str, Array]:
    """What the sums are divided by, as a product of one number per row and one per column."""
    rows, columns = (_taps(call, found, axis) for axis in (0, 1))
    return {"rows": rows, "columns_counted": columns}


def _taps(call: OpCall, found: Window, axis: int) -> Array:
    """Kernel taps on the image, or with ``count_include_pad`` those on the padded image."""
    padded = bool(call.attribute("count_include_pad", 0))
    begin = -found.before[axis] if padded else 0
    end = found.input[axis] + (found.after[axis] if padded else 0)
    start = np.arange(found.output[axis]) * found.stride[axis] - found.before[axis]
    taps = start[:, None] + np.arange(found.kernel[axis]) * found.dilation[axis]
    inside = (taps >= begin) & (taps < end)
    return np.asarray(inside.sum(1), np.float32)
