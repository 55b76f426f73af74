"""States across ops where one operand may settle the result alone: products, choices, truths.

Activations are taken to be finite, so that 0 * x = 0 and 0 / x = 0 (see ``state``).
"""

from collections.abc import Callable, Sequence

import numpy as np
from attrs import evolve

from qreg.records import Array, OpCall
from qreg_channels.elementwise import (
    alike,
    all_known,
    claimed,
    cut,
    exactly,
    is_step,
    moves,
    propagate,
    reach,
    whole,
)
from qreg_channels.narrow import folded_where_any
from qreg_channels.rounding import rounded
from qreg_channels.state import EXACT, Evaluate, State, States, all_live, constant, state, values
from qreg_channels.uniform import compact

PAIR = ("self", "other")  # what PyTorch calls two operands, of which one may be a number


def addition(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where both terms are, or one is infinite, as in a mask: what is live is finite."""
    endless = [
        compact(term.known) & np.isinf(compact(term.value))
        for term in operands(call, states, PAIR)
        if not is_step(term.value)
    ]
    if not any(settled.any() for settled in endless):
        return propagate(call, states, evaluate)
    known = np.logical_or.reduce(np.broadcast_arrays(*endless))
    return claimed(call, states, all_known(states) | known, evaluate)


@folded_where_any
def product(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where both factors are, or one is exactly zero; an infinity times zero is not known."""
    left, right = operands(call, states, PAIR)
    settled = exact_zeros(left) | exact_zeros(right)
    return claimed(call, states, all_known(states) | settled, evaluate)


def quotient(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where the dividend is exactly zero, or both are and the divisor is surely not zero."""
    left, right = operands(call, states, PAIR)
    apart = _apart(call, states, right)
    settled = exact_zeros(left) & (~compact(right.known) | apart)
    known = (all_known(states) & apart) | settled
    return claimed(call, _divisible(states, right, apart), known, evaluate)


def remainder(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where both operands are, without any error: remainders jump."""
    _, right = operands(call, states, PAIR)
    apart = _apart(call, states, right)
    return exactly(call, _divisible(states, right, apart), evaluate, apart)


def reciprocal(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where the operand is and is surely not zero."""
    (divisor,) = operands(call, states, PAIR[:1])
    apart = np.abs(compact(divisor.value)) > _moving(call, states, 0)
    return claimed(call, states, all_known(states) & apart, evaluate)


def power(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where base and exponent are; a base that may be zero needs an exponent that is not < 0."""
    base, exponent = operands(call, states, ("self", "exponent"))
    apart = np.abs(compact(base.value)) > _moving(call, states, 0)
    rising = compact(exponent.value) - _moving(call, states, 1) >= 0
    return claimed(call, states, all_known(states) & (apart | rising), evaluate)


def conjunction(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """And: known where both are, or one is false."""
    return _truth(call, states, evaluate, np.logical_not)


def disjunction(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Or: known where both are, or one is true."""
    return _truth(call, states, evaluate, np.asarray)


def choice(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Where(condition, x, y): the chosen one's state, or both's where they are equal."""
    condition, left, right = operands(call, states, ("condition", *PAIR))
    return _chosen(call, states, condition, left, right, evaluate)


def masked_fill(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """``value`` where the mask is true, else the data. Source: PyTorch, Tensor.masked_fill."""
    data, mask, fill = operands(call, states, ("self", "mask", "value"))
    return _chosen(call, states, mask, fill, data, evaluate)


def gated(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """``a * sigmoid(b)``, halves of one input: known where both are, or a is exactly zero.

    |a s(b) - a' s(b')| <= |a - a'| + |a'| |b - b'| / 4: a sigmoid is at most 1, its slope 1/4.
    Source: PyTorch, torch.nn.functional.glu.
    """
    data = states[0]
    assert data is not None
    axis = call.attribute("dim", -1)
    content, gate = np.split(data.known, 2, axis)
    zero, _ = np.split(np.broadcast_to(exact_zeros(data), data.value.shape), 2, axis)
    known = (content & gate) | zero
    if not known.any():
        return all_live(call)
    value = evaluate(call, (data.value,))[0]
    near, far = np.split(reach(data), 2, axis)
    size, _ = np.split(np.abs(data.value), 2, axis)
    return (state(value, known, error=near + (size + near) * far / 4 + rounded(value)),)


def operands(call: OpCall, states: States, names: Sequence[str]) -> tuple[State, ...]:
    """The states of the arguments ``names``; a number among the attributes is a constant.

    Where PyTorch's schema has a tensor, such a number leaves its place among the inputs empty.
    """
    given = list(states)
    found = []
    for name in names:
        number = call.attribute(name)
        if number is None:
            found.append(given.pop(0))
            continue
        found.append(constant(np.asarray(number)))
        if given and given[0] is None:
            given.pop(0)
    assert all(s is not None for s in found), call.name
    return tuple(s for s in found if s is not None)


def exact_zeros(operand: State) -> Array:
    """Where an operand is the number 0 for every input, whatever stands for zero elsewhere."""
    found: Array = compact(operand.known) & (compact(operand.value) == 0)
    found = found & (compact(operand.error) == 0)
    return found


def _apart(call: OpCall, states: States, divisor: State) -> Array:
    """Where a divisor is known not to be zero, nor near enough to be zero in another program."""
    found: Array = np.abs(compact(divisor.value)) > _moving(call, states, 1)
    return compact(divisor.known) & found


def _moving(call: OpCall, states: States, index: int) -> Array:
    """How far rounding may put an operand from its value."""
    operand = states[index] if index < len(states) else None
    if operand is None or not moves(call, index, operand):
        return EXACT
    return compact(reach(operand))


def _divisible(states: States, divisor: State, apart: Array) -> States:
    """The same with a divisor of one wherever it may be zero, as what stands for live is."""
    one = np.ones((), divisor.value.dtype)
    value = np.where(np.broadcast_to(apart, divisor.value.shape), divisor.value, one)
    safe = evolve(divisor, value=value)
    return tuple(safe if i == 1 and s is not None else s for i, s in enumerate(states))


def _truth(
    call: OpCall, states: States, evaluate: Evaluate, settles: Callable[[Array], Array]
) -> tuple[State, ...]:
    """False stands where nothing is known: in And as in Or, a known operand has the last word."""
    left, right = operands(call, states, PAIR)
    if not left.value.dtype == right.value.dtype == np.bool_:
        return exactly(call, states, evaluate)
    settled: Array = np.zeros((), np.bool_)
    for operand in (left, right):
        settled = settled | (compact(operand.known) & settles(compact(operand.value)))
    return claimed(call, states, all_known(states) | settled, evaluate)


def _chosen(
    call: OpCall, states: States, condition: State, left: State, right: State, evaluate: Evaluate
) -> tuple[State, ...]:
    if left.value.dtype == object:
        return all_live(call)
    where = compact(condition.value)
    first, second = ([compact(a) for a in (s.value, s.known, s.error)] for s in (left, right))
    known = compact(condition.known) & np.where(where, first[1], second[1])
    known = known | (first[1] & second[1] & (first[0] == second[0]))
    if not known.any():
        return all_live(call)
    axes = alike(states, call.output.shape)
    value = evaluate(call, values(tuple(s and cut(s, axes) for s in states)))[0]
    if not is_step(value):
        known = known & ~np.isnan(value)
    error = np.where(where, first[2], second[2])
    error = np.where(compact(condition.known), error, np.maximum(first[2], second[2]))
    zeros = {s.zero for s in (left, right)} - {None}
    zero = zeros.pop() if len(zeros) == 1 else None
    return (whole(call.output.shape, value, known, error, zero if is_step(value) else 0),)
