"""Where real numbers become integers and integers real numbers: QuantizeLinear, DequantizeLinear."""

from typing import Any

import numpy as np
import onnx_ir as ir

from qreg.records import Array, OpCall
from qreg_numerics.operands import Inputs, float32, present, refusal, required
from qreg_numerics.requantize import dequantize, quantize


def quantize_linear(call: OpCall, inputs: Inputs) -> tuple[Array, ...]:
    """``y = rne(clamp(f32(x / s), lo - zp, hi - zp)) + zp``; per tensor, per axis or in blocks.

    NaN gives ``lo``, infinities saturate. Alike on every CPU.

    Source: ONNX QuantizeLinear-21; ONNX Runtime MlasQuantizeLinear.
    """
    x = float32(call, required(call, inputs, 0, "x"), "x")
    scale = float32(call, required(call, inputs, 1, "y_scale"), "y_scale")
    zero_point = present(inputs, 2)
    dtype = zero_point.dtype if zero_point is not None else _declared_type(call)
    _integer(call, dtype, "y")
    shift = np.zeros((), np.int32) if zero_point is None else zero_point.astype(np.int32)
    along = [_along(call, p, x.shape) for p in (scale, shift)]
    return (quantize(x, along[0], along[1], dtype),)


def dequantize_linear(call: OpCall, inputs: Inputs) -> tuple[Array, ...]:
    """``y = f32(f32(x - zp) * s)``, then rounded to the scale's type; per tensor, axis or block.

    Alike on every CPU.

    Source: ONNX DequantizeLinear-21; ONNX Runtime DequantizeLinearApply.
    """
    x = required(call, inputs, 0, "x")
    _integer(call, x.dtype, "x")
    scale = required(call, inputs, 1, "x_scale")
    zero_point = present(inputs, 2)
    shift = np.zeros((), np.int32) if zero_point is None else zero_point.astype(np.int32)
    along = [_along(call, p, x.shape) for p in (scale, shift)]
    with np.errstate(over="ignore"):
        return (dequantize(x, along[0], along[1]).astype(scale.dtype),)


def _along(call: OpCall, parameter: Array, shape: tuple[int, ...]) -> Array:
    """A scale or zero point shaped to broadcast over ``x``."""
    if parameter.size == 1:
        return parameter.reshape(())
    axis = int(call.attribute("axis", 1))
    block = int(call.attribute("block_size", 0))
    if block:
        blocks = np.repeat(parameter, block, axis)
        return np.take(blocks, np.arange(shape[axis]), axis)
    if parameter.shape != (shape[axis],):
        sizes = f"{list(parameter.shape)} where axis {axis} of x has {shape[axis]} channels"
        raise refusal(call, f"scale or zero point has shape {sizes}")
    sides = np.ones(len(shape), np.int64)
    sides[axis] = -1
    return parameter.reshape(sides)


def _declared_type(call: OpCall) -> np.dtype[Any]:
    return ir.DataType(int(call.attribute("output_dtype", 0)) or ir.DataType.UINT8).numpy()


def _integer(call: OpCall, dtype: np.dtype[Any], name: str) -> None:
    if not dtype.name.startswith(("int", "uint")):
        raise refusal(call, f"{name} is {dtype.name}; its arithmetic is known for integers")
