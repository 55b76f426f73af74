"""Tensors in one block of memory: apart while both are needed, in as few bytes as can be."""

import random
from itertools import pairwise, permutations

import pytest

from qreg_emit.arena import Lifetime, Placement, peak, place


def _check(lifetimes: list[Lifetime], found: Placement, alignment: int) -> None:
    ends = [o + t.bytes for o, t in zip(found.offsets, lifetimes, strict=True)]
    assert all(o % alignment == 0 for o in found.offsets)
    assert max(ends, default=0) <= found.bytes
    assert found.lower_bound <= found.bytes
    for i, first in enumerate(lifetimes):
        for j in range(i):
            second = lifetimes[j]
            if first.first <= second.last and second.first <= first.last:
                apart = ends[i] <= found.offsets[j] or ends[j] <= found.offsets[i]
                assert apart, (first, second, found)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_in_use_together_lies_apart(seed: int) -> None:
    choice = random.Random(seed)
    lifetimes = []
    for _ in range(choice.randint(0, 40)):
        first = choice.randint(0, 20)
        lifetimes.append(Lifetime(choice.randint(1, 300), first, first + choice.randint(0, 8)))
    alignment = choice.choice([1, 2, 4, 8])

    _check(lifetimes, place(lifetimes, alignment), alignment)


def test_a_chain_needs_the_largest_neighbours_together() -> None:
    sizes = [40, 120, 80, 200, 16]
    lifetimes = [Lifetime(size, step, step + 1) for step, size in enumerate(sizes)]

    found = place(lifetimes, 4)

    assert found.bytes == max(a + b for a, b in pairwise(sizes)) == found.lower_bound


def test_a_residual_block_needs_three_tensors() -> None:
    # skip, two tensors of the branch, their sum, which fits where the first of the two was
    lifetimes = [Lifetime(64, 0, 3), Lifetime(64, 1, 2), Lifetime(64, 2, 3), Lifetime(64, 3, 4)]

    assert place(lifetimes, 4).bytes == 3 * 64


def test_sizes_count_with_their_alignment() -> None:
    found = place([Lifetime(10, 0, 1), Lifetime(3, 0, 1)], 8)

    assert (found.bytes, found.lower_bound) == (16 + 8, 16 + 8)


def test_no_arrangement_beats_the_bound_and_small_cases_reach_the_best() -> None:
    choice = random.Random(7)
    reached = 0
    for _ in range(60):
        lifetimes = []
        for _ in range(6):
            first = choice.randint(0, 5)
            size = choice.choice([8, 16, 24, 40])
            lifetimes.append(Lifetime(size, first, first + choice.randint(0, 3)))
        best = min(_stacked(lifetimes, order) for order in permutations(range(len(lifetimes))))

        assert peak(lifetimes) <= best
        reached += place(lifetimes, 1).bytes == best
    assert reached >= 57  # greedy; a miss shows as arena above its bound in the report


def test_nothing_takes_no_memory() -> None:
    assert place([], 4) == Placement((), 0, 0)


def _stacked(lifetimes: list[Lifetime], order: tuple[int, ...]) -> int:
    """Bytes of first fit in this order; some order is optimal."""
    offsets: dict[int, int] = {}
    for index in order:
        busy = sorted((offsets[i], offsets[i] + lifetimes[i].bytes) for i in offsets
                      if lifetimes[i].overlaps(lifetimes[index]))  # fmt: skip
        at = 0
        for begin, end in busy:
            if begin - at >= lifetimes[index].bytes:
                break
            at = max(at, end)
        offsets[index] = at
    return max(offsets[i] + lifetimes[i].bytes for i in offsets)
