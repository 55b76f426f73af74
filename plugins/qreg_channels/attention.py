"""States across scaled dot-product attention.

Each result is a mean of the values with weights that are positive and add up to one: a column of
the values that is one constant over all keys comes out as that constant. Source: Vaswani et al.
2017, equation 1.
"""

from collections.abc import Callable

import numpy as np
from attrs import evolve

from qreg.records import Array, OpCall
from qreg_channels.rounding import rounded
from qreg_channels.state import Evaluate, State, States, all_live, live, state


def dispatched(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """PyTorch's attention and what it becomes: query, key, value (..., tokens, size), mask.

    Source: PyTorch, scaled_dot_product_attention.
    """
    query, _, value, mask = (*states, None)[:4]
    assert query is not None and value is not None
    drops = bool(call.attribute("dropout_p", 0.0))
    causal = bool(call.attribute("is_causal", False))
    return _attended(call, query.value.shape, value, mask, causal, drops)


def onnx(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Attention with heads apart, or side by side in three axes; with a cache nothing is known.

    Source: ONNX Attention-23, -24.
    """
    query, _, value, mask, *cache = (*states, None)
    if query is None or value is None or any(s is not None for s in cache):
        return all_live(call)
    causal = bool(call.attribute("is_causal", 0))
    if query.value.ndim == 4:
        return _attended(call, query.value.shape, value, mask, causal)
    heads = (call.attribute("q_num_heads"), call.attribute("kv_num_heads"))
    return side_by_side(call, query.value.shape, value, heads, mask, causal)


def side_by_side(
    call: OpCall,
    query: tuple[int, ...],
    value: State,
    heads: tuple[int, int],
    mask: State | None,
    causal: bool,
) -> tuple[State, ...]:
    """Attention of a query (batch, tokens, heads * size) to values of their own number of heads."""
    batch, tokens, size = query
    apart = (batch, heads[0], tokens, size // heads[0])
    found, *rest = _attended(call, apart, _heads_apart(value, heads[1]), mask, causal)
    return (_heads_together(found) if found.value.ndim == 4 else found, *rest)


def _attended(
    call: OpCall,
    query: tuple[int, ...],
    value: State,
    mask: State | None,
    causal: bool,
    drops: bool = False,
) -> tuple[State, ...]:
    """Known columns, in rows that surely see a key: one that sees none is 0, or not a number."""
    seen = _surely_seen(query[-2], value.value.shape[-2], mask, causal)
    first = value.value[..., :1, :]
    column = (value.known & (value.value == first)).all(-2, keepdims=True)
    if drops:
        column = column & (first == 0)
    repeats = query[-3] // value.value.shape[-3] if len(query) > 2 else 1
    error = np.broadcast_to(value.error, value.value.shape).max(-2, keepdims=True)
    parts = [np.repeat(part, repeats, -3) if repeats > 1 else part for part in
             (first, column, error + rounded(first))]  # fmt: skip
    if not seen.any() or not column.any():
        return all_live(call)
    shape = (*query[:-1], first.shape[-1])
    found = [np.broadcast_to(part, shape) for part in parts]
    known = found[1] & np.broadcast_to(seen[..., None], shape)
    return (state(found[0], known, error=found[2]), *(live(t) for t in call.outputs[1:]))


def _surely_seen(tokens: int, keys: int, mask: State | None, causal: bool) -> Array:
    """Which queries see at least one key whatever the input: finite scores, not masked away."""
    seen: Array = np.tri(tokens, keys, dtype=np.bool_) if causal else np.ones((1, keys), np.bool_)
    if mask is not None:
        if mask.value.dtype == np.bool_:
            seen = seen & mask.known & mask.value
        else:
            seen = seen & ~(mask.known & np.isneginf(mask.value))
    return np.asarray(seen.any(-1))


def _heads_apart(side_by_side: State, heads: int) -> State:
    """(batch, tokens, heads * size) as (batch, heads, tokens, size)."""
    batch, tokens, _ = side_by_side.value.shape

    def apart(array: Array) -> Array:
        whole = np.broadcast_to(array, side_by_side.value.shape)
        return whole.reshape(batch, tokens, heads, -1).swapaxes(1, 2)

    return _each(side_by_side, apart)


def _heads_together(apart: State) -> State:
    batch, heads, tokens, size = apart.value.shape

    def together(array: Array) -> Array:
        whole = np.broadcast_to(array, apart.value.shape)
        return whole.swapaxes(1, 2).reshape(batch, tokens, heads * size)

    return _each(apart, together)


def _each(found: State, change: Callable[[Array], Array]) -> State:
    return evolve(found, value=change(found.value), known=change(found.known),
                  error=change(found.error))  # fmt: skip
