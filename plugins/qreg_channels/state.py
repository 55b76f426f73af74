"""What is known of every element of a tensor, whatever the model's input.

An abstract interpretation of the graph (Cousot and Cousot, POPL 1977) over the flat lattice of
single values: an element is *known* when it has the same value for every input of the model, else
*live*. Inputs are taken to be finite, so that 0 * x = 0.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from attrs import evolve, frozen

from qreg.records import Array, OpCall, Tensor

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

    value: Array
    known: Array
    zero: Number | None = 0
    error: Array = EXACT

    @property
    def is_live(self) -> bool:
        return not self.known.any()

    @property
    def is_constant(self) -> bool:
        return bool(self.known.all())

    @property
    def zeros(self) -> Array:
        """Which elements are exactly the real number 0 for every input."""
        if self.zero is None:
            return np.zeros_like(self.known)
        found: Array = self.known & (self.value == self.zero) & (self.error == 0)
        return found

    def with_zero(self, zero: Number | None) -> "State":
        return evolve(self, zero=zero)


States: TypeAlias = tuple[State | None, ...]  # one per input of a call, None where it is absent
Evaluate: TypeAlias = Callable[[OpCall, Sequence[Array | None]], Sequence[Array]]
Propagate: TypeAlias = Callable[[OpCall, States, Evaluate], tuple[State, ...]]


def state(value: Array, known: Array, zero: Number | None = 0, error: Array = EXACT) -> State:
    """A state of the shape of ``value``; what stands where nothing is known does not matter."""
    known = np.broadcast_to(known, value.shape)
    filled = np.where(known, value, np.asarray(zero or 0, value.dtype))
    return State(filled, known, zero, np.where(known, error, 0) if error.any() else EXACT)


def live(tensor: Tensor, zero: Number | None = None) -> State:
    """Nothing is known; costs no memory. Integers have no zero until somebody says which."""
    dtype = np.dtype(tensor.dtype) if tensor.dtype != "string" else np.dtype(object)
    if not np.issubdtype(dtype, np.integer):
        zero = 0
    value = np.broadcast_to(np.asarray(zero or 0, dtype), tensor.shape)
    return State(value, np.broadcast_to(np.False_, tensor.shape), zero)


def constant(value: Array) -> State:
    """Everything is known."""
    zero = None if np.issubdtype(value.dtype, np.integer) else 0
    return State(value, np.broadcast_to(np.True_, value.shape), zero)


def all_live(call: OpCall) -> tuple[State, ...]:
    """What is always true: nothing is known of any output."""
    return tuple(live(tensor) for tensor in call.outputs)


def values(states: States) -> tuple[Array | None, ...]:
    return tuple(None if s is None else s.value for s in states)


def is_integer(array: Array) -> bool:
    return bool(np.issubdtype(array.dtype, np.integer))
