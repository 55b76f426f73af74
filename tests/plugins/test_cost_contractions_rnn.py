"""Recurrent networks cost every weight matrix with every step, gate by gate.

Oracle: the matrix products that PyTorch splits a layer into on meta tensors, by its own counter.
"""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from cost_calls import aten, macs, onnx_call, priced

from qreg.records import OpCall, Weight
from qreg_linear.cost import NOWHERE

torch = pytest.importorskip("torch")
flop_counter = pytest.importorskip("torch.utils.flop_counter")
nn = torch.nn

KINDS = {"LSTM": (nn.LSTM, 4, "lstm"), "GRU": (nn.GRU, 3, "gru"), "RNN": (nn.RNN, 1, "rnn_tanh")}


def by_hand(gates: int, inputs: int, size: int, layers: int, sides: int, rows: int) -> int:
    """Each gate of each direction: the layer's inputs and its state, onto the state."""
    widths = [inputs] + [sides * size] * (layers - 1)
    return rows * sum(sides * gates * size * (width + size) for width in widths)


def call_of(network: Any, x: Any, name: str, batch_sizes: Any = None) -> OpCall:
    """What a module of torch.nn asks of the dispatcher."""
    sides = 2 if network.bidirectional else 1
    size = network.proj_size or network.hidden_size
    batch = (
        int(batch_sizes[0]) if batch_sizes is not None else x.shape[0 if network.batch_first else 1]
    )
    states = [
        x.new_empty(sides * network.num_layers, batch, n) for n in (size, network.hidden_size)
    ]
    hidden = states if name == "lstm" else states[0]
    flags = (network.bias, network.num_layers, 0.0, False, network.bidirectional)
    if batch_sizes is not None:
        return aten(f"{name}.data", x, batch_sizes, hidden, network._flat_weights, *flags)
    return aten(f"{name}.input", x, hidden, network._flat_weights, *flags, network.batch_first)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_a_network_costs_the_products_that_pytorch_splits_it_into(
    kind: str, layers: int, bidirectional: bool, bias: bool
) -> None:
    """On a CPU PyTorch's counter gives 0 for an LSTM, and so do fvcore, calflops and DeepSpeed."""
    made, gates, name = KINDS[kind]
    network = made(3, 5, layers, bias=bias, bidirectional=bidirectional, device="meta")
    x = torch.empty(7, 2, 3, device="meta")
    with torch.no_grad(), flop_counter.FlopCounterMode(display=False) as counter:
        network(x)

    call = call_of(network, x, name)

    assert macs(call) == counter.get_total_flops() // 2
    assert macs(call) == by_hand(gates, 3, 5, layers, 1 + bidirectional, 7 * 2)


def test_the_lstm_that_most_counters_give_nothing_for() -> None:
    """256 to 512 in two layers, 50 steps of a batch of 4; torch-pruning counts 16 times as much."""
    network = nn.LSTM(256, 512, 2, batch_first=True, device="meta")

    call = call_of(network, torch.empty(4, 50, 256, device="meta"), "lstm")

    assert macs(call) == 4 * 50 * (4 * 512 * 768 + 4 * 512 * 1024) == 734_003_200


def test_a_projection_makes_the_state_smaller() -> None:
    """State of 4 from 5: gates read 3 or 8 inputs and 4 of state, and 5 * 4 are projected."""
    network = nn.LSTM(3, 5, 2, proj_size=4, bidirectional=True, device="meta")

    call = call_of(network, torch.empty(7, 2, 3, device="meta"), "lstm")

    each = [20 * (n + 4) + 5 * 4 for n in (3, 8)]
    assert macs(call) == 14 * 2 * sum(each)


def test_packed_sequences_have_no_padding() -> None:
    """Lengths 5, 3 and 2 are 10 steps, not 15."""
    batch_sizes = torch.tensor([3, 3, 2, 1, 1])
    network = nn.GRU(3, 5, 2)

    call = call_of(network, torch.zeros(10, 3), "gru", batch_sizes)

    assert macs(call) == by_hand(3, 3, 5, 2, 1, 10)


@pytest.mark.parametrize(
    ("kind", "bias", "per_element"),
    # sums of both products and of two biases, activations (sigmoid 4, tanh 1), the new state
    [("LSTM", True, 4 * 3 + (3 * 4 + 2) + 4), ("LSTM", False, 4 * 1 + (3 * 4 + 2) + 4),
     ("GRU", True, 3 * 3 + (2 * 4 + 1) + 5), ("RNN", True, 3 + 1)],
)  # fmt: skip
def test_gates_are_apart_from_the_products(kind: str, bias: bool, per_element: int) -> None:
    made, _, name = KINDS[kind]
    network = made(3, 5, bias=bias, bidirectional=True, device="meta")

    call = call_of(network, torch.empty(7, 2, 3, device="meta"), name)

    assert priced(call).elementwise_flops == 7 * 2 * 2 * 5 * per_element


@pytest.mark.parametrize("kind", KINDS)
def test_one_step_costs_what_a_network_of_one_step_does(kind: str) -> None:
    made, gates, name = KINDS[kind]
    w = torch.zeros
    state = [w(2, 5), w(2, 5)] if kind == "LSTM" else w(2, 5)
    weights = (w(gates * 5, 3), w(gates * 5, 5), w(gates * 5), w(gates * 5))

    cell = aten(f"{name}_cell", w(2, 3), state, *weights)

    network = call_of(made(3, 5, device="meta"), torch.empty(1, 2, 3, device="meta"), name)
    assert macs(cell) == macs(network) == 2 * gates * 5 * 8
    assert priced(cell).elementwise_flops == priced(network).elementwise_flops
    first, second = (c.weight for c in priced(cell).contractions)
    assert first is not None and second is not None
    assert (first.data, second.data) == (0, 1)  # the state is an input here


def test_what_is_left_of_a_cell_without_its_products() -> None:
    gates, state, bias = torch.zeros(2, 20), torch.zeros(2, 5), torch.zeros(20)
    like = onnx_call("Add", [gates.shape, gates.shape, state.shape, bias.shape, bias.shape],
                     [state.shape, state.shape])  # fmt: skip

    call = OpCall("aten._thnn_fused_lstm_cell.default", "node", like.inputs, like.outputs)

    assert (macs(call), priced(call).elementwise_flops) == (0, 10 * (4 * 3 + 14 + 4))


@pytest.mark.parametrize("bidirectional", [True, False])
def test_training_an_lstm_on_a_cpu_costs_three_forward_passes(bidirectional: bool) -> None:
    """oneDNN's layer and its backward, which PyTorch's counter does not know."""
    sides = 1 + bidirectional
    w = torch.zeros
    args = (w(7, 2, 3), w(20, 3), w(20, 5), w(20), w(20), w(2, 5), w(2, 5))
    forward = aten("mkldnn_rnn_layer", *args, False, [], 2, 5, 1, True, bidirectional, False, True)
    like = onnx_call("Add", [a.shape for a in args], [a.shape for a in args])
    backward = OpCall("aten.mkldnn_rnn_layer_backward.default", "node", like.inputs, like.outputs,
                      {"has_biases": True, "hidden_size": 5, "mode": 2})  # fmt: skip

    assert sides * macs(forward) == by_hand(4, 3, 5, 1, sides, 14)
    assert macs(backward) == 2 * macs(forward)


def test_a_vendors_network_counts_as_pytorchs() -> None:
    network = nn.LSTM(3, 5, 2, bidirectional=True, device="meta")
    call = call_of(network, torch.empty(7, 2, 3, device="meta"), "lstm")
    data, hx, cx, *weights = call.inputs
    attributes = {"mode": 2, "weight": 16, "weight_stride0": 4, "bidirectional": True}

    vendor = OpCall("aten._cudnn_rnn.default", "node", (data, *weights, None, hx, cx), call.outputs,
                    attributes)  # fmt: skip

    assert macs(vendor) == macs(call)
    assert priced(vendor).elementwise_flops == priced(call).elementwise_flops


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_dynamically_quantised_network_is_counted_by_its_sizes(kind: str) -> None:
    """PyTorch's counter gives 0: its weights are packed away."""
    made, gates, name = KINDS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.ao.quantization.quantize_dynamic(
            nn.Sequential(made(3, 5, 2, bidirectional=True)), {made}, dtype=torch.qint8
        )
        packed = [layer.param for layer in model[0]._all_weight_values]
        x, state = torch.zeros(7, 2, 3), torch.zeros(4, 2, 5)
        hidden = [state, state] if kind == "LSTM" else state
        more: dict[str, Any] = {"dtype": torch.qint8, "use_dynamic": True} if kind == "LSTM" else {}
        run = getattr(torch.ops.aten, f"quantized_{name}").input
        made_of = run(x, hidden, packed, True, 2, 0.0, False, True, False, **more)
    like = onnx_call("Add", [x.shape, *[state.shape] * (2 if kind == "LSTM" else 1)],
                     [t.shape for t in made_of])  # fmt: skip
    call = OpCall(f"aten.quantized_{name}.input", "node", like.inputs, like.outputs,
                  {"num_layers": 2, "bidirectional": True, "has_biases": True})  # fmt: skip

    assert macs(call) == by_hand(gates, 3, 5, 2, 2, 14)


# ONNX -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sides", [1, 2])
def test_both_spellings_of_a_layer_cost_the_same(kind: str, sides: int, layout: int) -> None:
    made, gates, name = KINDS[kind]
    x, y = ((2, 7, 3), (2, 7, sides, 5)) if layout else ((7, 2, 3), (7, sides, 2, 5))
    network = made(3, 5, bidirectional=sides == 2, device="meta")
    torchs = call_of(network, torch.empty(7, 2, 3, device="meta"), name)

    call = onnx_call(kind, [x, (sides, gates * 5, 3), (sides, gates * 5, 5), (sides, 2 * gates * 5)],
                     [y], hidden_size=5, layout=layout)  # fmt: skip

    assert macs(call) == macs(torchs)
    assert priced(call).elementwise_flops == priced(torchs).elementwise_flops


def test_peepholes_and_other_activations() -> None:
    inputs: list[Any] = [(7, 2, 3), (1, 20, 3), (1, 20, 5), None, (2,), None, None, (1, 15)]

    call = onnx_call("LSTM", inputs, [(7, 1, 2, 5)], activations=("HardSigmoid", "Relu", "Relu"))

    assert priced(call).elementwise_flops == 7 * 2 * 5 * (4 * 1 + (3 * 3 + 2) + 4 + 6)


def test_weights_of_a_dynamically_quantised_lstm_lie_the_other_way_round() -> None:
    inputs: list[Any] = [(7, 2, 3), (2, 3, 20), (2, 5, 20), (2, 40), None, None, None, None,
                         (2,), (2,), (2,), (2,)]  # fmt: skip

    call = onnx_call("com.microsoft.DynamicQuantizeLSTM", inputs, [(7, 2, 2, 5)], hidden_size=5)

    assert macs(call) == by_hand(4, 3, 5, 1, 2, 14)
    first = priced(call).contractions[0].weight
    assert first == Weight(input=1, in_axis=1, out_axis=2, zero_point=9, data_axis=2,
                           output_axis=NOWHERE)  # fmt: skip


@pytest.mark.parametrize(
    "make",
    [
        lambda: call_of(
            nn.LSTM(3, 5, 2, device="meta"), torch.empty(7, 2, 3, device="meta"), "lstm"
        ),
        lambda: onnx_call("LSTM", [(7, 2, 3), (1, 20, 3), (1, 20, 5)], [(7, 1, 2, 5)]),
    ],
)
def test_only_the_first_weight_meets_channels_that_are_known(make: Callable[[], OpCall]) -> None:
    """The others read states and layers that no tensor outside shows."""
    call = make()

    first, *others = (c.weight for c in priced(call).contractions)

    assert first is not None
    assert call.input(first.data).shape[first.data_axis] == 3
    assert all(w is not None and w.data_axis == NOWHERE for w in others)
