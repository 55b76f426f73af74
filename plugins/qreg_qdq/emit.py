"""C for the boundary between real and quantised numbers."""

from math import prod

import numpy as np

from qreg.records import Array, OpCall, Tensor
from qreg_emit.loops import fused, index
from qreg_emit.operands import (
    EIGHT_BITS,
    TO_GRID,
    Grid,
    activation,
    constant,
    on_grid,
    only_dtype,
    optional_constant,
    refuse,
)


def quantize(call: OpCall) -> dict[str, object]:
    """``rne(clamp(x / s)) + zp``, per tensor or along one axis.

    Source: ONNX QuantizeLinear-21; ONNX Runtime MlasQuantizeLinear.
    """
    x = activation(call, 0, "x", ("float32",))
    only_dtype(call, call.output, *EIGHT_BITS)
    limits = on_grid(Grid(np.ones((), np.float32), 0, call.output.dtype))
    return {**_walk(call, x), **limits, "helpers": TO_GRID, "exact": True}


def dequantize(call: OpCall) -> dict[str, object]:
    """``f32(x - zp) * s``, per tensor or along one axis.

    Source: ONNX DequantizeLinear-21.
    """
    x = activation(call, 0, "x", EIGHT_BITS)
    only_dtype(call, call.output, "float32")
    return {**_walk(call, x), "exact": True}


def _walk(call: OpCall, x: Tensor) -> dict[str, object]:
    if call.attribute("block_size", 0):
        raise refuse(call, "block_size is set; one scale per tensor or along an axis is known")
    scale, zero_point = constant(call, 1, "scale"), optional_constant(call, 2, "zero_point")
    if scale.dtype != np.float32:
        raise refuse(call, f"scale is {scale.dtype.name}; float32 is known")
    shift = np.zeros(scale.shape, np.int32) if zero_point is None else zero_point.astype(np.int32)
    outer, channels, inner = 1, 1, x.elements
    if scale.size > 1:
        axis = int(call.attribute("axis", 1)) % len(x.shape)
        outer, channels, inner = prod(x.shape[:axis]), x.shape[axis], prod(x.shape[axis + 1 :])
    if scale.size != channels or shift.size != channels:
        raise refuse(
            call, f"{scale.size} scales and {shift.size} zero points for {channels} channels"
        )
    counts, (moved, steps) = fused(
        (outer, channels, inner), (channels * inner, inner, 1), (0, int(channels > 1), 0)
    )
    arrays: dict[str, Array] = {"scale": scale.reshape(-1), "zero_point": shift.reshape(-1)}
    return {"counts": counts, "x": index(moved), "s": index(steps), "arrays": arrays}
