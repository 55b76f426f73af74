"""Channel states of whole graphs: by hand, and against ONNX Runtime on many inputs."""

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from attrs import evolve
from numpy.typing import NDArray
from onnx import TensorProto
from small_nets import Net, weights

import qreg
from qreg import api
from qreg.catalogue import Catalogue, Entry
from qreg.errors import QregError
from qreg.records import OpCall
from qreg.specs import ShortcutHandlerSpec
from qreg_channels.channels import channels
from qreg_channels.propagate import Analysis, analyse
from qreg_channels.state import Evaluate, State, States, live
from qreg_onnx.graph import trace
from qreg_onnx.runtime import session

Array = NDArray[np.generic]
F32 = np.float32


def analysed(proto: onnx.ModelProto, catalogue: Catalogue | None = None) -> Analysis:
    return analyse(trace(qreg.load(proto)), catalogue or api.catalogue())


def without(target: str) -> Catalogue:
    """The installed plugins without what handles ``target``."""
    found = api.catalogue()
    kept = [e for e in found.entries
            if not isinstance(e.spec, ShortcutHandlerSpec) or target not in e.spec.targets]  # fmt: skip
    return evolve(found, entries=tuple(kept))


def row(*values: float) -> Array:
    return np.array(values, F32)


def pruned(rng: np.random.Generator, *shape: int, channels: Sequence[int]) -> Array:
    """Weights without zeros but for whole output channels."""
    found = weights(rng, *shape)
    found[list(channels)] = 0
    return found


def test_a_dead_channel_that_a_norm_shifts_is_constant_and_not_zero() -> None:
    rng, net = np.random.default_rng(0), Net()
    y = net.conv(net.input(1, 2, 4, 4), pruned(rng, 4, 2, 3, 3, channels=(2, 3)), "a",
                 pads=[1, 1, 1, 1])  # fmt: skip
    shifted = net.norm(y, np.ones(4, F32), row(0, 0, 0.5, -0.5))
    found = analysed(net.model(net.op("Relu", shifted)))

    before = channels(found.states["a.out"])
    after = channels(found.states["Relu_2.out"])

    assert (before.zero, before.constant, before.live) == ((2, 3), {}, (0, 1))
    assert (after.zero, after.constant, after.map, after.live) == ((3,), {2: 0.5}, (), (0, 1))


def test_a_bias_keeps_a_dead_channel_from_being_zero() -> None:
    net = Net()
    y = net.conv(net.input(1, 2, 4, 4), np.zeros((3, 2, 3, 3), F32), "a", row(0.25, 0, -1))

    found = channels(analysed(net.model(y)).states[y])

    assert found.zero == (1,)
    assert found.constant == {0: 0.25, 2: -1.0}


def test_padding_makes_a_constant_channel_a_map_after_a_convolution() -> None:
    net = Net()
    y = net.conv(net.input(1, 1, 4, 4), np.zeros((1, 1, 1, 1), F32), "a", row(2))
    z = net.conv(y, np.ones((1, 1, 3, 3), F32), "b", pads=[1, 1, 1, 1])

    state = analysed(net.model(z)).states[z]

    taps = np.array([[4, 6, 6, 4], [6, 9, 9, 6], [6, 9, 9, 6], [4, 6, 6, 4]])
    assert channels(state).map == (0,)
    assert np.array_equal(state.value[0, 0], 2 * taps)


def test_a_sum_is_dead_only_where_both_branches_are() -> None:
    rng, net = np.random.default_rng(0), Net()
    x = net.input(1, 2, 3, 3)
    left = net.conv(x, pruned(rng, 4, 2, 1, 1, channels=(0, 1)), "a")
    right = net.conv(x, pruned(rng, 4, 2, 1, 1, channels=(1, 2)), "b")

    found = analysed(net.model(net.op("Add", left, right, name="sum")))

    assert channels(found.states["sum.out"]).zero == (1,)


def test_dead_channels_keep_their_place_through_slice_pad_and_concat() -> None:
    rng, net = np.random.default_rng(0), Net()
    y = net.conv(net.input(1, 2, 4, 4), pruned(rng, 3, 2, 1, 1, channels=(1,)), "a")
    sliced = net.op("Slice", y, np.array([0, 0]), np.array([4, 4]), np.array([2, 3]),
                    np.array([2, 2]))  # fmt: skip
    padded = net.op("Pad", sliced, np.array([0, 1, 0, 0, 0, 2, 0, 0]))
    both = net.op("Concat", sliced, padded, axis=1, name="both")

    found = analysed(net.model(both))

    assert channels(found.states["both.out"]).zero == (1, 3, 5, 7, 8)


def test_terms_that_cancel_are_no_zero_because_another_order_may_leave_something() -> None:
    net = Net()
    x = net.input(1, 1, 2, 2)
    third = net.conv(x, np.zeros((1, 1, 1, 1), F32), "third", row(1 / 3))
    minus = net.conv(x, np.zeros((1, 1, 1, 1), F32), "minus", row(-1 / 3))
    added = net.op("Relu", net.op("Add", third, minus))
    product = net.conv(net.op("Concat", third, minus, axis=1), np.ones((1, 2, 1, 1), F32), "p")
    shifted = net.norm(third, row(1), row(0), mean=row(1 / 3))

    found = analysed(net.model(added, product, shifted))

    for name in (added, product, shifted):
        state = found.states[name]
        assert channels(state).zero == ()
        assert np.all(np.abs(state.value) <= state.error)
        assert np.all(state.error < 1e-5)


def test_relu_makes_a_zero_of_whatever_is_surely_negative() -> None:
    net = Net()
    y = net.conv(net.input(1, 1, 2, 2), np.zeros((4, 1, 1, 1), F32), "a", row(-1e-7, 1e-7, 0, -1))

    found = channels(analysed(net.model(net.op("Relu", y, name="r"))).states["r.out"])

    assert found.zero == (0, 2, 3)
    assert found.constant == {1: pytest.approx(1e-7)}


def test_a_constant_on_a_rounding_tie_is_live_after_quantising() -> None:
    net = Net()
    y = net.conv(net.input(1, 1, 2, 2), np.zeros((3, 1, 1, 1), F32), "a", row(0.5, 0.6, 0))
    q = net.op("QuantizeLinear", y, np.float32(1), np.int8(4), name="q")

    state = analysed(net.model(q)).states[q]

    assert channels(state).live == (0,)
    assert channels(state).constant == {1: 5}
    assert channels(state).zero == (2,)  # the zero-point


def test_an_op_without_a_handler_is_live_and_listed() -> None:
    net = Net()
    y = net.conv(net.input(1, 2, 3, 3), np.zeros((2, 2, 1, 1), F32), "a")

    found = analysed(net.model(net.op("Round", y, name="odd")), without("onnx.Round"))

    assert found.states["odd.out"].is_live
    assert [c.name for c in found.unhandled] == ["odd"]


def test_states_of_the_wrong_shape_are_refused_with_the_plugins_name() -> None:
    net = Net()
    proto = net.model(net.op("Round", net.input(1, 2, 3, 3), name="odd"))
    spec = ShortcutHandlerSpec(
        name="wrong", targets=("onnx.Round",), propagate=f"{__name__}:wrong_shape"
    )
    catalogue = Catalogue((Entry("third", "third-party", "1.0", "m", spec),))

    with pytest.raises(QregError, match=(
        r"node 'odd' \(onnx.Round\): shortcut_handlers third/wrong \(third-party 1.0\) gave states of "
        r"shapes \[\(1,\)\]; the op's outputs have shapes \[\(1, 2, 3, 3\)\]")):  # fmt: skip
        analysed(proto, catalogue)


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        ("nothing", "gave NoneType; its contract is (OpCall, tuple[State | None, ...], Evaluate)"),
        ("bare_state", "gave State; its contract is (OpCall, tuple[State | None, ...], Evaluate)"),
        ("two_states", "gave states of shapes [(1, 2, 3, 3), (1, 2, 3, 3)]; the op's outputs have"),
        ("failing", "failed: KeyError: 'axis'; that is a fault of the plugin"),
    ],
)
def test_a_handler_that_fails_or_gives_no_state_per_output_is_blamed(
    handler: str, message: str
) -> None:
    net = Net()
    proto = net.model(net.op("Round", net.input(1, 2, 3, 3), name="odd"))
    spec = ShortcutHandlerSpec(
        name="wrong", targets=("onnx.Round",), propagate=f"{__name__}:{handler}"
    )
    catalogue = Catalogue((Entry("third", "third-party", "1.0", "m", spec),))

    with pytest.raises(QregError) as told:
        analysed(proto, catalogue)

    whose = "node 'odd' (onnx.Round): shortcut_handlers third/wrong (third-party 1.0)"
    assert f"{whose} {message}" in str(told.value)


def nothing(call: OpCall, states: States, evaluate: Evaluate) -> None:
    return None


def bare_state(call: OpCall, states: States, evaluate: Evaluate) -> State:
    return live(call.output)


def two_states(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    return (live(call.output), live(call.output))


def failing(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    raise KeyError("axis")


def wrong_shape(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    return (live(evolve(call.output, shape=(1,))),)


def test_zeros_of_an_integer_input_count_only_where_somebody_says_what_zero_is() -> None:
    """Padded with -128, which the convolution reads as real zero and the graph alone does not."""
    net = Net()
    x = net.input(1, 1, 2, 2, kind=TensorProto.INT8)
    padded = net.op("Pad", x, np.array([0, 0, 0, 0, 0, 1, 0, 0]), np.int8(-128), name="pad")
    one = (np.float32(1), np.int8(0))
    y = net.op("QLinearConv", padded, np.float32(1), np.int8(-128), np.ones((1, 2, 1, 1), np.int8),
               *one, *one, name="conv")  # fmt: skip

    analysis = analysed(net.model(y))
    rows = {r["name"]: r for r in qreg.count(net.model(y)).layers}

    assert channels(analysis.states["pad.out"]).zero == ()
    assert channels(analysis.states["pad.out"]).constant == {1: -128}
    assert rows["conv"]["null_in"] == [1]


# Random networks against ONNX Runtime ---------------------------------------------------------


def random_net(seed: int) -> tuple[onnx.ModelProto, list[str]]:
    """A pruned network of many kinds of layer, and every tensor in it."""
    rng, net = np.random.default_rng(seed), Net()
    x, channels_now = net.input(2, 4, 9, 8), 4
    for layer in range(5):
        before, c_in = x, channels_now
        groups = int(rng.choice([1, 1, 2, c_in]))
        channels_now = c_in if rng.random() < 0.5 else int(rng.choice([4, 8]))
        if groups == c_in:
            channels_now = c_in
        kernel = weights(rng, channels_now, c_in // groups, 3, 3)
        kernel[rng.random(channels_now) < 0.4] = 0
        kernel[:, rng.random(c_in // groups) < 0.2] = 0
        bias = weights(rng, channels_now) * (rng.random(channels_now) < 0.5) if layer % 2 else None
        wide = int(rng.choice([1, 2]))  # dilation along the rows; the pads keep the size
        pads = [int(rng.choice([0, 1, 2])), int(rng.choice([0, wide]))]
        pads += [2 - pads[0], 2 * wide - pads[1]]
        x = net.conv(x, kernel, f"conv{layer}", bias, group=groups, pads=pads,
                     dilations=[1, wide])  # fmt: skip
        if rng.random() < 0.6:
            scale = weights(rng, channels_now) * (rng.random(channels_now) < 0.8)
            x = net.norm(x, scale, 0.3 * weights(rng, channels_now), weights(rng, channels_now))
        x = random_activation(net, rng, x)
        if channels_now == c_in and rng.random() < 0.8:
            x = net.op("Add", x, before)
        elif rng.random() < 0.4:
            x = net.op("Concat", x, before, axis=1)
            channels_now += c_in
    x = net.op(str(rng.choice(["AveragePool", "MaxPool"])), x, kernel_shape=[3, 2],
               strides=[2, 2], pads=[1, 0, 0, 1])  # fmt: skip
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    matrix = weights(rng, 6, channels_now) * (rng.random((6, channels_now)) < 0.3)
    x = net.op("Gemm", x, matrix, weights(rng, 6), transB=1)
    x = net.op("Softmax", net.op("MatMul", net.op("Relu", x), weights(rng, 6, 3)))
    return net.model(x), [n.output[0] for n in net.nodes]


def random_activation(net: Net, rng: np.random.Generator, x: str) -> str:
    kind = rng.choice(["Relu", "Relu", "Clip", "none"])
    if kind == "none":
        return x
    limits = (np.float32(-0.25), np.float32(2)) if kind == "Clip" else ()
    return net.op(str(kind), x, *limits)


def runs(proto: onnx.ModelProto, names: Sequence[str], feeds: Sequence[Array]) -> list[Array]:
    """Each tensor's values for all inputs, by ONNX Runtime with its optimisations."""
    shown = onnx.ModelProto.FromString(proto.SerializeToString())
    del shown.graph.output[:]
    shown.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names)
    ready = session(shown)
    (given,) = (i.name for i in ready.get_inputs())
    return [np.stack(v) for v in zip(*(ready.run(None, {given: f}) for f in feeds), strict=True)]


def wrong_claims(found: State, values: Array) -> list[str]:
    """What is claimed of a tensor and does not hold for all of ``values``."""
    wrong = []
    if np.any(values[:, found.zeros] != found.zero):
        wrong.append("a zero that is none")
    known = values[:, found.known].astype(float)
    claimed = found.value[found.known].astype(float)
    if np.issubdtype(found.value.dtype, np.integer) and np.any(known != claimed):
        wrong.append("an integer that is another")
    error = np.broadcast_to(found.error, found.value.shape)[found.known]
    if np.any(np.abs(known - claimed) > error):
        wrong.append("a constant that is none")
    return wrong


@pytest.mark.parametrize("seed", range(40))
def test_every_claim_on_a_random_pruned_network_holds_for_inputs_of_all_sizes(seed: int) -> None:
    proto, names = random_net(seed)
    analysis = analysed(proto)
    rng = np.random.default_rng(seed)
    feeds = [s * weights(rng, 2, 4, 9, 8) for s in (0, 0.1, 1, 1, 10, 10)]

    # With every tensor an output nothing is fused; with few, norms are folded into weights.
    for subset in (names, names[2::3], names[3::4]):
        for name, values in zip(subset, runs(proto, subset, feeds), strict=True):
            assert wrong_claims(analysis.states[name], values) == [], name

    assert analysis.unhandled == ()
    assert any(s.known.any() for s in analysis.states.values())


def random_integer_net(seed: int) -> tuple[onnx.ModelProto, list[str]]:
    """An int8 network of quantised convolutions, sums and pools with dead channels."""
    rng, net = np.random.default_rng(seed), Net()
    x = net.op("QuantizeLinear", net.input(1, 4, 7, 6), F32(0.05), np.int8(3))
    scale: tuple[Array, Array] = (np.asarray(F32(0.05)), np.asarray(np.int8(3)))
    for layer in range(4):
        groups = int(rng.choice([1, 2, 4]))
        kernel = rng.integers(-90, 90, (4, 4 // groups, 3, 3)).astype(np.int8)
        kernel[rng.random(4) < 0.5] = 0
        bias = (rng.integers(-2000, 2000, 4) * (rng.random(4) < 0.6)).astype(np.int32)
        after = (np.asarray(F32(0.5)), np.asarray(np.int8(-128 if layer % 2 else 5)))
        sizes = np.abs(weights(rng, 4)) * F32(0.02) + F32(0.001)
        y = net.op("QLinearConv", x, *scale, kernel, sizes, np.zeros(4, np.int8), *after, bias,
                   group=groups, pads=[1, 1, 1, 1])  # fmt: skip
        if layer % 2:
            total = (np.asarray(F32(0.7)), np.asarray(np.int8(-20)))
            y, after = net.op("QLinearAdd", y, *after, x, *scale, *total,
                              domain="com.microsoft"), total  # fmt: skip
        x, scale = y, after
    pooled = (np.asarray(F32(0.4)), np.asarray(np.int8(7)))
    x = net.op("QLinearGlobalAveragePool", x, *scale, *pooled, domain="com.microsoft",
               channels_last=0)  # fmt: skip
    matrix = rng.integers(-90, 90, (5, 4)).astype(np.int8)
    matrix[rng.random(5) < 0.5] = 0
    x = net.op("QGemm", net.op("Flatten", x), *pooled, matrix, F32(0.01), np.int8(0),
               rng.integers(-500, 500, 5).astype(np.int32), F32(0.1), np.int8(-3), transB=1,
               domain="com.microsoft")  # fmt: skip
    y = net.op("DequantizeLinear", x, F32(0.1), np.int8(-3))
    return net.model(y), [n.output[0] for n in net.nodes]


@pytest.mark.parametrize("seed", range(15))
def test_every_claim_on_a_random_integer_network_holds_to_the_bit(seed: int) -> None:
    proto, names = random_integer_net(seed)
    analysis = analysed(proto)
    rng = np.random.default_rng(seed)
    feeds = [s * weights(rng, 1, 4, 7, 6) for s in (0, 0.1, 1, 1, 10, 10)]

    for name, values in zip(names, runs(proto, names, feeds), strict=True):
        assert wrong_claims(analysis.states[name], values) == [], name

    assert analysis.unhandled == ()
    assert any(s.known.any() for s in analysis.states.values())
