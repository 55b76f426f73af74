"""C for normalisation."""

from math import prod

import numpy as np

from qreg.records import OpCall
from qreg_emit.operands import EIGHT_BITS, ROUND, activation, constant, grid, on_grid, refuse
from qreg_numerics.softmax import LAST_AXIS_SINCE, exponentials

LARGEST_LEVELS = 2**22  # beyond, float32 arithmetic rounds before we do


def batch_norm_float(call: OpCall) -> dict[str, object]:
    """``x * f + o`` per channel, ``f = scale / sqrt(var + epsilon)``, ``o = bias - mean * f``.

    Source: ONNX BatchNormalization-15, inference.
    """
    x = activation(call, 0, "X", ("float32",))
    if call.attribute("training_mode", 0) or len(call.outputs) > 1:
        raise refuse(call, "it is in training mode; export the model in evaluation mode")
    names = ("scale", "B", "input_mean", "input_var")
    scale, bias, mean, variance = (
        constant(call, i, name).astype(np.float64) for i, name in enumerate(names, 1)
    )
    factor = scale / np.sqrt(variance + np.float64(call.attribute("epsilon", 1e-5)))
    return {
        "batch": x.shape[0],
        "channels": scale.size,
        "inner": prod(x.shape[2:]),
        "arrays": {
            "factor": factor.astype(np.float32),
            "offset": (bias - mean * factor).astype(np.float32),
        },
    }


def softmax_float(call: OpCall) -> dict[str, object]:
    """Source: ONNX Softmax-13; before, Softmax-11, over all axes from ``axis`` on."""
    x = activation(call, 0, "input", ("float32",))
    axis = call.attribute("axis", -1 if call.opset >= LAST_AXIS_SINCE else 1)
    return {**_rows(x.shape, axis, call.opset), "headers": ("math.h",)}


def softmax_int8(call: OpCall) -> dict[str, object]:
    """A table of 256 exponentials, made here; float32 sums in order.

    Source: ONNX Runtime com.microsoft QLinearSoftmax-1, QlinearSoftmaxCPU.
    """
    x = activation(call, 0, "X", EIGHT_BITS)
    x_grid, y = grid(call, 1, "x", x.dtype), grid(call, 3, "y", x.dtype)
    rows = _rows(x.shape, call.attribute("axis", -1), int(call.attribute("opset", 0)))
    levels = np.floor(np.float32(1) / y.scale)
    if not levels < LARGEST_LEVELS:
        raise refuse(call, f"y_scale {y.scale} is below 2^-22")
    return {
        **rows,
        **on_grid(y),
        "arrays": {"powers": exponentials(x_grid.scale, rows["length"])},
        "levels": levels,
        "overflow": _overflow(y.zero_point, y.dtype),
        "helpers": ROUND,
        "exact": True,
    }


def _rows(shape: tuple[int, ...], axis: int, opset: int) -> dict[str, int]:
    """Which elements are normalised together: ``length`` of them, ``inner`` apart."""
    place = axis % len(shape)
    if opset >= LAST_AXIS_SINCE:
        return {
            "outer": prod(shape[:place]),
            "length": shape[place],
            "inner": prod(shape[place + 1 :]),
        }
    return {"outer": prod(shape[:place]), "length": prod(shape[place:]), "inner": 1}


def _overflow(zero_point: int, dtype: str) -> int:
    """What ONNX Runtime's conversion of infinity gives, zero point added."""
    if dtype == "uint8":
        return zero_point
    wrapped = (-(2**31) + zero_point + 2**31) % 2**32 - 2**31
    return min(max(wrapped, -128), 127)
