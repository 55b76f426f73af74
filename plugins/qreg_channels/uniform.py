"""Arrays that repeat along axes, stored and computed once.

``numpy.broadcast_to`` gives an axis the stride 0 when what lies along it is all the same. A state that
is the same at every pixel costs one number per channel that way, and so does what is done with it.
"""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from attrs import frozen

from qreg.records import Array

SPATIAL = 2  # the first axis that is looked along for repetitions

_FIRST, _ALL = slice(0, 1), slice(None)


def stretched(array: Array, shape: tuple[int, ...]) -> Array:
    """``numpy.broadcast_to``, which takes its time also where there is nothing to do."""
    return array if array.shape == shape else np.broadcast_to(array, shape)


def holds_somewhere(mask: Array) -> bool:
    small = compact(mask)
    return bool(small.item() if small.size == 1 else small.any())


def holds_everywhere(mask: Array) -> bool:
    small = compact(mask)
    return bool(small.item() if small.size == 1 else small.all())


@frozen(eq=False, slots=False)
class Repeated:
    """An array whose places repeat as those of a map do that is alike but for its border.

    ``kinds`` says for each axis of places (from the third on) which of ``small`` every place is.
    """

    small: Array
    kinds: tuple[Array, ...]
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.small.dtype

    @cached_property
    def whole(self) -> Array:
        return unfolded(self.small, self.kinds, self.shape)


def unfolded(small: Array, kinds: Sequence[Array], shape: Sequence[int]) -> Array:
    """``small`` with every place written out, broadcast to ``shape``."""
    for axis, kind in enumerate(kinds, SPATIAL):
        small = small if small.shape[axis] == 1 else small.take(kind, axis)
    return stretched(small, tuple(shape))


def whole(array: "Array | Repeated") -> Array:
    return array.whole if isinstance(array, Repeated) else array


def compact(array: Array) -> Array:
    """The array with every axis that is stored once cut to length 1: a view that broadcasts."""
    strides = array.strides
    return array[tuple([_ALL if s else _FIRST for s in strides])] if 0 in strides else array


def repeated(array: Array) -> Array:
    """An equal array that is stored once along the axes, from the third on, where it repeats."""
    found = compact(array)
    for axis in range(SPATIAL, found.ndim):
        size = found.shape[axis]
        if size < 2:
            continue
        first = found.take([0], axis)
        # These places tell almost every array apart that does not repeat: borders are alike.
        some = found.take([size // 2, -1], axis)
        if (some == first).all() and (found == first).all():
            found = first
    return array if found.size == array.size else stretched(found, array.shape)


def inverted(mask: Array) -> Array:
    small = compact(mask)
    if small.size == 1:
        return everywhere(not small.item(), mask.shape)
    return stretched(~small, mask.shape)


def either(first: Array, second: Array) -> Array:
    """Where one of two masks of one shape holds."""
    if first is second:
        return first
    return stretched(compact(first) | compact(second), first.shape)


def both(first: Array, second: Array) -> Array:
    """Where both of two masks hold; the second broadcasts to the first."""
    return stretched(compact(first) & compact(second), first.shape)


@lru_cache(maxsize=1024)  # a model has few shapes, and asks for each many times
def everywhere(holds: bool, shape: tuple[int, ...]) -> Array:
    """A mask that is the same everywhere; takes no memory."""
    return np.broadcast_to(np.bool_(holds), shape)


def nonzero(array: Array) -> Array:
    """Where the array is not zero."""
    return stretched(compact(array) != 0, array.shape)


def along(mask: Array, axis: int) -> Array:
    """For each index of an axis, whether the mask holds anywhere there."""
    small = compact(mask)
    axis %= mask.ndim
    if small.size == 1:
        return everywhere(bool(small.item()), mask.shape[axis : axis + 1])
    found = np.asarray(small.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
    return stretched(found, (mask.shape[axis],))


def gathered(mask: Array, shape: tuple[int, ...]) -> Array:
    """The mask of an operand of ``shape`` that was broadcast: where it holds anywhere it went."""
    small = compact(mask)
    added = small.ndim - len(shape)
    axes = tuple(range(added)) + tuple(
        axis + added
        for axis, size in enumerate(shape)
        if size == 1 and mask.shape[axis + added] != 1
    )
    found = np.asarray(small.any(axis=axes, keepdims=True)) if axes else small
    return stretched(found.reshape(found.shape[added:]), shape)


def distinct(rows: Array) -> tuple[Array, Array]:
    """For each row of bits which of the different rows it is, and where these stand first."""
    if rows.all():
        return np.zeros(len(rows), np.intp), np.zeros(1, np.intp)
    if rows.shape[1] == 1:
        return _numbered(rows[:, 0].view(np.uint8))
    if rows.shape[1] <= 64:
        packed = np.zeros((len(rows), 8), np.uint8)
        packed[:, : -(-rows.shape[1] // 8)] = np.packbits(rows, axis=1)
        return _numbered(packed.view(np.uint64)[:, 0])
    seen: dict[bytes, int] = {}
    packed = np.packbits(rows, axis=1)
    which = np.array([seen.setdefault(row.tobytes(), len(seen)) for row in packed], np.intp)
    first = np.full(len(seen), len(rows))
    np.minimum.at(first, which, np.arange(len(rows)))
    return which, first


def _numbered(words: Array) -> tuple[Array, Array]:
    first, index = np.unique(words, return_index=True, return_inverse=True)[1:]
    return index, first
