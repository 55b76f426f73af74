"""The inputs of a quantised node, read by position and checked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import frozen

from qreg.errors import QregError
from qreg.records import Array, OpCall

Inputs = Sequence[Array | None]


@frozen(eq=False)
class Quantized:
    """Integers that stand for ``scale * (values - zero_point)``."""

    values: Array
    scale: Array  # float32: one number, or one per channel
    zero_point: Array  # int32, likewise

    @property
    def centred(self) -> Array:
        """``values - zero_point`` in int32 for one zero point, or one per last axis."""
        return self.values.astype(np.int32) - self.zero_point


@frozen(eq=False)
class Grid:
    """What the output's integers stand for."""

    scale: Array
    zero_point: int
    dtype: np.dtype[Any]


def quantized(
    call: OpCall, inputs: Inputs, index: int, name: str, channels: bool = False
) -> Quantized:
    """The 8-bit tensor, its scale and its zero point at ``index``, ``index + 1``, ``index + 2``."""
    values = required(call, inputs, index, name)
    if values.dtype not in (np.int8, np.uint8):
        raise refusal(
            call, f"{name} is {values.dtype.name}; its arithmetic is known for int8 and uint8"
        )
    scale = required(call, inputs, index + 1, f"{name}_scale")
    zero_point = present(inputs, index + 2)
    if zero_point is None:
        zero_point = np.zeros((), values.dtype)
    if not channels:
        scale = single(call, scale, f"{name}_scale")
        zero_point = single(call, zero_point, f"{name}_zero_point")
    return Quantized(values, float32(call, scale, f"{name}_scale"), zero_point.astype(np.int32))


def grid(call: OpCall, inputs: Inputs, index: int, dtype: np.dtype[Any]) -> Grid:
    """The output's scale and zero point at ``index`` and ``index + 1``.

    The zero point's type is the output's; without one it is ``dtype`` and the zero point 0.
    """
    scale = single(call, required(call, inputs, index, "y_scale"), "y_scale")
    zero_point = present(inputs, index + 1)
    if zero_point is None:
        return Grid(float32(call, scale, "y_scale"), 0, dtype)
    whole = int(single(call, zero_point, "y_zero_point"))
    return Grid(float32(call, scale, "y_scale"), whole, zero_point.dtype)


def required(call: OpCall, inputs: Inputs, index: int, name: str) -> Array:
    value = present(inputs, index)
    if value is None:
        raise refusal(call, f"input {index} ({name}) is missing")
    return value


def present(inputs: Inputs, index: int) -> Array | None:
    return inputs[index] if index < len(inputs) else None


def single(call: OpCall, value: Array, name: str) -> Array:
    """The one element of ``value``, without axes."""
    if value.size != 1:
        raise refusal(call, f"{name} has {value.size} elements; ONNX Runtime takes one")
    return value.reshape(())


def float32(call: OpCall, value: Array, name: str) -> Array:
    if value.dtype != np.float32:
        raise refusal(call, f"{name} is {value.dtype.name}; its arithmetic is known for float32")
    return value


def refusal(call: OpCall, finding: str) -> QregError:
    return QregError(f"node {call.name!r} ({call.target}): {finding}")
