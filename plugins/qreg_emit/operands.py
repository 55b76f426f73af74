"""What contexts read from a node: constants, grids of quantised tensors, accumulator bounds."""

from typing import Any

import numpy as np
from attrs import frozen

from qreg.errors import QregError
from qreg.records import Array, OpCall, Tensor
from qreg_numerics.requantize import limits

INT32_MAX = 2**31 - 1
# Helpers of the built-in templates; each tuple lists what it needs first.
ROUND = ("qreg_c:round_half_even.c.j2",)
TO_GRID = (*ROUND, "qreg_c:to_grid.c.j2")
SATURATE = (*ROUND, "qreg_c:saturate.c.j2")
WRAP = ("qreg_c:wrap_int32.c.j2",)
EIGHT_BITS = ("int8", "uint8")


@frozen
class Grid:
    """A quantised tensor stands for ``scale * (q - zero_point)``."""

    scale: Array  # float32, one number
    zero_point: int
    dtype: str


def refuse(call: OpCall, why: str) -> QregError:
    """The error for a form of the op that the template does not cover."""
    return QregError(f"node {call.name!r} ({call.target}): {why}; no C is written")


def constant(call: OpCall, index: int, name: str) -> Array:
    """The numbers of a required input that the model stores."""
    value = optional_constant(call, index, name)
    if value is None:
        raise refuse(call, f"input {index} ({name}) is missing")
    return value


def optional_constant(call: OpCall, index: int, name: str) -> Array | None:
    """The same; None where the node leaves the input out."""
    tensor = call.optional(index)
    if tensor is None:
        return None
    if tensor.value is None:
        raise refuse(call, f"input {index} ({name}) is computed at run time, not stored")
    return np.asarray(tensor.numpy())


def activation(call: OpCall, index: int, name: str, dtypes: tuple[str, ...]) -> Tensor:
    """A required input of one of these types, computed at run time."""
    tensor = call.optional(index)
    if tensor is None:
        raise refuse(call, f"input {index} ({name}) is missing")
    if tensor.value is not None:
        raise refuse(call, f"input {index} ({name}) is a constant, so the result is one too")
    if tensor.dtype not in dtypes:
        known = " or ".join(dtypes)
        raise refuse(call, f"input {index} ({name}) is {tensor.dtype}; the template takes {known}")
    return tensor


def either(call: OpCall, *indices: int) -> dict[str, Array]:
    """Those of the inputs that are constants, for ``arrays``: ``{{ in1 }}`` then names either."""
    tensors = {i: call.input(i) for i in indices}
    return {f"in{i}": np.asarray(t.numpy()) for i, t in tensors.items() if t.value is not None}


def one_number(call: OpCall, value: Array, name: str) -> Any:
    if value.size != 1:
        raise refuse(call, f"{name} has {value.size} elements where one is known")
    return value.reshape(())[()]


def grid(call: OpCall, index: int, name: str, dtype: str) -> Grid:
    """Scale and zero point at ``index`` and ``index + 1``, one each; without a zero point, 0."""
    scale = np.asarray(one_number(call, _scales(call, index, name), f"{name}_scale"))
    zero_point = optional_constant(call, index + 1, f"{name}_zero_point")
    if zero_point is None:
        return Grid(scale, 0, dtype)
    number = int(one_number(call, zero_point, f"{name}_zero_point"))
    return Grid(scale, number, zero_point.dtype.name)


def channel_grid(call: OpCall, index: int, name: str, count: int) -> tuple[Array, Array]:
    """Scales (float32) and zero points (int32) of ``count`` channels; one for all is repeated."""
    scale = _scales(call, index, name).reshape(-1)
    zero_point = optional_constant(call, index + 1, f"{name}_zero_point")
    shift = np.zeros(1, np.int32) if zero_point is None else zero_point.reshape(-1).astype(np.int32)
    for found in (scale, shift):
        if found.size not in (1, count):
            parameters = f"{found.size} scales or zero points"
            raise refuse(call, f"{name} has {parameters} for {count} channels")
    return np.resize(scale, count), np.resize(shift, count)


def only_dtype(call: OpCall, tensor: Tensor, *dtypes: str) -> None:
    if tensor.dtype not in dtypes:
        known = ", ".join(dtypes)
        raise refuse(call, f"{tensor.name!r} is {tensor.dtype}; the template writes {known}")


def accumulator(terms: Array, largest: int, bias: Array) -> dict[str, object]:
    """How to hold sums of ``terms[o] * x`` with ``|x| <= largest`` added to ``bias[o]``.

    ``terms`` (outputs, K) are integer weights. A sum that provably fits stays an int32; another is
    added as uint32, which wraps as ONNX Runtime's does, where int32 overflow is undefined in C.
    """
    sums = np.abs(terms.astype(np.int64)).sum(1) * largest + np.abs(bias.astype(np.int64))
    bound = int(sums.max())
    fits = bound <= INT32_MAX
    return {"acc_type": "int32_t" if fits else "uint32_t", "wraps": not fits, "bound": bound}


def on_grid(y: Grid) -> dict[str, object]:
    """The output's zero point and limits, as the templates call them."""
    low, high = limits(np.dtype(y.dtype))
    return {"y_zero": y.zero_point, "y_low": low, "y_high": high}


def reach(tensor_grid: Grid) -> int:
    """The largest ``|q - zero_point|``."""
    low, high = limits(np.dtype(tensor_grid.dtype))
    return max(high - tensor_grid.zero_point, tensor_grid.zero_point - low)


def _scales(call: OpCall, index: int, name: str) -> Array:
    scale = constant(call, index, f"{name}_scale")
    if scale.dtype != np.float32:
        raise refuse(call, f"{name}_scale is {scale.dtype.name}; float32 is known")
    return scale
