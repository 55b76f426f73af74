"""What results need that are each computed from one element of every operand."""

from collections.abc import Sequence

import numpy as np

from qreg.records import Array, OpCall
from qreg_channels.backward import everything
from qreg_channels.state import Evaluate, Masks, Needed, State, States
from qreg_channels.uniform import both, compact, everywhere, gathered, inverted


def elementwise(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """Of each operand what was broadcast to a wanted result."""
    del states, evaluate
    if _elsewhere(wanted):
        return everything(call)
    return tuple(None if t is None else _broadcast_from(wanted[0], t.shape) for t in call.inputs)


def first(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """Of the first input the elements at the wanted results; of the others, if any is computed, all.

    Batch normalisation, quantising, dropout: the others have axes of their own.
    """
    del states, evaluate
    if _elsewhere(wanted):
        return everything(call)
    return (wanted[0], *everything(call)[1:])


def product(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """A factor is not needed where the other is zero for every input."""
    factors = [i for i, s in enumerate(states) if s is not None]
    found = list(elementwise(call, states, wanted, evaluate))
    if len(factors) == 2 and not _elsewhere(wanted):
        for one, other in (factors, factors[::-1]):
            found[one] = _kept(wanted[0], inverted(_zeros(states[other])), call, one)
    return tuple(found)


def choice(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """Where(condition, x, y): of x what is not known to be left, of y what is not known to win."""
    condition, true, false = positions(call, ("condition", "self", "other"))
    return _chosen(call, states, wanted, evaluate, condition, true, false)


def masked_fill(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """The data where the mask is not known to be true, the value where it is not known to be false."""
    data, mask, value = positions(call, ("self", "mask", "value"))
    return _chosen(call, states, wanted, evaluate, mask, value, data)


def gated(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """Both halves of what is halved along an axis. Source: PyTorch, torch.nn.functional.glu."""
    del states, evaluate
    return (np.concatenate([wanted[0]] * 2, call.attribute("dim", -1)), *everything(call)[1:])


def positions(call: OpCall, names: Sequence[str]) -> list[int | None]:
    """Which input each argument is; None for a number, which stands among the attributes.

    Where PyTorch's schema has a tensor such a number leaves its place among the inputs empty.
    """
    found: list[int | None] = []
    index = 0
    for name in names:
        number = call.attribute(name) is not None
        found.append(None if number else index)
        index += not number or (index < len(call.inputs) and call.inputs[index] is None)
    return found


def _chosen(
    call: OpCall, states: States, wanted: Masks, evaluate: Evaluate,
    condition: int | None, true: int | None, false: int | None,
) -> Needed:  # fmt: skip
    found = list(elementwise(call, states, wanted, evaluate))
    says = None if condition is None else states[condition]
    if says is None or says.value.dtype != np.bool_ or _elsewhere(wanted):
        return tuple(found)
    for index, lost in ((true, ~compact(says.value)), (false, compact(says.value))):
        if index is not None and index < len(states) and states[index] is not None:
            open_ = ~(compact(says.known) & lost)
            found[index] = _kept(wanted[0], np.broadcast_to(open_, says.shape), call, index)
    return tuple(found)


def _kept(wanted: Array, where: Array, call: OpCall, index: int) -> Array:
    shape = call.input(index).shape
    meets = np.broadcast_to(compact(where), _reachable(where, wanted))
    return _broadcast_from(both(wanted, meets), shape)


def _reachable(where: Array, wanted: Array) -> tuple[int, ...]:
    """The shape of ``where`` against the result: aligned at the last axis, as numpy does."""
    return np.broadcast_shapes(compact(where).shape, (1,) * wanted.ndim)


def _broadcast_from(wanted: Array, shape: tuple[int, ...]) -> Array:
    """Of an operand of ``shape``; all of it where numpy would not broadcast it to the result."""
    rank, size = len(shape), wanted.ndim
    fits = rank <= size and all(
        s in (1, w) for s, w in zip(shape, wanted.shape[size - rank :], strict=True)
    )
    return gathered(wanted, shape) if fits else everywhere(True, shape)


def _zeros(operand: State | None) -> Array:
    """Where an operand is the number 0 for every input, whatever stands for zero elsewhere."""
    assert operand is not None
    found = compact(operand.known) & (compact(operand.value) == 0) & (compact(operand.error) == 0)
    return np.broadcast_to(found, operand.shape)


def _elsewhere(wanted: Masks) -> bool:
    """Whether an output beside the first is wanted."""
    return any(mask.any() for mask in wanted[1:])
