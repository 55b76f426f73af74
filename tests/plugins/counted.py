"""Numbers that count what is done with them: formulas written in Python count themselves.

A comparison counts, choosing between two values by it does not: a maximum is one operation.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any


class Tally:
    """How many operations its numbers took part in."""

    def __init__(self) -> None:
        self.operations = 0

    def number(self, value: float) -> "Number":
        return Number(float(value), self)

    def numbers(self, values: Sequence[float]) -> "list[Number]":
        return [self.number(v) for v in values]


class Number:
    def __init__(self, value: float, tally: Tally) -> None:
        self.value, self.tally = value, tally

    def _with(self, other: Any, compute: Callable[[float, float], Any]) -> Any:
        self.tally.operations += 1
        result = compute(self.value, other.value if isinstance(other, Number) else other)
        return result if isinstance(result, bool) else Number(result, self.tally)

    def __add__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a - b)

    def __rsub__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: b - a)

    def __mul__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a * b)

    def __truediv__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a / b)

    def __rtruediv__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: b / a)

    def __pow__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a**b)

    def __gt__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a > b)

    def __lt__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a < b)

    def __neg__(self) -> Any:
        return self._with(0, lambda a, _: -a)

    def __abs__(self) -> Any:
        return self._with(0, lambda a, _: abs(a))

    __radd__, __rmul__ = __add__, __mul__


def _function(compute: Callable[[float], float]) -> Callable[[Number], Any]:
    return lambda x: x._with(0, lambda a, _: compute(a))


exp, log, tanh, erf = map(_function, (math.exp, math.log, math.tanh, math.erf))
sin, cos, sqrt, trunc = map(_function, (math.sin, math.cos, math.sqrt, math.trunc))
log1p, lgamma = _function(math.log1p), _function(math.lgamma)


def clip(x: Number, low: float, high: float) -> Any:
    """A limit is one operation."""
    return x._with(0, lambda a, _: min(max(a, low), high))


def between(x: Number, low: float, high: float) -> Any:
    return x._with(0, lambda a, _: bool(low < a < high))


def total(numbers: Sequence[Number]) -> Any:
    """Their sum, starting from nothing: as many operations as numbers."""
    tally = numbers[0].tally
    result = tally.number(0.0)
    for x in numbers:
        result = result + x
    return result


def largest(numbers: Sequence[Number]) -> Any:
    result = numbers[0].tally.number(-math.inf)
    for x in numbers:
        result = max(result, x)
    return result
