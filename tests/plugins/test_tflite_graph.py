"""How a .tflite graph is written in ONNX: order of axes, stored weights, what has no form."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

pytest.importorskip("tflite", reason="needs the tflite extra")
pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert (the test extra)")

from tflite_support import (
    SAME,
    SIGN_BIT,
    Array,
    File,
    agree,
    drawn,
    model_of,
    ops_of,
    packed,
    unpacked,
)

import qreg
from qreg.errors import QregError
from qreg_onnx.graph import LAYER

FLOAT = "float32"
EVIL = 'a"b\\c\n*/ int main(void){} /* <script>alert(1)</script> %s \u202e\x1b[31m'


def ints(*values: object) -> Array:
    return np.array(values, np.int32)


def conv(file: File, x: int, image: tuple[int, int], channels: tuple[int, int], name: str) -> int:
    """A 3x3 convolution over ``image``; its result."""
    w = file.constant(f"{name}/Conv2D", drawn(len(name), (channels[1], 3, 3, channels[0]), FLOAT))
    b = file.constant(f"{name}/BiasAdd", drawn(len(name) + 1, (channels[1],), FLOAT))
    y = file.tensor(f"{name}/out", (1, *image, channels[1]))
    file.op(
        "CONV_2D", [x, w, b], [y], "Conv2DOptions", padding=SAME, strideH=1, strideW=1,
        dilationHFactor=1, dilationWFactor=1,
    )  # fmt: skip
    return y


def test_a_squeezed_and_excited_block_has_transposes_at_its_borders_only(tmp_path: Path) -> None:
    file = File()
    x, axes = file.tensor("x", (1, 4, 5, 3)), file.constant("axes", ints(1, 2))
    c = conv(file, x, (4, 5), (3, 6), "m/c")
    mean, wide = file.tensor("mean", (1, 6)), file.tensor("wide", (1, 1, 1, 6))
    file.op("MEAN", [c, axes], [mean], "ReducerOptions")
    file.op("RESHAPE", [mean, file.constant("s", ints(1, 1, 1, 6))], [wide])
    d = conv(file, wide, (1, 1), (6, 6), "m/d")
    gate, scaled = file.tensor("gate", (1, 1, 1, 6)), file.tensor("scaled", (1, 4, 5, 6))
    file.op("LOGISTIC", [d], [gate])
    file.op("MUL", [c, gate], [scaled], "MulOptions")
    e = conv(file, scaled, (4, 5), (6, 3), "m/e")
    y = file.tensor("y", (1, 4, 5, 3))
    file.op("ADD", [e, x], [y], "AddOptions")

    model = agree(file.bytes([x], [y]), {"x": drawn(0, (1, 4, 5, 3), FLOAT)}, tmp_path)

    assert ops_of(model) == ["Transpose", "Conv", "GlobalAveragePool", "Conv", "Sigmoid", "Mul",
                             "Conv", "Add", "Transpose"]  # fmt: skip


def test_transposes_of_the_file_that_undo_the_layout_vanish(tmp_path: Path) -> None:
    file = File()
    x, last = file.tensor("x", (1, 3, 4, 5)), file.tensor("last", (1, 4, 5, 3))
    file.op("TRANSPOSE", [x, file.constant("p", ints(0, 2, 3, 1))], [last])
    c = conv(file, last, (4, 5), (3, 6), "c")
    y = file.tensor("y", (1, 6, 4, 5))
    file.op("TRANSPOSE", [c, file.constant("q", ints(0, 3, 1, 2))], [y])

    model = agree(file.bytes([x], [y]), {"x": drawn(0, (1, 3, 4, 5), FLOAT)}, tmp_path)

    assert ops_of(model) == ["Conv"]


def test_any_permutation_is_followed_through_reductions_splits_and_joins(tmp_path: Path) -> None:
    file = File()
    x = file.tensor("x", (1, 3, 4, 5))
    c = conv(file, x, (3, 4), (5, 6), "c")
    turned, most = file.tensor("turned", (4, 1, 6, 3)), file.tensor("most", (4, 3))
    file.op("TRANSPOSE", [c, file.constant("p", ints(2, 0, 3, 1))], [turned])
    file.op("REDUCE_MAX", [turned, file.constant("a", ints(1, 2))], [most], "ReducerOptions")
    parts = [file.tensor(f"part{n}", (4, 1, 6, n)) for n in (1, 2)]
    lengths, axis = file.constant("n", ints(1, 2)), file.constant("axis", np.array(3, np.int32))
    file.op("SPLIT_V", [turned, lengths, axis], parts, "SplitVOptions", numSplits=2)
    y = file.tensor("y", (4, 1, 6, 3))
    file.op("CONCATENATION", parts[::-1], [y], "ConcatenationOptions", axis=3)

    agree(file.bytes([x], [most, y]), {"x": drawn(0, (1, 3, 4, 5), FLOAT)}, tmp_path)


def test_a_flattened_image_is_put_in_the_file_s_order_first(tmp_path: Path) -> None:
    file = File()
    x = file.tensor("x", (1, 4, 5, 3))
    c = conv(file, x, (4, 5), (3, 6), "c")
    flat, y = file.tensor("flat", (1, 120)), file.tensor("y", (1, 4))
    file.op("RESHAPE", [c, file.constant("s", ints(1, 120))], [flat])
    w = file.constant("w", drawn(1, (4, 120), FLOAT))
    file.op("FULLY_CONNECTED", [flat, w], [y], "FullyConnectedOptions")

    model = agree(file.bytes([x], [y]), {"x": drawn(0, (1, 4, 5, 3), FLOAT)}, tmp_path)

    assert ops_of(model) == ["Transpose", "Conv", "Transpose", "Reshape", "Gemm"]


def test_a_convolution_over_one_axis_stays_channels_first_to_the_next(tmp_path: Path) -> None:
    file = File()
    x, wide = file.tensor("x", (1, 9, 3)), file.tensor("wide", (1, 1, 9, 3))
    file.op("EXPAND_DIMS", [x, file.constant("a", ints(1))], [wide])
    c = conv(file, wide, (1, 9), (3, 4), "c")
    thin, bent = file.tensor("thin", (1, 9, 4)), file.tensor("bent", (1, 9, 4))
    file.op("SQUEEZE", [c], [thin], "SqueezeOptions", squeezeDims=[1])
    file.op("ADD", [thin, file.constant("k", drawn(1, (4,), FLOAT))], [bent], "AddOptions")
    again = file.tensor("again", (1, 1, 9, 4))
    file.op("RESHAPE", [bent, file.constant("s", ints(1, 1, 9, 4))], [again])
    d = conv(file, again, (1, 9), (4, 2), "d")
    y = file.tensor("y", (1, 9, 2))
    file.op("SQUEEZE", [d], [y], "SqueezeOptions", squeezeDims=[1])

    model = agree(file.bytes([x], [y]), {"x": drawn(0, (1, 9, 3), FLOAT)}, tmp_path)

    assert ops_of(model).count("Transpose") == 2


@pytest.mark.parametrize("stored", ["float16", "int8"])
def test_weights_stored_in_fewer_bits_are_read_exactly(stored: str, tmp_path: Path) -> None:
    """LiteRT too makes them float before it computes."""
    file = File()
    x, y = file.tensor("x", (1, 4, 5, 3)), file.tensor("y", (1, 4, 5, 6))
    if stored == "float16":
        w = file.constant("w", drawn(1, (6, 3, 3, 3), FLOAT).astype(np.float16))
    else:
        scales = np.random.default_rng(0).uniform(0.01, 0.02, 6)
        w = file.constant("w", drawn(1, (6, 3, 3, 3), "int8"), scale=scales)
    real, b = file.tensor("real", (6, 3, 3, 3)), file.constant("b", drawn(2, (6,), FLOAT))
    file.op("DEQUANTIZE", [w], [real], version=5)
    file.op(
        "CONV_2D", [x, real, b], [y], "Conv2DOptions", padding=SAME, strideH=1, strideW=1,
        dilationHFactor=1, dilationWFactor=1,
    )  # fmt: skip

    model = agree(file.bytes([x], [y]), {"x": drawn(0, (1, 4, 5, 3), FLOAT)}, tmp_path)

    kept = [] if stored == "float16" else ["DequantizeLinear"]
    assert sorted(ops_of(model)) == sorted(["Transpose", "Conv", "Transpose", *kept])


def test_an_integer_network_between_floats_keeps_both_outputs(tmp_path: Path) -> None:
    file, scale = File(), np.float32(0.05) * np.float32(0.01)
    x, whole = file.tensor("x", (1, 4, 5, 3)), file.activation("whole", (1, 4, 5, 3), "int8")
    w = file.constant("w", drawn(1, (6, 3, 3, 3), "int8"), scale=0.01)
    b = file.constant("b", drawn(2, (6,), "int32"), scale=scale)
    c, y = file.activation("c", (1, 4, 5, 6), "int8"), file.tensor("y", (1, 4, 5, 6))
    file.op("QUANTIZE", [x], [whole])
    file.op(
        "CONV_2D", [whole, w, b], [c], "Conv2DOptions", version=3, padding=SAME, strideH=1,
        strideW=1, dilationHFactor=1, dilationWFactor=1,
    )  # fmt: skip
    file.op("DEQUANTIZE", [c], [y])

    model = agree(file.bytes([x], [y, c]), {"x": drawn(0, (1, 4, 5, 3), FLOAT)}, tmp_path)

    assert [v.name for v in model.graph.outputs] == ["y", "c"]


def test_weights_behind_the_tables_are_read(tmp_path: Path) -> None:
    """As in files over 2 GB, whose tables say where in the file a buffer lies."""
    file, weight = File(), drawn(1, (4, 6), FLOAT)
    x, y = file.tensor("x", (1, 6)), file.tensor("y", (1, 4))
    file.op("FULLY_CONNECTED", [x, file.constant("w", weight)], [y], "FullyConnectedOptions")
    tree = unpacked(file.bytes([x], [y]))
    buffer = next(b for b in tree.buffers if b.data is not None)
    buffer.data, buffer.offset, buffer.size = None, 1 << 20, weight.nbytes
    data = packed(tree).ljust(1 << 20, b"\0") + weight.tobytes()

    agree(data, {"x": drawn(2, (1, 6), FLOAT)}, tmp_path)
    with pytest.raises(QregError, match="ends at byte"):
        model_of(data[:-1], tmp_path)


def test_16_bit_activations_are_computed_as_real_numbers(tmp_path: Path) -> None:
    """The sums are small enough for float32 to hold them; LiteRT's multiplier has 16 bits."""
    file = File()
    scales = np.random.default_rng(0).uniform(0.01, 0.02, 6).astype(np.float32)
    x = file.activation("x", (1, 4, 5, 3), "int16")
    w = file.constant("w", drawn(1, (6, 3, 3, 3), "int8"), scale=scales)
    b = file.constant("b", drawn(2, (6,), "int64"), scale=np.float32(0.001) * scales)
    y = file.tensor("y", (1, 4, 5, 6), "int16", 0.002, 0)
    file.op(
        "CONV_2D", [x, w, b], [y], "Conv2DOptions", version=4, padding=SAME, strideH=1, strideW=1,
        dilationHFactor=1, dilationWFactor=1, fusedActivationFunction=1,
    )  # fmt: skip

    agree(file.bytes([x], [y]), {"x": drawn(3, (1, 4, 5, 3), "int16")}, tmp_path, steps=1)


def unmapped(file: File, inputs: list[int], outputs: list[int], folder: Path) -> list[ir.Node]:
    model = model_of(file.bytes(inputs, outputs), folder)
    return [n for n in model.graph if n.domain == "tflite"]


def test_an_operator_without_a_form_is_kept_counted_as_unknown_and_not_emitted(
    tmp_path: Path,
) -> None:
    file = File()
    x, y, z = (file.tensor(n, (1, 4, 5, 6)) for n in "xyz")
    file.op("LOCAL_RESPONSE_NORMALIZATION", [x], [y], "LocalResponseNormalizationOptions",
            radius=2, bias=1.0, alpha=0.1, beta=0.5)  # fmt: skip
    file.op("My op*/", [y], [z])
    c = conv(file, z, (4, 5), (6, 2), "c")

    (first, second) = unmapped(file, [x], [c], tmp_path)
    path = tmp_path / "m.tflite"
    counted = qreg.count(path)

    assert first.attributes["reason"].as_string() == "it has no ONNX form here"
    assert (first.attributes["index"].as_int(), second.attributes["index"].as_int()) == (0, 1)
    assert second.op_type == "My_op__"
    assert [u.op for u in counted.unknown] == [
        "tflite.LOCAL_RESPONSE_NORMALIZATION", "tflite.My_op__",
    ]  # fmt: skip
    assert counted.totals["macs"] == 4 * 5 * 2 * 9 * 6
    with pytest.raises(QregError, match=r"tflite\.LOCAL_RESPONSE_NORMALIZATION"):
        qreg.emit(path)


def test_the_reason_names_what_is_in_the_way(tmp_path: Path) -> None:
    def reason(name: str, options: str = "", **values: object) -> str:
        file = File()
        x, y = file.tensor("x", (1, 4, 5, 6)), file.tensor("y", (1, 6, 7, 6))
        pads = file.constant("p", ints([0, 0], [1, 1], [1, 1], [0, 0]))
        inputs = [x, pads] if name == "MIRROR_PAD" else [x, x]
        file.op(name, inputs, [y], options, **values)
        (node,) = unmapped(file, [x], [y], tmp_path)
        return node.attributes["reason"].as_string()

    assert reason("MIRROR_PAD", "MirrorPadOptions", mode=1) == (
        "it mirrors with the border repeated"
    )
    assert reason("ADD", "AddOptions", fusedActivationFunction=SIGN_BIT) == (
        "fused activation SIGN_BIT"
    )
    assert reason("PAD") == "its padding is computed at run time"


def test_integers_without_a_usable_scale_are_named(tmp_path: Path) -> None:
    file = File()
    x, y = file.tensor("x", (1, 6), "int8"), file.tensor("y", (1, 6), "int8", np.nan, 0)
    z = file.activation("z", (1, 6), "int8")
    file.op("TANH", [x], [z])
    file.op("TANH", [z], [y])

    reasons = [n.attributes["reason"].as_string() for n in unmapped(file, [x], [y], tmp_path)]

    assert reasons == [
        "tensor 'x' is int8 without a scale",
        "tensor 'y': it has a scale that is no positive number",
    ]


def test_names_of_a_file_stay_names(tmp_path: Path) -> None:
    file = File()
    x = file.tensor(EVIL, (1, 4, 5, 3))
    c = conv(file, x, (4, 5), (3, 6), EVIL)
    y = file.tensor(b"\xff\xfe", (1, 4, 5, 6))
    file.op("ADD", [c, c], [y], "AddOptions")

    model = model_of(file.bytes([x], [y]), tmp_path)
    verified = qreg.verify(tmp_path / "m.tflite", images=1)

    names = [n.metadata_props[LAYER] for n in model.graph]
    assert len(set(names)) == len(names)
    assert all(name.isprintable() for name in names)
    shown = "".join(c if c.isprintable() else "_" for c in EVIL)
    assert [v.name for v in (*model.graph.inputs, *model.graph.outputs)] == [shown, "__"]
    assert verified.agreeing == 1


def test_equal_and_empty_names_become_different_ones(tmp_path: Path) -> None:
    file = File()
    x, a, b = file.tensor("", (1, 3)), file.tensor("same", (1, 3)), file.tensor("same", (1, 3))
    y = file.tensor("", (1, 3))
    file.op("EXP", [x], [a])
    file.op("EXP", [a], [b])
    file.op("ADD", [a, b], [y], "AddOptions")

    model = model_of(file.bytes([x], [y, a]), tmp_path)

    layers = [n.metadata_props[LAYER] for n in model.graph]
    assert len(set(layers)) == 3
    assert [v.name for v in model.graph.outputs] == ["output_3", "same"]


def test_an_input_given_back_and_an_output_twice_are_copied(tmp_path: Path) -> None:
    file = File()
    x, y = file.tensor("x", (1, 3)), file.tensor("y", (1, 3))
    file.op("EXP", [x], [y])
    data = file.bytes([x], [y, x, y])

    model = model_of(data, tmp_path)

    assert [v.name for v in model.graph.outputs] == ["y", "x#2", "y#2"]
    assert ops_of(model) == ["Exp", "Identity", "Identity"]
