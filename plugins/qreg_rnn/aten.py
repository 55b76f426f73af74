"""What recurrent networks cost as PyTorch's dispatcher spells them.

Every weight matrix meets every step of every sequence once. Packed sequences have no padding, so
theirs are counted as they are.
"""

from collections.abc import Iterator
from math import prod

from attrs import evolve

from qreg.records import Contraction, Cost, OpCall, Weight
from qreg_conv.cost import of_data, of_weight
from qreg_linear.cost import NOWHERE, hidden
from qreg_rnn.cost import GRU, LSTM, RNN, Cell, per_element, steps

RNN_RELU = evolve(RNN, activations=("relu",))
NUMBERED = (RNN_RELU, RNN, LSTM, GRU)  # the attribute ``mode`` of vendors' ops
# Of an element of the state: tanh(c), the gradients of o, c, i, f, n and the cell before, and the
# derivatives of three sigmoids and a tanh, dy * y * (1 - y) and dy * (1 - y * y).
LSTM_BACKWARD = "tanh mul mul mul sub mul add mul mul mul mul " + 4 * "sub mul mul "


def network(call: OpCall) -> Cost:
    """lstm, gru, rnn_tanh, rnn_relu: all layers and directions, on padded or packed sequences.

    Source: PyTorch ``aten/src/ATen/native/RNN.cpp``.
    """
    packed = call.target.endswith(".data")
    first = 1 + packed + call.attribute("hx", 1)  # behind the data and the states
    layers = call.attribute("num_layers") * (2 if call.attribute("bidirectional") else 1)
    return _layers(call, first, layers, call.attribute("params") // layers)


def vendor_network(call: OpCall) -> Cost:
    """_cudnn_rnn, miopen_rnn: the same, with ``weight_stride0`` tensors for each layer."""
    per_layer = call.attribute("weight_stride0")
    return _layers(call, 1, call.attribute("weight") // per_layer, per_layer)


def onednn_layer(call: OpCall) -> Cost:
    """mkldnn_rnn_layer: one layer in one direction."""
    return _layers(call, 1, 1, 4)


def onednn_layer_backward(call: OpCall) -> Cost:
    """mkldnn_rnn_layer_backward: two products like the forward one for each of both weights."""
    rows = prod(call.input(0).shape[:-1])
    shapes = [call.input(i).shape for i in (1, 2)]
    forward = [steps(rows, shape[0], shape[1], None) for shape in shapes]
    products = tuple(back(c) for c in forward for back in (of_data, of_weight))
    each = len(LSTM_BACKWARD.split()) + (LSTM.gates if call.attribute("has_biases") else 0)
    return Cost(products, rows * call.attribute("hidden_size") * each)


def cell(call: OpCall) -> Cost:
    """lstm_cell, gru_cell, rnn_tanh_cell, rnn_relu_cell: one step."""
    return _layers(call, 1 + call.attribute("hx", 1), 1, 4, state=1)


def gates(call: OpCall) -> Cost:
    """_thnn_fused_lstm_cell, _thnn_fused_gru_cell: what is left of a step after its products."""
    biases = sum(call.optional(i) is not None for i in (3, 4))
    return Cost(elementwise_flops=call.output.elements * per_element(_kind(call), biases))


def gates_backward(call: OpCall) -> Cost:
    """_thnn_fused_lstm_cell_backward: the gates' gradients, added up for the biases."""
    biases = LSTM.gates if call.attribute("has_bias") else 0
    elements = call.output.elements // LSTM.gates
    return Cost(elementwise_flops=elements * (len(LSTM_BACKWARD.split()) + biases))


def quantised_network(call: OpCall) -> Cost:
    """quantized_lstm, quantized_gru: by the sizes of data and state; the weights are packed.

    What is packed is no tensor of the call: biases are taken as there where it says so.
    """
    states = call.input(2 if ".data" in call.target else 1).shape
    sides = 2 if call.attribute("bidirectional") else 1
    kind, rows = _kind(call), prod(call.input(0).shape[:-1])
    size = states[-1]
    inputs = [call.input(0).shape[-1]] + [sides * size] * (call.attribute("num_layers") - 1)
    products = [
        steps(rows, kind.gates * size, n, None, sides) for layer in inputs for n in (layer, size)
    ]
    each = per_element(kind, 2 if call.attribute("has_biases") else 0)
    return Cost(tuple(products), rows * size * sides * len(inputs) * each)


def quantised_cell(call: OpCall) -> Cost:
    """quantized_lstm_cell_dynamic and its kind: one step by the sizes of data and state."""
    (rows, inputs), size, kind = call.input(0).shape, call.input(1).shape[-1], _kind(call)
    products = tuple(steps(rows, kind.gates * size, n, None) for n in (inputs, size))
    return Cost(products, rows * size * per_element(kind, biases=2))


def _layers(
    call: OpCall, first: int, layers: int, per_layer: int, state: int | None = None
) -> Cost:
    """Of tensors for input, state, biases and a projection, layer after layer from ``first`` on.

    ``state`` is the input that holds the state where there is only one step.
    """
    kind, rows = _kind(call), prod(call.input(0).shape[:-1])
    both = 2 if call.attribute("bidirectional", False) else 1
    products, flops = [], 0
    for layer in range(layers):
        at = first + layer * per_layer
        products += list(_matrices(call, rows, at, per_layer, layer < both, state))
        biases = sum(len(t.shape) == 1 for t in call.inputs[at : at + per_layer] if t is not None)
        flops += rows * call.input(at).shape[0] // kind.gates * per_element(kind, biases)
    return Cost(tuple(products), flops)


def _matrices(
    call: OpCall, rows: int, at: int, per_layer: int, reads_input: bool, state: int | None
) -> Iterator[Contraction]:
    """The products of one layer; the first of its matrices meets the data, in the first layers."""
    data = {0: 0 if reads_input else None, 1: state}
    for index in range(at, at + per_layer):
        tensor = call.optional(index)
        if tensor is None or len(tensor.shape) < 2:
            continue
        met = data.get(index - at)
        weight = hidden(index, 1, 0)
        if met is not None:
            weight = Weight(input=index, in_axis=1, out_axis=0, data=met, data_axis=-1,
                            output_axis=NOWHERE)  # fmt: skip
        yield steps(rows, tensor.shape[0], tensor.shape[1], weight)


def _kind(call: OpCall) -> Cell:
    mode = call.attribute("mode")
    if mode is not None:
        return NUMBERED[mode]
    if "lstm" in call.target:
        return LSTM
    if "gru" in call.target:
        return GRU
    return RNN_RELU if "relu" in call.target else RNN
