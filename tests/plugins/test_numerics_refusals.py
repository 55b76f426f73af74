"""What the references do not know is refused by name, and says what is known."""

import numpy as np
import pytest
from numerics_cases import Case, by_reference

from qreg.errors import QregError
from qreg.records import OpCall, Tensor
from qreg_numerics import shapes

ONE, ZERO, UZERO = np.float32(1), np.int8(0), np.uint8(0)
X = np.ones((1, 2, 4, 4), np.int8)
W = np.ones((2, 2, 1, 1), np.int8)
CONV = (X, ONE, ZERO, W, ONE, ZERO, ONE, ZERO)
POOL = (X, ONE, ZERO, ONE, ZERO)


def call(target: str, *tensors: np.ndarray, **attributes: object) -> OpCall:
    inputs = tuple(Tensor(f"i{n}", t.dtype.name, t.shape) for n, t in enumerate(tensors))
    return OpCall(target, "block.layer", inputs, (), attributes)


@pytest.mark.parametrize(
    ("target", "inputs", "attributes", "finding"),
    [
        (
            "onnx.QLinearConv",
            (*CONV[:5], np.array([0, 1], np.int8), *CONV[6:]),
            {},
            "w_zero_point differs by channel; ONNX Runtime takes one for all",
        ),
        (
            "onnx.QLinearConv",
            (X, np.ones(2, np.float32), *CONV[2:]),
            {},
            "x_scale has 2 elements; ONNX Runtime takes one",
        ),
        (
            "onnx.QLinearConv",
            (X.astype(np.int16), *CONV[1:]),
            {},
            "x is int16; its arithmetic is known for int8 and uint8",
        ),
        (
            "onnx.QLinearConv",
            CONV,
            {"group": 2},
            (
                "x [1, 2, 4, 4] and w [2, 2, 1, 1] with group 2 do not fit; expected (N, C, ...) and "
                "(M, C / group, ...)"
            ),
        ),
        (
            "onnx.QLinearConv",
            CONV,
            {"auto_pad": "SAME_UPPER", "strides": (4, 4)},
            (
                "auto_pad SAME_UPPER needs negative pads (the stride exceeds the kernel), on which "
                "ONNX Runtime's own operators disagree; write the pads out"
            ),
        ),
        (
            "onnx.QLinearConv",
            CONV,
            {"strides": (2,)},
            "strides has 1 entries where the kernel asks for 2",
        ),
        (
            "com.microsoft.QLinearAveragePool",
            POOL,
            {"kernel_shape": (2, 2), "channels_last": 1},
            "channels_last is 1; only NCHW is known, as models are stored",
        ),
        (
            "com.microsoft.QLinearAveragePool",
            POOL,
            {"kernel_shape": (5, 2)},
            "a kernel that reaches over 5 does not fit 4 + pads",
        ),
        (
            "com.microsoft.QLinearGlobalAveragePool",
            (X, ONE, ZERO, np.float32(2.0**-13), ZERO),
            {},
            (
                "x_scale / (y_scale * 16 positions) is 512; ONNX Runtime takes 2^-32 to 256, and fewer "
                "than 2^24 positions"
            ),
        ),
        (
            "com.microsoft.QLinearSoftmax",
            POOL,
            {},
            "attribute opset is missing; ONNX Runtime requires it",
        ),
        (
            "onnx.QuantizeLinear",
            (X.astype(np.float16), np.float16(1), ZERO),
            {},
            "x is float16; its arithmetic is known for float32",
        ),
        (
            "onnx.DequantizeLinear",
            (X, np.ones(3, np.float32)),
            {},
            "scale or zero point has shape [3] where axis 1 of x has 2 channels",
        ),
        ("onnx.DequantizeLinear", (X,), {}, "input 1 (x_scale) is missing"),
    ],
)
def test_a_refusal_names_the_node_and_what_would_do(
    target: str, inputs: tuple[np.ndarray, ...], attributes: dict[str, object], finding: str
) -> None:
    arrays = tuple(np.asarray(a) for a in inputs)

    with pytest.raises(QregError) as caught:
        by_reference(Case(target, arrays), call(target, *arrays, **attributes))

    assert str(caught.value) == f"node 'block.layer' ({target}): {finding}"


def test_shape_rules_refuse_what_does_not_fit() -> None:
    a, b = np.ones((2, 3), np.uint8), np.ones((4, 5), np.uint8)
    gemm = call("com.microsoft.QGemm", a, ONE, UZERO, b, ONE, UZERO)
    add = call("com.microsoft.QLinearAdd", a, ONE, UZERO, b, ONE, UZERO)
    pool = call("com.microsoft.QLinearAveragePool", a, kernel_shape=(2, 2))

    with pytest.raises(QregError, match=r"A \[2, 3\] and B \[4, 5\] do not fit"):
        shapes.qgemm(gemm)
    with pytest.raises(QregError, match=r"A \[2, 3\] and B \[4, 5\] do not broadcast"):
        shapes.broadcast(add)
    with pytest.raises(QregError, match=r"kernel_shape \[2, 2\] does not fit X \[2, 3\]"):
        shapes.average_pool(pool)


def test_channels_last_average_pooling_has_its_shape_though_no_reference() -> None:
    pool = call("com.microsoft.QLinearAveragePool", np.ones((2, 9, 8, 3), np.int8),
                kernel_shape=(3, 2), strides=(3, 2), channels_last=1)  # fmt: skip

    assert shapes.average_pool(pool) == (("int8", (2, 3, 4, 3)),)
