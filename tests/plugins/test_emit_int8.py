"""8-bit ops in C against ONNX Runtime, bit for bit: ties, extreme zero points, every form.

Scales that are powers of two and their multiples put many sums exactly between two integers, where
a wrong rounding rule shows; random scales alone would not tell.
"""

from pathlib import Path

import numpy as np
import pytest
from emit_support import Constant, Node, compare, const

MICROSOFT = "com.microsoft"
TYPES = {"s": np.int8, "u": np.uint8}
PAIRS = ["uu", "us", "ss"]  # activations and weights, as ONNX Runtime has them


class Draw:
    """Operands of quantised nodes, from one seed."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)

    def tensor(self, kind: str, *shape: int) -> np.ndarray:
        limits = np.iinfo(TYPES[kind])
        return self.generator.integers(limits.min, limits.max + 1, shape).astype(TYPES[kind])

    def zero(self, kind: str) -> Constant:
        """Extreme as often as in between."""
        limits = np.iinfo(TYPES[kind])
        middle = self.generator.integers(limits.min, limits.max + 1)
        return const(self.generator.choice([limits.min, limits.max, middle]), TYPES[kind])

    def weight_zero(self, kind: str, *shape: int) -> Constant:
        """One number; ONNX Runtime's signed weights are symmetric."""
        number = 0 if kind == "s" else self.generator.integers(0, 256)
        return const(np.full(shape, number), TYPES[kind])

    def tie_scale(self) -> Constant:
        return const(2.0 ** -self.generator.integers(1, 5))

    def scales(self, *shape: int) -> Constant:
        return const(
            2.0 ** -self.generator.integers(3, 9, shape) * self.generator.choice([1, 3, 5], shape)
        )


CONVOLUTIONS = [
    ((1, 3, 8, 9), (4, 3, 3, 3), {"pads": [1, 1, 1, 1]}),
    ((2, 4, 7, 10), (6, 2, 3, 2), {"pads": [0, 1, 2, 0], "group": 2, "strides": [2, 1]}),
    ((1, 6, 9, 9), (6, 1, 3, 3), {"group": 6, "dilations": [2, 2], "pads": [2, 2, 2, 2]}),
    ((1, 4, 8, 8), (4, 4, 2, 4), {"auto_pad": "SAME_UPPER"}),
    ((1, 4, 8, 8), (4, 4, 2, 4), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    ((2, 8, 5, 7), (10, 8, 1, 1), {}),
    ((1, 3, 17), (5, 3, 4), {"strides": [3], "pads": [2, 1]}),
    ((1, 2, 6, 6), (4, 2, 3, 3), {"auto_pad": "VALID", "strides": [2, 3]}),
]


@pytest.mark.parametrize("pair", PAIRS)
def test_convolutions(pair: str, tmp_path: Path) -> None:
    draw, (a, w) = Draw(1), pair
    nodes = []
    for per_channel in (False, True):
        for x, weight, attributes in CONVOLUTIONS:
            channels = (weight[0],) if per_channel else ()
            inputs = [
                draw.tensor(a, *x), draw.tie_scale(), draw.zero(a),
                Constant(draw.tensor(w, *weight)), draw.scales(*channels),
                draw.weight_zero(w, *channels), const(0.5), draw.zero(a),
            ]  # fmt: skip
            if per_channel:
                inputs.append(const(draw.generator.integers(-9999, 9999, weight[0]), np.int32))
            nodes.append(Node("QLinearConv", inputs, attributes))
    compare(nodes, tmp_path)


@pytest.mark.parametrize("pair", PAIRS)
def test_linear_layers(pair: str, tmp_path: Path) -> None:
    draw, (a, w) = Draw(2), pair
    nodes = []
    for _ in range(3):
        left = [draw.tensor(a, 5, 7), draw.tie_scale(), draw.zero(a)]
        turned = [draw.tensor(a, 7, 5), draw.tie_scale(), draw.zero(a)]
        out = [const(0.25), draw.zero(a)]
        bias = const(draw.generator.integers(-999, 999, 9), np.int32)
        matrix = const(draw.generator.integers(-999, 999, (5, 9)), np.int32)
        b = Constant(draw.tensor(w, 7, 9))
        per_column = [Constant(draw.tensor(w, 9, 7)), draw.scales(9), draw.weight_zero(w, 9)]
        one = [b, draw.scales(), draw.weight_zero(w)]
        nodes += [
            Node("QGemm", [*left, *per_column, bias, *out], {"transB": 1}, MICROSOFT),
            Node("QGemm", [*turned, *one, None, *out], {"transA": 1, "alpha": 0.7}, MICROSOFT),
            Node("QGemm", [*left, *one, matrix], {"alpha": 1.3}, MICROSOFT),  # real output
            Node("QGemm", [*left, draw.tensor(w, 7, 9), *one[1:], None, *out], {}, MICROSOFT),
            Node("QLinearMatMul", [*left, b, draw.scales(9), draw.weight_zero(w, 9), *out]),
            Node("QLinearMatMul", [*left, b, draw.scales(9), Constant(draw.tensor(w, 9)), *out]),
            Node("QLinearMatMul", [draw.tensor(a, 2, 3, 5, 7), *left[1:], draw.tensor(w, 3, 7, 4),
                                   draw.scales(), draw.zero(w), *out]),
            Node("QLinearMatMul", [draw.tensor(a, 2, 5, 7), *left[1:], *one, *out]),
        ]  # fmt: skip
    compare(nodes, tmp_path)


BROADCASTS = [
    ((64, 64), (64, 64)), ((1,), (300,)), ((300,), (1,)), ((4, 1), (5,)), ((5,), (4, 1)),
    ((2, 3, 4, 5), (3, 1, 1)), ((3, 1, 1), (2, 3, 4, 5)), ((1,), (1,)), ((5, 1), (1,)),
    ((1,), (5, 1)), ((1, 1), (5, 1)), ((2, 1, 3), (2, 4, 3)), ((), (7,)), ((7,), ()),
]  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
def test_additions_in_either_role_of_the_operands(kind: str, tmp_path: Path) -> None:
    draw = Draw(3)
    nodes = []
    for _ in range(5):
        for a, b in BROADCASTS:
            left = [draw.tensor(kind, *a), draw.tie_scale(), draw.zero(kind)]
            right = [draw.tensor(kind, *b), draw.tie_scale(), draw.zero(kind)]
            out = [const(draw.generator.choice([0.25, 0.5, 0.3])), draw.zero(kind)]
            nodes.append(Node("QLinearAdd", [*left, *right, *out], {}, MICROSOFT))
    constant = [Constant(draw.tensor(kind, 3, 1)), draw.tie_scale(), draw.zero(kind)]
    nodes.append(Node("QLinearAdd", [*constant, *left, *out], {}, MICROSOFT))
    compare(nodes, tmp_path)


POOLS = [
    ((1, 2, 8, 9), {"kernel_shape": [2, 3], "strides": [2, 2]}),
    ((2, 2, 7, 6), {"kernel_shape": [3, 3], "pads": [1, 0, 1, 2]}),
    ((1, 2, 8, 8), {"kernel_shape": [2, 4], "auto_pad": "SAME_UPPER"}),
    ((1, 3, 11), {"kernel_shape": [3], "strides": [2], "pads": [1, 1]}),
    ((1, 2, 7, 10), {"kernel_shape": [3, 3], "strides": [2, 3], "pads": [1] * 4, "ceil_mode": 1}),
    ((2, 40, 5, 4), {"kernel_shape": [5, 4]}),  # the whole image: another arithmetic
    ((1, 2, 5, 4), {"kernel_shape": [5, 4], "pads": [1, 1, 1, 1]}),  # and with pads not
]  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
def test_average_pools(kind: str, tmp_path: Path) -> None:
    draw = Draw(4)
    nodes = []
    for scale in (0.125, 0.25, 0.2):
        quantised = [const(0.25), draw.zero(kind), const(scale), draw.zero(kind)]
        for shape, attributes in POOLS:
            for padded in (0, 1):
                counted = {**attributes, "count_include_pad": padded}
                inputs = [draw.tensor(kind, *shape), *quantised]
                nodes.append(Node("QLinearAveragePool", inputs, counted, MICROSOFT))
        inputs = [draw.tensor(kind, 2, 30, 8, 4), *quantised]
        nodes.append(Node("QLinearGlobalAveragePool", inputs, {"channels_last": 0}, MICROSOFT))
    compare(nodes, tmp_path)


@pytest.mark.parametrize("kind", TYPES)
def test_softmax_on_any_axis_and_where_its_product_overflows(kind: str, tmp_path: Path) -> None:
    draw = Draw(5)
    nodes = []
    forms = [((3, 10), 1, 13), ((2, 3, 7), -1, 13), ((2, 5, 3), 1, 13), ((2, 5, 3), 1, 11),
             ((4, 1), -1, 13), ((4, 300), -1, 12), ((2, 4, 9), None, 13),
             ((2, 4, 9), None, 11)]  # fmt: skip
    for y_scale in (1 / 256, 1 / 255, 0.01, 0.5):
        for shape, axis, opset in forms:
            lowest = const(np.iinfo(TYPES[kind]).min, TYPES[kind])
            zero = draw.generator.choice(np.array([lowest, draw.zero(kind)], object))
            x_scale = const(draw.generator.choice([0.02, 0.1, 0.5]))
            inputs = [draw.tensor(kind, *shape), x_scale, draw.zero(kind), const(y_scale), zero]
            given = {"opset": opset} if axis is None else {"axis": axis, "opset": opset}
            nodes.append(Node("QLinearSoftmax", inputs, given, MICROSOFT))
    compare(nodes, tmp_path)


@pytest.mark.parametrize("kind", TYPES)
def test_the_boundary_with_real_numbers(kind: str, tmp_path: Path) -> None:
    draw = Draw(6)
    ties = np.arange(-300, 300) * 0.25
    special = [np.nan, np.inf, -np.inf, 1e30, -1e30, -0.0]
    x = np.concatenate([draw.generator.standard_normal(500) * 60, ties, special]).astype(np.float32)
    nodes = []
    for scale in (0.5, 0.3, 1 / 3, 1e-20):
        nodes.append(Node("QuantizeLinear", [x, const(scale), draw.zero(kind)]))
        tensor = draw.tensor(kind, 2, 3, 4)
        nodes.append(Node("DequantizeLinear", [tensor, const(scale), draw.zero(kind)]))
    block, scales = x[:240].reshape(2, 3, 40), draw.generator.uniform(0.1, 2, 3)
    per_axis = [const(scales), Constant(draw.tensor(kind, 3))]
    nodes.append(Node("QuantizeLinear", [block, *per_axis], {"axis": 1}))
    nodes.append(Node("DequantizeLinear", [draw.tensor(kind, 4, 2, 3), *per_axis], {"axis": -1}))
    nodes.append(Node("QuantizeLinear", [x, const(0.3)]))
    compare(nodes, tmp_path)


def test_sums_beyond_32_bits_wrap_as_the_hardware_does(tmp_path: Path) -> None:
    # 70,000 products of 255 * 255 pass 2^31 twice; the C must not overflow a signed integer.
    k = 70_000
    a, b = np.full((1, k), 255, np.uint8), np.full((k, 2), 255, np.uint8)
    b[:, 1] = 1
    zero = const(0, np.uint8)
    out = [const(2.0**20), const(128, np.uint8)]
    inputs = [a, const(1.0), zero, Constant(b), const(1.0), zero, *out]
    window = np.full((1, 1100, 8, 8), 255, np.uint8)
    weight = Constant(np.full((1, 1100, 8, 8), 255, np.uint8))
    conv = [window, const(1.0), zero, weight, const(1.0), zero, *out]
    compare([Node("QLinearMatMul", inputs), Node("QLinearConv", conv)], tmp_path)
