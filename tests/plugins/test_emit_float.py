"""Float ops in C against ONNX Runtime, many nodes in one program.

Limits are ULP of an output's largest number: a handful for sums of a few dozen products, none for
ops that round once or move data.
"""

from pathlib import Path

import numpy as np
import pytest
from emit_support import Array, Node, compare, const

SUMS = 16.0


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(11)


def _normal(generator: np.random.Generator, *shape: int) -> Array:
    return generator.standard_normal(shape).astype(np.float32)


CONVOLUTIONS = [
    ((1, 3, 8, 9), (4, 3, 3, 3), {"pads": [1, 1, 1, 1]}),
    ((2, 4, 7, 10), (6, 2, 3, 2), {"pads": [0, 1, 2, 0], "group": 2, "strides": [2, 1]}),
    ((2, 6, 9, 7), (6, 1, 3, 3), {"group": 6, "dilations": [2, 2], "pads": [2, 1, 2, 3]}),
    ((1, 3, 9, 8), (12, 1, 2, 3), {"group": 3, "strides": [1, 3], "pads": [0, 2, 1, 1]}),
    ((1, 4, 8, 8), (4, 4, 2, 4), {"auto_pad": "SAME_UPPER"}),
    ((1, 4, 8, 8), (4, 4, 2, 4), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    ((1, 2, 6, 6), (4, 2, 3, 3), {"auto_pad": "VALID", "strides": [2, 3]}),
    ((2, 8, 5, 7), (10, 8, 1, 1), {}),
    ((1, 5, 13, 13), (6, 5, 1, 1), {"strides": [2, 2]}),
    ((1, 3, 17), (5, 3, 4), {"strides": [3], "pads": [2, 1]}),
    ((2, 3, 17), (6, 1, 4), {"group": 3, "dilations": [2]}),
    ((1, 2, 3, 300), (4, 2, 1, 3), {"pads": [0, 1, 0, 1]}),
    ((1, 1, 12, 5), (3, 1, 10, 4), {"strides": [2, 2], "pads": [4, 1, 5, 1]}),
    ((1, 2, 4, 4), (2, 2, 3, 3), {"pads": [2, 2, 2, 2], "dilations": [3, 3]}),
]


def test_convolutions_of_every_form(generator: np.random.Generator, tmp_path: Path) -> None:
    nodes = []
    for x, w, attributes in CONVOLUTIONS:
        weight, bias = const(_normal(generator, *w)), const(_normal(generator, w[0]))
        nodes.append(Node("Conv", [_normal(generator, *x), weight, bias], attributes))
        nodes.append(Node("Conv", [_normal(generator, *x), weight], attributes))
    compare(nodes, tmp_path, ulp=SUMS)


def test_linear_layers_and_products(generator: np.random.Generator, tmp_path: Path) -> None:
    def n(*shape: int) -> Array:
        return _normal(generator, *shape)

    scaled = {"transA": 1, "transB": 1, "alpha": 0.5, "beta": -2.0}
    nodes = [
        Node("Gemm", [n(3, 5), const(n(5, 4)), const(n(4))]),
        Node("Gemm", [n(5, 3), const(n(4, 5)), const(n(3, 1))], scaled),
        Node("Gemm", [n(3, 5), n(4, 5), const(n(1))], {"transB": 1}),
        Node("Gemm", [const(n(3, 5)), n(5, 4)]),
        Node("Gemm", [n(3, 5), n(5, 4), n(3, 4)], {"beta": 0.25}),
        Node("MatMul", [n(3, 5), const(n(5, 4))]),
        Node("MatMul", [n(2, 3, 5), n(2, 5, 4)]),
        Node("MatMul", [n(2, 1, 3, 5), n(4, 5, 6)]),
        Node("MatMul", [n(5), const(n(5, 4))]),
        Node("MatMul", [n(2, 3, 5), const(n(5))]),
        Node("MatMul", [n(2, 3, 5), const(n(5, 7))]),
        Node("MatMul", [n(3, 5), const(n(2, 5, 7))]),
        Node("MatMul", [n(5), n(5)]),
    ]
    compare(nodes, tmp_path, ulp=SUMS)


def _pools(generator: np.random.Generator, dilated: bool) -> list[Node]:
    forms = [
        ((1, 2, 8, 9), {"kernel_shape": [2, 3], "strides": [2, 2]}),
        ((2, 2, 7, 6), {"kernel_shape": [3, 3], "pads": [1, 0, 1, 2]}),
        ((1, 2, 7, 10), {"kernel_shape": [3, 3], "strides": [2, 3], "pads": [1] * 4,
                          "ceil_mode": 1}),
        ((1, 2, 8, 8), {"kernel_shape": [2, 4], "auto_pad": "SAME_UPPER"}),
        ((1, 2, 8, 8), {"kernel_shape": [2, 4], "auto_pad": "SAME_LOWER", "strides": [2, 1]}),
        ((1, 3, 11), {"kernel_shape": [3], "strides": [2], "pads": [1, 1]}),
        ((2, 2, 5, 3), {"kernel_shape": [5, 3]}),
        ((1, 1, 4, 4), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    ]  # fmt: skip
    if dilated:
        forms += [
            ((1, 2, 9, 9), {"kernel_shape": [3, 2], "dilations": [2, 3]}),
            ((1, 1, 10, 9), {"kernel_shape": [3, 3], "dilations": [2, 2], "pads": [1, 1, 1, 1],
                             "strides": [2, 2], "ceil_mode": 1}),
        ]  # fmt: skip
    nodes = []
    for shape, attributes in forms:
        nodes.append(Node("AveragePool", [_normal(generator, *shape)], attributes))
        padded = {**attributes, "count_include_pad": 1}
        nodes.append(Node("AveragePool", [_normal(generator, *shape)], padded))
    return nodes


@pytest.mark.parametrize("opset", [13, 20, 22])
def test_average_pools(generator: np.random.Generator, tmp_path: Path, opset: int) -> None:
    nodes = _pools(generator, dilated=opset >= 19)
    nodes.append(Node("GlobalAveragePool", [_normal(generator, 2, 3, 5, 4)]))
    compare(nodes, tmp_path, opset, ulp=4)


def test_max_pools_of_floats_and_integers(generator: np.random.Generator, tmp_path: Path) -> None:
    nodes = []
    for node in _pools(generator, dilated=True):
        if "count_include_pad" in node.attributes:
            continue
        (x,) = node.inputs
        assert isinstance(x, np.ndarray)
        nodes.append(Node("MaxPool", [-np.abs(x)], node.attributes))
        if x.ndim == 4 and "dilations" not in node.attributes:
            nodes.append(Node("MaxPool", [(x * 40).astype(np.int8)], node.attributes))
            nodes.append(Node("MaxPool", [np.abs(x * 40).astype(np.uint8)], node.attributes))
    compare(nodes, tmp_path)


def test_elementwise_ops_are_exact(generator: np.random.Generator, tmp_path: Path) -> None:
    def n(*shape: int) -> Array:
        return _normal(generator, *shape)

    special = np.float32([np.nan, np.inf, -np.inf, -0.0, 0.0, 1, -1, 3.4e38, 1e-42, -1e-42])
    small = generator.integers(-128, 128, 31).astype(np.int8)
    nodes = [
        Node("Add", [n(2, 3, 4), n(2, 3, 4)]),
        Node("Add", [n(2, 3, 4), n(3, 1)]),
        Node("Add", [n(3, 1), n(2, 1, 4)]),
        Node("Add", [const(n(3, 1, 1)), n(2, 3, 4, 5)]),
        Node("Add", [n(4), const(n(1))]),
        Node("Add", [n(), n(2, 2)]),
        Node("Relu", [n(3, 5)]),
        Node("Relu", [special]),
        Node("Clip", [n(3, 5), const(-0.5), const(0.25)]),
        Node("Clip", [special, const(-0.5), None]),
        Node("Clip", [special, None, const(0.5)]),
        Node("Clip", [n(9), const(2.0), const(-2.0)]),
        Node("Clip", [small, const(-5, np.int8), const(9, np.int8)]),
        Node("Clip", [small.view(np.uint8), const(5, np.uint8), None]),
    ]
    compare(nodes, tmp_path)


def test_moved_data_is_exact(generator: np.random.Generator, tmp_path: Path) -> None:
    def n(*shape: int) -> Array:
        return _normal(generator, *shape)

    def whole(*numbers: int) -> object:
        return const(numbers, np.int64)

    bytes_ = generator.integers(-128, 128, (2, 3)).astype(np.int8)
    nodes = [
        Node("Flatten", [n(2, 3, 4)], {"axis": 2}),
        Node("Reshape", [n(2, 3, 4), whole(4, -1)]),
        Node("Identity", [n(2, 3)]),
        Node("Squeeze", [n(1, 3, 1), whole(0)]),
        Node("Unsqueeze", [n(3), whole(0, 2)]),
        Node("Transpose", [n(2, 3, 4)], {"perm": [2, 0, 1]}),
        Node("Transpose", [n(2, 3, 4, 5)], {"perm": [0, 2, 3, 1]}),
        Node("Transpose", [n(2, 3, 4, 5)], {"perm": [3, 1, 0, 2]}),
        Node("Transpose", [bytes_]),
        Node("Transpose", [n(1, 3, 1, 2)], {"perm": [1, 0, 2, 3]}),
        Node("Pad", [n(2, 3, 4), whole(0, 1, 2, 1, 0, 3), const(2.5)]),
        Node("Pad", [n(2, 3, 4), whole(0, -1, 2, 1, 0, -2)]),
        Node("Pad", [n(2, 3, 4), whole(1, 2), const(-np.inf), whole(-2)]),
        Node("Pad", [bytes_, whole(1, 1, 1, 1), const(-128, np.int8)]),
    ]
    compare(nodes, tmp_path)  # type: ignore[arg-type]


def test_normalisation(generator: np.random.Generator, tmp_path: Path) -> None:
    def n(*shape: int) -> Array:
        return _normal(generator, *shape)

    channels = [const(n(3)), const(n(3)), const(n(3)), const(np.abs(n(3)))]
    nodes = [
        Node("BatchNormalization", [n(2, 3, 4, 5), *channels], {"epsilon": 1e-3}),
        Node("BatchNormalization", [n(2, 3), *channels]),
        Node("Softmax", [n(2, 3, 4) * 5]),
        Node("Softmax", [n(2, 3, 4) * 5], {"axis": 1}),
        Node("Softmax", [n(2, 3, 4) * 5], {"axis": 0}),
        Node("Softmax", [n(2, 30) * 1000], {"axis": -1}),
    ]
    compare(nodes, tmp_path, ulp=8)


def test_forms_of_older_operator_sets(generator: np.random.Generator, tmp_path: Path) -> None:
    # Before operator set 13 softmax normalises all axes from `axis` on, by default from 1.
    x = _normal(generator, 2, 3, 4) * 5
    nodes = [
        Node("Softmax", [x]),
        Node("Softmax", [x], {"axis": 0}),
        Node("Softmax", [x], {"axis": 2}),
        Node("Clip", [x], {"min": -0.5}),
        Node("Pad", [x], {"pads": [1, 0, 0, 2, 1, 0], "value": 0.5}),
    ]
    compare(nodes, tmp_path, opset=10, ulp=8)


def test_weights_that_are_no_numbers_stay_what_they_are(
    generator: np.random.Generator, tmp_path: Path
) -> None:
    weight = _normal(generator, 4, 3, 3, 3)
    weight[0, 0], weight[1, 1], weight[2, 2, 0, 0] = np.nan, np.inf, -np.inf
    nodes = [Node("Conv", [_normal(generator, 1, 3, 6, 6), const(weight)])]
    compare(nodes, tmp_path, ulp=SUMS)
