"""What count says: by hand, by published totals, and by summing products of ones."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto
from small_nets import Net, option_a_resnet, weights

import qreg
from qreg import api
from qreg.catalogue import Catalogue, Entry
from qreg.cli import main
from qreg.errors import QregError
from qreg.records import Cost, OpCall
from qreg.run import to_json
from qreg.specs import LayerEstimatorSpec, MetricSpec
from qreg_channels.propagate import analyse
from qreg_conv.cost import contraction
from qreg_cost.count import by_key, layer_row, number_of, totals
from qreg_cost.estimate_cost import cost_of
from qreg_cost.layers import layer_costs
from qreg_cost.records import LayerCost
from qreg_linear.cost import product
from qreg_onnx.graph import op_calls, trace
from qreg_onnx.runtime import session

Array = NDArray[np.generic]
F32 = np.float32
BITS = 32 * 32
PADS = {"pads": [1, 1, 1, 1]}


def counted(proto: onnx.ModelProto, **options: object) -> tuple[Any, dict[str, Mapping[str, Any]]]:
    """The totals, and the layers by name."""
    record = qreg.count(proto, **options)
    return record.totals, {row["name"]: row for row in record.layers}


def pruned(kernel: Array, *channels: int) -> Array:
    kernel = kernel.copy()
    kernel[list(channels)] = 0
    return kernel


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# Published and hand-derived figures -----------------------------------------------------------


def test_a_convolution_of_two_to_four_channels_by_hand(rng: np.random.Generator) -> None:
    """4*4 positions * 4 channels out * 2 in * 3*3 taps = 1152."""
    kernel = weights(rng, 4, 2, 3, 3)
    dense, dead = Net(), Net()
    y = dense.conv(dense.input(1, 2, 4, 4), kernel, "a", **PADS)
    z = dead.conv(dead.input(1, 2, 4, 4), pruned(kernel, 2, 3), "a", **PADS)

    full, _ = counted(dense.model(y))
    half, rows = counted(dead.model(z))

    assert full["macs"] == half["macs"] == 1152
    assert full["bops_dense"] == half["bops_dense"] == 1_179_648
    assert half["bops_masked"] == half["bops_paper"] == half["bops_structured"] == 589_824
    assert (rows["a"]["null_in"], rows["a"]["null_out"], rows["a"]["density"]) == ([], [2, 3], 0.5)


def test_dead_channels_of_one_convolution_are_not_counted_in_the_next(
    rng: np.random.Generator,
) -> None:
    net = Net()
    y = net.conv(net.input(1, 2, 4, 4), pruned(weights(rng, 4, 2, 3, 3), 2, 3), "a", **PADS)
    z = net.conv(y, weights(rng, 8, 4, 3, 3), "b", **PADS)

    _, rows = counted(net.model(z))

    assert rows["b"]["macs"] == 4608
    assert rows["b"]["bops_masked"] == rows["b"]["bops_structured"] == 2304 * BITS
    assert rows["b"]["null_in"] == [2, 3]


def test_a_network_of_zeros_needs_nothing() -> None:
    net = Net()
    y = net.conv(net.input(1, 2, 4, 4), np.zeros((4, 2, 3, 3), F32), "a", **PADS)
    z = net.conv(y, np.zeros((8, 4, 3, 3), F32), "b", **PADS)

    totals, rows = counted(net.model(z))

    assert totals["macs"] == 1152 + 4608
    assert totals["bops_masked"] == totals["bops_structured"] == totals["bops_paper"] == 0
    assert rows["b"]["null_out"] == list(range(8))


def test_a_norm_that_shifts_a_dead_channel_keeps_its_weights_alive(
    rng: np.random.Generator,
) -> None:
    """Channel 2 becomes 0.5 and channel 3 relu(-0.5) = 0: three of four inputs are needed."""
    net = Net()
    y = net.conv(net.input(1, 2, 4, 4), pruned(weights(rng, 4, 2, 3, 3), 2, 3), "a", **PADS)
    y = net.op("Relu", net.norm(y, np.ones(4, F32), np.array([0, 0, 0.5, -0.5], F32)))
    z = net.conv(y, weights(rng, 8, 4, 3, 3), "b", **PADS)

    _, rows = counted(net.model(z))

    assert rows["b"]["null_in"] == [3]
    assert rows["b"]["bops_masked"] == 3456 * BITS


@pytest.mark.parametrize("tokens", [1, 197])
def test_a_linear_layer_costs_once_per_token(tokens: int, rng: np.random.Generator) -> None:
    matmul, gemm = Net(), Net()
    y = matmul.op("MatMul", matmul.input(1, tokens, 4), weights(rng, 4, 8))
    z = gemm.op("Gemm", gemm.input(tokens, 4), weights(rng, 8, 4), transB=1)

    for proto in (matmul.model(y), gemm.model(z)):
        totals, _ = counted(proto)
        assert totals["macs"] == 32 * tokens
        assert totals["bops_dense"] == 32_768 * tokens


@pytest.mark.parametrize(
    ("blocks", "macs"),
    [((1, 1, 1), 12_239_488), ((3, 3, 3), 40_551_040), ((5, 5, 5), 68_862_592),
     ((7, 7, 7), 97_174_144), ((9, 9, 9), 125_485_696), ((18, 18, 18), 252_887_680)],
)  # fmt: skip
def test_cifar_resnets_cost_what_is_published(
    blocks: tuple[int, int, int], macs: int, rng: np.random.Generator
) -> None:
    net = option_a_resnet(rng, blocks)

    totals, _ = counted(net.model("linear.out"), metrics=["macs", "bops_dense"])

    assert totals == {"macs": macs, "bops_dense": macs * BITS}


FIRST_GROUP = tuple(f"layer1.{block}.conv2" for block in range(3))
LOW, SIDES = [*range(8)], [*range(8), *range(24, 32)]


@pytest.mark.parametrize(
    ("zeroed", "first_channels", "masked", "paper", "null"),
    [
        (("layer1.0.conv2",), 0, 38_191_744, 38_191_744, {"layer1.1.conv1": []}),
        (("layer2.0.conv2",), 0, 37_012_096, 38_191_744, {"layer2.1.conv1": SIDES}),
        (("layer3.0.conv2",), 0, 37_012_096, 38_191_744,
         {"layer3.1.conv1": [*range(16), *range(48, 64)]}),
        (("layer1.0.conv2",), 8, 35_611_264, 37_970_560,
         {"layer1.0.conv1": LOW, "layer1.1.conv1": LOW}),
        (FIRST_GROUP, 8, 29_123_200, 33_251_968, {"layer2.0.conv1": LOW}),
    ],
)  # fmt: skip
def test_zeroed_parts_of_resnet20_with_fresh_norms(
    zeroed: tuple[str, ...], first_channels: int, masked: int, paper: int,
    null: dict[str, list[int]], rng: np.random.Generator,
) -> None:  # fmt: skip
    net = option_a_resnet(rng)
    for name in zeroed:
        net.constants[f"{name}.weight"][:] = 0
    net.constants["conv1.weight"][:first_channels] = 0

    totals, rows = counted(net.model("linear.out"))

    assert totals["macs"] == 40_551_040
    assert totals["bops_masked"] == masked * BITS
    assert totals["bops_paper"] == paper * BITS
    assert {name: rows[name]["null_in"] for name in null} == null


def test_what_only_dead_weights_read_is_not_needed(rng: np.random.Generator) -> None:
    """Without layer1.0.conv2 nobody reads layer1.0.conv1: one convolution less of each."""
    net = option_a_resnet(rng)
    net.constants["layer1.0.conv2.weight"][:] = 0

    totals, rows = counted(net.model("linear.out"))

    one = 16 * 16 * 9 * 32 * 32
    assert totals["macs_zero_in"] == 40_551_040 - one == 38_191_744
    assert totals["macs_needed"] == 40_551_040 - 2 * one == 35_832_448
    assert rows["layer1.0.conv1"]["macs_needed"] == rows["layer1.0.conv1"]["macs_live"] == 0
    assert rows["layer1.1.conv1"]["null_in"] == []


def test_scattered_zeros_count_in_masked_and_paper_but_not_in_structured_bops(
    rng: np.random.Generator,
) -> None:
    net = option_a_resnet(rng)
    for name, value in net.constants.items():
        if name.endswith(".weight"):
            value.reshape(-1)[np.arange(value.size) % 4 != 0] = 0

    totals, _ = counted(net.model("linear.out"))

    assert totals["bops_masked"] == totals["bops_paper"] == 10_137_760 * BITS
    assert totals["bops_structured"] == 40_551_040 * BITS


def test_the_example_network_has_its_published_size(resnet8: Any) -> None:
    stored = [t for t in onnx.load(resnet8).graph.initializer if t.data_type == TensorProto.FLOAT]

    totals, rows = counted(onnx.load(resnet8))

    assert totals["macs"] == 12_501_632
    assert totals["flops"] == 2 * 12_501_632
    assert totals["params"] == sum(int(np.prod(t.dims)) for t in stored)
    assert totals["total_flops"] == totals["flops"] + totals["elementwise_flops"]
    assert rows["layer2.0.shortcut"]["macs"] == 16 * 16 * 32 * 16


# Against sums of ones --------------------------------------------------------------------------


def sum_of_products(data: Array, weight: Array, **attributes: Any) -> int:
    """Products of non-zero factors: the sum of a convolution of zeros and ones.

    Padding is made of ones here, as every counter counts its taps.
    """
    net = Net()
    pads = attributes.pop("pads", [0, 0, 0, 0])
    edges = [(0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])]
    ones = np.pad((data != 0).astype(F32), edges, mode="edge")
    y = net.conv(net.input(*ones.shape), (weight != 0).astype(F32), "a", **attributes)
    (result,) = session(net.model(y)).run(None, {"x": ones})
    return int(np.rint(result.sum(dtype=np.float64)))


SHAPES = [
    ((2, 4, 9, 7), (6, 4, 3, 2), {"strides": [2, 1], "pads": [0, 2, 1, 1]}),
    ((1, 6, 8, 9), (9, 2, 3, 3), {"group": 3, "dilations": [2, 1], "pads": [2, 0, 1, 1]}),
    ((3, 5, 7, 8), (5, 1, 3, 3), {"group": 5, "strides": [1, 3]}),
    ((1, 4, 6, 6), (8, 1, 5, 1), {"group": 4, "pads": [2, 0, 2, 0]}),
]


@pytest.mark.parametrize(("data", "kernel", "attributes"), SHAPES)
def test_macs_are_the_products_that_a_convolution_adds_up(
    data: tuple[int, ...], kernel: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    net = Net()
    y = net.conv(net.input(*data), np.ones(kernel, F32), "a", **attributes)

    totals, _ = counted(net.model(y))

    assert totals["macs"] == sum_of_products(np.ones(data), np.ones(kernel), **attributes)


@pytest.mark.parametrize(("data", "kernel", "attributes"), SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_masked_and_structured_macs_are_the_products_that_are_left(
    data: tuple[int, ...], kernel: tuple[int, ...], attributes: dict[str, Any], seed: int
) -> None:
    """Behind a convolution of which some channels are dead."""
    rng, net = np.random.default_rng(seed), Net()
    before = pruned(weights(rng, data[1], 2, 1, 1), *np.flatnonzero(rng.random(data[1]) < 0.4))
    weight = weights(rng, *kernel) * (rng.random(kernel) < 0.5)
    weight[rng.random(kernel[0]) < 0.3] = 0
    x = net.conv(net.input(data[0], 2, *data[2:]), before, "before")
    live = np.broadcast_to((before != 0).any(axis=(1, 2, 3)).reshape(1, -1, 1, 1), data)

    _, rows = counted(net.model(net.conv(x, weight, "a", **attributes)))

    # An output is null too where all weights that are left meet null inputs.
    alive = np.array([sum_of_products(live, np.where(np.arange(kernel[0]).reshape(-1, 1, 1, 1) == o,
                                                     weight, 0), **attributes) > 0
                      for o in range(kernel[0])])  # fmt: skip
    whole = np.broadcast_to(alive.reshape(-1, 1, 1, 1), kernel)
    assert rows["a"]["null_out"] == list(np.flatnonzero(~alive))
    assert rows["a"]["bops_masked"] == sum_of_products(live, weight, **attributes) * BITS
    assert rows["a"]["bops_structured"] == sum_of_products(live, whole, **attributes) * BITS
    assert rows["a"]["density"] == pytest.approx(np.count_nonzero(weight) / weight.size)


@pytest.mark.parametrize(
    ("left", "right"),
    [((5, 7), (7, 3)), ((7,), (7, 3)), ((5, 7), (7,)), ((7,), (7,)), ((2, 4, 5, 7), (7, 3)),
     ((2, 4, 5, 7), (4, 7, 3)), ((4, 1, 5, 7), (6, 7, 3)), ((7,), (4, 7, 3)), ((4, 5, 7), (7,))],
)  # fmt: skip
def test_macs_of_a_product_are_what_numpy_adds_up(
    left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    result = np.matmul(np.ones(left), np.ones(right))

    assert product(left, right, result.shape).macs == int(result.sum())


def test_a_stored_left_factor_is_the_weight_too(rng: np.random.Generator) -> None:
    net = Net()
    matrix = weights(rng, 6, 4) * (np.arange(4) % 2)
    y = net.op("MatMul", matrix.astype(F32), net.input(2, 4, 3), name="mix")

    _, rows = counted(net.model(y))

    assert rows["mix"]["macs"] == 2 * 6 * 4 * 3
    assert rows["mix"]["bops_masked"] == 2 * 6 * 2 * 3 * BITS


def test_a_product_of_activations_has_no_weights_and_drops_null_channels(
    rng: np.random.Generator,
) -> None:
    net = Net()
    x = net.input(1, 3, 4, name="x")
    dead = net.op("MatMul", x, weights(rng, 4, 5) * np.array([1, 0, 1, 0, 1], F32))
    y = net.op("MatMul", dead, net.op("Transpose", dead, perm=[0, 2, 1]), name="scores")

    _, rows = counted(net.model(y))

    assert rows["scores"]["null_in"] == [1, 3]
    assert rows["scores"]["density"] is None
    assert rows["scores"]["bops_dense"] == 3 * 5 * 3 * BITS
    assert rows["scores"]["bops_masked"] == 3 * 3 * 3 * BITS


# What else a layer costs -----------------------------------------------------------------------


def test_arithmetic_outside_contractions_by_hand(rng: np.random.Generator) -> None:
    net = Net()
    y = net.conv(net.input(2, 3, 6, 5), weights(rng, 4, 3, 1, 1), "conv", weights(rng, 4))
    n = net.norm(y, np.ones(4, F32), np.ones(4, F32))
    r = net.op("Relu", net.op("Clip", n, F32(0), F32(6), name="clip"), name="relu")
    a = net.op("Add", r, y, name="add")
    p = net.op("MaxPool", a, kernel_shape=[3, 2], strides=[3, 2], name="max")
    g = net.op("GlobalAveragePool", p, name="mean")
    f = net.op("Flatten", g, name="flat")
    s = net.op("Softmax", net.op("Gemm", f, weights(rng, 4, 7), weights(rng, 7), name="fc"),
               name="soft")  # fmt: skip

    _, rows = counted(net.model(s))

    size = 2 * 4 * 6 * 5
    found = {name: row["elementwise_flops"] for name, row in rows.items()}
    assert found == {
        "conv": size,  # its bias
        "BatchNormalization_1": 2 * size,
        "clip": size, "relu": size, "add": size,
        "max": 2 * 4 * 2 * 2 * 6,  # outputs * taps
        "mean": 2 * 4 * 2 * 2,  # inputs
        "flat": 0,
        "fc": 2 * 7,
        "soft": 5 * 2 * 7,
    }  # fmt: skip


def test_bytes_and_params_by_hand(rng: np.random.Generator) -> None:
    net = Net()
    kernel = net.constant(weights(rng, 2, 2, 3, 3), "shared.weight")
    y = net.op("Conv", net.input(1, 2, 5, 6), kernel, name="a", **PADS)
    z = net.op("Conv", y, kernel, name="b", **PADS)
    s = net.op("Add", z, z, name="twice")
    v = net.op("Reshape", s, np.array([1, -1], np.int64), name="view")

    totals, rows = counted(net.model(v))

    activation = 4 * 1 * 2 * 5 * 6
    assert [row["params"] for row in rows.values()] == [36, 36, 0, 0]
    assert totals["params"] == 36  # the shared tensor once; a shape is no parameter
    assert rows["shared"]["bytes"] == 2 * activation + 4 * 36
    assert rows["twice"]["bytes"] == 2 * activation  # one tensor read twice is moved once
    assert rows["view"]["bytes"] == 2 * activation


def test_limits_and_fill_values_are_no_parameters(rng: np.random.Generator) -> None:
    """A Relu6 adds none to a convolution; a slope and a constant that is added do count."""
    net = Net()
    y = net.conv(net.input(1, 2, 4, 4), weights(rng, 4, 2, 3, 3), "a", **PADS)
    y = net.op("Clip", y, F32(0), F32(6), name="relu6")
    y = net.op("Pad", y, np.array([0, 0, 1, 1, 0, 0, 1, 1]), F32(0), name="pad")
    y = net.op("Resize", y, np.zeros(0, F32), np.array([1, 1, 2, 2], F32), name="up")
    slope = net.constant(F32(0.25), "slope")
    y = net.op("PRelu", net.op("Clip", y, slope, name="least"), slope, name="prelu")
    y = net.op("Add", y, F32(3), name="shift")

    totals, rows = counted(net.model(y))

    found = {name: row["params"] for name, row in rows.items() if "params" in row}
    known = {"a": 4 * 2 * 9, "relu6": 0, "pad": 0, "up": 0, "least": 0, "prelu": 1, "shift": 1}
    assert found == {name: known[name] for name in found}
    assert {"a", "relu6", "pad", "least", "shift"} <= found.keys()
    assert totals["params"] == sum(found.values())


def quantised(rng: np.random.Generator) -> onnx.ModelProto:
    """A grouped convolution and a linear layer in int8, zero-points not 0."""
    net = Net()
    scale = np.full(4, 0.02, F32)
    x = net.op("QuantizeLinear", net.input(1, 2, 4, 4), F32(0.1), np.int8(5), name="q")
    kernel = rng.integers(1, 100, (4, 1, 3, 3)).astype(np.int8)
    kernel[1:3] = 0
    y = net.op("QLinearConv", x, F32(0.1), np.int8(5), kernel, scale, np.zeros(4, np.int8),
               F32(0.3), np.int8(-128), np.array([7, -900, 900, 8], np.int32), group=2,
               name="conv", **PADS)  # fmt: skip
    matrix = rng.integers(4, 100, (64, 3)).astype(np.int8)
    z = net.op("QGemm", net.op("Flatten", y), F32(0.3), np.int8(-128), matrix, F32(0.01),
               np.int8(3), np.zeros(3, np.int32), F32(0.1), np.int8(9), domain="com.microsoft",
               name="fc")  # fmt: skip
    return net.model(net.op("DequantizeLinear", z, F32(0.1), np.int8(9), name="dq"))


def test_quantised_layers_cost_what_their_float_forms_do_at_eight_bits(
    rng: np.random.Generator,
) -> None:
    """Channel 1 of the convolution saturates at the zero-point: null. Channel 2 is a constant."""
    totals, rows = counted(quantised(rng))

    assert rows["conv"]["macs"] == 4 * 4 * 4 * 9
    assert rows["conv"]["bops_dense"] == 4 * 4 * 4 * 9 * 8 * 8
    assert rows["conv"]["bops_paper"] == 4 * 4 * 2 * 9 * 8 * 32
    assert rows["conv"]["null_out"] == [1]
    assert rows["fc"]["null_in"] == list(range(16, 32))
    assert rows["fc"]["bops_masked"] == 48 * 3 * 64
    assert (rows["fc"]["weight_bits"], rows["fc"]["activation_bits"]) == (8, 8)
    assert totals["params"] == 4 * 9 + 4 + 64 * 3 + 3  # weights and biases, no scales
    assert rows["conv"]["bytes"] == 32 + 64 + 36 + 4 * 4 + (4 + 1) + 4 * (4 + 1) + (4 + 1)


def test_bits_are_read_through_dequantised_operands(rng: np.random.Generator) -> None:
    net = Net()
    x = net.op("QuantizeLinear", net.input(1, 2, 4, 4), F32(0.1), np.uint8(7))
    x = net.op("DequantizeLinear", x, F32(0.1), np.uint8(7))
    kernel = rng.integers(1, 99, (3, 2, 1, 1)).astype(np.int8)
    kernel[1] = 0
    w = net.op("DequantizeLinear", kernel, F32(0.01), np.int8(0))
    y = net.op("Conv", x, w, name="conv")

    totals, rows = counted(net.model(y))

    assert (rows["conv"]["weight_bits"], rows["conv"]["activation_bits"]) == (8, 8)
    assert rows["conv"]["density"] == pytest.approx(2 / 3)
    assert rows["conv"]["bops_masked"] == 4 * 4 * 2 * 2 * 64
    assert totals["params"] == 6


def test_activation_bits_replace_those_of_the_type(rng: np.random.Generator) -> None:
    totals, _ = counted(quantised(rng), activation_bits=4)

    assert totals["bops_dense"] == (576 + 192) * 8 * 4


def test_the_formulas_take_symbols() -> None:
    sympy = pytest.importorskip("sympy")
    b, h, w, k = sympy.symbols("B H W k", positive=True, integer=True)

    macs = contraction(b, 8 * k, 4 * k, 4, (3, 3), (h, w)).macs

    assert sympy.simplify(macs - b * h * w * 4 * k * 2 * k * 9) == 0
    assert product((b, h, 8), (8, w), (b, h, w)).macs == 8 * b * h * w


# What is not known -----------------------------------------------------------------------------


def with_unknown_op(rng: np.random.Generator) -> onnx.ModelProto:
    net = Net()
    y = net.conv(net.input(1, 2, 4, 4), weights(rng, 4, 2, 3, 3), "a", **PADS)
    return net.model(net.op("Foo", y, domain="com.example", name="odd one"))


def test_an_unknown_op_is_listed_by_name_and_in_no_total(
    rng: np.random.Generator, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(with_unknown_op(rng), path)

    assert main(["count", str(path), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert main(["count", str(path)]) == 0
    text = capsys.readouterr().out

    assert record["unknown"] == [{"op": "com.example.Foo", "count": 1, "nodes": ["odd one"]}]
    assert record["totals"]["macs"] == 1152
    assert [row["name"] for row in record["layers"]] == ["a"]
    assert "1,152 + ?" in text
    assert "; 1 op is unknown and in no total" in text
    assert "com.example.Foo" in text


def test_strict_makes_an_unknown_op_an_error_that_says_how_to_add_it(
    rng: np.random.Generator, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(with_unknown_op(rng), path)

    assert main(["count", str(path), "--strict"]) == 1

    error = capsys.readouterr().err
    assert "com.example.Foo (odd one) is unknown" in error
    assert "registry 'layer_estimators'" in error


def test_an_op_of_known_shape_without_estimator_is_unknown_and_what_follows_is_counted(
    rng: np.random.Generator,
) -> None:
    net = Net()
    y = net.op("Odd", net.input(1, 2, 4, 4), name="odd", domain="com.example")
    z = net.conv(y, weights(rng, 4, 2, 3, 3), "a", **PADS)
    proto = net.model(z)
    declared = onnx.helper.make_tensor_value_info(y, onnx.TensorProto.FLOAT, (1, 2, 4, 4))
    proto.graph.value_info.append(declared)

    record = qreg.count(proto)

    assert [(u.op, u.nodes) for u in record.unknown] == [("com.example.Odd", ("odd",))]
    assert [(u.op, u.nodes) for u in record.unhandled] == [("com.example.Odd", ("odd",))]
    assert record.totals["macs"] == 1152


def failing(call: OpCall) -> Cost:
    raise ZeroDivisionError("no groups")


def test_an_estimator_that_fails_is_told_with_its_plugin(rng: np.random.Generator) -> None:
    net = Net()
    (call,) = op_calls(qreg.load(net.model(net.op("Relu", net.input(1, 2), name="act"))))
    spec = LayerEstimatorSpec(name="bad", targets=("onnx.Relu",), estimate=f"{__name__}:failing")
    catalogue = Catalogue((Entry("third", "third-party", "1.0", "m", spec),))

    with pytest.raises(QregError, match=(
        r"node 'act' \(onnx.Relu\): layer_estimators third/bad \(third-party 1.0\) failed: "
        "ZeroDivisionError: no groups")):  # fmt: skip
        cost_of(call, catalogue)


def no_cost(call: OpCall) -> int:
    return 3


def test_an_estimator_that_gives_no_cost_is_blamed() -> None:
    net = Net()
    (call,) = op_calls(qreg.load(net.model(net.op("Relu", net.input(1, 2), name="act"))))
    spec = LayerEstimatorSpec(name="bad", targets=("onnx.Relu",), estimate=f"{__name__}:no_cost")

    with pytest.raises(QregError, match=(
        r"node 'act' \(onnx.Relu\): layer_estimators third/bad \(third-party 1.0\) gave int; its "
        r"contract is \(OpCall\) -> Cost")):  # fmt: skip
        cost_of(call, Catalogue((Entry("third", "third-party", "1.0", "m", spec),)))


def test_an_op_on_strings_is_unknown_and_the_others_are_counted(rng: np.random.Generator) -> None:
    """Though an Identity has an estimator: a string has no size in bytes."""
    net = Net()
    s = net.input(3, name="s", kind=TensorProto.STRING)
    words = net.op("StringNormalizer", net.op("Identity", s, name="same"), name="lower",
                   case_change_action="LOWER")  # fmt: skip
    y = net.conv(net.input(1, 2, 4, 4), weights(rng, 4, 2, 3, 3), "a", **PADS)

    record = qreg.count(net.model(words, y))

    assert record.totals["macs"] == 1152
    assert [row["name"] for row in record.layers] == ["a"]
    assert {u.op: u.nodes for u in record.unknown} == {
        "onnx.Identity": ("same",), "onnx.StringNormalizer": ("lower",)
    }  # fmt: skip


def test_what_is_written_as_a_string_is_needed(rng: np.random.Generator) -> None:
    net = Net()
    y = net.conv(net.input(1, 2, 4, 4), weights(rng, 4, 2, 3, 3), "a", **PADS)
    words = net.op("Cast", y, to=TensorProto.STRING)

    record = qreg.count(net.model(words))

    assert record.totals["macs_needed"] == record.totals["macs"] == 1152


def test_an_op_that_nobody_can_compute_on_its_constants_is_live_and_listed(
    rng: np.random.Generator,
) -> None:
    """Looking up row 9 of 3: no fault of the plugin that asked for the value."""
    net = Net()
    rows = net.op("Gather", weights(rng, 3, 4), np.array([0, 9]), name="rows")
    x = net.op("Add", net.input(2, 4), rows)

    record = qreg.count(net.model(net.op("MatMul", x, weights(rng, 4, 5))))

    assert record.totals["macs_needed"] == 2 * 4 * 5
    assert [u.nodes for u in record.unhandled] == [("rows",)]


# Metrics of third parties ----------------------------------------------------------------------


def one(layer: LayerCost) -> int:
    return 1


def a_word(layer: LayerCost) -> str:
    return "many"


def metric(plugin: str, name: str, compute: str = "one") -> Entry[MetricSpec]:
    spec = MetricSpec(name=name, compute=f"{__name__}:{compute}")
    return Entry(plugin, "third-party", "1.0", "m", spec)


def test_metrics_of_one_name_are_told_apart_by_their_ids(rng: np.random.Generator) -> None:
    net = Net()
    y = net.conv(net.input(1, 2, 4, 4), weights(rng, 4, 2, 3, 3), "a", **PADS)
    there = trace(qreg.load(net.model(y)))
    macs = api.catalogue().find(MetricSpec, "cost/macs")
    params = api.catalogue().find(MetricSpec, "cost/params")
    theirs = [metric("third", "macs"), metric("third", "params"), metric("third", "op")]
    (layer,) = layer_costs(there.calls, analyse(there, api.catalogue()), api.catalogue())
    assert layer is not None

    metrics = by_key([macs, params, macs, *theirs, metric("third", "alone")])

    row = layer_row(layer, metrics)
    assert totals([layer], [row], metrics) == {
        "cost/macs": 1152, "cost/params": 4 * 2 * 9, "third/macs": 1, "third/params": 1,
        "third/op": 1, "alone": 1,
    }  # fmt: skip
    assert row["op"] == "Conv"


def test_a_metric_that_gives_no_number_is_blamed(rng: np.random.Generator) -> None:
    net = Net()
    there = trace(qreg.load(net.model(net.op("Relu", net.input(1, 2), name="act"))))
    (layer,) = layer_costs(there.calls, analyse(there, api.catalogue()), api.catalogue())
    assert layer is not None

    with pytest.raises(QregError, match=(
        r"layer 'act': metrics third/words \(third-party 1.0\) gave str; its contract is")):  # fmt: skip
        number_of(metric("third", "words", "a_word"), "compute", layer, "layer 'act'")


def test_the_json_of_count_keeps_its_keys_and_its_integers(rng: np.random.Generator) -> None:
    record = json.loads(to_json(qreg.count(quantised(rng))))

    numbers = ["macs", "macs_causal", "macs_nonzero", "macs_zero_in", "macs_const_in",
               "macs_needed", "macs_structured", "macs_live", "flops", "elementwise_flops",
               "total_flops", "params", "bytes", "density", "bops_dense", "bops_paper",
               "bops_masked", "bops_structured", "bops_uniq"]  # fmt: skip
    assert list(record) == ["model", "source", "totals", "layers", "unknown", "unhandled", "proof"]
    assert list(record["totals"]) == numbers
    assert 0 < record["totals"].pop("density") <= 1
    assert all(type(v) is int for v in record["totals"].values())
    assert list(record["layers"][1]) == [
        "name", "op", *numbers, "input_shape", "output_shape", "kernel", "weight_bits",
        "activation_bits", "channels_in", "channels_out", "null_in", "null_out",
    ]  # fmt: skip
