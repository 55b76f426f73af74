"""Which outputs of a sum of products read a marked input through a weight that is not zero.

Channels are marked in few different ways, mostly all or nothing, and most weights are not zero. So
the places are walked once for every different way of reading, not once for every pair of channels.
"""

from collections.abc import Sequence

import numpy as np

from qreg.records import Array
from qreg_channels.geometry import Tap
from qreg_channels.uniform import compact, distinct, everywhere, stretched

SAMPLE = 16  # channels marked everywhere that settle almost every output of a dense layer


def reach(mask: Array, weight: Array, taps: Sequence[Tap], shape: tuple[int, ...]) -> Array:
    """A mask of ``shape`` (N, K, *places), exact element by element.

    ``mask`` is (N, C, *places), ``weight`` (groups, K / groups, C / groups, taps), where anything but
    zero joins an output with an input.
    """
    small = compact(mask)
    if small.size == 1 and not small.item():
        return everywhere(False, shape)
    if small.size == small.shape[1] and _meets_every_place(taps, mask.shape, shape):
        vector = stretched(small.reshape(-1), mask.shape[1:2])
        return _stored_once(_by_channel(vector, weight[..., 0]), shape)
    member, marks = _patterns(mask)
    if not member.any():
        return everywhere(False, shape)
    whole = member @ marks.reshape(len(marks), -1).all(1)
    sample = np.flatnonzero(whole)[:SAMPLE]
    left: Array = np.ones(shape[1], np.bool_)
    if len(weight) == 1 and sample.size == SAMPLE:
        read = (weight[0][:, sample] != 0).any(1)[:, None]
        settled = _through(read, np.broadcast_to(np.True_, (1, *marks.shape[1:])), taps, shape)
        left = np.asarray(~settled.all(axis=(0, *range(2, len(shape)))))
        if not left.any():
            return everywhere(True, shape)
        weight = weight[:, left]
    read = _reads(weight, member)
    if read.any():
        found = _through(read, marks, taps, shape)
    else:
        found = np.zeros((1, len(read), *(1,) * (len(shape) - 2)), np.bool_)
    if not left.all():
        among = np.ones((len(found), len(left), *found.shape[2:]), np.bool_)
        among[:, left] = found
        found = among
    return stretched(found, shape)


def _meets_every_place(taps: Sequence[Tap], read: tuple[int, ...], made: tuple[int, ...]) -> bool:
    """Whether the kernel is a single element that meets every place: pointwise, or linear."""
    if len(taps) > 1:
        return False
    sides = zip((read[2:], made[2:]), taps[0], strict=True)
    return all(s.indices(n) == (0, n, 1) for sizes, slices in sides
               for s, n in zip(slices, sizes, strict=True))  # fmt: skip


def _by_channel(marked: Array, weight: Array) -> Array:
    """The outputs that read a ``marked`` channel; ``weight`` is (groups, K / groups, C / groups)."""
    groups, _, inputs = weight.shape
    if groups > 1:
        return np.asarray(((weight != 0) & marked.reshape(groups, 1, inputs)).any(2)).reshape(-1)
    channels = np.flatnonzero(marked)
    found: Array = (weight[0][:, channels[:SAMPLE]] != 0).any(1)
    if channels.size > SAMPLE and not found.all():
        left = np.flatnonzero(~found)
        found[left] = (weight[0][left][:, channels[SAMPLE:]] != 0).any(1)
    return found


def _stored_once(vector: Array, shape: tuple[int, ...]) -> Array:
    if vector.all() or not vector.any():
        return everywhere(bool(vector.any()), shape)
    return stretched(vector.reshape(-1, *(1,) * (len(shape) - 2)), shape)


def _patterns(mask: Array) -> tuple[Array, Array]:
    """The different ways channels are marked: (C, P) which is whose, and (P, N, *places) the marks.

    A channel without a mark has none of them.
    """
    rows = np.moveaxis(compact(mask), 1, 0)
    index, first = distinct(rows.reshape(len(rows), -1))
    patterns = rows[first]
    marked = np.flatnonzero(patterns.reshape(len(first), -1).any(1))
    member = stretched(index[:, None] == marked, (mask.shape[1], len(marked)))
    marks = patterns[marked]
    return member, stretched(marks, (*marks.shape[:2], *mask.shape[2:]))


def _reads(weight: Array, member: Array) -> Array:
    """Whether an output reads a channel of a pattern through a tap: (K, P, taps)."""
    groups, outputs, inputs, count = weight.shape
    found = np.zeros((groups * outputs, member.shape[1], count), np.bool_)
    if groups == 1:
        some = np.flatnonzero((weight[0] != 0).reshape(outputs, -1).any(1))
        for pattern, channels in enumerate(member.T):
            found[some, pattern] = (weight[0][some][:, channels] != 0).any(1)
        return found
    joined = weight != 0
    for pattern, channels in enumerate(member.T.reshape(-1, groups, 1, inputs, 1)):
        found[:, pattern] = (joined & channels).any(2).reshape(-1, count)
    return found


def _through(reads: Array, marks: Array, taps: Sequence[Tap], shape: tuple[int, ...]) -> Array:
    """(N, K, *places) that ``reads`` makes of ``marks``; stored once where all places are alike."""
    ways, patterns, _ = reads.shape
    index, first = distinct(reads.reshape(ways, -1))
    images = np.zeros((len(first), marks.shape[1], *shape[2:]), np.bool_)
    for tap, (inside, outside) in enumerate(taps):
        read = reads[first, :, tap]
        seen = marks[:, :, *inside]
        if read.any() and seen.size:
            hit = read.astype(np.float32) @ seen.reshape(patterns, -1).astype(np.float32) > 0
            images[:, :, *outside] |= hit.reshape(len(first), *seen.shape[1:])
    flat = images.reshape(len(first), -1)
    some = np.asarray(flat.any(1))
    if (flat.all(1) | ~some).all():
        return some[index].reshape(1, ways, *(1,) * (len(shape) - 2))
    return np.moveaxis(images[index], 0, 1)
