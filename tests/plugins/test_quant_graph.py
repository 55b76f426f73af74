"""What the quantised graph looks like: clamps, borders between types, folding, names."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from quant_models import Array, Bench, bench, constant, network, node, ops, outputs, values

import qreg
from qreg.errors import QregError
from qreg_onnx.graph import LAYER, has_static_type
from qreg_quant.fold import fold_batch_norms

CONV: dict[str, Array] = {"a_weight": values(4, 3, 3, 3), "a_bias": values(4)}
NOISE = 0.002  # 8 bits of a normal distribution give about 0.0002 per layer
SHAPE = (1, 3, 6, 5)


def conv_then(*nodes: onnx.NodeProto, outputs: str = "y", **constants: Array) -> onnx.ModelProto:
    return network(
        [node("Conv", "x a.weight a.bias", "a"), *nodes], SHAPE, outputs, **CONV, **constants
    )


def noise(made: ir.Model | None, floats: Bench) -> float:
    """Power of the error over power of the signal, of the worst output: -20 dB is 0.01."""
    assert made is not None
    pairs = zip(outputs(made, floats.data), outputs(floats.model, floats.data), strict=True)
    return max(float(((a - b) ** 2).mean() / b.var()) for a, b in pairs)


def unclamped(floats: Bench, scale: float, zero_point: int) -> Array:
    """The same convolution alone, quantised with these parameters."""
    folder = floats.folder / "unclamped"
    folder.mkdir()
    proto = network([node("Conv", "x a.weight a.bias", "y")], SHAPE, "y", **CONV)
    plain = bench(folder, proto, **floats.data)
    plain.calibrate()
    plain.set("y", scale=scale, zero_point=zero_point)
    made = plain.quantize().model
    assert made is not None
    return outputs(made, floats.data)[0]


@pytest.mark.parametrize(("opset", "axis"), [(11, 1), (13, -1)])
def test_a_softmax_without_axis_keeps_the_default_of_its_operator_set(
    tmp_path: Path, opset: int, axis: int
) -> None:
    """The quantised op's own default is the last axis for each."""
    proto = network([node("Softmax", "x", "y")], (2, 4, 9), "y", opset=opset)
    floats = bench(tmp_path, proto)
    floats.calibrate()
    made = floats.quantize().model
    assert made is not None

    (softmax,) = [n for n in made.graph if n.op_type == "QLinearSoftmax"]
    assert softmax.attributes["axis"].as_int() == axis
    (real,), (found,) = outputs(floats.model, floats.data), outputs(made, floats.data)
    assert np.abs(real - found).max() < 0.02


def test_a_relu_whose_range_a_person_widened_still_cuts_below_zero(tmp_path: Path) -> None:
    scale, zero = 0.0625, -50
    with_relu = bench(tmp_path, conv_then(node("Relu", "a", "y")))
    with_relu.calibrate()
    with_relu.set("y", min=-(zero + 128) * scale, max=(127 - zero) * scale)
    made = with_relu.quantize().model
    assert made is not None
    assert ops(made) == ["QuantizeLinear", "QLinearConv", "Clip", "DequantizeLinear"]

    expected = unclamped(with_relu, scale, zero)
    assert expected.min() < 0
    np.testing.assert_array_equal(outputs(made, with_relu.data)[0], np.maximum(expected, 0))


def test_a_relu_takes_the_scale_a_person_wrote_for_its_output(tmp_path: Path) -> None:
    floats = bench(tmp_path, conv_then(node("Relu", "a", "y")))
    floats.calibrate()
    floats.set("y", min=0.0, max=1.0, scale=0.125, zero_point=-128)

    made = floats.quantize().model

    assert made is not None and ops(made) == ["QuantizeLinear", "QLinearConv", "DequantizeLinear"]
    assert constant(made, "a_scale") == 0.125 and constant(made, "a_zero_point") == -128


def test_a_tensor_read_before_and_behind_its_relu_keeps_its_negative_values(tmp_path: Path) -> None:
    floats = bench(
        tmp_path,
        conv_then(node("Relu", "a", "r"), node("Add", "a r", "y")),
    )

    made = floats.quantize().model

    assert made is not None
    assert ops(made) == ["QuantizeLinear", "QLinearConv", "Clip", "QLinearAdd", "DequantizeLinear"]
    assert constant(made, "r_min") == constant(made, "a_zero_point") > -128
    assert noise(made, floats) < NOISE


@pytest.mark.parametrize(
    ("high", "nodes"),
    [
        (4.0, ["QLinearConv"]),  # all integers lie below the limit
        (6.0, ["QLinearConv"]),  # 255 steps are 6, but for float32 rounding
        (9.0, ["QLinearConv", "Clip"]),
    ],
)
def test_clip_needs_a_node_only_where_the_range_goes_beyond_it(
    tmp_path: Path, high: float, nodes: list[str]
) -> None:
    floats = bench(
        tmp_path, conv_then(node("Clip", "a zero six", "y"), zero=np.float32(0), six=np.float32(6))
    )
    floats.calibrate()
    floats.set("y", min=0.0, max=high)

    made = floats.quantize().model

    assert made is not None and ops(made)[1:-1] == nodes
    expected = unclamped(floats, high / 255, -128)
    most = round(6 / (high / 255)) * (high / 255)  # the integer nearest to the limit
    np.testing.assert_allclose(outputs(made, floats.data)[0], np.minimum(expected, most), rtol=1e-6)


def test_a_clamp_behind_a_max_pool_bounds_what_goes_into_the_pool(tmp_path: Path) -> None:
    floats = bench(
        tmp_path, conv_then(node("MaxPool", "a", "m", kernel_shape=[2, 2]), node("Relu", "m", "y"))
    )

    made = floats.quantize().model

    assert made is not None
    assert ops(made) == ["QuantizeLinear", "QLinearConv", "MaxPool", "DequantizeLinear"]
    assert constant(made, "a_zero_point") == -128
    assert noise(made, floats) < NOISE


def test_a_clamp_that_the_operator_set_cannot_express_stays_float(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x a.weight a.bias", "a"),
        node("Relu", "a", "r"),
        node("Add", "a r", "y"),
    ]
    floats = bench(tmp_path, network(nodes, SHAPE, "y", opset=11, **CONV))

    outcome = floats.quantize()

    assert outcome.model is not None
    assert ops(outcome.model) == [
        "QuantizeLinear", "QLinearConv", "DequantizeLinear", "Relu", "QuantizeLinear", "QLinearAdd",
        "DequantizeLinear",
    ]  # fmt: skip
    assert any("Relu takes 8-bit data from operator set 12 on" in line for line in outcome.lines)
    assert noise(outcome.model, floats) < NOISE


def test_only_the_layers_a_rule_takes_are_quantised_and_each_tensor_crosses_once(
    tmp_path: Path,
) -> None:
    """Moves, Relu and MaxPool compute the same on integers and so need no border."""
    floats = bench(
        tmp_path,
        conv_then(
            node("Relu", "a", "r"),
            node("Add", "r r", "s"),
            node("Mul", "r s", "t"),
            node("Transpose", "r", "u", perm=[0, 1, 3, 2]),
            node("Conv", "u b.weight", "v"),
            node("Conv", "t b.weight", "w"),
            node("MaxPool", "t", "m", kernel_shape=[2, 2]),
            outputs="v w m",
            b_weight=values(2, 4, 1, 1),
        ),
    )

    outcome = floats.quantize({"op": ["Conv"]})

    assert outcome.model is not None
    made = [(n.op_type, n.inputs[0].name) for n in outcome.model.graph if n.inputs[0] is not None]
    assert sorted(made) == sorted([
        ("QuantizeLinear", "x"), ("QLinearConv", "x_quantized"),
        ("DequantizeLinear", "a_quantized"),  # once, for Add and Mul
        ("Add", "r"), ("Mul", "r"),
        ("Transpose", "a_quantized"), ("QLinearConv", "u_quantized"),
        ("QuantizeLinear", "t"), ("QLinearConv", "t_quantized"), ("MaxPool", "t"),
        ("DequantizeLinear", "v_quantized"), ("DequantizeLinear", "w_quantized"),
    ])  # fmt: skip
    rows = {r.name: r for r in outcome.record.layers}
    assert (rows["r"].rule, rows["r"].becomes) == (None, "in a")
    assert (rows["s"].outcome, rows["s"].note) == ("float", "no rule matches")
    assert noise(outcome.model, floats) < NOISE


def test_a_change_of_type_between_layers_is_requantised_once(tmp_path: Path) -> None:
    floats = bench(
        tmp_path,
        conv_then(
            node("Conv", "a b.weight", "b"), node("Conv", "a c.weight", "c"),
            outputs="b c", b_weight=values(2, 4, 1, 1), c_weight=values(3, 4, 1, 1),
        ),
    )  # fmt: skip

    made = floats.quantize({"match": "a"}, {"act": "uint8"}).model

    assert made is not None
    assert ops(made) == [
        "QuantizeLinear", "QLinearConv", "DequantizeLinear", "QuantizeLinear",
        "QLinearConv", "DequantizeLinear", "QLinearConv", "DequantizeLinear",
    ]  # fmt: skip
    assert constant(made, "a_zero_point").dtype == np.int8
    assert constant(made, "a_zero_point_2").dtype == np.uint8
    assert noise(made, floats) < NOISE


def test_tensors_that_are_also_outputs_stay_float_outside(tmp_path: Path) -> None:
    floats = bench(
        tmp_path,
        conv_then(
            node("Relu", "a", "r"), node("Relu", "r", "again"), node("Mul", "r r", "m"),
            outputs="r again m",
        ),
    )  # fmt: skip

    made = floats.quantize({"match": "a|r|again"}).model

    assert made is not None
    assert [v.name for v in made.graph.outputs] == ["r", "again", "m"]
    r, again, m = outputs(made, floats.data)
    np.testing.assert_array_equal(r, again)
    np.testing.assert_array_equal(m, r * r)
    assert noise(made, floats) < NOISE


def batch_norm(*, reader: bool = False) -> onnx.ModelProto:
    extra = [node("Relu", "a", "also")] if reader else []
    return network(
        [
            node("Conv", "x a.weight", "a", strides=[2, 1]),
            node("BatchNormalization", "a gamma beta mean variance", "n", epsilon=0.01),
            *extra,
            node("Flatten", "n", "f"),
            node("Gemm", "f g.weight g.bias", "g", alpha=0.5, beta=2.0, transB=1),
            node("BatchNormalization", "g gamma2 beta2 mean2 variance2", "y"),
        ],
        (2, 3, 7, 4), "y also" if reader else "y",
        a_weight=values(4, 3, 3, 3), gamma=values(4), beta=values(4), mean=values(4),
        variance=np.abs(values(4)), g_weight=values(6, 24), g_bias=values(6),
        gamma2=values(6), beta2=values(6), mean2=values(6), variance2=np.abs(values(6)) + 1,
    )  # fmt: skip


def test_batch_norms_fold_into_the_layer_before_without_changing_results(tmp_path: Path) -> None:
    floats = bench(tmp_path, batch_norm())
    folded = floats.model.clone()

    done = fold_batch_norms(folded)

    assert done == {"n": "a", "y": "g"}
    assert ops(folded) == ["Conv", "Flatten", "Gemm"]
    (before,), (after,) = outputs(floats.model, floats.data), outputs(folded, floats.data)
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)


def test_folding_is_reported_and_a_batch_norm_that_cannot_fold_stays_float(tmp_path: Path) -> None:
    floats = bench(tmp_path, batch_norm(reader=True))

    outcome = floats.quantize()

    assert outcome.model is not None
    assert "BatchNormalization 'y' is folded into 'g'" in outcome.lines
    assert "BatchNormalization" in ops(outcome.model)
    assert any(
        line.startswith("stays float: BatchNormalization 'n': onnx.BatchNormalization has no 8-bit")
        for line in outcome.lines
    )
    assert noise(outcome.model, floats) < NOISE


def test_a_batch_norm_with_negative_variance_is_refused(tmp_path: Path) -> None:
    proto = batch_norm()
    for item in proto.graph.initializer:
        if item.name == "variance":
            item.CopyFrom(onnx.numpy_helper.from_array(np.float32([1, 1, -2, 1]), "variance"))
    floats = bench(tmp_path, proto)
    floats.ranges.write_text("[tensor.x]\nmin = 0\nmax = 1\n")

    with pytest.raises(QregError, match="tensor 'variance' holds a negative variance"):
        floats.quantize()


@pytest.mark.parametrize(
    ("attributes", "bias"),
    [
        ({"transB": 1}, (5,)),
        ({"transB": 1, "alpha": 0.25, "beta": 3.0}, (5,)),
        ({"transA": 1, "transB": 1}, (1, 5)),
        ({"transB": 1}, (4, 5)),
        ({"transB": 1}, (4, 1)),
        ({"transB": 1}, ()),
    ],
)
def test_gemm_is_right_for_every_factor_transposition_and_shape_of_bias(
    tmp_path: Path, attributes: dict[str, Any], bias: tuple[int, ...]
) -> None:
    shape = (6, 4) if "transA" in attributes else (4, 6)
    proto = network(
        [node("Gemm", "x g.weight g.bias", "y", **attributes)], shape, "y",
        g_weight=values(5, 6), g_bias=values(*bias, scale=3),
    )  # fmt: skip
    floats = bench(tmp_path, proto, x=values(shape[0] * 8, shape[1]))

    made = floats.quantize().model

    assert made is not None and ops(made)[1] == "QGemm"
    assert noise(made, floats) < NOISE


def test_batches_of_weight_matrices_have_one_scale(tmp_path: Path) -> None:
    proto = network([node("MatMul", "x m.weight", "y")], (3, 4, 5), "y", m_weight=values(3, 5, 6))
    floats = bench(tmp_path, proto, x=values(12, 4, 5))

    outcome = floats.quantize()

    assert outcome.record.layers[0].granularity == "tensor"
    assert noise(outcome.model, floats) < NOISE


def test_a_bias_too_large_for_int32_raises_the_scales_of_its_channels(tmp_path: Path) -> None:
    weight = values(2, 3, 1, 1)
    weight[1] *= 1e-9
    proto = network(
        [node("Conv", "x a.weight a.bias", "y")], SHAPE, "y",
        a_weight=weight, a_bias=np.float32([1, 100]),
    )  # fmt: skip
    floats = bench(tmp_path, proto)

    outcome = floats.quantize()

    assert outcome.model is not None
    bias = constant(outcome.model, "a.bias_quantized").astype(np.int64)
    assert 2**31 * 0.999 < bias[1] < 2**31 - 1
    assert any("weight scales raised" in line for line in outcome.lines)
    assert noise(outcome.model, floats) < NOISE


def test_dead_channels_and_constant_activations_have_scale_one(tmp_path: Path) -> None:
    weight = values(4, 3, 1, 1)
    weight[2] = 0
    proto = network(
        [node("Conv", "x a.weight", "a"), node("Relu", "a", "r"), node("Add", "r x1", "y")],
        SHAPE, "y", a_weight=-np.abs(weight), x1=np.float32([2.0]),
    )  # fmt: skip
    floats = bench(tmp_path, proto, x=np.abs(values(5, *SHAPE[1:])))

    made = floats.quantize().model

    assert made is not None
    assert constant(made, "a.weight_scale")[2] == 1
    assert constant(made, "a_scale") == 1  # the Relu gives zeros only
    np.testing.assert_array_equal(outputs(made, floats.data)[0], np.float32(2.0))


def test_average_pools_that_onnx_runtime_averages_otherwise_stay_float(tmp_path: Path) -> None:
    pool = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1}
    floats = bench(
        tmp_path,
        conv_then(
            node("AveragePool", "a", "y", **pool, count_include_pad=1),
            node("AveragePool", "a", "z", **pool),
            node("AveragePool", "a", "u", kernel_shape=[2, 1], dilations=[2, 1]),
            outputs="y z u",
        ),
    )

    made = floats.quantize().model

    assert made is not None
    assert sorted(ops(made))[:2] == ["AveragePool", "AveragePool"]
    assert "QLinearAveragePool" in ops(made)
    assert noise(made, floats) < NOISE


@pytest.mark.parametrize(
    ("value", "moved"), [(0.0, True), (0.5, True), (0.3, False), (-99.0, False)]
)
def test_padding_runs_on_integers_where_its_value_is_one(
    tmp_path: Path, value: float, moved: bool
) -> None:
    floats = bench(
        tmp_path,
        conv_then(node("Pad", "a pads v", "y"), pads=np.array([0, 0, 1, 0, 0, 0, 0, 2]),
                  v=np.float32(value)),
    )  # fmt: skip
    floats.calibrate()
    floats.set("a", scale=0.25, zero_point=3)

    made = floats.quantize().model

    assert made is not None
    border = ["Pad", "DequantizeLinear"] if moved else ["DequantizeLinear", "Pad"]
    assert ops(made)[2:] == border
    assert (outputs(made, floats.data)[0][:, :, 0] == np.float32(value)).all()


def test_nodes_keep_their_layers_and_every_tensor_its_shape(tmp_path: Path, resnet8: Path) -> None:
    images = np.load(resnet8.with_name("digits_calibration.npz"))["image"][:4]
    floats = bench(tmp_path, resnet8, image=images)
    before = ir.to_proto(floats.model).SerializeToString(deterministic=True)

    made = floats.quantize().model

    assert made is not None
    layers = {n.metadata_props[LAYER]: n.op_type for n in made.graph}
    assert layers["layer1.0.conv2"] == "QLinearConv" and layers["fc"] == "QGemm"
    assert all(has_static_type(v) for n in made.graph for v in n.outputs)
    proto = ir.to_proto(made)
    assert {i.name for i in proto.graph.value_info} >= {
        n.outputs[0].name for n in made.graph if not n.outputs[0].is_graph_output()
    }
    assert before == ir.to_proto(floats.model).SerializeToString(deterministic=True)


def test_pooled_and_moved_indices_stay_float(tmp_path: Path) -> None:
    pool = onnx.helper.make_node("MaxPool", ["a"], ["y", "at"], name="p", kernel_shape=[2, 2])
    proto = conv_then(pool)
    proto.graph.output.append(
        onnx.helper.make_tensor_value_info("at", onnx.TensorProto.INT64, None)
    )
    floats = bench(tmp_path, proto)

    outcome = floats.quantize()

    assert outcome.model is not None and ops(outcome.model)[-2:] == ["DequantizeLinear", "MaxPool"]
    assert "stays float: MaxPool 'p': gives indices too" in outcome.lines


def test_layers_with_weights_made_at_run_time_stay_float(tmp_path: Path) -> None:
    proto = network(
        [node("Conv", "x a.weight", "a"), node("Conv", "a w", "y")], (1, 1, 6, 6), "y",
        inputs="x w", a_weight=values(1, 1, 1, 1),
    )  # fmt: skip
    floats = bench(tmp_path, proto, x=values(3, 1, 6, 6), w=values(3, 1, 6, 6))

    outcome = floats.quantize()

    assert outcome.model is not None
    assert ops(outcome.model) == ["QuantizeLinear", "QLinearConv", "DequantizeLinear", "Conv"]
    assert "stays float: Conv 'y': its weight is computed at run time" in outcome.lines


@pytest.mark.parametrize("name", ["a.weight", "a.bias"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_constants_that_are_not_finite_are_refused_by_name(
    tmp_path: Path, name: str, value: float
) -> None:
    proto = network([node("Conv", "x a.weight a.bias", "y")], SHAPE, "y", **CONV)
    for item in proto.graph.initializer:
        if item.name == name:
            array = onnx.numpy_helper.to_array(item).copy()
            array.reshape(-1)[1] = value
            item.CopyFrom(onnx.numpy_helper.from_array(array, name))
    floats = bench(tmp_path, proto)
    floats.ranges.write_text("[tensor.x]\nmin = 0\nmax = 1\n[tensor.y]\nmin = 0\nmax = 1\n")

    with pytest.raises(
        QregError, match=rf"tensor '{name}' holds {value} at \[.*1.*\]|\[0, 0, 0, 1\]"
    ):
        floats.quantize()


def test_a_quantised_model_is_refused(tmp_path: Path) -> None:
    floats = bench(tmp_path, conv_then(node("Relu", "a", "y")))
    made = floats.quantize().model
    assert made is not None
    (tmp_path / "again").mkdir()

    with pytest.raises(
        QregError, match=r"is quantised already: node 'x_quantize' is onnx.Quantize"
    ):
        bench(tmp_path / "again", ir.to_proto(made), x=floats.data["x"]).quantize()


def test_a_model_older_than_8_bit_ops_is_refused(tmp_path: Path) -> None:
    nodes = [node("Conv", "x a.weight a.bias", "y")]
    floats = bench(tmp_path, network(nodes, SHAPE, "y", opset=9, **CONV))

    with pytest.raises(QregError, match="operator set 9; 8-bit ops exist from 10 on"):
        floats.quantize()


def test_the_ranges_of_an_earlier_step_serve_and_results_repeat_to_the_byte(tmp_path: Path) -> None:
    floats = bench(tmp_path, conv_then(node("Relu", "a", "y")))
    from_file = floats.quantize().model

    from_step = floats.run("quantize", {"calibrate": floats.calibrate(output="other.toml")}).model

    assert from_file is not None and from_step is not None
    first, second = (ir.to_proto(m).SerializeToString() for m in (from_file, from_step))
    assert first == second


def test_both_steps_are_calls_from_python(tmp_path: Path, resnet8: Path) -> None:
    data = resnet8.with_name("digits_calibration.npz")

    calibration = qreg.calibrate(resnet8, data=str(data), samples=3, out=tmp_path)
    done = qreg.quantize(
        resnet8, rule=[{"use": "static", "granularity": "tensor"}], ranges=str(calibration.file),
        out=tmp_path,
    )  # fmt: skip

    assert len(calibration.tensors) == len(done.layers) + 1
    written = qreg.load(tmp_path / "resnet8-quantize.onnx")
    assert ops(written).count("QLinearConv") == 9
