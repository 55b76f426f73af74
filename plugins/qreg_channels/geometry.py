"""How sums of products read their input: the geometry of convolutions, pools and linear layers."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import TypeAlias

import numpy as np
from attrs import frozen

from qreg.records import Array, OpCall
from qreg_channels.uniform import compact, distinct, stretched

Slices: TypeAlias = tuple[slice, ...]
Tap: TypeAlias = tuple[Slices, Slices]  # the places read, and the results they go to, in step


@frozen(kw_only=True)
class Geometry:
    """Which inputs of a call are multiplied, along which axes, and which places meet.

    ``kernel`` is empty for linear layers; there every axis of the data but ``data_axis`` counts rows.
    ``pads`` are those before the first element. A transposed convolution reads each input element
    with the whole kernel: its weight has input channels first.
    """

    data: int = 0
    weight: int = 1
    bias: int | None = None
    data_axis: int = 1
    output_axis: int = 1
    in_axis: int = 1  # of a linear layer's weight: runs along the data's channels
    out_axis: int = 0
    kernel: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    pads: tuple[int, ...] = ()
    dilations: tuple[int, ...] = ()
    groups: int = 1
    transposed: bool = False
    factor: float = 1.0  # of the products, and of the bias
    bias_factor: float = 1.0


@lru_cache(maxsize=256)
def taps(
    geometry: Geometry, size_in: tuple[int, ...], size_out: tuple[int, ...]
) -> tuple[Tap, ...]:
    """For each element of the kernel, in row-major order, what it reads and where to.

    Source: ONNX Conv-22: output o reads input o * stride + tap * dilation - pad where that exists; in
    ConvTranspose-22 the two change places.
    """
    axes = [
        [_meet(a, tap, geometry, size_in[a], size_out[a]) for tap in range(size)]
        for a, size in enumerate(geometry.kernel)
    ]
    return tuple(
        (tuple(inside for inside, _ in places), tuple(outside for _, outside in places))
        for places in product(*axes)
    )


def _meet(
    axis: int, tap: int, geometry: Geometry, size_in: int, size_out: int
) -> tuple[slice, slice]:
    stride = geometry.strides[axis]
    offset = tap * geometry.dilations[axis] - geometry.pads[axis]
    slow, fast = (size_in, size_out) if geometry.transposed else (size_out, size_in)
    first = max(0, -(offset // stride))
    last = min(slow - 1, (fast - 1 - offset) // stride)
    if last < first:
        return slice(0, 0), slice(0, 0)
    stepped = slice(first * stride + offset, last * stride + offset + 1, stride)
    plain = slice(first, last + 1)
    return (plain, stepped) if geometry.transposed else (stepped, plain)


@lru_cache(maxsize=64)
def outline(
    geometry: Geometry, size_in: tuple[int, ...], size_out: tuple[int, ...]
) -> tuple[Array, tuple[Array, ...]]:
    """Results by which taps they read, the others being in the padding.

    Gives (taps, *kinds), what results of each kind read, and for each axis which kind every place is.
    """
    if not geometry.kernel:
        return np.ones(1, np.bool_), ()
    read: Array = np.zeros((prod(geometry.kernel), *size_out), np.bool_)
    for tap, (_, outside) in enumerate(taps(geometry, size_in, size_out)):
        read[tap][outside] = True
    kinds = []
    for axis in range(1, read.ndim):
        kind, first = distinct(np.moveaxis(read, axis, 0).reshape(read.shape[axis], -1))
        read = read.take(first, axis)
        kinds.append(kind)
    return read, tuple(kinds)


def turned(found: Sequence[Tap]) -> tuple[Tap, ...]:
    """The same from the results' side."""
    return tuple((outside, inside) for inside, outside in found)


def data_form(array: Array, geometry: Geometry) -> Array:
    """The data, or a mask of it, as (N, C, *places); axes stored once stay so."""
    return _channels_second(array, geometry.data_axis, len(geometry.kernel))


def output_form(array: Array, geometry: Geometry) -> Array:
    return _channels_second(array, geometry.output_axis, len(geometry.kernel))


def weight_form(array: Array, geometry: Geometry) -> Array:
    """The weight as (groups, outputs of a group, inputs of a group, taps)."""
    if not geometry.kernel:
        return np.moveaxis(array, (geometry.out_axis, geometry.in_axis), (0, 1))[None, ..., None]
    first, second = array.shape[:2]
    groups = geometry.groups
    grouped = array.reshape(groups, first // groups, second, prod(geometry.kernel))
    return grouped.swapaxes(1, 2) if geometry.transposed else grouped


def as_output(form: Array, call: OpCall, geometry: Geometry) -> Array:
    """(N or 1, C, *places or ones) in the output's own shape."""
    return _own_shape(form, call.output.shape, geometry.output_axis, len(geometry.kernel))


def as_data(form: Array, call: OpCall, geometry: Geometry) -> Array:
    shape = call.input(geometry.data).shape
    return _own_shape(form, shape, geometry.data_axis, len(geometry.kernel))


def _channels_second(array: Array, axis: int, spatial: int) -> Array:
    if spatial:
        return array if array.ndim == spatial + 2 else array[None]
    axis %= array.ndim
    size = array.shape[axis]
    others = prod(array.shape) // size if size else 0
    small = compact(array)
    if small.size == small.shape[axis]:
        rows = np.moveaxis(small, axis, -1).reshape(1, small.shape[axis])
        return stretched(rows, (others, size))
    return np.moveaxis(array, axis, -1).reshape(others, size)


def _own_shape(form: Array, shape: tuple[int, ...], axis: int, spatial: int) -> Array:
    small = compact(form)
    if spatial:
        return stretched(small if len(shape) == spatial + 2 else small[0], shape)
    axis %= len(shape)
    if small.shape[0] == 1:
        aligned = small.reshape([-1 if a == axis else 1 for a in range(len(shape))])
        return stretched(aligned, shape)
    others = tuple(s for a, s in enumerate(shape) if a != axis)
    whole = stretched(form, (prod(others), shape[axis]))
    return np.moveaxis(whole.reshape(*others, shape[axis]), -1, axis)
