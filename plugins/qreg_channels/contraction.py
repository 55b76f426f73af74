"""States across sums of products: whatever multiplies two tensors and adds up.

One op on masks gives the rule for every shape it has: with L the mask of live factors and N the mask
of factors that may differ from zero, the number of products that the model's input can change is
``op(L(x), N(w))``, plus ``op(known and non-zero x, L(w))`` where the second operand is computed too.
An output is known where that number is 0.

This serves any such op. For layers with stored weights of a known geometry ``weighted`` does less.
"""

from collections.abc import Mapping

import numpy as np
from attrs import evolve, frozen

from qreg.records import Array, OpCall
from qreg_channels.masks import FACTORS, as_float, float_form
from qreg_channels.rounding import rounded, spread
from qreg_channels.state import (
    EXACT,
    Evaluate,
    State,
    States,
    all_live,
    is_integer,
    state,
    values,
)
from qreg_channels.uniform import compact


@frozen
class Operands:
    """Which inputs of a call are multiplied, and which is added."""

    left: int = 0
    right: int = 1
    bias: int = 2

    def states(self, states: States) -> tuple[State, State, State | None]:
        left, right = states[self.left], states[self.right]
        assert left is not None and right is not None
        return left, right, states[self.bias] if self.bias < len(states) else None

    def inputs(self, left: Array, right: Array, bias: Array | None) -> tuple[Array | None, ...]:
        """The arrays where the call has them."""
        placed: Mapping[int, Array | None] = {self.left: left, self.right: right, self.bias: bias}
        return tuple(placed[i] for i in range(3 if bias is not None or self.bias == 0 else 2))


USUAL = Operands()


def propagate(
    call: OpCall, states: States, evaluate: Evaluate, operands: Operands = USUAL
) -> tuple[State, ...]:
    """Known where every live input meets a zero weight and the bias is known."""
    left, right, bias = operands.states(states)
    if nothing_to_find(left, right):
        return all_live(call)
    count = changeable(float_form(call), left, right, bias, evaluate, operands)
    value = evaluate(call, values(states))[0]
    if is_integer(value):
        return (state(value, count == 0, error=EXACT),)
    error = _error(call, states, value, evaluate, operands)
    return (state(value, (count == 0) & np.isfinite(error), error=error),)


def added_first(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """The same for ops whose first input is added to the product of the others: addmm."""
    return propagate(call, states, evaluate, Operands(1, 2, 0))


def nothing_to_find(left: State, right: State) -> bool:
    """Whether every product is live: nothing known on one side, no zero on the other."""
    return (left.is_live and not compact(right.zeros).any()) or (
        right.is_live and not compact(left.zeros).any()
    )


def changeable(
    call: OpCall,
    left: State,
    right: State,
    bias: State | None,
    evaluate: Evaluate,
    operands: Operands = USUAL,
) -> Array:
    """How many terms of each output the model's input can change. Exact below 2**24 terms."""
    live_bias = None if bias is None else as_float(~bias.known)
    terms = operands.inputs(as_float(~left.known), as_float(~right.zeros), live_bias)
    count = evaluate(call, terms)[0]
    if not right.is_constant:
        fixed, no_bias = as_float(left.known & ~left.zeros), _none_of(live_bias)
        count = count + evaluate(call, operands.inputs(fixed, as_float(~right.known), no_bias))[0]
    return np.rint(count)


def _error(
    call: OpCall, states: States, value: Array, evaluate: Evaluate, operands: Operands
) -> Array:
    """``op(spread of x, |w|, spread of b) + op(|x|, error of w)``: each term's share, added up."""
    left, right, bias = operands.states(states)
    exact = not any(s is not None and s.error.any() for s in (left, right, bias))
    if exact and not (left.value.any() and right.value.any()):
        return rounded(value)  # nothing but the bias is left
    sizes = {k: abs(v) if k in FACTORS else v for k, v in call.attributes.items()}
    positive = evolve(call, attributes=sizes)
    of_bias = None if bias is None else spread(bias)
    terms = operands.inputs(spread(left), np.abs(right.value), of_bias)
    error = evaluate(positive, terms)[0]
    if right.error.any():
        doubt = np.broadcast_to(right.error.astype(value.dtype), right.value.shape)
        terms = operands.inputs(np.abs(left.value) + spread(left), doubt, _none_of(of_bias))
        error = error + evaluate(positive, terms)[0]
    return error


def _none_of(bias: Array | None) -> Array | None:
    return None if bias is None else np.zeros_like(bias)
