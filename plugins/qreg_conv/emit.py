"""C for convolutions: one output row of a few channels at a time."""

from typing import Any

import numpy as np

from qreg.records import Array, OpCall
from qreg_emit.expressions import plus, times
from qreg_emit.literals import c_type
from qreg_emit.operands import (
    EIGHT_BITS,
    TO_GRID,
    WRAP,
    accumulator,
    activation,
    channel_grid,
    constant,
    grid,
    on_grid,
    optional_constant,
    reach,
    refuse,
)
from qreg_emit.window import Window, window
from qreg_numerics.requantize import contraction_scale

CHANNELS = 4  # outputs computed together: each input row is read once for all of them
WIDEST_ROW = 256  # columns; a wider row is computed for fewer channels at once, to bound scratch


def conv_float(call: OpCall) -> dict[str, object]:
    """Sums grow in the output rows: bias, then taps in the order of the weights.

    Source: ONNX Conv-22.
    """
    activation(call, 0, "X", ("float32",))
    weight = constant(call, 1, "W")
    bias = optional_constant(call, 2, "B")
    values = _sizes(call, weight)
    row = {} if values["direct"] else {"row": ("float32", values["row_size"])}
    arrays = {"weight": weight} | ({} if bias is None else {"bias": bias})
    return {**values, "arrays": arrays, "scratch": row, "has_bias": bias is not None}


def conv_int8(call: OpCall) -> dict[str, object]:
    """Exact sums of ``(x - x_zp) * (w - w_zp)``, then one rounding; padding is the zero point.

    Source: ONNX QLinearConv-10; ONNX Runtime MlasRequantizeOutput.
    """
    x = activation(call, 0, "x", EIGHT_BITS)
    weight = constant(call, 3, "w")
    channels = weight.shape[0]
    x_grid, y_grid = grid(call, 1, "x", x.dtype), grid(call, 6, "y", x.dtype)
    w_scale, w_zero = channel_grid(call, 4, "w", channels)
    if np.unique(w_zero).size != 1:
        raise refuse(call, "w_zero_point differs by channel")
    bias = optional_constant(call, 8, "B")
    values = _sizes(call, weight)
    terms = weight.reshape(channels, -1).astype(np.int64) - int(w_zero[0])
    sums = accumulator(terms, reach(x_grid), np.zeros(1) if bias is None else bias)
    arrays = {"weight": weight, "scale": contraction_scale(x_grid.scale, w_scale, y_grid.scale)}
    return {
        **values,
        **sums,
        "arrays": arrays | ({} if bias is None else {"bias": bias}),
        "has_bias": bias is not None,
        "scratch": {
            "row": ("int16", values["row_size"]),
            "acc": (str(sums["acc_type"]).removesuffix("_t"), values["block"] * values["OW"]),
        },
        "helpers": (*TO_GRID, *(WRAP if sums["wraps"] else ())),
        "x_zero": x_grid.zero_point,
        "w_zero": int(w_zero[0]),
        "weight_type": c_type(weight.dtype.name),
        **on_grid(y_grid),
        "exact": True,
        "notes": (f"weights: zero point {w_zero[0]}; no sum exceeds {sums['bound']}",),
    }


def _sizes(call: OpCall, weight: Array) -> dict[str, Any]:
    x = call.input(0)
    groups = int(call.attribute("group", 1))
    kernel = tuple(int(k) for k in call.attribute("kernel_shape") or weight.shape[2:])
    if weight.ndim != len(x.shape) or kernel != weight.shape[2:]:
        raise refuse(call, f"weights {weight.shape} do not fit input {x.shape}")
    found = _flattened(window(call, kernel))
    per_group = weight.shape[0] // groups
    last = (found.output[1] - 1) * found.stride[1] + (found.kernel[1] - 1) * found.dilation[1]
    span = last // found.stride[1] + 1
    direct = found.stride[1] == 1 and not found.before[1] and last < found.input[1]
    return {
        **found.sizes(),
        "batch": x.shape[0],
        "channels_in": weight.shape[1],
        "channels_out": weight.shape[0],
        "groups": groups,
        "per_group": per_group,
        "block": _block(per_group, found.output[1]),
        "span": span,
        "row_size": span * found.stride[1],
        "columns": max(min(found.input[1], last + 1 - found.before[1]), 0),
        "direct": direct,
        "row_of_ix": _split(plus("ix", found.before[1]), found.stride[1], span),
        "row_of_kx": _split(times("kx", found.dilation[1]), found.stride[1], span),
    }


def _split(column: str, stride: int, span: int) -> str:
    """A padded column's place in the row: columns a stride apart are neighbours there."""
    if stride == 1:
        return column
    column = f"({column})" if " " in column else column
    return f"{column} % {stride} * {span} + {column} / {stride}"


def _flattened(found: Window) -> Window:
    """A 1x1 convolution sees no image: any rows do, so take wide ones."""
    if not found.is_pointwise:
        return found
    positions = found.input[0] * found.input[1]
    widths = [w for w in range(1, min(positions, WIDEST_ROW) + 1) if positions % w == 0]
    width = max(widths, key=lambda w: (w % 8 == 0, w))
    shape = (positions // width, width)
    return Window(shape, shape, (1, 1), (1, 1), (1, 1), (0, 0), (0, 0))


def _block(per_group: int, columns: int) -> int:
    largest = CHANNELS if columns <= WIDEST_ROW else 1
    return max(n for n in range(1, largest + 1) if per_group % n == 0)
