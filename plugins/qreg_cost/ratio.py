"""Ratios of counts, where a count may be zero."""

from math import inf


def ratio(before: float, after: float) -> float:
    """``before / after``: how many times smaller. All of something gone is infinite, and nothing
    of nothing is 1: there was nothing to save.
    """
    if after:
        return before / after
    return inf if before else 1.0


def share(part: float, whole: float) -> float:
    """``part / whole``; no part of nothing is 0."""
    return part / whole if whole else 0.0
