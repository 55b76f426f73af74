"""Ratios are defined where a count is zero."""

from math import inf

import pytest

from qreg_cost.ratio import ratio, share


@pytest.mark.parametrize(
    ("before", "after", "times"), [(6, 3, 2.0), (6, 0, inf), (0, 0, 1.0), (0, 5, 0.0)]
)
def test_a_ratio_says_how_many_times_smaller_something_became(
    before: int, after: int, times: float
) -> None:
    assert ratio(before, after) == times


@pytest.mark.parametrize(("part", "whole", "found"), [(1, 4, 0.25), (0, 0, 0.0), (0, 3, 0.0)])
def test_no_part_of_nothing_is_zero(part: int, whole: int, found: float) -> None:
    assert share(part, whole) == found
