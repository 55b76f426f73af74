"""Pruned integer networks give the same bits."""

import logging
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
from prune_nets import F32, SUMS, initial, macs, network, ops, prune, results
from quant_models import _Reader as Reader
from quant_models import bench, constant
from small_nets import Net

import qreg

MODELS = Path(__file__).parents[3] / "shared" / "models" / "mlperf-tiny"
needs_models = pytest.mark.skipif(
    not MODELS.is_dir(), reason="the MLPerf Tiny models are not beside this repository"
)
EXACT = [n for n in SUMS if n != "transposed"]  # a transposed convolution stays float


def bits(before: ir.Model | onnx.ModelProto, after: ir.Model | None, seeds: int) -> bool:
    """Whether both give the same on random inputs of three scales, or of all 8-bit numbers."""
    assert after is not None
    (port,) = after.graph.inputs
    assert port.shape is not None and port.dtype is not None
    for seed in range(seeds):
        rng = np.random.default_rng([seed, 77])
        shape = [int(d) for d in port.shape]
        if port.dtype == ir.DataType.FLOAT:
            data = (rng.standard_normal(shape) * 10.0 ** (seed % 3 - 1)).astype(F32)
        else:
            limits = np.iinfo(port.dtype.numpy())
            data = rng.integers(limits.min, limits.max + 1, shape).astype(port.dtype.numpy())
        pairs = zip(results(before, {str(port.name): data}),
                    results(after, {str(port.name): data}), strict=True)  # fmt: skip
        if not all(np.array_equal(a, b) for a, b in pairs):
            return False
    return True


@pytest.mark.parametrize(("share", "shifted", "act"), [(0.3, False, "uint8"), (0.5, True, "int8")])
@pytest.mark.parametrize("name", EXACT)
def test_quantised_networks_give_the_same_bits(
    name: str, share: float, shifted: bool, act: str, tmp_path: Path
) -> None:
    made = bench(tmp_path, network(name, 1, share, shifted), samples=4)
    model = made.quantize({"act": act, "weight": "int8"}).model
    assert model is not None

    found = prune(model, check_inputs=2)

    assert bits(model, found.model, 6)


@pytest.mark.parametrize("name", ["resnet", "mobilenet", "densenet"])
def test_dequantised_weights_lose_channels_too(name: str, tmp_path: Path) -> None:
    """The form with QuantizeLinear and DequantizeLinear around float ops, one scale per channel."""
    made = bench(tmp_path, network(name, 1, 0.4, False), samples=4)
    source, target = tmp_path / "float.onnx", tmp_path / "qdq.onnx"
    source.write_bytes(ir.to_proto(made.model).SerializeToString())
    logging.disable(logging.WARNING)  # it advises to preprocess, which the model is
    try:
        quantize_static(source, target, Reader(made.data), quant_format=QuantFormat.QDQ,
                        weight_type=QuantType.QInt8, per_channel=True)  # fmt: skip
    finally:
        logging.disable(logging.NOTSET)
    proto = onnx.load(target)

    found = prune(proto, check_inputs=2)

    assert found.record.macs_left < found.record.macs
    assert bits(proto, found.model, 6)


def chain(pads: int, rng: np.random.Generator) -> Net:
    """QLinearConv 2->6, of whose results 1 and 4 are one number each, and QLinearConv 6->3."""
    net = Net()
    first = rng.integers(-100, 101, (6, 2, 1, 1)).astype(np.int8)
    first[[1, 4]] = 0
    bias = rng.integers(-500, 501, 6).astype(np.int32)
    bias[[1, 4]] = 4000, -2500
    scale, zero = np.float32(0.02), np.uint8(120)
    y = net.op("QLinearConv", net.input(1, 2, 5, 4, kind=TensorProto.UINT8), scale, zero,
               net.constant(first, "a.weight"), np.float32(0.01), np.int8(0), np.float32(0.05),
               np.uint8(90), net.constant(bias, "a.bias"), name="a")  # fmt: skip
    second = rng.integers(-100, 101, (3, 6, 3, 3)).astype(np.int8)
    net.op("QLinearConv", y, np.float32(0.05), np.uint8(90), net.constant(second, "b.weight"),
           np.linspace(0.001, 0.002, 3).astype(F32), np.zeros(3, np.int8), np.float32(0.3),
           np.uint8(128), net.constant(rng.integers(-999, 999, 3).astype(np.int32), "b.bias"),
           name="b", pads=[pads] * 4)  # fmt: skip
    return net


def test_constants_go_into_the_integer_bias_exactly() -> None:
    """q = 90 + round(4000 * 0.02 * 0.01 / 0.05) = 106 in channel 1, 90 - 10 = 80 in channel 4."""
    net = chain(0, np.random.default_rng(3))
    proto = net.model("b.out")
    weight, bias = (net.constants[n].astype(np.int64) for n in ("b.weight", "b.bias"))

    found = prune(proto)

    assert found.model is not None
    expected = bias + (106 - 90) * weight[:, 1].sum((1, 2)) + (80 - 90) * weight[:, 4].sum((1, 2))
    assert np.array_equal(initial(found.model, "b.bias"), expected)
    assert found.record.layers[1].folded == "bias"
    assert bits(proto, found.model, 4)


def test_constants_beside_padding_stay_where_joining_them_on_does_not_pay() -> None:
    """20 positions: 2 * 2 products each would go, 6 numbers each would be copied."""
    proto = chain(1, np.random.default_rng(3)).model("b.out")

    found = prune(proto)

    assert not found.record.changed
    assert {s.why for s in found.record.stays} == {
        "what it adds to QLinearConv 'b' differs by position; a map does not pay"
    }


def test_constants_beside_padding_are_joined_on_where_that_pays() -> None:
    """With 30 inputs, 2 * 30 products per position go for 6 copies."""
    rng = np.random.default_rng(3)
    net = chain(1, rng)
    wide = rng.integers(-100, 101, (6, 30, 1, 1)).astype(np.int8)
    wide[[1, 4]] = 0
    net.constants["a.weight"], net.inputs = wide, []
    net.input(1, 30, 5, 4, kind=TensorProto.UINT8)
    proto = net.model("b.out")

    found = prune(proto, borders="map")

    assert found.model is not None
    assert ops(found.model) == ["QLinearConv", "Concat", "QLinearConv"]
    joined = initial(found.model, "b.constants")
    assert [np.unique(joined[0, c]).tolist() for c in (0, 1)] == [[106], [80]]
    assert macs(found) == {"a": 20 * 30 * 4, "b": 20 * 6 * 3 * 9}
    assert bits(proto, found.model, 4)


def test_a_bias_that_would_overflow_is_not_folded_into() -> None:
    net = chain(0, np.random.default_rng(3))
    net.constants["b.bias"][:] = 2**31 - 50

    found = prune(net.model("b.out"))

    assert {s.why for s in found.record.stays} == {"QLinearConv 'b' has no place for what it adds"}


def quantised_product(op: str) -> onnx.ModelProto:
    """A constant of four columns, computed, before a matrix product."""
    rng, net = np.random.default_rng(0), Net()
    first = rng.integers(-100, 101, (3, 4)).astype(np.int8)
    first[:, 2] = 0
    bias = np.array([5, -7, 900, 0], np.int32)
    grid = (np.float32(0.05), np.uint8(90))
    y = net.op("QGemm", net.input(2, 3, kind=TensorProto.UINT8), np.float32(0.02), np.uint8(120),
               net.constant(first, "a.weight"), np.float32(0.01), np.int8(0), bias, *grid,
               domain="com.microsoft", name="a", alpha=1.0)  # fmt: skip
    second = rng.integers(-100, 101, (4, 3)).astype(np.int8)
    scales = np.linspace(0.001, 0.002, 3).astype(F32), np.zeros(3, np.int8)
    if op == "QGemm":
        y = net.op("QGemm", y, *grid, net.constant(second.T.copy(), "b.weight"), *scales, "",
                   *grid, domain="com.microsoft", name="b", transB=1)  # fmt: skip
    else:
        y = net.op(op, y, *grid, net.constant(second, "b.weight"), *scales, *grid, name="b")
    return net.model(y)


def test_a_quantised_product_without_bias_is_given_one() -> None:
    proto = quantised_product("QGemm")

    found = prune(proto)

    assert macs(found) == {"a": 2 * 3 * 3, "b": 2 * 3 * 3}
    assert bits(proto, found.model, 6)


def test_a_product_that_has_no_bias_keeps_its_constants() -> None:
    found = prune(quantised_product("QLinearMatMul"))

    assert not found.record.changed
    assert "QLinearMatMul 'b'" in found.record.stays[0].why


@needs_models
def test_visual_wake_words_loses_half_of_its_products_and_no_bit() -> None:
    """3,733,073 is what channel counting finds needed; 29,286 of its 208,112 weights are left."""
    model = qreg.load(MODELS / "vww_int8.tflite")

    found = prune(model, check_inputs=2)

    assert (found.record.macs, found.record.macs_left) == (7_489_664, 3_733_073)
    assert found.model is not None
    weights = [n.inputs[3] for n in found.model.graph if n.op_type in ("QLinearConv", "QGemm")]
    assert sum(constant(found.model, str(w.name)).size for w in weights if w) == 29_286
    assert found.record.stays == ()
    assert bits(model, found.model, 9)


@needs_models
def test_visual_wake_words_needs_no_folding_for_that() -> None:
    """Its constants become zero-points in the depthwise layers: nothing is left to fold."""
    found = prune(qreg.load(MODELS / "vww_int8.tflite"), constants="keep", check_inputs=1)

    assert found.record.macs_left <= 3_869_990
    assert {layer.folded for layer in found.record.layers} == {""}


@needs_models
@pytest.mark.parametrize("name", ["resnet8_int8", "dscnn_int8", "ad_int8"])
def test_nothing_is_dead_in_the_other_reference_networks(name: str) -> None:
    found = prune(qreg.load(MODELS / f"{name}.tflite"))

    assert found.lines == ("prune: nothing is dead; the model is unchanged",)
