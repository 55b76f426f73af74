"""Parameters equal ONNX Runtime's own quantiser's, and ONNX Runtime runs the result."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from quant_models import (
    Array,
    Bench,
    bench,
    network,
    node,
    outputs,
    parameters,
    runtime_quantised,
    values,
)

from qreg_numerics.interpret import interpret
from qreg_onnx.runtime import session

TYPES = (("int8", "int8"), ("uint8", "int8"), ("uint8", "uint8"))


def depthwise() -> onnx.ModelProto:
    """Grouped, strided, dilated and padded convolutions, one without bias; Clip(0, 6)."""
    return network(
        [
            node("Conv", "x a.weight a.bias", "a", pads=[1, 0, 2, 1], strides=[2, 1]),
            node("Clip", "a zero six", "a6"),
            node("Conv", "a6 b.weight", "b", group=6, pads=[1, 1, 1, 1]),
            node("Relu", "b", "br"),
            node("Conv", "br c.weight c.bias", "c", group=3, dilations=[1, 2]),
            node("GlobalAveragePool", "c", "g"),
            node("Flatten", "g", "f"),
            node("Gemm", "f d.weight d.bias", "y", transB=1),
        ],
        (1, 3, 9, 8), "y",
        a_weight=values(6, 3, 3, 2), a_bias=values(6), zero=np.float32(0), six=np.float32(6),
        b_weight=values(6, 1, 3, 3), c_weight=values(9, 2, 1, 2), c_bias=values(9),
        d_weight=values(5, 9), d_bias=values(5),
    )  # fmt: skip


def residual() -> onnx.ModelProto:
    """A Relu with two readers, a residual Add, pooling, padding, a constant operand, softmax."""
    return network(
        [
            node("Conv", "x a.weight a.bias", "a", pads=[1, 1, 1, 1]),
            node("Relu", "a", "ar"),
            node("Conv", "ar b.weight b.bias", "b", pads=[1, 1, 1, 1]),
            node("Add", "b ar", "s"),
            node("Relu", "s", "sr"),
            node("MaxPool", "sr", "m", kernel_shape=[2, 2], strides=[2, 2]),
            node("Pad", "m pads", "p"),
            node("AveragePool", "p", "v", kernel_shape=[3, 2], strides=[2, 1]),
            node("Add", "v offset", "o"),
            node("Transpose", "o", "t", perm=[0, 2, 3, 1]),
            node("Reshape", "t flat", "f"),
            node("Gemm", "f c.weight c.bias", "z"),
            node("Softmax", "z", "y"),
        ],
        (1, 3, 8, 6), "y",
        a_weight=values(4, 3, 3, 3), a_bias=values(4), b_weight=values(4, 4, 3, 3), b_bias=values(4),
        pads=np.array([0, 0, 1, 0, 0, 0, 0, 1]), offset=values(1, 4, 1, 1),
        flat=np.array([1, -1]), c_weight=values(24, 7), c_bias=values(7),
    )  # fmt: skip


def attention() -> onnx.ModelProto:
    """Products with a constant and of two activations, softmax inside, three dimensions."""
    return network(
        [
            node("MatMul", "x q.weight", "q0"),
            node("Add", "q0 q.bias", "q"),
            node("MatMul", "x k.weight", "k"),
            node("Transpose", "k", "kt", perm=[0, 2, 1]),
            node("MatMul", "q kt", "l"),
            node("Softmax", "l", "p", axis=-1),
            node("MatMul", "p x", "y"),
        ],
        (1, 5, 6), "y", q_weight=values(6, 4), q_bias=values(4), k_weight=values(6, 4),
    )  # fmt: skip


NETWORKS = {"depthwise": depthwise, "residual": residual, "attention": attention}


@pytest.fixture(params=[*NETWORKS, "resnet8"])
def floats(request: pytest.FixtureRequest, tmp_path: Path, resnet8: Path) -> Bench:
    if request.param != "resnet8":
        return bench(tmp_path, NETWORKS[request.param]())
    images = np.load(resnet8.with_name("digits_calibration.npz"))["image"][:20]
    return bench(tmp_path, resnet8, image=images)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("act", "weight"), TYPES)
def test_every_parameter_equals_quantize_static(
    floats: Bench, act: str, weight: str, per_channel: bool
) -> None:
    granularity = "channel" if per_channel else "tensor"

    ours = floats.quantize({"act": act, "weight": weight, "granularity": granularity}).model

    assert ours is not None
    theirs = parameters(runtime_quantised(floats, act, weight, per_channel))
    found = parameters(ir.to_proto(ours))
    assert found.keys() == theirs.keys()
    for name, (op, constants) in theirs.items():
        assert found[name][0] == op
        for index, (mine, wanted) in enumerate(zip(found[name][1], constants, strict=True)):
            moved = op == "QLinearConv" and index in (3, 5) and per_channel and weight == "uint8"
            _equal(_moved(mine) if moved else mine, wanted, f"{name} input {index}")


def _moved(weights: Array | None) -> Array:
    """int8 of uint8: per channel it falls back to int8, which saturates on some processors."""
    assert weights is not None and weights.dtype == np.uint8
    return (weights.astype(np.int16) - 128).astype(np.int8)


def _equal(mine: object, wanted: object, where: str) -> None:
    if wanted is None:
        assert mine is None, where
        return
    assert isinstance(mine, np.ndarray) and isinstance(wanted, np.ndarray), where
    assert mine.dtype == wanted.dtype and mine.shape == wanted.shape, where
    np.testing.assert_array_equal(mine, wanted, where)


@pytest.mark.parametrize(("act", "weight"), TYPES)
def test_the_model_is_valid_and_computes_the_same_with_optimisations(
    floats: Bench, act: str, weight: str
) -> None:
    made = floats.quantize({"act": act, "weight": weight}).model

    assert made is not None
    onnx.checker.check_model(ir.to_proto(made))
    (plain,), (optimised,) = outputs(made, floats.data), outputs(made, floats.data, optimise=True)
    np.testing.assert_array_equal(plain, optimised)
    (real,) = outputs(floats.model, floats.data)
    noise = ((plain - real) ** 2).mean() / ((real - real.mean()) ** 2).mean()
    assert noise < 0.01  # 20 dB, far from what a wrong graph gives


@pytest.mark.parametrize(("act", "weight"), TYPES)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_references_give_every_tensor_of_the_model_to_the_bit(
    tmp_path: Path, name: str, act: str, weight: str
) -> None:
    floats = bench(tmp_path, NETWORKS[name](), samples=4)
    made = floats.quantize({"act": act, "weight": weight, "symmetric": act == "int8"}).model
    assert made is not None
    tensors = [str(v.name) for n in made.graph for v in n.outputs]
    proto = ir.to_proto(made)
    final = {v.name for v in proto.graph.output}
    proto.graph.output.extend(onnx.ValueInfoProto(name=n) for n in tensors if n not in final)
    ready = session(proto, optimise=False)

    for x in floats.data["x"]:
        expected = dict(zip([o.name for o in ready.get_outputs()], ready.run(None, {"x": x[None]}),
                            strict=True))  # fmt: skip
        found = interpret(made, {"x": x[None]}, floats.installed, keep=tensors)
        for tensor in tensors:
            np.testing.assert_array_equal(found[tensor], expected[tensor], tensor)


def test_the_example_keeps_its_accuracy_and_shrinks_to_a_third(
    tmp_path: Path, resnet8: Path
) -> None:
    images = np.load(resnet8.with_name("digits_calibration.npz"))["image"]
    test = np.load(resnet8.with_name("digits_test.npz"))
    floats = bench(tmp_path, resnet8, image=images)

    outcome = floats.quantize()

    assert outcome.model is not None
    right = [
        (outputs(m, {"image": test["image"]}, optimise=True)[0].argmax(1) == test["label"]).mean()
        for m in (floats.model, outcome.model)
    ]
    assert right[1] >= right[0] - 0.005
    size = len(ir.to_proto(outcome.model).SerializeToString())
    assert outcome.record.model_bytes == size < outcome.record.float_bytes / 3
