"""Random quantities of quantised tensors, and scales that put results on or next to halves."""

import numpy as np

from qreg.records import Array

Rng = np.random.Generator


def integers(rng: Rng, dtype: str, shape: object = ()) -> Array:
    """Uniform over the whole type, at times only its extremes."""
    info = np.iinfo(dtype)
    if rng.random() < 0.15:
        return rng.choice(np.array([info.min, info.max], dtype), shape)
    return np.asarray(rng.integers(info.min, info.max, shape, endpoint=True)).astype(dtype)


def zero_point(rng: Rng, dtype: str) -> Array:
    """Any value of the type; often an extreme, an odd one or the middle."""
    info = np.iinfo(dtype)
    special = np.array([info.min, info.max, (info.max + info.min + 1) // 2, 1], dtype)
    return np.asarray(rng.choice(special) if rng.random() < 0.4 else integers(rng, dtype))


def scale(rng: Rng, shape: object = (), low: float = -3.0, high: float = 0.5) -> Array:
    return np.asarray(10.0 ** rng.uniform(low, high, shape), np.float32)


def reachable_half(rng: Rng, value: Array, zero_point: Array) -> Array:
    """|k + 1/2| at which no ``value`` of this sign saturates once the output zero point is added."""
    info = np.iinfo(zero_point.dtype)
    room = np.where(np.asarray(value) < 0, int(zero_point) - info.min, info.max - int(zero_point))
    return np.asarray(rng.integers(0, np.maximum(room, 1)) + 0.5)


def half_scale(rng: Rng, real: Array, zero_point: Array, least: float, ulps: int = 1) -> Array:
    """An output scale under which ``real`` lies on or within ``ulps`` of a half."""
    size = np.maximum(np.abs(real), least)
    return nudged(rng, size / reachable_half(rng, real, zero_point), ulps)


def nudged(rng: Rng, value: Array, ulps: int = 1) -> Array:
    """float32 of ``value``, or a neighbour up to ``ulps`` away."""
    bits = np.atleast_1d(np.asarray(value, np.float32)).view(np.int32)
    moved = bits + rng.integers(-ulps, ulps, bits.shape, endpoint=True).astype(np.int32)
    return moved.view(np.float32).reshape(np.shape(value))
