"""Parameters of the affine map between reals and integers, and tensors sent through it."""

import numpy as np
from attrs import evolve

from qreg.errors import QregError
from qreg.records import Array
from qreg_quant.records import QParams, limits

SMALLEST = float(np.finfo(np.float32).tiny)  # a smaller scale would be subnormal
BIAS_LOW, BIAS_HIGH = limits("int32")
BIAS_MARGIN = 1.0001


def from_range(
    low: Array | float, high: Array | float, dtype: str, symmetric: bool = False,
    axis: int | None = None,
) -> QParams:  # fmt: skip
    """Parameters whose integers cover [low, high] and zero exactly.

    ``s = (max - min) / (q_max - q_min)`` in float64, ``z = round_half_even(q_min - min / s)``, and
    only then is s rounded to float32. A range narrower than float32 resolves has scale 1, zero 0.
    Symmetric int8 uses [-127, 127]. Source: ONNX Runtime, quant_utils.compute_scale_zp.
    """
    q_low, q_high = limits(dtype)
    if symmetric and q_low < 0:
        q_low = -q_high
    least = np.minimum(np.asarray(low, np.float32), 0).astype(np.float64)
    most = np.maximum(np.asarray(high, np.float32), 0).astype(np.float64)
    if symmetric:
        most = np.maximum(-least, most)
        least = -most
    scale = (most - least) / float(q_high - q_low)
    flat = scale < SMALLEST
    scale = np.where(flat, 1.0, scale)
    zero = np.round((q_low + q_high) / 2 if symmetric else q_low - least / scale)
    zero = np.where(flat, 0, zero).astype(np.int64)
    return QParams(dtype=dtype, scale=scale, zero_point=zero, axis=axis)


def from_values(
    values: Array, dtype: str, axis: int | None = None, symmetric: bool | None = None
) -> QParams:
    """Parameters for a constant: signed types symmetric, unsigned ones with a zero-point.

    Symmetric uint8 is symmetric int8 moved by 128, so that all channels share one zero-point, as
    QLinearConv demands. Source: ONNX Runtime, quantize_weight_per_channel_impl.
    """
    if dtype == "uint8" and symmetric:
        signed = from_values(values, "int8", axis)
        return evolve(signed, dtype=dtype, zero_point=signed.zero_point + 128)
    others = tuple(d for d in range(values.ndim) if axis is None or d != axis % values.ndim)
    return from_range(
        values.min(others, initial=0), values.max(others, initial=0), dtype,
        symmetric=dtype.startswith("int") if symmetric is None else symmetric, axis=axis,
    )  # fmt: skip


def quantized(values: Array, params: QParams) -> Array:
    """Integers for a constant: ``clip(round_half_even(f32(x / scale)) + zero_point)``."""
    low, high = limits(params.dtype)
    scale, zero = aligned(params, values.ndim)
    with np.errstate(over="ignore"):
        found = np.round(values.astype(np.float32) / scale) + zero.astype(np.float64)
    integers: Array = np.clip(found, low, high).astype(params.dtype)
    return integers


def quantized_bias(bias: Array, product: Array) -> Array:
    """``round(b / product)`` as int32, where product is the scale of the accumulator.

    Source: ONNX Runtime, base_quantizer.quantize_bias_static_impl.
    """
    values, step = np.broadcast_arrays(bias.astype(np.float64), product.astype(np.float64))
    steps = np.divide(values, step, out=np.zeros(values.shape), where=step > 0)
    integers: Array = np.clip(np.round(steps), BIAS_LOW, BIAS_HIGH).astype(np.int32)
    return integers


def widened(weight: QParams, input_scale: Array, bias: Array) -> QParams:
    """``weight`` with scales large enough for every bias to fit into int32; mostly unchanged.

    ``bias`` has one value per channel, or any number for a single scale.
    Source: ONNX Runtime, onnx_quantizer.adjust_single_weight_scale_if_needed.
    """
    size = np.abs(bias.astype(np.float64))
    size = size if weight.axis is not None else size.max(initial=0)
    least = BIAS_MARGIN * 2 * size / (BIAS_HIGH - BIAS_LOW - 1)
    scale = weight.scale.astype(np.float64)
    product = input_scale.astype(np.float64) * scale
    raised = np.where(product < least, scale * (least / product), scale)
    return weight if np.array_equal(raised, scale) else evolve(weight, scale=raised)


def aligned(params: QParams, rank: int) -> tuple[Array, Array]:
    """Scale and zero-point shaped to broadcast over a tensor of that rank."""
    if params.axis is None:
        return params.scale, params.zero_point
    shape = [1] * rank
    shape[params.axis] = -1
    return params.scale.reshape(shape), params.zero_point.reshape(shape)


def refuse_not_finite(values: Array, name: str) -> None:
    """Raise QregError where a constant holds NaN or infinity."""
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        first = wrong[0].tolist()
        raise QregError(
            f"tensor {name!r} holds {values[tuple(wrong[0])]} at {first} ({len(wrong)} such values): "
            "it cannot be quantised; train or export the model again"
        )
