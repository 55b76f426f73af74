"""Shortcut handlers on ONNX's ops: what is known holds however the rest is filled in."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from rule_support import MANY, Array, Maker, claims, fillings, missed, without_doubt, wrong

from qreg import api
from qreg.records import OpCall, Tensor
from qreg_channels.state import State, constant, state
from qreg_onnx.evaluate import Evaluator

Case = tuple[str, Callable[[Maker], Sequence[Any]], dict[str, Any], dict[str, Any]]
SCALE, ZERO = np.float32(0.25), np.int8(3)  # of the tests' 8-bit tensors
LIMIT = 7  # rows of the tables that live indices look into


def images(m: Maker, channels: int = 6) -> State:
    return m.partly(m.numbers(2, channels, 6, 4, zeros=0.3))


def one(
    op: str, *rest: Any, opset: int = 20, dtypes: Sequence[str] = (), **attributes: Any
) -> Case:
    """A node on images and constants."""
    return op, lambda m: (images(m), *map(np.asarray, rest)), attributes, {
        "opset": opset, "dtypes": dtypes}  # fmt: skip


def node(
    op: str, operands: Callable[[Maker], Sequence[Any]], opset: int = 20,
    dtypes: Sequence[str] = (), **attributes: Any,
) -> Case:  # fmt: skip
    return op, operands, attributes, {"opset": opset, "dtypes": dtypes}


def two(op: str, **more: Any) -> Case:
    return node(op, lambda m: (images(m), m.partly(m.numbers(1, 6, 1, 4, zeros=0.4))), **more)


def truths(op: str) -> Case:
    return node(op, lambda m: (m.partly(m.truths(3, 5)), m.partly(m.truths(3, 5))))


def recurrent(op: str, gates: int, content: int, **attributes: Any) -> Case:
    """Both directions; of five units two have content 0, one of them from the other."""

    def operands(m: Maker) -> Sequence[Any]:
        known = np.zeros((3, 2, 4), np.bool_)
        known[..., 0] = True
        data = state(np.zeros((3, 2, 4), np.float32), known)
        weight, inner = m.numbers(2, gates, 5, 4), m.numbers(2, gates, 5, 5)
        bias = m.numbers(2, 2, gates, 5)
        for array in (weight, inner):
            array[:, content, :2] = 0
        bias[:, :, content, :2] = 0
        weight[:, content, 1, 0] = 1.5  # reads the input that is always zero,
        inner[:, content, 1, 0] = -2.0  # and the other unit
        return data, weight.reshape(2, -1, 4), inner.reshape(2, -1, 5), bias.reshape(2, -1)

    dtypes = ["float32"] * (3 if op == "LSTM" else 2)
    return node(op, operands, dtypes=dtypes, direction="bidirectional", hidden_size=5, **attributes)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


NONE = np.array([], np.float32)
COMPLETE: dict[str, Case] = {
    "split": one("Split", ints(1, 3, 2), axis=1, dtypes=["float32"] * 3),
    "split in parts": one("Split", axis=1, num_outputs=3, dtypes=["float32"] * 3),
    "split before opset 13": one("Split", axis=1, split=(2, 4), opset=11, dtypes=["float32"] * 2),
    "tile": one("Tile", ints(1, 2, 1, 3)),
    "expand": one("Expand", ints(3, 1, 6, 6, 4)),
    "gather": one("Gather", ints(5, 0, 0), axis=1),
    "gather elements": node("GatherElements", lambda m: (m.partly(m.numbers(3, 5)),
                            np.array([[4, 0], [1, -1]])), axis=1),
    "gather tuples": node("GatherND", lambda m: (m.partly(m.numbers(3, 5, 2)),
                          np.array([[0, 4], [2, 0]]))),
    "scatter": node("ScatterElements", lambda m: (m.partly(m.numbers(3, 5)),
                    np.array([[4, 0], [1, 2]]), m.partly(m.numbers(2, 2))), axis=1),
    "scatter tuples": node("ScatterND", lambda m: (m.partly(m.numbers(3, 5)),
                           np.array([[2], [0]]), m.partly(m.numbers(2, 5)))),
    "depth to space": node("DepthToSpace", lambda m: (images(m, 8),), blocksize=2, mode="CRD"),
    "space to depth": one("SpaceToDepth", blocksize=2),
    "squeeze": node("Squeeze", lambda m: (m.partly(m.numbers(2, 3, 1, 4)), ints(2))),
    "unsqueeze": one("Unsqueeze", ints(0, 3)),
    "identity": one("Identity"),
    "dropout": one("Dropout", np.float32(0.5), np.bool_(False)),
    "dropout before opset 12": one("Dropout", ratio=0.5, opset=10),
    "reverse sequence": node("ReverseSequence", lambda m: (
        m.partly(m.numbers(5, 4, 3)), ints(5, 3, 1, 2)), batch_axis=1, time_axis=0),
    "edge padding": one("Pad", ints(0, 1, 2, 0, 0, 0, 1, 1), mode="edge"),
    "wrapped padding": one("Pad", ints(0, 1, 2, 0, 0, 0, 1, 1), mode="wrap"),
    "padding of named axes": one("Pad", ints(1, 2), np.float32(0.5), ints(1)),
    "lower triangle": one("Trilu", ints(1)[0], upper=0),
    "nearest neighbours": one("Resize", NONE, NONE, ints(2, 6, 12, 4), mode="nearest"),
    "nearest neighbours, rounded down": one(
        "Resize", NONE, np.array([1, 1, 1.5, 2.5], np.float32), mode="nearest", nearest_mode="floor",
        coordinate_transformation_mode="asymmetric"),
    "bilinear": one("Resize", NONE, NONE, ints(2, 6, 9, 5), mode="linear"),
    "bilinear, corners aligned": one("Resize", NONE, NONE, ints(2, 6, 11, 7), mode="linear",
                                     coordinate_transformation_mode="align_corners"),
    "bicubic": one("Resize", NONE, NONE, ints(2, 6, 9, 7), mode="cubic"),
    "upsampling": one("Upsample", np.array([1, 1, 2, 3], np.float32), opset=9, mode="nearest"),
    "cast to double": one("Cast", to=11, dtypes=["float64"]),
    "cast like": node("CastLike", lambda m: (images(m), m.partly(m.truths(3, 4)).value.astype(np.float64)),
                      dtypes=["float64"]),
    **{f"activation: {op}": one(op, **more) for op, more in (
        ("Sigmoid", {}), ("Tanh", {}), ("Elu", {"alpha": 0.5}), ("Selu", {}), ("Celu", {"alpha": 2.0}),
        ("Softplus", {}), ("Softsign", {}), ("LeakyRelu", {"alpha": 0.1}), ("Erf", {}), ("Exp", {}),
        ("Neg", {}), ("Sin", {}), ("Mish", {}), ("Gelu", {"approximate": "tanh"}), ("Gelu", {}),
        ("Atan", {}), ("com.microsoft.Gelu", {"opset": 1}), ("com.microsoft.QuickGelu", {"opset": 1}))},
    "biased gelu": node("com.microsoft.BiasGelu", lambda m: (m.partly(m.numbers(3, 5, 4)), m.numbers(4)),
                        opset=1),
    "prelu": one("PRelu", np.array([[[0.5]], [[2]], [[-1]], [[0.1]], [[3]], [[0.2]]], np.float32)),
    "subtract": two("Sub"),
    "multiply": two("Mul"),
    "divide": node("Div", lambda m: (images(m), m.partly(m.positive(1, 6, 1, 4)))),
    "add three": node("Sum", lambda m: (images(m), images(m), m.numbers(6, 1, 1))),
    "add four": node("Sum", lambda m: (images(m), images(m), images(m), images(m))),
    "mean of three": node("Mean", lambda m: (images(m), images(m), m.numbers(6, 1, 1))),
    "choice": node("Where", lambda m: (m.partly(m.truths(1, 6, 6, 4)), images(m), images(m))),
    "and": truths("And"), "or": truths("Or"), "xor": truths("Xor"),
    **{op: node(op, lambda m: (m.partly(m.numbers(2, 6, 6, 4), 0.8),), axes=(2, 3), keepdims=0, opset=13)
       for op in ("ReduceMean", "ReduceL2", "ReduceLogSumExp", "ReduceSumSquare", "ReduceProd", "ReduceL1")},
    "sum over axes": node("ReduceSum", lambda m: (m.partly(m.numbers(2, 6, 6, 4), 0.8), ints(-1, 2))),
    "mean over axes": node("ReduceMean", lambda m: (m.partly(m.numbers(2, 6, 6, 4), 0.8), ints(3))),
    "nothing to sum": one("ReduceSum", noop_with_empty_axes=1),
    "running sum": node("CumSum", lambda m: (m.partly(m.numbers(2, 6, 4), 0.8), np.int32(1)), reverse=1,
                        exclusive=1),
    "p pool": node("LpPool", lambda m: (m.partly(m.numbers(2, 3, 6, 4), 0.8),), kernel_shape=(2, 2), p=2),
    "average over places, padded": node("AveragePool", lambda m: (m.partly(m.numbers(2, 3, 6, 4), 0.8),),
        kernel_shape=(3, 2), pads=(1, 0, 2, 1), count_include_pad=1, strides=(2, 1)),
    "transposed convolution": node("ConvTranspose", lambda m: (
        images(m), m.numbers(6, 2, 3, 2, zeros=0.8), m.numbers(4)), group=2, strides=(2, 1),
        pads=(1, 0, 0, 1), output_padding=(1, 0)),
    "einsum": node("Einsum", lambda m: (images(m), m.numbers(6, 4, zeros=0.8)), equation="bchw,cd->bdhw"),
    "trace": node("Einsum", lambda m: (m.exact(m.numbers(4, 4), 0.9),), equation="ii->i"),
    "whole product": node("MatMulInteger", lambda m: (
        m.partly(m.integers(3, 8)), m.integers(8, 5, zero=2, zeros=0.8), np.int8(3), np.int8(2)),
        dtypes=["int32"]),
    "whole product by column": node("MatMulInteger", lambda m: (
        m.partly(m.integers(2, 3, 8), axis=2), columnwise(m), np.int8(-7), np.arange(5).astype(np.int8)),
        dtypes=["int32"]),
    "whole convolution": node("ConvInteger", lambda m: (
        m.partly(unsigned(m, 1, 4, 5, 5)), unsigned(m, 3, 4, 2, 2, zero=4, zeros=0.9), np.uint8(9),
        np.uint8(4)), pads=(1, 0, 0, 1), dtypes=["int32"]),
    "layer norm": node("LayerNormalization", lambda m: (
        m.partly(m.numbers(4, 2, 5), 0.6, 0), m.numbers(2, 5, zeros=0.5), m.numbers(2, 5)), axis=1),
    "group norm": node("GroupNormalization", lambda m: (grouped(m), m.numbers(6, zeros=0.4), m.numbers(6)),
                       opset=21, num_groups=3),
    "group norm before opset 21": node("GroupNormalization", lambda m: (
        grouped(m), np.array([1, 0, -2], np.float32), m.numbers(3)), opset=18, num_groups=3),
    "instance norm": node("InstanceNormalization", lambda m: (
        m.channels(m.numbers(2, 6, 4, 3)), m.numbers(6, zeros=0.3), m.numbers(6))),
    "softmax": node("Softmax", lambda m: (m.partly(m.numbers(4, 5), 0.9, 0),)),
    "log softmax": node("LogSoftmax", lambda m: (m.partly(m.numbers(4, 5), 0.9, 0),)),
    "table and live indices": node("Gather", lambda m: (columns(m, 7, 6), live_indices(2, 3)), axis=0),
    "elements and live indices": node("GatherElements", lambda m: (columns(m, 7, 6), live_indices(3, 6)),
                                      axis=0),
    "tuples and live indices": node("GatherND", lambda m: (columns(m, 7, 6), live_indices(3, 1))),
    "quantised product of elements": node("com.microsoft.QLinearMul", lambda m: (
        m.partly(m.integers(3, 6, zeros=0.4)), SCALE, ZERO, m.partly(m.integers(3, 6, zeros=0.4)),
        SCALE, ZERO, np.float32(0.5), np.int8(-7)), opset=1),
    "quantised concatenation": node("com.microsoft.QLinearConcat", lambda m: (
        np.float32(0.5), np.int8(-7), m.partly(m.integers(2, 4, 3)), SCALE, ZERO,
        m.partly(m.integers(2, 3, 3)), np.float32(0.4), np.int8(1)), opset=1, axis=1, dtypes=["int8"]),
    "padding of whole numbers": node("Pad", lambda m: (m.partly(m.integers(2, 4, 3)), ints(0, 1, 0, 0, 2, 1),
                                                       np.int8(3))),
    "shape": one("Shape", dtypes=["int64"]),
}  # fmt: skip
SOUND: dict[str, Case] = {
    **{f"hiding: {op} {more}": one(op, **more) for op, more in (
        ("Relu", {}), ("HardSigmoid", {}), ("HardSwish", {}), ("ThresholdedRelu", {"alpha": 0.3}),
        ("Shrink", {"lambd": 0.4, "bias": 0.2}), ("Abs", {}), ("Sqrt", {}), ("Log", {}), ("Reciprocal", {}),
        ("Floor", {}), ("Ceil", {}), ("Round", {}), ("Sign", {}), ("Tan", {}),
        ("Cast", {"to": 3, "dtypes": ["int8"]}), ("Cast", {"to": 9, "dtypes": ["bool"]}),
        ("Cast", {"to": 10, "dtypes": ["float16"]}), ("IsNaN", {"dtypes": ["bool"]}),
        ("GlobalMaxPool", {}), ("MaxPool", {"kernel_shape": (2, 2), "pads": (1, 0, 0, 1), "dtypes": [
            "float32", "int64"]}), ("ReduceMax", {"axes": (2, 3), "opset": 13}), ("ReduceMin", {"axes": (1,),
            "opset": 13}), ("ArgMax", {"axis": 1, "dtypes": ["int64"]}), ("Hardmax", {"axis": 2}),
        ("LpNormalization", {"axis": 3}))},
    "local response": one("LRN", size=3),
    "largest": one("TopK", ints(2), axis=1, dtypes=["float32", "int64"]),
    "clip": one("Clip", np.float32(-0.3), np.float32(0.6)),
    "clip to live limits": node("Clip", lambda m: (m.partly(m.numbers(3, 6)), np.float32(-0.3), m.live())),
    "greater": two("Greater", dtypes=["bool"]),
    "less or equal": two("LessOrEqual", dtypes=["bool"]),
    "equal": node("Equal", lambda m: (m.partly(m.numbers(3, 6, zeros=0.8)),
                                      m.partly(m.numbers(3, 6, zeros=0.8))), dtypes=["bool"]),
    "power": node("Pow", lambda m: (m.partly(m.numbers(3, 6)), np.float32(2))),
    "negative power": node("Pow", lambda m: (m.partly(m.numbers(3, 6, zeros=0.5)), np.float32(-1))),
    "multiply zeros that are not exact": node("Mul", lambda m: (
        m.partly(m.numbers(3, 6, zeros=0.8)), m.partly(m.numbers(3, 6, zeros=0.8)))),
    "divide by what may be zero": node("Div", lambda m: (
        m.partly(m.numbers(4, 6)), m.partly(m.numbers(4, 6, zeros=0.5)))),
    "remainder": node("Mod", lambda m: (m.partly(m.numbers(4, 6)), np.float32(0.7)), fmod=1),
    "whole remainder": node("Mod", lambda m: (m.partly(m.integers(4, 6)), np.int8(5))),
    "maximum of four": node("Max", lambda m: (images(m), images(m), images(m), images(m))),
    "masked softmax": node("Softmax", lambda m: (m.exact(minus_infinity(m, 4, 5), 0.8, 0),)),
    "dead inputs of a product": node("Gemm", lambda m: (
        m.partly(m.numbers(3, 8, zeros=0.8)), m.numbers(8, 5, zeros=0.8), m.partly(m.numbers(5)[None]))),
    **{f"fused convolution: {name}": node("com.microsoft.FusedConv", lambda m: (
        images(m), m.numbers(4, 6, 3, 2, zeros=0.95), m.numbers(4), m.partly(m.numbers(2, 4, 4, 3))),
        opset=1, activation=name, **({"activation_params": numbers} if numbers else {}))
       for name, numbers in (("Relu", ()), ("Clip", (-0.2, 0.4)), ("LeakyRelu", (0.1,)), ("Sigmoid", ()))},
    "fused linear": node("com.microsoft.FusedGemm", lambda m: (
        m.partly(m.numbers(3, 8)), m.numbers(8, 5, zeros=0.9), m.numbers(5)), opset=1,
        activation="LeakyRelu", activation_alpha=0.2, alpha=2.0),
    "fused product": node("com.microsoft.FusedMatMul", lambda m: (
        m.partly(m.numbers(3, 8)), m.numbers(5, 8, zeros=0.9)), opset=1, alpha=-0.5, transB=1),
    "skip and layer norm": node("com.microsoft.SkipLayerNormalization", lambda m: (
        m.partly(m.numbers(2, 4, 5), 0.8), m.partly(m.numbers(2, 4, 5), 0.8), m.numbers(5, zeros=0.4),
        m.numbers(5), m.numbers(5)), opset=1, dtypes=["float32"]),
    "skip and norm": node("com.microsoft.SkipSimplifiedLayerNormalization", lambda m: (
        m.partly(m.numbers(2, 4, 5), 0.8), m.partly(m.numbers(2, 4, 5), 0.8), m.numbers(5, zeros=0.4)),
        opset=1, dtypes=["float32"]),
    "fused attention": node("com.microsoft.MultiHeadAttention", lambda m: (
        m.live(2, 4, 6), m.live(2, 4, 6), values(m, 2, 4, 6), m.numbers(18)), opset=1, num_heads=2),
    "quantised sigmoid": node("com.microsoft.QLinearSigmoid", lambda m: (
        m.partly(m.integers(3, 6)), SCALE, ZERO, np.float32(1 / 128), np.int8(-128)), opset=1),
    "quantised leaky relu": node("com.microsoft.QLinearLeakyRelu", lambda m: (
        m.partly(m.integers(3, 6)), SCALE, ZERO, SCALE, np.int8(1)), opset=1, alpha=0.1),
    "sampling": node("GridSample", lambda m: (m.channels(m.numbers(2, 5, 4, 4)),
                                              m.partly(m.numbers(2, 3, 3, 2), axis=3)), mode="cubic"),
    "regions": node("RoiAlign", lambda m: (m.channels(m.numbers(2, 5, 6, 6)),
        np.abs(m.numbers(3, 4)) + np.array([0, 0, 3, 3], np.float32), ints(1, 0, 1)), output_height=2,
        output_width=2),
    "unpooling": node("MaxUnpool", lambda m: (m.channels(m.numbers(1, 5, 2, 2)), np.arange(20).reshape(
        1, 5, 2, 2) * 4), kernel_shape=(2, 2), strides=(2, 2)),
    "lstm": recurrent("LSTM", 4, 3), "gru": recurrent("GRU", 3, 2), "rnn": recurrent("RNN", 1, 0),
    "gru, reset before": recurrent("GRU", 3, 2, linear_before_reset=1),
    "lstm of another content": recurrent("LSTM", 4, 3, activations=("Sigmoid", "Sigmoid", "Tanh") * 2),
    "attention": node("Attention", lambda m: (
        m.live(2, 3, 4, 5), m.live(2, 3, 6, 5), values(m, 2, 3, 6, 5)), opset=23),
    "attention, heads side by side": node("Attention", lambda m: (
        m.live(2, 4, 12), m.live(2, 6, 6), values(m, 2, 6, 6)), opset=23, q_num_heads=4, kv_num_heads=2),
    "dynamic scale": node("DynamicQuantizeLinear", lambda m: (m.partly(m.numbers(3, 6)),),
                          dtypes=["uint8", "float32", "uint8"]),
    "places beyond": one("Resize", np.array([0, 0, -0.5, 0, 1, 1, 1.5, 1], np.float32), NONE,
        ints(2, 6, 9, 5), mode="linear", coordinate_transformation_mode="tf_crop_and_resize",
        extrapolation_value=0.5),
}  # fmt: skip


def columnwise(m: Maker) -> Array:
    """Many weights at the zero-point of their column, which is its number."""
    found = m.integers(8, 5)
    return np.where(m.rng.random((8, 5)) < 0.8, np.arange(5, dtype=np.int8), found)


def unsigned(m: Maker, *shape: int, zero: int = 9, zeros: float = 0.3) -> Array:
    found = m.rng.integers(0, 256, shape).astype(np.uint8)
    return np.where(m.rng.random(shape) < zeros, np.uint8(zero), found)


def grouped(m: Maker) -> State:
    """A group of zeros, one known roughly, one with a live channel."""
    value = m.numbers(2, 6, 4, 3)
    value[:, :2] = 0
    known = np.ones(value.shape, np.bool_)
    known[:, 5] = False
    error = np.zeros(value.shape, np.float32)
    error[:, 2:4] = 1e-3
    return state(value, known, 0, error)


def columns(m: Maker, rows: int, size: int) -> Array:
    table = m.numbers(rows, size)
    table[:, 0], table[:, 3] = 0.75, 0
    return table


def live_indices(*shape: int) -> State:
    return state(np.zeros(shape, np.int64), np.zeros(shape, np.bool_), None)


def values(m: Maker, *shape: int) -> State:
    value = m.numbers(*shape)
    value[..., 0], value[..., 1] = 0, value[..., :1, 1]
    known = np.zeros(shape, np.bool_)
    known[..., :3] = True
    return state(value, known)


def minus_infinity(m: Maker, *shape: int) -> Array:
    return np.where(m.truths(*shape), m.numbers(*shape), np.float32(-np.inf))


def onnx_call(
    target: str, operands: Sequence[Any], attributes: dict[str, Any], opset: int,
    dtypes: Sequence[str], evaluate: Evaluator,
) -> tuple[OpCall, tuple[State | None, ...]]:  # fmt: skip
    """The call with its shapes, and a state for every operand; arrays are stored."""
    states = tuple(o if isinstance(o, State) else constant(np.asarray(o)) for o in operands)
    inputs = tuple(
        Tensor(f"i{n}", s.value.dtype.name, s.value.shape, None if s is o else ir.tensor(s.value))
        for n, (s, o) in enumerate(zip(states, operands, strict=True))
    )
    names = dtypes or [inputs[0].dtype]
    if target in ("And", "Or", "Xor"):
        names = ["bool"]
    if target == "Where":
        names = [inputs[1].dtype]
    absent = tuple(None if t.shape == (0,) else t for t in inputs)
    target = target if "." in target else f"onnx.{target}"
    drafts = tuple(Tensor(f"y{n}", d, ()) for n, d in enumerate(names))
    draft = OpCall(target, "node", absent, drafts, attributes, "", opset)
    states = tuple(None if t is None else s for t, s in zip(absent, states, strict=True))
    made = evaluate(draft, [s and s.value for s in states])
    outputs = tuple(
        Tensor(t.name, a.dtype.name, a.shape) for t, a in zip(drafts, made, strict=True)
    )
    return OpCall(target, "node", absent, outputs, attributes, "", opset), states


@pytest.fixture(scope="module")
def evaluate() -> Evaluator:
    return Evaluator(api.catalogue())


def made(case: str, seed: int, evaluate: Evaluator) -> tuple[Maker, Any, Any]:
    m = Maker(np.random.default_rng([seed, *case.encode()]))
    target, operands, attributes, how = (COMPLETE | SOUND)[case]
    call, states = onnx_call(target, operands(m), attributes, how["opset"], how["dtypes"], evaluate)
    return m, call, states


@pytest.mark.parametrize("case", ["lstm", "gru", "rnn", "gru, reset before"])
def test_units_without_content_stay_at_zero(case: str, evaluate: Evaluator) -> None:
    _, call, states = made(case, 0, evaluate)

    result, *ends = claims(call, states, evaluate)

    assert np.flatnonzero(result.zeros.all((0, 1, 2))).tolist() == [0, 1]
    for end in ends:
        assert np.flatnonzero(end.zeros.all((0, 1))).tolist() == [0, 1]


def test_units_whose_content_is_not_zero_at_zero_are_live(evaluate: Evaluator) -> None:
    _, call, states = made("lstm of another content", 0, evaluate)

    assert all(found.is_live for found in claims(call, states, evaluate))


@pytest.mark.parametrize("case", [*COMPLETE, *SOUND])
def test_what_is_claimed_holds_for_every_filling(case: str, evaluate: Evaluator) -> None:
    for seed in range(3):
        m, call, states = made(case, seed, evaluate)

        found = claims(call, states, evaluate)

        results = fillings(m, call, states, evaluate, LIMIT)
        for claimed, result in zip(found, results, strict=True):
            assert wrong(claimed, result) == [], seed


@pytest.mark.parametrize("case", COMPLETE)
def test_what_comes_out_the_same_is_found(case: str, evaluate: Evaluator) -> None:
    m, call, states = made(case, 0, evaluate)
    states = tuple(without_doubt(s) for s in states)

    found = claims(call, states, evaluate)

    results = fillings(m, call, states, evaluate, LIMIT, MANY)
    assert any(s.known.any() for s in found)
    for claimed, result in zip(found[:1], results, strict=False):
        assert not missed(claimed, result).any()
