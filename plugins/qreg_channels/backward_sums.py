"""What sums of products of any number of factors need, and attention."""

from collections.abc import Sequence

import numpy as np

from qreg.records import Array, OpCall
from qreg_channels.backward import everything
from qreg_channels.state import Evaluate, Masks, Needed, States
from qreg_channels.uniform import compact, everywhere, inverted


def einsum(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """Of each factor what meets, in a wanted sum, nothing that is surely zero.

    Source: ONNX Einsum-12; numpy.einsum.
    """
    del evaluate
    text = "".join(call.attribute("equation", "").split())
    factors = [s for s in states if s is not None]
    terms, _, result = text.partition("->")
    names = terms.split(",")
    if "." in text or "->" not in text or len(names) != len(factors) or len(factors) < 2:
        return everything(call)
    named = zip(names, factors, strict=True)
    sizes = {pair for n, s in named for pair in zip(n, s.shape, strict=True)}
    if len(sizes) != len(set("".join(names))):
        return everything(call)  # an axis of length 1 stands for a longer one
    maybe = [inverted(s.zeros).astype(np.float32) for s in factors]
    found = []
    for index, name in enumerate(names):
        others = [(n, m) for i, (n, m) in enumerate(zip(names, maybe, strict=True)) if i != index]
        found.append(_meets((result, wanted[0]), others, name, factors[index].shape))
    masks = iter(found)
    return tuple(None if s is None else next(masks) for s in states)


def attention(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """Of the values the columns that are wanted; of queries and keys all of an image where any is.

    Source: PyTorch, scaled_dot_product_attention: (batch, heads, tokens, size).
    """
    del evaluate
    found = list(everything(call))
    value, whole = states[2], wanted[0]
    if any(mask.any() for mask in wanted[1:]) or value is None:
        return tuple(found)
    shape = value.shape
    if whole.ndim != len(shape) or len(shape) < 2 or whole.shape[:-2] != shape[:-2]:
        return tuple(found)  # heads that share their values
    column = compact(whole).any(-2, keepdims=True)
    found[2] = np.broadcast_to(column, shape)
    seen = column.any(-1, keepdims=True)
    for index in (0, 1):
        found[index] = np.broadcast_to(seen, call.input(index).shape)
    return tuple(found)


def _meets(
    wanted: tuple[str, Array],
    others: Sequence[tuple[str, Array]],
    name: str,
    shape: tuple[int, ...],
) -> Array:
    """Where a factor with axes ``name`` meets something in a wanted sum."""
    parts = [(wanted[0], wanted[1].astype(np.float32)), *others]
    held = set().union(*(n for n, _ in parts))
    if len(set(name)) < len(name):
        return everywhere(True, shape)  # a diagonal
    own = "".join(axis for axis in name if axis in held)
    equation = f"{','.join(n for n, _ in parts)}->{own}"
    found = np.einsum(equation, *(m for _, m in parts), optimize=True) > 0
    spread = [size if axis in held else 1 for axis, size in zip(name, shape, strict=True)]
    return np.broadcast_to(found.reshape(spread), shape)
