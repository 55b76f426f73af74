"""States by channel: which channels are zero, constant, a fixed map, or live."""

from collections.abc import Mapping

import numpy as np
from attrs import frozen

from qreg.records import Array
from qreg_channels.state import Number, State


@frozen
class Channels:
    """Indices along one axis, each in exactly one of four places, in order."""

    zero: tuple[int, ...]
    constant: Mapping[int, Number]  # one value everywhere, and which
    map: tuple[int, ...]  # known but not uniform, as where padding meets a constant
    live: tuple[int, ...]  # at least one element depends on the input


def channels(state: State, axis: int = 1) -> Channels:
    """The channels of a tensor along ``axis``; one channel where it has no axes."""
    size = state.known.shape[axis] if state.known.ndim else 1
    if state.is_live:
        return Channels((), {}, (), tuple(range(size)))
    value = _by_channel(state.value, axis, size)
    zeros = np.logical_and.reduce(_by_channel(state.zeros, axis, size), axis=1)
    whole = np.logical_and.reduce(_by_channel(state.known, axis, size), axis=1)
    uniform = whole & ~zeros & np.logical_and.reduce(value == value[:, :1], axis=1)
    return Channels(
        zero=_indices(zeros),
        constant={i: value[i, 0].item() for i in _indices(uniform)},
        map=_indices(whole & ~zeros & ~uniform),
        live=_indices(~whole),
    )


def zero_channels(state: State, axis: int = 1) -> tuple[int, ...]:
    """Channels whose elements are all the real number 0; none where the tensor lacks the axis."""
    if not -state.known.ndim <= axis < state.known.ndim or state.is_live:
        return ()
    return channels(state, axis).zero


def _by_channel(array: Array, axis: int, size: int) -> Array:
    return np.moveaxis(array, axis, 0).reshape(size, -1) if array.ndim else array.reshape(1, 1)


def _indices(mask: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(mask))
