"""States across sums of products of any number of factors: Einsum, Bilinear.

With P the mask of factors that may differ from zero and K that of factors known to, ``op(P) -
op(K)`` is the number of products that the model's input can change. Source: ONNX Einsum-12.
"""

from collections.abc import Sequence

import numpy as np

from qreg.records import Array, OpCall
from qreg_channels.elementwise import reach
from qreg_channels.masks import as_float, float_form
from qreg_channels.rounding import rounded
from qreg_channels.state import Evaluate, State, States, all_live, is_integer, state


def propagate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where every product with a live factor has one that is exactly zero."""
    factors = [s for s in states if s is not None]
    return _products(call, factors, None, evaluate)


def with_bias(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """The last input is added. Source: PyTorch, torch.nn.functional.bilinear."""
    *factors, bias = states
    return _products(call, [s for s in factors if s is not None], bias, evaluate)


def _products(
    call: OpCall, factors: Sequence[State], bias: State | None, evaluate: Evaluate
) -> tuple[State, ...]:
    if any(f.is_live for f in factors) and not any(f.zeros.any() for f in factors):
        return all_live(call)

    def summed(parts: Sequence[Array], added: Array | None, form: OpCall = call) -> Array:
        return evaluate(form, (*parts, added) if bias is not None else parts)[0]

    form = float_form(call)
    none, unsure = (None, None) if bias is None else (np.zeros_like(bias.value), ~bias.known)
    possible = summed([as_float(~f.zeros) for f in factors], none, form)
    certain = summed([as_float(f.known & ~f.zeros) for f in factors], none, form)
    known = np.rint(possible - certain) == 0
    if unsure is not None:
        known = known & ~unsure
    if not known.any():
        return all_live(call)
    value = summed([f.value for f in factors], None if bias is None else bias.value)
    if is_integer(value):
        return (state(value, known, 0),)
    error = rounded(value) if bias is None else rounded(value) + reach(bias)
    sizes, reaches = [np.abs(f.value) for f in factors], [reach(f) for f in factors]
    for index, by in enumerate(reaches):
        # prod(|x| + r) - prod(|x|) = the sum over i of (|x| + r before i) * r_i * (|x| after i)
        before = [size + r for size, r in zip(sizes[:index], reaches, strict=False)]
        error = error + summed([*before, by, *sizes[index + 1 :]], none)
    return (state(value, known, error=error),)
