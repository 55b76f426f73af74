"""What is known of every element of a tensor, whatever the model's input.

An abstract interpretation of the graph (Cousot and Cousot, POPL 1977) over the flat lattice of
single values: an element is *known* when it has the same value for every input of the model, else
*live*. Inputs are taken to be finite, so that 0 * x = 0.
"""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, TypeAlias

import numpy as np
from attrs import evolve, field, frozen

from qreg.errors import QregError
from qreg.records import Array, OpCall, Tensor
from qreg_channels.uniform import (
    Repeated,
    compact,
    everywhere,
    holds_everywhere,
    holds_somewhere,
    stretched,
    whole,
)

Number: TypeAlias = int | float


EXACT: Array = np.zeros((), np.float32)


@frozen(eq=False)
class State:
    """``known[i]``: element i is ``value[i]`` for every input of the model.

    Where nothing is known ``value`` holds ``zero``. ``zero`` is what stands for the real number 0
    (the zero-point of a quantised tensor); None where nobody has said, and then nothing is zero.

    ``error`` bounds how far rounding may put a known element from ``value``, one number or one per
    element: programs add in different orders and fold constants. Integers are exact.
    """

    _value: Array | Repeated = field(alias="value")
    known: Array
    zero: Number | None = 0
    _error: Array | Repeated = field(default=EXACT, alias="error")

    @property
    def value(self) -> Array:
        return whole(self._value)

    @property
    def error(self) -> Array:
        return whole(self._error)

    @property
    def stored(self) -> "tuple[Array | Repeated, Array | Repeated]":
        """Value and error as they are kept: maps by their different places, until somebody looks."""
        return self._value, self._error

    @property
    def shape(self) -> tuple[int, ...]:
        return self._value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._value.dtype

    @property
    def is_live(self) -> bool:
        return not holds_somewhere(self.known)

    @property
    def is_constant(self) -> bool:
        return holds_everywhere(self.known)

    @property
    def zeros(self) -> Array:
        """Which elements are exactly the real number 0 for every input."""
        if self.zero is None:
            return everywhere(False, self.known.shape)
        found = compact(self.known) & (compact(self.value) == self.zero)
        return stretched(found & (compact(self.error) == 0), self.known.shape)

    def with_zero(self, zero: Number | None) -> "State":
        return evolve(self, zero=zero)


class NobodyCan(QregError):
    """An op cannot be computed on what it was given, which is no fault of the handler that asked."""


States: TypeAlias = tuple[State | None, ...]  # one per input of a call, None where it is absent
Evaluate: TypeAlias = Callable[[OpCall, Sequence[Array | None]], Sequence[Array]]
Propagate: TypeAlias = Callable[[OpCall, States, Evaluate], tuple[State, ...]]
Masks: TypeAlias = tuple[Array, ...]  # one per output
Needed: TypeAlias = tuple[Array | None, ...]  # one mask per input, None where it is absent


def state(value: Array, known: Array, zero: Number | None = 0, error: Array = EXACT) -> State:
    """A state of the shape of ``value``; what stands where nothing is known does not matter."""
    known = stretched(known, value.shape)
    shown = compact(known)
    filled = np.where(shown, compact(value), np.asarray(zero or 0, value.dtype))
    error = compact(error)
    bound = np.where(shown, error, np.zeros((), error.dtype)) if error.any() else EXACT
    if bound.ndim:
        bound = stretched(bound, value.shape)
    return State(stretched(filled, value.shape), known, zero, bound)


def live(tensor: Tensor, zero: Number | None = None) -> State:
    """Nothing is known; costs no memory. Integers have no zero until somebody says which."""
    return _live(tensor.dtype, tensor.shape, zero)


@lru_cache(maxsize=1024)  # most tensors of most networks
def _live(name: str, shape: tuple[int, ...], zero: Number | None) -> State:
    dtype = np.dtype(name) if name != "string" else np.dtype(object)
    zero = zero if _is_integer(dtype) else 0
    value = np.broadcast_to(np.asarray(zero or 0, dtype), shape)
    return State(value, everywhere(False, shape), zero)


def constant(value: Array) -> State:
    """Everything is known."""
    return State(value, everywhere(True, value.shape), None if is_integer(value) else 0)


def all_live(call: OpCall) -> tuple[State, ...]:
    """What is always true: nothing is known of any output."""
    return tuple(live(tensor) for tensor in call.outputs)


def values(states: States) -> tuple[Array | None, ...]:
    return tuple(None if s is None else s.value for s in states)


def is_integer(array: Array) -> bool:
    return _is_integer(array.dtype)


@cache  # numpy takes a while to say so
def _is_integer(dtype: np.dtype[Any]) -> bool:
    return bool(np.issubdtype(dtype, np.integer))
