"""Every shortcut handler against brute force: what is known holds however the rest is filled in."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from qreg import api
from qreg.records import OpCall, Tensor
from qreg.specs import ShortcutHandlerSpec
from qreg_channels.state import State, constant, state
from qreg_onnx.evaluate import Evaluator

Array = NDArray[np.generic]
RNG = np.random.default_rng()  # reset by every test
FILLINGS = 12
QUANTISED = (np.float32(0.25), np.int8(3))  # scale and zero-point of tests' 8-bit tensors


def numbers(*shape: int, zeros: float = 0.0) -> Array:
    """Positive and negative, a share of them exactly zero."""
    found = RNG.normal(size=shape).astype(np.float32)
    return np.where(RNG.random(shape) < zeros, np.float32(0), found)


def integers(*shape: int, zero: int = 3, zeros: float = 0.0) -> Array:
    found = RNG.integers(-128, 128, shape).astype(np.int8)
    return np.where(RNG.random(shape) < zeros, np.int8(zero), found)


def partly(value: Array, share: float = 0.6) -> State:
    """Whole channels known, whole channels live, and some in between."""
    known = RNG.random(value.shape) < share
    known[:, 0] = True
    known[:, -1] = False
    return state(value, known, 3 if value.dtype == np.int8 else 0)


def by_rows(value: Array) -> State:
    """All known in the first of the first axis, some elsewhere."""
    known = RNG.random(value.shape) < 0.6
    known[0] = True
    return state(value, known, 3 if value.dtype == np.int8 else 0)


def call_of(
    target: str, operands: Sequence[State | Array | None], attributes: Mapping[str, object],
    opset: int, evaluate: Evaluator,
) -> tuple[OpCall, tuple[State | None, ...]]:  # fmt: skip
    """The call with its shapes, and a state for every operand; arrays are stored."""
    inputs: list[Tensor | None] = []
    states: list[State | None] = []
    for index, operand in enumerate(operands):
        found = constant(operand) if isinstance(operand, np.ndarray | np.generic) else operand
        states.append(found)
        stored = ir.tensor(found.value) if found is not None and found is not operand else None
        inputs.append(
            found and Tensor(f"i{index}", found.value.dtype.name, found.value.shape, stored)
        )
    dtype = next(t.dtype for t in inputs if t is not None)
    dtype = {"QuantizeLinear": "int8", "DequantizeLinear": "float32", "Where": "float32",
             "ConvInteger": "int32", "MatMulInteger": "int32"}.get(
        target.rpartition(".")[2], dtype
    )  # fmt: skip
    draft = OpCall(target, "node", tuple(inputs), (Tensor("y", dtype, ()),), attributes, "", opset)
    result = evaluate(draft, [None if s is None else s.value for s in states])[0]
    output = Tensor("y", result.dtype.name, result.shape)
    return OpCall(target, "node", tuple(inputs), (output,), attributes, "", opset), tuple(states)


def fillings(call: OpCall, states: Sequence[State | None], evaluate: Evaluator) -> Array:
    """Results for several ways to fill in what is live."""
    results = []
    for scale in (0.1, 1.0, 10.0) * (FILLINGS // 3):
        inputs: list[Array | None] = []
        for found in states:
            if found is None or found.is_constant:
                inputs.append(None if found is None else found.value)
                continue
            shape = found.value.shape
            fresh = integers(*shape) if found.value.dtype == np.int8 else scale * numbers(*shape)
            inputs.append(np.where(found.known, found.value, fresh.astype(found.value.dtype)))
        results.append(evaluate(call, inputs)[0])
    return np.stack(results)


SCALE, ZERO = QUANTISED
CONV = {"pads": (2, 0, 1, 1), "strides": (2, 1), "dilations": (1, 2), "group": 2}
LINEAR = {
    "grouped convolution": ("onnx.Conv", lambda: (
        partly(numbers(2, 4, 5, 6)), numbers(6, 2, 3, 2, zeros=0.7), numbers(6)), CONV, 20),
    "depthwise convolution": ("onnx.Conv", lambda: (
        partly(numbers(1, 4, 5, 5)), numbers(4, 1, 3, 3, zeros=0.7)),
        {"group": 4, "pads": (1, 1, 1, 1)}, 20),
    "convolution of one dimension, old opset": ("onnx.Conv", lambda: (
        partly(numbers(1, 4, 9)), numbers(3, 4, 3, zeros=0.9), numbers(3)), {}, 8),
    "gemm": ("onnx.Gemm", lambda: (
        partly(numbers(3, 8)), numbers(5, 8, zeros=0.7), numbers(5)),
        {"transB": 1, "alpha": -0.5, "beta": 2.0}, 20),
    "gemm of a transposed input": ("onnx.Gemm", lambda: (
        partly(numbers(8, 3)), numbers(8, 5, zeros=0.7)), {"transA": 1}, 20),
    "gemm with a computed bias": ("onnx.Gemm", lambda: (
        partly(numbers(3, 8)), np.zeros((8, 5), np.float32), partly(numbers(3, 5))), {}, 20),
    "linear over tokens": ("onnx.MatMul", lambda: (
        partly(numbers(2, 7, 8)), numbers(8, 5, zeros=0.7)), {}, 20),
    "product with a stored left side": ("onnx.MatMul", lambda: (
        numbers(4, 7, zeros=0.6), partly(numbers(2, 7, 3))), {}, 20),
    "product of two activations": ("onnx.MatMul", lambda: (
        partly(numbers(2, 4, 6, zeros=0.6), 0.8), partly(numbers(2, 6, 5, zeros=0.6), 0.8)), {}, 20),
    "batch norm with a dead scale": ("onnx.BatchNormalization", lambda: (
        partly(numbers(2, 4, 3)), np.array([1.5, 0, -2, 0], np.float32), numbers(4), numbers(4),
        np.abs(numbers(4))), {}, 20),
    "average pool": ("onnx.AveragePool", lambda: (partly(numbers(1, 4, 6, 7), 0.8),),
        {"kernel_shape": (2, 3), "pads": (1, 0, 0, 2), "ceil_mode": 1, "strides": (2, 2)}, 20),
    "global average pool": ("onnx.GlobalAveragePool", lambda: (partly(numbers(2, 4, 3, 3)),), {}, 20),
    "sum with broadcasting": ("onnx.Add", lambda: (
        partly(numbers(2, 4, 3)), partly(numbers(1, 4, 1))), {}, 20),
    "transpose": ("onnx.Transpose", lambda: (partly(numbers(2, 4, 3)),), {"perm": (1, 2, 0)}, 20),
    "reshape": ("onnx.Reshape", lambda: (
        partly(numbers(2, 4, 3)), np.array([0, -1], np.int64)), {}, 20),
    "flatten": ("onnx.Flatten", lambda: (partly(numbers(2, 4, 3)),), {"axis": 2}, 20),
    "slice with a negative step": ("onnx.Slice", lambda: (
        partly(numbers(2, 6, 5)), np.array([5, 0]), np.array([0, 5]), np.array([1, 2]),
        np.array([-2, 2])), {}, 20),
    "concatenation": ("onnx.Concat", lambda: (
        partly(numbers(2, 4, 3)), numbers(2, 1, 3), partly(numbers(2, 2, 3))), {"axis": 1}, 20),
    "constant padding": ("onnx.Pad", lambda: (
        partly(numbers(1, 4, 3)), np.array([0, 1, 2, 0, 3, 0]), np.float32(1.5)), {}, 20),
    "padding given by attributes": ("onnx.Pad", lambda: (partly(numbers(1, 4, 3)),),
        {"pads": (0, 1, 2, 0, 3, 0), "value": 0.5}, 10),
    "reflected padding": ("onnx.Pad", lambda: (
        partly(numbers(1, 4, 5)), np.array([0, 0, 2, 0, 0, 1])), {"mode": "reflect"}, 20),
    "quantised pool": ("com.microsoft.QLinearAveragePool", lambda: (
        partly(integers(1, 4, 6, 6), 0.9), SCALE, ZERO, SCALE, ZERO),
        {"kernel_shape": (2, 2), "strides": (2, 2)}, 1),
}  # fmt: skip
OTHERS = {
    "relu": ("onnx.Relu", lambda: (partly(numbers(2, 4, 3)),), {}, 20),
    "clip": ("onnx.Clip", lambda: (
        partly(numbers(2, 4, 3)), np.float32(-0.5), np.float32(0.5)), {}, 20),
    "clip of integers": ("onnx.Clip", lambda: (
        partly(integers(2, 4, 3)), np.int8(-20), np.int8(50)), {}, 20),
    "max pool": ("onnx.MaxPool", lambda: (partly(numbers(1, 4, 6, 6), 0.8),),
        {"kernel_shape": (2, 2), "strides": (1, 2), "pads": (1, 0, 0, 1)}, 20),
    "softmax": ("onnx.Softmax", lambda: (partly(numbers(4, 3, 2), 0.9),), {"axis": 2}, 20),
    "softmax before opset 13": ("onnx.Softmax", lambda: (by_rows(numbers(4, 3, 2)),), {}, 11),
    "quantising by channel": ("onnx.QuantizeLinear", lambda: (
        partly(numbers(2, 4, 3)), np.abs(numbers(4)) + np.float32(0.01),
        np.array([0, -5, 3, 7], np.int8)), {"axis": 1}, 20),
    "dequantising": ("onnx.DequantizeLinear", lambda: (
        partly(integers(2, 4, 3)), SCALE, ZERO), {}, 20),
    "quantised convolution": ("onnx.QLinearConv", lambda: (
        partly(integers(1, 4, 5, 6, zeros=0.5)), SCALE, ZERO,
        integers(6, 2, 3, 2, zero=0, zeros=0.7), np.full(6, 0.125, np.float32),
        np.zeros(6, np.int8), np.float32(4), np.int8(-128),
        RNG.integers(-99, 99, 6).astype(np.int32)), CONV, 20),
    "quantised convolution, weight zero-point": ("onnx.QLinearConv", lambda: (
        partly(integers(1, 4, 5, 5)), SCALE, ZERO, integers(3, 4, 3, 3, zero=9, zeros=0.9),
        np.float32(0.125), np.int8(9), np.float32(4), np.int8(5)), {}, 20),
    "quantised linear": ("com.microsoft.QGemm", lambda: (
        partly(integers(3, 8)), SCALE, ZERO, integers(5, 8, zero=0, zeros=0.8), np.float32(0.125),
        np.int8(0), np.zeros(5, np.int32), np.float32(4), np.int8(5)),
        {"transB": 1, "alpha": 1.0}, 1),
    "quantised product": ("onnx.QLinearMatMul", lambda: (
        partly(integers(2, 3, 8)), SCALE, ZERO, integers(8, 5, zero=0, zeros=0.8),
        np.full(5, 0.125, np.float32), np.zeros(5, np.int8), np.float32(4), np.int8(5)), {}, 20),
    "quantised sum": ("com.microsoft.QLinearAdd", lambda: (
        partly(integers(2, 4, 3)), SCALE, ZERO, partly(integers(2, 4, 3)), SCALE, ZERO,
        np.float32(0.5), np.int8(-7)), {}, 1),
    "quantised softmax": ("com.microsoft.QLinearSoftmax", lambda: (
        by_rows(integers(4, 3, 2)), SCALE, ZERO, np.float32(1 / 256), np.int8(-128)),
        {"axis": 1, "opset": 13}, 1),
    "quantised softmax before opset 13, default axis": ("com.microsoft.QLinearSoftmax", lambda: (
        partly(integers(4, 3, 2), 0.9), SCALE, ZERO, np.float32(1 / 256), np.int8(-128)),
        {"opset": 11}, 1),
}  # fmt: skip


@pytest.fixture(scope="module")
def evaluate() -> Evaluator:
    return Evaluator(api.catalogue())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", [*LINEAR, *OTHERS])
def test_what_a_handler_claims_holds_for_every_filling(
    case: str, seed: int, evaluate: Evaluator
) -> None:
    RNG.bit_generator.state = np.random.default_rng(seed).bit_generator.state
    target, operands, attributes, opset = (LINEAR | OTHERS)[case]
    call, states = call_of(target, operands(), attributes, opset, evaluate)
    entry = api.catalogue().choose(ShortcutHandlerSpec, target, opset)
    assert entry is not None

    (claimed,) = entry.spec.propagate.load()(call, states, evaluate)

    results = fillings(call, states, evaluate)
    same = (results == results[0]).all(axis=0)
    near = np.isclose(claimed.value.astype(float), results[0].astype(float), rtol=1e-5)
    assert claimed.known.any() and not claimed.known.all()
    assert np.all(near[claimed.known])
    assert np.all((results == claimed.value)[:, claimed.zeros])
    if np.issubdtype(results.dtype, np.integer):
        assert np.all(same[claimed.known])
        assert np.all(claimed.value[claimed.known] == results[0][claimed.known])
    if case in LINEAR:  # a linear op of numbers in general position hides nothing
        assert np.array_equal(claimed.known, same)
