"""States across sums of products: Conv, Gemm, MatMul.

One op on masks gives the rule for every shape it has (groups, strides, dilation, padding): with L
the mask of live factors and N the mask of factors that may differ from zero, the number of products
that the model's input can change is ``op(L(x), N(w))``, plus ``op(known and non-zero x, L(w))``
where the second operand is computed too. An output is known where that number is 0.
"""

import numpy as np
from attrs import evolve

from qreg.records import Array, OpCall
from qreg_channels.masks import as_float, float_form
from qreg_channels.rounding import rounded, spread
from qreg_channels.state import EXACT, Evaluate, State, States, all_live, is_integer, state, values

FACTORS = ("alpha", "beta")  # of Gemm: they scale the result and change no mask


def propagate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where every live input meets a zero weight and the bias is known."""
    left, right = states[0], states[1]
    bias = states[2] if len(states) > 2 else None
    assert left is not None and right is not None
    if nothing_to_find(left, right):
        return all_live(call)
    count = changeable(float_form(call, without=FACTORS), left, right, bias, evaluate)
    value = evaluate(call, values(states))[0]
    error = EXACT if is_integer(value) else _error(call, left, right, bias, value, evaluate)
    return (state(value, count == 0, error=error),)


def nothing_to_find(left: State, right: State) -> bool:
    """Whether every product is live: nothing known on one side, no zero on the other."""
    return (left.is_live and not right.zeros.any()) or (right.is_live and not left.zeros.any())


def changeable(
    call: OpCall, left: State, right: State, bias: State | None, evaluate: Evaluate
) -> Array:
    """How many terms of each output the model's input can change. Exact below 2**24 terms."""
    live_bias = () if bias is None else (as_float(~bias.known),)
    count = evaluate(call, (as_float(~left.known), as_float(~right.zeros), *live_bias))[0]
    if not right.is_constant:
        fixed = as_float(left.known & ~left.zeros)
        no_bias = tuple(np.zeros_like(b) for b in live_bias)
        count = count + evaluate(call, (fixed, as_float(~right.known), *no_bias))[0]
    return np.rint(count)


def _error(
    call: OpCall, left: State, right: State, bias: State | None, value: Array, evaluate: Evaluate
) -> Array:
    """``op(spread of x, |w|, spread of b) + op(|x|, error of w)``: each term's share, added up."""
    if (bias is None or not bias.error.any()) and not (left.value.any() and right.value.any()):
        return rounded(value)  # nothing but the bias is left
    sizes = {k: abs(v) if k in FACTORS else v for k, v in call.attributes.items()}
    positive = evolve(call, attributes=sizes)
    of_bias = () if bias is None else (spread(bias),)
    error = evaluate(positive, (spread(left), np.abs(right.value), *of_bias))[0]
    if right.error.any():
        of_right = np.broadcast_to(right.error.astype(value.dtype), right.value.shape)
        no_bias = tuple(np.zeros_like(b) for b in of_bias)
        error = error + evaluate(positive, (np.abs(left.value), of_right, *no_bias))[0]
    return error
