"""A whole quantised network, node by node, equals ONNX Runtime on every tensor."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from qreg.api import catalogue, load
from qreg.errors import QregError
from qreg.records import Array
from qreg_numerics.interpret import interpret
from qreg_numerics.platform import unclaimed
from qreg_onnx.evaluate import Evaluator
from qreg_onnx.graph import op_calls
from qreg_onnx.runtime import session

EXAMPLES = Path(__file__).parents[2] / "examples"
IMAGES = 4


class Images:
    """What ONNX Runtime's quantiser calibrates with."""

    def __init__(self, images: Array) -> None:
        self.feeds: Iterator[dict[str, Array]] = iter([{"image": i[None]} for i in images])

    def get_next(self) -> dict[str, Array] | None:
        return next(self.feeds, None)


@pytest.fixture(scope="module")
def images() -> Array:
    with np.load(EXAMPLES / "digits_test.npz") as data:
        return data["image"]


def quantised(source: Path, target: Path, activations: str, per_channel: bool) -> onnx.ModelProto:
    """The example network as ONNX Runtime's own quantiser makes it, in QOperator form."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

        with np.load(EXAMPLES / "digits_calibration.npz") as data:
            reader = Images(data["image"][:20])
        quantize_static(
            source, target, reader,
            quant_format=QuantFormat.QOperator,
            activation_type=QuantType[activations],
            weight_type=QuantType.QInt8,
            per_channel=per_channel,
        )  # fmt: skip
    return onnx.load(target)


@pytest.mark.parametrize(
    ("activations", "per_channel"), [("QInt8", True), ("QInt8", False), ("QUInt8", True)]
)
def test_every_tensor_of_resnet8_equals_onnx_runtime(
    activations: str, per_channel: bool, resnet8: Path, images: Array, tmp_path: Path
) -> None:
    proto = quantised(resnet8, tmp_path / "int8.onnx", activations, per_channel)
    model = load(proto)
    calls = op_calls(model)
    assert sum(c.op == "QLinearConv" for c in calls) == 9
    if unclaimed(calls):
        pytest.skip("this machine's ONNX Runtime uses another arithmetic than the one claimed")
    names = [t.name for call in calls for t in call.outputs]
    proto.graph.output.extend(
        onnx.ValueInfoProto(name=n) for n in names if n not in {o.name for o in proto.graph.output}
    )
    oracle, optimised = session(proto, optimise=False), session(ir.to_proto(model))
    evaluate = Evaluator(catalogue())

    for image in images[:IMAGES]:
        feed = {"image": image[None]}
        ours = interpret(model, feed, catalogue(), keep=names, evaluate=evaluate)
        theirs = dict(
            zip([o.name for o in oracle.get_outputs()], oracle.run(None, feed), strict=True)
        )
        assert ours.keys() == theirs.keys()
        for name in names:
            assert ours[name].dtype == theirs[name].dtype, name
            assert np.array_equal(ours[name], theirs[name]), name
        (fused,) = optimised.run(None, feed)
        assert np.array_equal(ours[str(model.graph.outputs[0].name)], fused)


def test_only_outputs_and_what_is_kept_come_back(resnet8: Path, images: Array) -> None:
    model = load(resnet8)
    output = str(model.graph.outputs[0].name)
    inner = op_calls(model)[2].output.name

    alone = interpret(model, {"image": images[:1]}, catalogue())
    more = interpret(model, {"image": images[:1]}, catalogue(), keep=[inner, "image"])

    assert set(alone) == {output}
    assert set(more) == {output, inner, "image"}
    assert np.array_equal(more["image"], images[:1])


def test_a_feed_that_does_not_fit_is_refused(resnet8: Path, images: Array) -> None:
    model = load(resnet8)
    image = images[:1]
    for feed, finding in [
        ({}, "input 'image' is float32 [1, 3, 32, 32]: nothing was given for it"),
        (
            {"image": image.astype(np.float64)},
            "input 'image' is float32 [1, 3, 32, 32]: it was given float64 [1, 3, 32, 32]",
        ),
        (
            {"image": images[:2]},
            "input 'image' is float32 [1, 3, 32, 32]: it was given float32 [2, 3, 32, 32]",
        ),
        ({"imago": image}, "the model has no input 'imago'; did you mean 'image'?"),
    ]:
        with pytest.raises(QregError) as caught:
            interpret(model, feed, catalogue())
        assert str(caught.value) == finding
    with pytest.raises(QregError, match="computes no tensor 'imagg'; did you mean 'image'"):
        interpret(model, {"image": image}, catalogue(), keep=["imagg"])
