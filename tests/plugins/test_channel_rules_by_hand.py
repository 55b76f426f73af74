"""What is known of well-known blocks, derived by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto
from small_nets import Net, weights

import qreg
from qreg import api
from qreg_channels.channels import Channels, channels
from qreg_channels.propagate import Analysis, analyse
from qreg_onnx.graph import trace

Array = NDArray[np.generic]
F32 = np.float32


def analysed(net: Net, *outputs: str) -> Analysis:
    found = analyse(trace(qreg.load(net.model(*outputs))), api.catalogue())
    assert found.unhandled == ()
    return found


def row(*values: float) -> Array:
    return np.array(values, F32)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def dead(rng: np.random.Generator, outputs: int, inputs: int, *channels: int) -> Array:
    """Weights of a 1x1 convolution, of which these output channels are zero."""
    found = weights(rng, outputs, inputs, 1, 1)
    found[list(channels)] = 0
    return found


def known(found: Channels) -> dict[int, float]:
    return dict.fromkeys(found.zero, 0.0) | {i: float(v) for i, v in found.constant.items()}


def test_squeeze_and_excitation_keeps_dead_channels_dead_and_scales_constant_ones() -> None:
    rng, net = np.random.default_rng(0), Net()
    x = net.conv(net.input(1, 3, 4, 4), dead(rng, 4, 3, 0, 1), "expand", row(0, 2, 0, 1))
    squeezed = net.op("GlobalAveragePool", x)
    gate = net.conv(net.op("Relu", net.conv(squeezed, weights(rng, 2, 4, 1, 1), "reduce")),
                    dead(rng, 4, 2, 1, 2), "gate", row(1, 0, 0, 1))  # fmt: skip
    result = net.op("Mul", x, net.op("Sigmoid", gate, name="sigmoid"), name="scaled")

    found = analysed(net, result)

    assert known(channels(found.states["sigmoid.out"])) == {1: 0.5, 2: 0.5}
    assert known(channels(found.states["scaled.out"])) == {0: 0.0, 1: 1.0}


def test_dead_channels_change_places_in_a_channel_shuffle() -> None:
    rng, net = np.random.default_rng(0), Net()
    x = net.conv(net.input(1, 3, 4, 5), dead(rng, 6, 3, 1, 4), "a")
    apart = net.op("Transpose", net.op("Reshape", x, ints(1, 2, 3, 4, 5)), perm=[0, 2, 1, 3, 4])
    result = net.op("Reshape", apart, ints(1, 6, 4, 5), name="shuffled")

    found = analysed(net, result)

    # (2, 3) channels read by columns: 0 3 1 4 2 5.
    assert channels(found.states[result]).zero == (2, 3)


def test_a_channel_made_of_four_dead_ones_is_dead_and_of_fewer_a_map() -> None:
    rng, net = np.random.default_rng(0), Net()
    x = net.conv(net.input(1, 3, 4, 5), dead(rng, 8, 3, 0, 1, 2, 3, 6), "a")
    result = net.op("DepthToSpace", x, blocksize=2, mode="CRD", name="larger")

    state = analysed(net, result).states[result]

    assert channels(state).zero == (0,)
    assert channels(state).live == (1,)
    # Channel 6 = 4 + 2 * 1 + 0 gives the even columns of the odd rows of channel 1.
    assert state.zeros[0, 1, 1::2, 0::2].all()
    assert state.zeros[0, 1].sum() == 4 * 5


def test_a_group_norm_gives_its_shift_where_its_scale_is_zero_or_its_group_dead() -> None:
    rng, net = np.random.default_rng(0), Net(opset=21)
    x = net.conv(net.input(1, 3, 4, 4), dead(rng, 6, 3, 0, 1, 2), "a")
    result = net.op("GroupNormalization", x, row(1, 2, 1, 1, 0, 1), row(0, -1, 3, 3, 0.5, 3),
                    num_groups=3)  # fmt: skip

    state = analysed(net, result).states[result]

    # Group {0, 1} is dead, {2, 3} is not though 2 is, and of {4, 5} one has no scale.
    assert known(channels(state)) == {0: 0.0, 1: -1.0, 4: 0.5}


def test_a_column_of_values_that_is_constant_comes_out_of_attention_and_goes_on() -> None:
    rng, net = np.random.default_rng(0), Net(opset=23)
    x = net.input(1, 5, 4)
    project = [weights(rng, 4, 6) for _ in range(3)]
    project[2][:, [0, 4]] = 0
    q, k, v = (net.op("Add", net.op("MatMul", x, w), row(0, 1, 2, 3, 0.25, 5)) for w in project)
    y = net.op("Attention", q, k, v, q_num_heads=3, kv_num_heads=3, name="attention")
    result = net.op("MatMul", y, np.eye(6, 2, -3, F32), name="out")

    found = analysed(net, result)

    assert known(channels(found.states[y], 2)) == {0: 0.0, 4: 0.25}
    assert known(channels(found.states[result], 2)) == {1: 0.25}


def test_a_causal_mask_makes_zeros_of_what_comes_later() -> None:
    net = Net()
    scores = net.input(1, 2, 4, 4)
    mask = np.where(np.tri(4, dtype=bool), F32(0), F32(-np.inf))
    chosen = net.op("Where", np.tri(4, dtype=bool), scores, F32(-np.inf))
    by_choice = net.op("Softmax", chosen, name="by_choice")
    by_sum = net.op("Softmax", net.op("Add", scores, mask), name="by_sum")

    found = analysed(net, by_choice, by_sum)

    for name in (by_choice, by_sum):
        assert np.array_equal(found.states[name].zeros[0, 1], ~np.tri(4, dtype=bool))


def test_rows_of_a_mask_that_hide_everything_are_not_known() -> None:
    net = Net()
    hidden = net.op("Where", np.zeros((2, 3), bool), net.input(2, 3), F32(-np.inf))

    found = analysed(net, net.op("Softmax", hidden, name="nothing_left"))

    assert found.states["nothing_left.out"].is_live


def test_a_column_of_a_table_that_is_one_number_is_known_whatever_the_index() -> None:
    net = Net()
    table = np.arange(20, dtype=F32).reshape(5, 4)
    table[:, 1], table[:, 2] = 0, -3
    y = net.op("Gather", table, net.input(2, 3, kind=TensorProto.INT64), axis=0)

    assert known(channels(analysed(net, y).states[y], 2)) == {1: 0.0, 2: -3.0}


@pytest.mark.parametrize(("op", "expected"), [
    ("HardSwish", {0: 0.0, 1: 0.0}), ("Relu", {0: 0.0, 1: 0.0, 3: 0.0}), ("HardSigmoid", {0: 0.0, 1: 0.5}),
])  # fmt: skip
def test_an_activation_that_clips_makes_exact_zeros(op: str, expected: dict[int, float]) -> None:
    """Of -4, 0, 1 / 3 and -1e-5, which rounding may not lift above zero."""
    net = Net()
    x = net.conv(net.input(1, 1, 2, 2), np.zeros((4, 1, 1, 1), F32), "a", row(-4, 0, 1 / 3, -1e-5))
    y = net.op(op, x, name="y")

    found = channels(analysed(net, y).states[y])

    assert found.zero == tuple(i for i, v in expected.items() if v == 0)
    assert known(found) | expected == known(found)


def test_a_smooth_activation_of_zero_is_what_it_is_and_of_others_is_no_exact_zero() -> None:
    net = Net()
    x = net.conv(net.input(1, 1, 2, 2), np.zeros((2, 1, 1, 1), F32), "a", row(0, -30))
    y = net.op("Gelu", x, name="y")

    found = channels(analysed(net, y).states[y])

    assert found.zero == (0,)  # another program may leave -1e-30 of the other


def test_zeros_that_rounding_may_have_moved_make_no_zero_product() -> None:
    net = Net()
    x = net.input(1, 1, 2, 2)
    third = net.conv(x, np.zeros((1, 1, 1, 1), F32), "third", row(1 / 3))
    minus = net.conv(x, np.zeros((1, 1, 1, 1), F32), "minus", row(-1 / 3))
    nearly = net.op("Add", third, minus)
    y = net.op("Mul", nearly, nearly, name="y")
    z = net.op("MatMul", nearly, nearly, name="z")
    live = net.op("Mul", nearly, x, name="live")

    found = analysed(net, y, z, live)

    assert channels(found.states[y]).constant == channels(found.states[z]).constant == {0: 0.0}
    assert channels(found.states[live]).live == (0,)


def test_equality_is_not_decided_within_a_rounding() -> None:
    net = Net()
    x = net.conv(net.input(1, 1, 2, 2), np.zeros((2, 1, 1, 1), F32), "a", row(1 / 3, 2))
    y = net.op("Cast", net.op("Equal", x, row(1 / 3).reshape(1, 1, 1, 1), name="y"), to=1)

    found = channels(analysed(net, y).states["y.out"])

    assert (found.live, found.zero) == ((0,), (1,))


def test_dropout_that_is_trained_leaves_nothing_known() -> None:
    net = Net()
    x = net.conv(net.input(1, 1, 2, 2), np.zeros((2, 1, 1, 1), F32), "a", row(1, 0))
    still = net.op("Dropout", x, F32(0.5), np.bool_(False), name="still")
    drops = net.op("Dropout", x, F32(0.5), np.bool_(True), name="drops")

    found = analysed(net, still, drops)

    assert known(channels(found.states[still])) == {0: 1.0, 1: 0.0}
    assert found.states[drops].is_live


def test_zero_points_count_as_zero_in_a_product_of_quantised_elements() -> None:
    net = Net()
    q = net.op("QuantizeLinear", net.input(1, 3, 2, 2), F32(0.1), np.int8(-5))
    gate = np.array([-7, 20, 3], np.int8).reshape(1, 3, 1, 1)
    y = net.op("QLinearMul", q, F32(0.1), np.int8(-5), gate, F32(0.1), np.int8(-7), F32(0.2), np.int8(9),
               domain="com.microsoft", name="y")  # fmt: skip

    assert channels(analysed(net, y).states[y]).zero == (0,)
