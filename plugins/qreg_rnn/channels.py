"""States across recurrent layers: units that stay at zero.

A unit whose new content is always tanh(0) = 0 and that starts at 0 stays there, whatever its gates
say: ``c = f * c + i * tanh(0)`` of an LSTM, ``h = (1 - z) * n + z * h`` of a GRU. Its content is 0
where its row of weights is, for every input and every unit that is not at zero itself.
Source: Hochreiter and Schmidhuber 1997; Cho et al. 2014; ONNX LSTM-22, GRU-22, RNN-22; PyTorch, LSTM.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from qreg.records import Array, OpCall, Tensor
from qreg_channels.absorbing import exact_zeros
from qreg_channels.elementwise import whole
from qreg_channels.state import EXACT, Evaluate, State, States, all_live

# How many gates stand one above the other in the weights, and which of them is the new content.
ONNX_GATES: Mapping[str, tuple[int, int]] = {"LSTM": (4, 3), "GRU": (3, 2), "RNN": (1, 0)}
ATEN_GATES: Mapping[str, tuple[int, int]] = {
    "lstm": (4, 2), "gru": (3, 2), "rnn_tanh": (1, 0), "rnn_relu": (1, 0),
}  # fmt: skip
ZERO_AT_ZERO = ("tanh", "relu", "leakyrelu", "elu", "softsign", "thresholdedrelu")
GATE_FUNCTIONS = {"LSTM": 1, "GRU": 1, "RNN": 0}  # how many of a direction's come before


def onnx(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """One layer in one direction or two; in the results directions have an axis of their own."""
    data, weight, recurrent, bias, _, hidden, cell = (*states, *(None,) * 7)[:7]
    if data is None or weight is None or recurrent is None or not _zero_at_zero(call):
        return all_live(call)
    gates, content = ONNX_GATES[call.op]
    batch = 0 if call.attribute("layout", 0) else 1
    dead = [
        units_at_zero(
            _always_zero(data, (0, 1)),
            _rows(weight, direction, gates, content),
            _rows(recurrent, direction, gates, content),
            (
                *(_rows(bias, direction, 2 * gates, g) for g in (content, content + gates)),
                *(_at_start(s, direction, batch) for s in (hidden, cell)),
            ),
        )
        for direction in range(weight.value.shape[0])
    ]
    found = np.stack(dead)
    return tuple(_zeros(t, found if batch == 0 else found[:, None]) for t in call.outputs)


def aten(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Layers one above the other; directions lie side by side in the results."""
    gates, content = ATEN_GATES[call.op]
    kept = call.attribute("hx", 1)
    data, start, stored = states[0], states[1 : 1 + kept], states[1 + kept :]
    directions = 2 if call.attribute("bidirectional") else 1
    each = 4 if call.attribute("has_biases") else 2
    layers = call.attribute("num_layers", 0)
    if call.target.endswith(".data") or data is None or len(stored) != each * layers * directions:
        return all_live(call)  # packed sequences, projections
    rank = data.value.ndim
    inputs = _always_zero(data, tuple(range(rank - 1)))
    ends = []
    for layer in range(layers):
        sides = []
        for place in range(layer * directions, (layer + 1) * directions):
            rows = [_rows(s, None, gates, content) for s in stored[each * place :][:each]]
            begin = tuple(_at_start(s, place, 1 if rank == 3 else None) for s in start)
            sides.append(units_at_zero(inputs, rows[0], rows[1], (*rows[2:], *begin)))
        ends += sides
        inputs = np.concatenate(sides)
    last = np.stack(ends)
    last = last[:, None] if rank == 3 else last
    return (_zeros(call.output, inputs), *(_zeros(t, last) for t in call.outputs[1:]))


def units_at_zero(inputs: Array, weight: Array, recurrent: Array, rest: Sequence[Array]) -> Array:
    """Which units of a layer stay at zero, from what is exactly zero.

    ``inputs`` (inputs,), ``weight`` (units, inputs), ``recurrent`` (units, units), and what has to be
    zero besides, (units,) each: biases and the state at the start.
    """
    found = np.asarray(weight[:, ~inputs].all(1))
    for zero in rest:
        found = np.asarray(found & zero)
    while True:
        still = found & recurrent[:, ~found].all(1)
        if np.array_equal(still, found):
            return found
        found = still


def _rows(stored: State | None, direction: int | None, gates: int, gate: int) -> Array:
    """Where a gate's rows of a parameter are zero; an absent one is."""
    if stored is None:
        return np.ones(1, np.bool_)
    zero = np.broadcast_to(exact_zeros(stored), stored.value.shape)
    mask = zero if direction is None else zero[direction]
    return np.split(mask, gates)[gate]


def _at_start(state: State | None, place: int, batch: int | None) -> Array:
    """Which units start at zero in every sample; without a state all do.

    Places are the first axis; the second where the batch is the first.
    """
    if state is None:
        return np.ones(1, np.bool_)
    zero = np.broadcast_to(exact_zeros(state), state.value.shape)
    if batch is None:
        return np.asarray(zero[place])
    return np.asarray(np.take(zero, place, 1 - batch).all(0))


def _always_zero(data: State, axes: tuple[int, ...]) -> Array:
    return np.asarray(np.broadcast_to(exact_zeros(data), data.value.shape).all(axes))


def _zero_at_zero(call: OpCall) -> bool:
    """Whether the content's and the output's functions give 0 at 0, as the usual tanh does."""
    given = [name.lower() for name in call.attribute("activations") or ()]
    first = GATE_FUNCTIONS[call.op]
    each = {"LSTM": 3, "GRU": 2, "RNN": 1}[call.op]
    return all(name in ZERO_AT_ZERO for i, name in enumerate(given) if i % each >= first)


def _zeros(tensor: Tensor, dead: Array) -> State:
    """Zero where a unit is dead; the last axes of the tensor are those of ``dead``."""
    if tensor.elements == 0 or dead.shape[-1] != tensor.shape[-1]:
        dead = np.zeros((), np.bool_)
    value = np.zeros((1,) * len(tensor.shape), tensor.dtype)
    return whole(tensor.shape, value, dead, EXACT, 0)
