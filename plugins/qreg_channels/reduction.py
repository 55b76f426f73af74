"""States across ops that make one number of all along some axes: sums, means, maxima, norms."""

from collections.abc import Callable, Mapping

import numpy as np

from qreg.records import Array, OpCall
from qreg_channels.elementwise import is_step, reach
from qreg_channels.rounding import rounded
from qreg_channels.state import EXACT, Evaluate, State, States, all_live, live, state, values
from qreg_channels.zero_points import output_zero

Bound = Callable[[Array, Array, tuple[int, ...]], Array]  # of value and reach along axes


def propagate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where all along the axes are. Whole numbers made of real ones: where all are exact."""
    data = states[0]
    if data is None or data.is_live or not all(s is None or s.is_constant for s in states[1:]):
        return all_live(call)
    axes = set_axes(call, states)
    shape = call.output.shape
    known: Array = np.asarray(data.known.all(axes)).reshape(shape)
    if not known.any():
        return all_live(call)
    value = evaluate(call, values(states))[0]
    error = EXACT
    if not is_step(data.value):
        by = reach(data).astype(np.float64)
        exact = (by == 0).all(axes).reshape(shape)
        with np.errstate(over="ignore", invalid="ignore"):
            found = _bound(call)(data.value.astype(np.float64), by, axes).reshape(shape)
        error = np.where(exact, 0, found) + rounded(value)
        known = known & (exact if is_step(value) else np.isfinite(error) & ~np.isnan(value))
    rest = (live(tensor) for tensor in call.outputs[1:])
    zero = output_zero(call, states) if is_step(value) else 0
    return (state(value, known, zero, EXACT if is_step(value) else error), *rest)


def set_axes(call: OpCall, states: States) -> tuple[int, ...]:
    """All where none are named. Source: ONNX ReduceSum-1, -13; PyTorch, torch.sum."""
    rank = len(call.input(0).shape)
    stored = states[1] if len(states) > 1 and call.target.startswith("onnx.") else None
    named = stored.value.tolist() if stored is not None else call.attribute("axes")
    for attribute in ("dim", "axis"):
        named = call.attribute(attribute) if named is None else named
    if named is None and call.op.startswith("Arg"):
        named = 0
    axes = (named,) if isinstance(named, int) else tuple(named or ())
    if axes or call.attribute("noop_with_empty_axes", 0):
        return tuple(axis % rank for axis in axes) if rank else ()
    return tuple(range(rank))


def _bound(call: OpCall) -> Bound:
    order = call.attribute("ord", call.attribute("p"))
    if order is not None and (isinstance(order, str) or not 1 <= order < np.inf):
        return _none  # not the triangle inequality's kind of norm
    return BOUNDS.get(call.op.lower().removeprefix("reduce"), _none)


def _sum(value: Array, by: Array, axes: tuple[int, ...]) -> Array:
    return np.asarray(by.sum(axes))  # norms too: |x + d| <= |x| + |d|


def _mean(value: Array, by: Array, axes: tuple[int, ...]) -> Array:
    return np.asarray(by.mean(axes))


def _largest(value: Array, by: Array, axes: tuple[int, ...]) -> Array:
    """max(x + d) - max(x) <= max(d); so with minima, and log(sum(exp)), whose slopes add up to 1."""
    return np.asarray(by.max(axes))


def _squares(value: Array, by: Array, axes: tuple[int, ...]) -> Array:
    return np.asarray(((np.abs(value) + by) ** 2 - value**2).sum(axes))


def _product(value: Array, by: Array, axes: tuple[int, ...]) -> Array:
    size = np.abs(value)
    return np.asarray((size + by).prod(axes) - size.prod(axes))


def _none(value: Array, by: Array, axes: tuple[int, ...]) -> Array:
    """No bound: known where every element is exact."""
    return np.full(value.sum(axes).shape, np.inf)


BOUNDS: Mapping[str, Bound] = {
    "sum": _sum,
    "l1": _sum,
    "l2": _sum,
    "norm": _sum,
    "linalg_vector_norm": _sum,
    "mean": _mean,
    "max": _largest,
    "min": _largest,
    "amax": _largest,
    "amin": _largest,
    "logsumexp": _largest,
    "sumsquare": _squares,
    "prod": _product,
}
