"""States across ops that ask whether two numbers are the same."""

import numpy as np

from qreg.records import Array, OpCall
from qreg_channels.absorbing import PAIR, operands
from qreg_channels.elementwise import all_known, claimed, is_step, moves, propagate, reach
from qreg_channels.state import EXACT, Evaluate, State, States, constant
from qreg_channels.uniform import compact


def equality(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Equal, not equal: known where rounding can neither join two numbers nor part them."""
    left, right = operands(call, states, PAIR)
    return _compared(call, states, left, right, evaluate)


def truth(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Ops that ask whether their operand is zero: a logical Not of numbers."""
    (left,) = operands(call, states, PAIR[:1])
    return _compared(call, states, left, constant(np.zeros((), left.value.dtype)), evaluate)


def cast(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Another element type. A truth is whether the number is zero."""
    data, *patterns = states  # CastLike: of another tensor only the type matters
    given = (data, *(p and constant(p.value) for p in patterns))
    return (truth if call.output.dtype == "bool" else propagate)(call, given, evaluate)


def _compared(
    call: OpCall, states: States, left: State, right: State, evaluate: Evaluate
) -> tuple[State, ...]:
    far = compact(_reach(call, states, left)) + compact(_reach(call, states, right))
    first, second = (compact(s.value).astype(np.float64) for s in (left, right))
    with np.errstate(invalid="ignore"):
        apart = np.abs(first - second) > far
    known: Array = all_known(states) & ((far == 0) | apart)
    return claimed(call, states, known, evaluate)


def _reach(call: OpCall, states: States, operand: State) -> Array:
    """How far rounding may put an operand; nothing where it is stored, or no real number."""
    index = next((i for i, s in enumerate(states) if s is operand), None)
    if index is None or is_step(operand.value) or not moves(call, index, operand):
        return EXACT
    return reach(operand)
