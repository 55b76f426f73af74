"""States across ops that make zeros of zeros, and of which nothing else is told.

What they multiply by depends on the input, and is finite.
"""

import numpy as np

from qreg.records import Array, OpCall
from qreg_channels.absorbing import exact_zeros
from qreg_channels.elementwise import whole
from qreg_channels.state import EXACT, Evaluate, State, States, all_live, live


def elements(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Each element is divided by something: normalised by its neighbours, or by a norm."""
    data = states[0]
    assert data is not None
    return _zeros(call, exact_zeros(data))


def planes(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Each result is a weighted sum of one channel, of one image or, by regions, of any."""
    data = states[0]
    assert data is not None
    rank = data.value.ndim
    zero = np.broadcast_to(exact_zeros(data), data.value.shape).all(tuple(range(2, rank)))
    if call.op == "RoiAlign":
        zero = zero.all(0, keepdims=True)
    return _zeros(call, zero.reshape(*zero.shape, *(1,) * (len(call.output.shape) - 2)))


def _zeros(call: OpCall, known: Array) -> tuple[State, ...]:
    if not known.any():
        return all_live(call)
    value = np.zeros((1,) * len(call.output.shape), call.output.dtype)
    rest = (live(tensor) for tensor in call.outputs[1:])
    return (whole(call.output.shape, value, known, EXACT, 0), *rest)
