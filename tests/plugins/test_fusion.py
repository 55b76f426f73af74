"""Which ops run as one: on data flow, with exact bytes, and with reasons for the others."""

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from small_nets import Net, option_a_resnet, weights

import qreg
from qreg import api
from qreg.catalogue import Catalogue, Entry
from qreg.errors import QregError
from qreg.records import Contraction, Cost, OpCall
from qreg.specs import FusionPatternSpec
from qreg_fusion.fuse import fuse_model
from qreg_fusion.match import fuse, fusion
from qreg_fusion.records import Fusion
from qreg_onnx.graph import op_calls, outputs_of

Array = NDArray[np.generic]
F32 = np.float32
SAME = {"pads": [1, 1, 1, 1]}


def fused(net: Net, *outputs: str, catalogue: Catalogue | None = None) -> Fusion:
    model = qreg.load(net.model(*outputs))
    names = [t.name for t in outputs_of(model)]
    return fusion(op_calls(model), names, catalogue or api.catalogue())


def groups(found: Fusion) -> list[tuple[str, ...]]:
    return [tuple(call.name for call in op.calls) for op in found.ops]


def patterns(*specs: FusionPatternSpec) -> Catalogue:
    """The installed entries and some of a third party."""
    added = tuple(Entry("third", "third-party", "1.0", "m", spec) for spec in specs)
    return Catalogue((*api.catalogue().entries, *added))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def conv(net: Net, x: str, name: str, c_in: int = 4, c_out: int = 4) -> str:
    return net.conv(x, weights(np.random.default_rng(1), c_out, c_in, 3, 3), name, **SAME)


def test_the_longest_pattern_wins() -> None:
    net = Net()
    y = conv(net, net.input(1, 4, 6, 6), "a")
    z = net.op("Relu", net.norm(y, np.ones(4, F32), np.ones(4, F32)), name="r")

    found = fused(net, z)

    assert groups(found) == [("a", "BatchNormalization_1", "r")]
    assert found.ops[0].pattern == "fusion/conv_norm_relu"
    assert found.ops[0].name == "a"
    assert found.rejected == ()


def test_ops_that_only_stand_beside_each_other_do_not_fuse() -> None:
    net = Net()
    x = net.input(1, 4, 6, 6)
    y = conv(net, x, "a")
    r = net.op("Relu", x, name="r")

    assert groups(fused(net, y, r)) == [("a",), ("r",)]


def test_a_result_with_two_readers_does_not_fuse_and_says_who_reads_it() -> None:
    net = Net()
    y = conv(net, net.input(1, 4, 6, 6), "a")
    r = net.op("Relu", y, name="r")
    s = net.op("Softmax", y, name="s")

    found = fused(net, r, s)

    assert groups(found) == [("a",), ("r",), ("s",)]
    assert [(x.pattern, x.layers, x.reason) for x in found.rejected] == [
        ("fusion/conv_relu", ("a", "r"), "'a.out' is read 2 times: r, s")
    ]


def test_a_relu_with_two_readers_ends_its_group() -> None:
    """The ReLU itself fuses: what is read twice is the result of the group."""
    net = Net()
    r = net.op("Relu", conv(net, net.input(1, 4, 6, 6), "a"), name="r")
    b = conv(net, r, "b")
    z = net.op("Add", b, r, name="add")

    assert groups(fused(net, z)) == [("a", "r"), ("b", "add")]


def test_a_graph_output_does_not_disappear_into_a_group() -> None:
    net = Net()
    y = conv(net, net.input(1, 4, 6, 6), "a")
    r = net.op("Relu", y, name="r")

    found = fused(net, y, r)

    assert groups(found) == [("a",), ("r",)]
    assert found.rejected[0].reason == "'a.out' is an output of the graph"


def test_a_result_read_twice_by_one_op_does_not_fuse() -> None:
    net = Net()
    y = conv(net, net.input(1, 4, 6, 6), "a")
    z = net.op("Add", y, y, name="double")

    found = fused(net, z)

    assert groups(found) == [("a",), ("double",)]
    assert found.rejected[0].reason == "'a.out' is read 2 times: double, double"


def test_the_next_op_may_read_the_chain_at_any_input_and_the_residual_is_moved() -> None:
    net = Net()
    x = net.input(2, 4, 6, 5)
    kernel = weights(np.random.default_rng(1), 4, 4, 3, 3)
    y = net.conv(x, kernel, "a", np.ones(4, F32), **SAME)
    residual = net.op("Softmax", x, name="s")
    z = net.op("Relu", net.op("Add", residual, y, name="add"), name="r")

    found = fused(net, z)

    (op,) = [op for op in found.ops if op.name == "a"]
    size = 4 * 2 * 4 * 6 * 5
    assert op.op == "Conv+Add+Relu"
    assert (op.input_bytes, op.output_bytes) == (2 * size, size)
    assert op.weight_bytes == 4 * (4 * 4 * 9 + 4)
    assert op.bytes == 3 * size + op.weight_bytes
    assert op.cost is not None
    assert op.cost.macs == 2 * 6 * 5 * 4 * 4 * 9
    assert op.cost.elementwise_flops == 3 * size // 4  # bias, sum, ReLU
    assert op.dtype == "float32"


def test_a_tensor_that_a_group_reads_twice_is_moved_once() -> None:
    net = Net()
    x = net.input(1, 4, 6, 6)
    z = net.op("Add", conv(net, x, "a"), x, name="add")

    (op,) = fused(net, z).ops

    assert op.input_bytes == op.output_bytes == 4 * 4 * 36


def test_of_two_convolutions_that_are_added_the_first_takes_the_sum() -> None:
    net = Net()
    x = net.input(1, 4, 6, 6)
    z = net.op("Relu", net.op("Add", conv(net, x, "a"), conv(net, x, "b"), name="add"), name="r")

    found = fused(net, z)

    assert groups(found) == [("b",), ("a", "add", "r")]  # b runs first: the sum reads it
    assert [(x.pattern, x.layers, x.reason) for x in found.rejected] == [
        ("fusion/conv_add_relu", ("b", "add", "r"), "add already runs as one with a")
    ]


@pytest.mark.parametrize(
    ("attributes", "shape", "out", "kernel"),
    [
        ({"strides": [2, 2], "pads": [1, 1, 1, 1]}, (3, 4, 9, 7), (5, 4), (8, 4, 3, 3)),
        ({"group": 4, "pads": [1, 1, 1, 1]}, (1, 4, 6, 6), (6, 6), (4, 1, 3, 3)),
        ({"group": 2, "dilations": [2, 1]}, (2, 4, 9, 6), (5, 4), (6, 2, 3, 3)),
        ({"pads": [1, 0, 0, 2]}, (1, 4, 5, 6), (5, 7), (3, 4, 2, 2)),
    ],
)
def test_flops_and_bytes_of_every_kind_of_convolution(
    attributes: dict[str, object], shape: tuple[int, ...], out: tuple[int, int],
    kernel: tuple[int, ...], rng: np.random.Generator,
) -> None:  # fmt: skip
    net = Net()
    y = net.conv(net.input(*shape), weights(rng, *kernel), "a", **attributes)

    (op,) = fused(net, net.op("Relu", y)).ops

    outputs = shape[0] * kernel[0] * out[0] * out[1]
    assert op.cost is not None
    assert op.cost.macs == outputs * kernel[1] * kernel[2] * kernel[3]
    assert op.cost.elementwise_flops == outputs
    assert (op.input_bytes, op.output_bytes) == (4 * int(np.prod(shape)), 4 * outputs)
    assert op.weight_bytes == 4 * int(np.prod(kernel))


def test_the_published_stack_of_three_layers(rng: np.random.Generator) -> None:
    """3->16->16->16 channels, 3x3, no bias, ReLU, batch 32, 64x64.

    Bytes: 4 * (32*64*64 * (3 + 16 + 16+16 + 16+16) + 9 * (3*16 + 2*16*16)).
    """
    net = Net()
    x = net.input(32, 3, 64, 64)
    for layer, c_in in enumerate((3, 16, 16)):
        y = net.conv(x, weights(rng, 16, c_in, 3, 3), f"{layer}", **SAME)
        x = net.op("Relu", y)

    found = fused(net, x)

    costs = [op.cost for op in found.ops if op.cost is not None]
    macs = sum(cost.macs for cost in costs)
    assert len(found.ops) == len(costs) == 3
    assert macs == 660_602_880
    assert 2 * macs + sum(cost.elementwise_flops for cost in costs) == 1_327_497_216
    assert sum(op.bytes for op in found.ops) == 43_536_064


def test_integer_groups_move_bytes_of_one(rng: np.random.Generator) -> None:
    net = Net()
    q = (np.asarray(F32(0.1)), np.asarray(np.int8(5)))
    x = net.op("QuantizeLinear", net.input(1, 2, 4, 4), *q, name="q")
    kernel = rng.integers(-9, 9, (2, 2, 1, 1)).astype(np.int8)
    y = net.op("QLinearConv", x, *q, kernel, *q, *q, name="conv")
    z = net.op("QLinearAdd", y, *q, x, *q, *q, domain="com.microsoft", name="add")

    found = fused(net, net.op("DequantizeLinear", z, *q, name="dq"))

    assert groups(found) == [("q",), ("conv", "add"), ("dq",)]
    assert [op.dtype for op in found.ops] == ["float32", "int8", "int8"]
    assert (found.ops[1].input_bytes, found.ops[1].output_bytes) == (32, 32)


@pytest.mark.parametrize("seed", range(10))
def test_groups_can_run_in_the_order_given(seed: int) -> None:
    """Every call once; whatever a group reads was made before."""
    net = option_a_resnet(np.random.default_rng(seed), (1, 2, 1))
    order = np.random.default_rng(seed).permutation(len(net.nodes))
    net.nodes = [net.nodes[i] for i in order]  # loading sorts them again, another way each time
    model = qreg.load(net.model("linear.out"))
    calls = op_calls(model)

    ops = fuse(calls, ["linear.out"], api.catalogue())

    made = {t.name for t in calls[0].activations} | {"x"}
    for op in ops:
        inside = {t.name for call in op.calls for t in call.outputs}
        assert {t.name for c in op.calls for t in c.activations} <= made | inside
        made |= {t.name for t in op.calls[-1].outputs}
    assert sorted(c.name for op in ops for c in op.calls) == sorted(c.name for c in calls)
    assert len(ops) < len(calls)


# Patterns of third parties ---------------------------------------------------------------------


def never(calls: Sequence[OpCall]) -> bool:
    return False


def winograd(calls: Sequence[OpCall]) -> Cost:
    return Cost((Contraction(1, 2, 3),), 4)


def broken(calls: Sequence[OpCall]) -> bool:
    raise KeyError("stride")


SOFT = {"name": "conv_soft", "chain": (("onnx.Conv",), ("onnx.Softmax",))}


def softmaxed() -> tuple[Net, str]:
    net = Net()
    return net, net.op("Softmax", conv(net, net.input(1, 4, 6, 6), "a"), name="s")


def test_a_pattern_may_refuse_and_the_reason_names_its_condition() -> None:
    net, z = softmaxed()

    found = fused(net, z, catalogue=patterns(
        FusionPatternSpec(**SOFT, accept=f"{__name__}:never")))  # fmt: skip

    assert groups(found) == [("a",), ("s",)]
    assert found.rejected[0].reason == f"the pattern's condition {__name__}:never does not hold"


def test_a_pattern_may_bring_its_own_cost() -> None:
    net, z = softmaxed()

    (op,) = fused(net, z, catalogue=patterns(
        FusionPatternSpec(**SOFT, estimate=f"{__name__}:winograd"))).ops  # fmt: skip

    assert op.pattern == "third/conv_soft"
    assert op.cost == Cost((Contraction(1, 2, 3),), 4)


def test_a_pattern_that_fails_is_told_with_its_plugin() -> None:
    net, z = softmaxed()

    with pytest.raises(
        QregError,
        match=(
            r"layers a, s: fusion_patterns third/conv_soft \(third-party 1.0\) failed: KeyError"
        ),
    ):
        fused(net, z, catalogue=patterns(
            FusionPatternSpec(**SOFT, accept=f"{__name__}:broken")))  # fmt: skip


def test_a_pattern_whose_estimate_is_no_cost_is_blamed() -> None:
    net, z = softmaxed()

    with pytest.raises(
        QregError,
        match=(
            r"layers a, s: fusion_patterns third/conv_soft \(third-party 1.0\) gave bool; its contract "
            r"is \(tuple\[OpCall, ...\]\) -> Cost"
        ),
    ):
        fused(net, z, catalogue=patterns(
            FusionPatternSpec(**SOFT, estimate=f"{__name__}:never")))  # fmt: skip


def activated() -> tuple[Net, str]:
    net = Net()
    return net, net.op("Relu", conv(net, net.input(1, 4, 6, 6), "a"), name="r")


RELU = {"chain": (("onnx.Conv",), ("onnx.Relu",))}


def test_a_pattern_can_replace_a_built_in_one() -> None:
    net, z = activated()
    spec = FusionPatternSpec(name="ours", **RELU, overrides=("fusion/conv_relu",))

    (op,) = fused(net, z, catalogue=patterns(spec)).ops

    assert (op.pattern, op.op) == ("third/ours", "Conv+Relu")


def test_a_replaced_pattern_does_not_step_in_where_the_other_refuses() -> None:
    net, z = activated()
    spec = FusionPatternSpec(
        name="ours", **RELU, accept=f"{__name__}:never", overrides=("fusion/conv_relu",)
    )

    assert groups(fused(net, z, catalogue=patterns(spec))) == [("a",), ("r",)]


def test_two_patterns_for_the_same_ops_are_an_error_that_prints_the_pin() -> None:
    net, z = activated()

    with pytest.raises(QregError, match=r"2 fusion_patterns claim onnx.Conv:") as told:
        fused(net, z, catalogue=patterns(FusionPatternSpec(name="ours", **RELU)))

    assert "fusion/conv_relu" in str(told.value) and "third/ours" in str(told.value)
    assert '[pin]\n  "onnx.Conv" = "fusion/conv_relu"' in str(told.value)


@pytest.mark.parametrize("wanted", ["fusion/conv_relu", "third/ours"])
def test_a_pin_of_the_first_op_settles_which_pattern_serves(wanted: str) -> None:
    net, z = activated()
    both = patterns(FusionPatternSpec(name="ours", **RELU, overrides=("fusion/conv_relu",)))

    (op,) = fused(net, z, catalogue=both.pinned({"onnx.Conv": (wanted,)})).ops

    assert op.pattern == wanted


def test_two_patterns_that_override_each_other_stay_a_conflict() -> None:
    net, z = activated()
    specs = (
        FusionPatternSpec(name="one", **RELU, overrides=("third/two", "fusion/conv_relu")),
        FusionPatternSpec(name="two", **RELU, overrides=("third/one", "fusion/conv_relu")),
    )

    with pytest.raises(QregError, match=r"fusion_patterns claim onnx.Conv:"):
        fused(net, z, catalogue=patterns(*specs))


def test_the_pattern_that_names_the_ops_more_closely_serves() -> None:
    net, z = activated()
    glob = FusionPatternSpec(name="any", chain=(("onnx.*",), ("onnx.Relu",)))

    (op,) = fused(net, z, catalogue=patterns(glob)).ops

    assert op.pattern == "fusion/conv_relu"


def test_a_sum_that_broadcasts_the_convolution_to_a_larger_tensor_does_not_fuse() -> None:
    net = Net()
    y = net.conv(net.input(1, 3, 8, 8), weights(np.random.default_rng(1), 4, 3, 8, 8), "a")
    z = net.op("Add", y, net.input(1, 4, 50, 50, name="x2"), name="add")
    r = net.op("Relu", z, name="r")

    found = fused(net, r)

    assert groups(found) == [("a",), ("add",), ("r",)]
    why = "the pattern's condition qreg_fusion.conditions:same_size does not hold"
    assert [(x.pattern, x.reason) for x in found.rejected] == [("fusion/conv_add_relu", why)]


# What is not known, and the step ---------------------------------------------------------------


def test_a_group_with_an_op_of_unknown_cost_has_no_cost() -> None:
    net = Net()
    z = net.op("Round", conv(net, net.input(1, 4, 6, 6), "a"), name="odd")
    spec = FusionPatternSpec(name="conv_round", chain=(("onnx.Conv",), ("onnx.Round",)))
    without = tuple(e for e in patterns(spec).entries if "onnx.Round" not in e.spec.targets)

    (op,) = fused(net, z, catalogue=Catalogue(without)).ops

    assert op.cost is None
    assert op.bytes == 2 * 4 * 4 * 36 + 4 * 4 * 4 * 9


def test_what_a_node_of_unknown_shape_reads_stays_a_tensor() -> None:
    net = Net()
    y = conv(net, net.input(1, 4, 6, 6), "a")
    r = net.op("Relu", y, name="r")
    odd = net.op("Foo", net.op("Foo", y, domain="com.example"), y, domain="com.example")

    found = fuse_model(qreg.load(net.model(r, odd)), api.catalogue())

    assert groups(found) == [("a",), ("r",)]


def test_an_op_on_strings_is_in_no_group_and_unknown() -> None:
    net = Net()
    s = net.op("Identity", net.input(3, name="s", kind=onnx.TensorProto.STRING), name="same")
    r = net.op("Relu", conv(net, net.input(1, 4, 6, 6), "a"), name="r")

    report = qreg.fuse(net.model(s, r))

    assert [op.layers for op in report.ops] == [("a", "r")]
    assert report.unknown == ("same",)


def test_the_step_reports_groups_and_what_they_save(resnet8: object) -> None:
    """Nine convolutions: four swallow a ReLU, three a sum and a ReLU; two shortcuts run alone."""
    proto = onnx.load(str(resnet8))
    report = qreg.fuse(proto)

    assert [op.op for op in report.ops].count("Conv+Relu") == 4
    assert [op.op for op in report.ops].count("Conv+Add+Relu") == 3
    assert [op.layers for op in report.ops if op.op == "Conv"] == [
        ("layer2.0.shortcut",), ("layer3.0.shortcut",)
    ]  # fmt: skip
    assert sum(op.macs for op in report.ops) == 12_501_632
    assert len(report.rejected) == 2
