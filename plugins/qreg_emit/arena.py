"""Where every intermediate tensor lies in one block of memory, by the time it is needed."""

from collections.abc import Callable, Sequence

from attrs import frozen


@frozen
class Lifetime:
    """``bytes`` that are in use from step ``first`` to step ``last``, both included."""

    bytes: int
    first: int
    last: int

    def overlaps(self, other: "Lifetime") -> bool:
        return self.first <= other.last and other.first <= self.last


@frozen
class Placement:
    """``offsets`` in the order of the lifetimes; no arrangement needs less than ``lower_bound``."""

    offsets: tuple[int, ...]
    bytes: int
    lower_bound: int


# Each order finds the optimum on graphs where another misses it; all are cheap.
ORDERS: tuple[Callable[[Lifetime], tuple[int, ...]], ...] = (
    lambda t: (-t.bytes, t.first),
    lambda t: (-t.bytes * (t.last - t.first + 1), t.first),
    lambda t: (t.first, -t.bytes),
    lambda t: (-(t.last - t.first), -t.bytes),
)


def place(lifetimes: Sequence[Lifetime], alignment: int) -> Placement:
    """Offsets such that what is in use together lies apart, in few bytes.

    Greedy best fit by decreasing size and by three other orders, whichever needs least.

    Source: Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020,
    section 5 (greedy by size).
    """
    sized = [Lifetime(_up(t.bytes, alignment), t.first, t.last) for t in lifetimes]
    bound = peak(sized)
    best: tuple[int, ...] = ()
    for order in ORDERS:
        offsets = _best_fit(sized, order)
        if not best or _end(sized, offsets) < _end(sized, best):
            best = offsets
        if _end(sized, best) == bound:
            break
    return Placement(best, _end(sized, best), bound)


def peak(lifetimes: Sequence[Lifetime]) -> int:
    """The most bytes in use at one step: what any arrangement needs at least."""
    return max((sum(t.bytes for t in alive(lifetimes, s.first)) for s in lifetimes), default=0)


def alive(lifetimes: Sequence[Lifetime], step: int) -> list[Lifetime]:
    return [t for t in lifetimes if t.first <= step <= t.last]


def _best_fit(
    sized: Sequence[Lifetime], order: Callable[[Lifetime], tuple[int, ...]]
) -> tuple[int, ...]:
    offsets: dict[int, int] = {}
    for index in sorted(range(len(sized)), key=lambda i: (*order(sized[i]), i)):
        busy = sorted((offsets[i], offsets[i] + sized[i].bytes) for i in offsets
                      if sized[i].overlaps(sized[index]))  # fmt: skip
        offsets[index] = _smallest_gap(busy, sized[index].bytes)
    return tuple(offsets[i] for i in range(len(sized)))


def _smallest_gap(busy: Sequence[tuple[int, int]], size: int) -> int:
    """The start of the tightest gap between the busy ranges that holds ``size``, else their end."""
    gaps, end = [], 0
    for begin, stop in busy:
        if begin - end >= size:
            gaps.append((begin - end, end))
        end = max(end, stop)
    return min(gaps)[1] if gaps else end


def _end(sized: Sequence[Lifetime], offsets: Sequence[int]) -> int:
    return max((o + t.bytes for o, t in zip(offsets, sized, strict=True)), default=0)


def _up(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
