"""States across ops whose results are means, maxima or sums of elements at fixed places.

Pooling, interpolation, running sums, folding: the same op on the mask of live elements says which
results they reach.
"""

import numpy as np

from qreg.records import Array, OpCall
from qreg_channels.elementwise import is_step, reach
from qreg_channels.masks import as_float, float_form
from qreg_channels.movement import all_constant
from qreg_channels.movement import propagate as move
from qreg_channels.rounding import rounded
from qreg_channels.state import EXACT, Evaluate, State, States, all_live, live, state, values
from qreg_channels.zero_points import output_zero

CUBIC = ("cubic", "bicubic")


def propagate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where no live element has a part in the result. Indices of maxima are live."""
    data, *others = states
    if data is None or data.is_live or not all_constant(others):
        return all_live(call)
    given, form = values(tuple(others)), float_form(call)
    known = evaluate(form, (as_float(~data.known), *given))[0] == 0
    return _claimed(call, data, given, known, evaluate)


def resize(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Nearest neighbours move; interpolation weighs, and cubic weights may cancel.

    Source: ONNX Resize-10 to Resize-19, Upsample-7, -9.
    """
    mode = call.attribute("mode", "nearest")
    if mode == "nearest":
        return move(call, states, evaluate)
    return (cubic if mode in CUBIC else propagate)(call, states, evaluate)


def cubic(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """As ``propagate``, with weights of both signs: numbers in general position do not cancel.

    The weights add up to 1 and their sizes to less than 2 along each axis.
    """
    data, *others = states
    if data is None or data.is_live or not all_constant(others):
        return all_live(call)
    given, form = values(tuple(others)), float_form(call)
    general = 1 + np.random.default_rng(0).random(data.known.shape, np.float32)
    known = evaluate(form, (np.where(data.known, np.float32(0), general), *given))[0] == 0
    axes = tuple(range(2, data.known.ndim))
    by = reach(data).max(axes, initial=0, keepdims=True)
    value = evaluate(call, (data.value, *given))[0]
    return (state(value, known, error=by * 2.0 ** len(axes) + rounded(value)),)


def _claimed(
    call: OpCall, data: State, given: tuple[Array | None, ...], known: Array, evaluate: Evaluate
) -> tuple[State, ...]:
    value = evaluate(call, (data.value, *given))[0]
    error = EXACT
    if not is_step(value):
        error = evaluate(call, (reach(data), *given))[0] + rounded(value)
        with np.errstate(invalid="ignore"):
            known = known & np.isfinite(error) & ~np.isnan(value)
    zero = output_zero(call, (data,)) if is_step(value) else 0
    return (state(value, known, zero, error), *(live(t) for t in call.outputs[1:]))
