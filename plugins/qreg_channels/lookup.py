"""States across ops that look elements of their first input up by index: Gather, embeddings."""

import numpy as np

from qreg.records import Array, OpCall
from qreg_channels.movement import all_constant, moved
from qreg_channels.movement import propagate as move
from qreg_channels.state import Evaluate, State, States, all_live, state, values


def propagate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Constant indices move elements; else known where the same stands at every index."""
    if all_constant(states[1:]):
        return move(call, states, evaluate)
    axis = call.attribute("dim", call.attribute("axis", 0))  # of an embedding: the words
    return _anywhere(call, states, (axis,), evaluate)


def tuples(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """GatherND: indices over several leading axes, after those of the batch."""
    if all_constant(states[1:]):
        return move(call, states, evaluate)
    begin = call.attribute("batch_dims", 0)
    return _anywhere(call, states, range(begin, begin + call.input(1).shape[-1]), evaluate)


def _anywhere(
    call: OpCall, states: States, axes: tuple[int, ...] | range, evaluate: Evaluate
) -> tuple[State, ...]:
    """Known where all elements along ``axes`` are known to be one."""
    table = states[0]
    if table is None or table.is_live or 0 in table.value.shape:
        return all_live(call)
    axes = tuple(axes)
    first = table.value[tuple(slice(1) if i in _positive(axes, table) else slice(None)
                              for i in range(table.value.ndim))]  # fmt: skip
    same = (table.known & (table.value == first)).all(axes, keepdims=True)
    if not same.any():
        return all_live(call)
    worst = np.max(np.broadcast_to(table.error, table.value.shape), axis=axes, keepdims=True)
    shape = table.value.shape
    uniform = state(table.value, np.broadcast_to(same, shape), table.zero,
                    np.broadcast_to(worst, shape))  # fmt: skip
    where: tuple[Array | None, ...] = values(states[1:])
    return moved(call, [uniform], lambda parts: evaluate(call, (*parts, *where)))


def _positive(axes: tuple[int, ...], table: State) -> set[int]:
    return {axis % table.value.ndim for axis in axes}
