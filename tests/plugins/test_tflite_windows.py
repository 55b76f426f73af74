"""Convolutions and pools of .tflite files against LiteRT: paddings, strides, multipliers, clamps."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import frozen

pytest.importorskip("tflite", reason="needs the tflite extra")
pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert (the test extra)")

from tflite_support import (
    REFERENCE,
    RELU,
    RELU6,
    RELU_N1_TO_1,
    SAME,
    VALID,
    Array,
    File,
    agree,
    drawn,
    model_of,
    ops_of,
    ours,
    theirs,
)

FLOAT, INT8 = "float32", "int8"


@frozen(kw_only=True)
class Conv:
    """One convolution; ``multiplier`` makes it depthwise."""

    image: tuple[int, int] = (9, 8)
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: int = SAME
    channels: int = 3
    filters: int = 4
    groups: int = 1
    multiplier: int = 0
    activation: int = 0
    grid: tuple[float, int] = (0.05, -5)  # of an int8 result
    batch: int = 2

    @property
    def result(self) -> tuple[int, ...]:
        filters = self.channels * self.multiplier or self.filters
        return (self.batch, *map(self._length, range(2)), filters)

    def _length(self, axis: int) -> int:
        size, stride = self.image[axis], self.stride[axis]
        reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1
        return -(-(size if self.padding == SAME else size - reach + 1) // stride)


CONVOLUTIONS = {
    "same padding": Conv(),
    "stride 2 on even sizes, the odd padding behind": Conv(image=(8, 10), stride=(2, 2)),
    "strides of two sizes": Conv(image=(8, 11), stride=(2, 3)),
    "dilation": Conv(image=(12, 13), dilation=(2, 3)),
    "no padding, a kernel of even size": Conv(kernel=(2, 4), padding=VALID, stride=(2, 1)),
    "one position": Conv(image=(1, 1), kernel=(1, 1)),
    "relu at the limit of the range": Conv(activation=RELU, grid=(0.05, -128)),
    "relu inside the range": Conv(activation=RELU, grid=(0.05, -20)),
    "relu6 inside the range": Conv(activation=RELU6, grid=(0.1, -20)),
    "relu6 at the limits of the range": Conv(activation=RELU6, grid=(6 / 255, -128)),
    "relu from -1 to 1": Conv(activation=RELU_N1_TO_1),
    "groups": Conv(channels=6, groups=2),
    "depthwise": Conv(multiplier=1),
    "depthwise, two results per channel": Conv(multiplier=2, image=(8, 6), stride=(2, 2)),
    "depthwise without padding": Conv(multiplier=1, kernel=(3, 5), padding=VALID),
}


def written(conv: Conv, kind: str, seed: int = 0) -> tuple[bytes, dict[str, Array]]:
    """The file, and a feed for it. int8 weights have one scale per result channel."""
    file, filters = File(), conv.result[-1]
    draw = np.random.default_rng(seed)
    depthwise = conv.multiplier > 0
    shape = (1, *conv.kernel, filters) if depthwise else (
        filters, *conv.kernel, conv.channels // conv.groups
    )  # fmt: skip
    image = (conv.batch, *conv.image, conv.channels)
    if kind == FLOAT:
        x, y = file.tensor("x", image), file.tensor("y", conv.result)
        w = file.constant("w", draw.normal(size=shape).astype(np.float32))
        b = file.constant("b", draw.normal(size=filters).astype(np.float32))
    else:
        scales = draw.uniform(0.01, 0.02, filters).astype(np.float32)
        x = file.tensor("x", image, INT8, 0.04, 3)
        y = file.tensor("y", conv.result, INT8, *conv.grid)
        weight = draw.integers(-127, 128, shape).astype(np.int8)
        w = file.constant("w", weight, scale=scales, axis=3 if depthwise else 0)
        bias = draw.integers(-2000, 2000, filters).astype(np.int32)
        b = file.constant("b", bias, scale=np.float32(0.04) * scales)
    options: dict[str, Any] = {
        "padding": conv.padding, "strideH": conv.stride[0], "strideW": conv.stride[1],
        "dilationHFactor": conv.dilation[0], "dilationWFactor": conv.dilation[1],
        "fusedActivationFunction": conv.activation,
    }  # fmt: skip
    if depthwise:
        options["depthMultiplier"] = conv.multiplier
        file.op("DEPTHWISE_CONV_2D", [x, w, b], [y], "DepthwiseConv2DOptions", **options)
    else:
        file.op("CONV_2D", [x, w, b], [y], "Conv2DOptions", **options)
    return file.bytes([x], [y]), {"x": drawn(seed + 1, image, kind)}


@pytest.mark.parametrize("kind", [FLOAT, INT8])
@pytest.mark.parametrize("conv", CONVOLUTIONS.values(), ids=list(CONVOLUTIONS))
def test_a_convolution_gives_what_litert_gives(conv: Conv, kind: str, tmp_path: Path) -> None:
    model = agree(*written(conv, kind), tmp_path)

    assert ("QLinearConv" if kind == INT8 else "Conv") in ops_of(model)


@pytest.mark.parametrize(
    ("name", "clamped"),
    [
        ("relu at the limit of the range", False),
        ("relu6 at the limits of the range", False),
        ("relu inside the range", True),
        ("relu6 inside the range", True),
    ],
)
def test_integers_are_clamped_only_where_the_type_does_not(
    name: str, clamped: bool, tmp_path: Path
) -> None:
    data, _ = written(CONVOLUTIONS[name], INT8)

    assert ("Clip" in ops_of(model_of(data, tmp_path))) == clamped


def test_the_reference_kernels_are_never_further_than_the_last_bit(tmp_path: Path) -> None:
    for seed, conv in enumerate(CONVOLUTIONS.values()):
        agree(*written(conv, INT8, seed), tmp_path, steps=1, kernels=REFERENCE)


@pytest.mark.parametrize("kind", [FLOAT, INT8])
@pytest.mark.parametrize(
    ("kernel", "result", "stride", "padding", "activation"),
    [
        ((3, 3), (6, 8), 2, SAME, 0),
        ((2, 2), (6, 8), 2, SAME, 0),
        ((5, 4), (6, 8), 2, SAME, RELU),
        ((3, 3), (5, 7), 2, SAME, 0),
        ((3, 3), (7, 9), 2, VALID, RELU6),
        ((2, 2), (9, 12), 3, VALID, 0),
        ((3, 3), (8, 10), 2, VALID, 0),
    ],
)
def test_a_transposed_convolution_gives_what_litert_gives(
    kernel: tuple[int, int], result: tuple[int, int], stride: int, padding: int, activation: int,
    kind: str, tmp_path: Path,
) -> None:  # fmt: skip
    file, draw = File(), np.random.default_rng(3)
    x = file.activation("x", (2, 3, 4, 3), kind)
    y = file.activation("y", (2, *result, 2), kind)
    if kind == FLOAT:
        w = file.constant("w", drawn(1, (2, *kernel, 3), kind))
        b = file.constant("b", drawn(2, (2,), kind))
    else:
        scales = draw.uniform(0.01, 0.02, 2).astype(np.float32)
        w = file.constant("w", drawn(1, (2, *kernel, 3), kind), scale=scales)
        b = file.constant("b", drawn(2, (2,), "int32"), scale=np.float32(0.05) * scales)
    size = file.constant("size", np.array([2, *result, 2], np.int32))
    file.op(
        "TRANSPOSE_CONV", [size, w, x, b], [y], "TransposeConvOptions", version=4,
        padding=padding, strideH=stride, strideW=stride, fusedActivationFunction=activation,
    )  # fmt: skip

    feed = {"x": drawn(4, (2, 3, 4, 3), kind)}
    agree(file.bytes([x], [y]), feed, tmp_path, steps=1)


POOLS = {
    "same padding, stride 2": ((3, 2), (2, 2), SAME, (5, 4), 0),
    "same padding, stride 1": ((3, 3), (1, 1), SAME, (9, 8), 0),
    "no padding": ((3, 2), (1, 2), VALID, (7, 4), 0),
    "relu6": ((3, 2), (1, 2), VALID, (7, 4), RELU6),
    "the whole image": ((9, 8), (1, 1), VALID, (1, 1), 0),
}


def pool(name: str, case: str, kind: str) -> tuple[bytes, dict[str, Array]]:
    kernel, stride, padding, result, activation = POOLS[case]
    file = File()
    x = file.activation("x", (2, 9, 8, 3), kind)
    y = file.activation("y", (2, *result, 3), kind)
    file.op(
        name, [x], [y], "Pool2DOptions", padding=padding, filterHeight=kernel[0],
        filterWidth=kernel[1], strideH=stride[0], strideW=stride[1],
        fusedActivationFunction=activation,
    )  # fmt: skip
    return file.bytes([x], [y]), {"x": drawn(5, (2, 9, 8, 3), kind)}


@pytest.mark.parametrize("kind", [FLOAT, INT8, "uint8", "int16"])
@pytest.mark.parametrize("case", POOLS)
def test_a_max_pool_gives_what_litert_gives(case: str, kind: str, tmp_path: Path) -> None:
    agree(*pool("MAX_POOL_2D", case, kind), tmp_path)


@pytest.mark.parametrize("kind", [FLOAT, INT8, "uint8", "int16"])
@pytest.mark.parametrize("case", POOLS)
def test_an_average_pool_gives_what_litert_gives(case: str, kind: str, tmp_path: Path) -> None:
    model = agree(*pool("AVERAGE_POOL_2D", case, kind), tmp_path, steps=1)

    form = "GlobalAveragePool" if case == "the whole image" else "AveragePool"
    assert any(op.endswith(form) for op in ops_of(model))


def test_integer_averages_differ_only_at_halves(tmp_path: Path) -> None:
    """Of two taps half the means are a half; LiteRT rounds it away from zero, the other to even."""
    file = File()
    x, y = (file.activation(n, (1, 1, s, 64), INT8) for n, s in (("x", 2), ("y", 1)))
    file.op(
        "AVERAGE_POOL_2D", [x], [y], "Pool2DOptions", padding=VALID, filterHeight=1,
        filterWidth=2, strideH=1, strideW=1,
    )  # fmt: skip
    data, feed = file.bytes([x], [y]), {"x": drawn(6, (1, 1, 2, 64), INT8)}

    differs = ours(model_of(data, tmp_path), feed)[0] != theirs(data, feed)[0]

    halves = feed["x"].astype(int).sum(axis=2, keepdims=True) % 2 == 1
    assert differs.any()
    assert not (differs & ~halves).any()


def test_a_convolution_over_volumes_gives_what_litert_gives(tmp_path: Path) -> None:
    file = File()
    x, y = file.tensor("x", (1, 4, 5, 6, 2)), file.tensor("y", (1, 2, 5, 6, 4))
    w, b = (file.constant(n, drawn(7, s, FLOAT)) for n, s in (("w", (3, 2, 3, 2, 4)), ("b", (4,))))
    file.op(
        "CONV_3D", [x, w, b], [y], "Conv3DOptions", padding=SAME, strideD=2, strideH=1, strideW=1,
        dilationDFactor=1, dilationHFactor=1, dilationWFactor=1,
    )  # fmt: skip

    agree(file.bytes([x], [y]), {"x": drawn(8, (1, 4, 5, 6, 2), FLOAT)}, tmp_path)
