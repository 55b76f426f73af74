"""Backward rules against brute force: what is not needed changes no wanted result, however changed."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from test_channel_rules import LINEAR, OTHERS, RNG, call_of, integers, numbers, partly

from qreg import api
from qreg.records import OpCall
from qreg.specs import Ref, ShortcutHandlerSpec
from qreg_channels.state import State, States, state
from qreg_onnx.evaluate import Evaluator

Array = NDArray[np.generic]
Case = tuple[str, Callable[[], Sequence[State | Array | None]], Mapping[str, object], int]

# Ops that have a rule here and perhaps no handler yet: the rule, and whether it is exact.
CONV = "qreg_conv.channels:needed"
PRODUCT = "qreg_linear.channels:needed"
BY_ELEMENT = "qreg_channels.backward_elements"
MOVES = "qreg_channels.backward_moves"
SETS = "qreg_channels.backward_sets"
STRIDED = {"kernel_shape": (2, 3), "strides": (3, 2), "pads": (1, 0, 0, 2)}
RULES: dict[str, tuple[str, Case]] = {
    "transposed convolution": (CONV, ("onnx.ConvTranspose", lambda: (
        partly(numbers(2, 4, 4, 3)), numbers(4, 3, 3, 2, zeros=0.7), numbers(6)),
        {"strides": (2, 1), "pads": (1, 0, 0, 1), "output_padding": (1, 0), "group": 2,
         "dilations": (1, 2)}, 20)),
    "transposed convolution of a given size": (CONV, ("onnx.ConvTranspose", lambda: (
        partly(numbers(1, 2, 4, 4)), numbers(2, 3, 3, 3, zeros=0.5)),
        {"strides": (2, 2), "output_shape": (7, 7)}, 20)),
    "strided convolution that leaves pixels out": (CONV, ("onnx.Conv", lambda: (
        partly(numbers(1, 3, 7, 7)), numbers(4, 3, 1, 1, zeros=0.4)), {"strides": (2, 3)}, 20)),
    "convolution with padding for the same size": (CONV, ("onnx.Conv", lambda: (
        partly(numbers(1, 3, 6, 7)), numbers(4, 3, 2, 4, zeros=0.6)),
        {"auto_pad": "SAME_LOWER", "strides": (2, 2)}, 20)),
    "convolution of three dimensions": (CONV, ("onnx.Conv", lambda: (
        partly(numbers(1, 2, 3, 4, 3)), numbers(2, 2, 2, 2, 2, zeros=0.8)),
        {"pads": (1, 0, 0, 0, 1, 0)}, 20)),
    "vector times matrix": (PRODUCT, ("onnx.MatMul", lambda: (
        state(numbers(6), np.arange(6) % 3 == 0), numbers(6, 4, zeros=0.5)), {}, 20)),
    "scaled gemm with a stored left side": (PRODUCT, ("onnx.Gemm", lambda: (
        numbers(6, 4, zeros=0.6), partly(numbers(5, 6))),
        {"transA": 1, "transB": 1, "alpha": 2.0}, 20)),
    "product of activations with one matrix for all": (PRODUCT, ("onnx.MatMul", lambda: (
        partly(numbers(2, 4, 6, zeros=0.6), 0.8), partly(numbers(6, 5, zeros=0.6), 0.8)), {}, 20)),
    "elementwise product with broadcasting": (f"{BY_ELEMENT}:product", ("onnx.Mul", lambda: (
        partly(numbers(2, 4, 3, zeros=0.5)), partly(numbers(1, 4, 1, zeros=0.5))), {}, 20)),
    "choice by a constant": (f"{BY_ELEMENT}:choice", ("onnx.Where", lambda: (
        RNG.random((4, 3)) < 0.5, partly(numbers(2, 4, 3)), partly(numbers(4, 1))), {}, 20)),
    "sums along axes": (f"{SETS}:reduced", ("onnx.ReduceSum", lambda: (
        partly(numbers(2, 4, 3, 2)), np.array([1, -1])), {"keepdims": 0}, 20)),
    "mean of all places": (f"{SETS}:reduced", ("onnx.ReduceMean", lambda: (
        partly(numbers(2, 4, 3, 2)), np.array([2, 3])), {}, 20)),
    "strided maximum that leaves pixels out": ("qreg_pool.channels:needed", (
        "onnx.AveragePool", lambda: (partly(numbers(2, 3, 8, 9), 0.5),), STRIDED, 20)),
    "gathered rows": (f"{MOVES}:first", ("onnx.Gather", lambda: (
        partly(numbers(3, 5, 2)), np.array([[4, 1], [1, 1]])), {"axis": 1}, 20)),
    "repeated": (f"{MOVES}:first", ("onnx.Expand", lambda: (
        partly(numbers(2, 4, 1)), np.array([2, 4, 3])), {}, 20)),
    "channels to places": (f"{MOVES}:first", ("onnx.DepthToSpace", lambda: (
        partly(numbers(1, 8, 2, 3)),), {"blocksize": 2}, 20)),
    "scattered updates": (f"{MOVES}:scatter", ("onnx.ScatterElements", lambda: (
        partly(numbers(3, 4)), np.array([[0, 2, 1, 1]]), partly(numbers(1, 4))), {"axis": 0}, 20)),
}  # fmt: skip
RULES |= {
    "sum over named axes": ("qreg_channels.backward_sums:einsum", ("onnx.Einsum", lambda: (
        partly(numbers(2, 4, 5, zeros=0.5)), partly(numbers(5, 4, 3, zeros=0.5))),
        {"equation": "bij,jik->bk"}, 20)),
    "three factors": ("qreg_channels.backward_sums:einsum", ("onnx.Einsum", lambda: (
        partly(numbers(3, 4, zeros=0.5)), partly(numbers(4, 3, zeros=0.3)),
        partly(numbers(4, 2))), {"equation": "ij,ji,jk->jk"}, 20)),
    "integer convolution": ("qreg_conv.channels:needed_quantized", ("onnx.ConvInteger", lambda: (
        partly(integers(1, 4, 5, 5)), integers(3, 4, 3, 3, zero=9, zeros=0.8), np.int8(3),
        np.int8(9)), {"group": 1, "auto_pad": "VALID"}, 20)),
    "integer product": ("qreg_linear.channels:needed_quantized", ("onnx.MatMulInteger", lambda: (
        partly(integers(3, 6)), integers(6, 4, zero=9, zeros=0.7), np.int8(3), np.int8(9)),
        {}, 20)),
    "zeros under a diagonal": (f"{MOVES}:masked", ("onnx.Trilu", lambda: (
        partly(numbers(3, 4)),), {"upper": 1}, 20)),
    "nearest neighbours": (f"{SETS}:interpolated", ("onnx.Resize", lambda: (
        partly(numbers(1, 4, 4, 4)), None, np.array([1, 1, 0.5, 2], np.float32)), {}, 20)),
}  # fmt: skip
LOOSE: dict[str, tuple[str, Case]] = {
    "interpolated": (f"{SETS}:by_channel", ("onnx.Resize", lambda: (
        partly(numbers(2, 4, 3, 3)), None, np.array([1, 1, 2, 2], np.float32)),
        {"mode": "linear"}, 20)),
    "layer norm": (f"{SETS}:normalised", ("onnx.LayerNormalization", lambda: (
        partly(numbers(2, 4, 3)), numbers(3), numbers(3)), {"axis": -1}, 20)),
    "instance norm": (f"{SETS}:by_channel", ("onnx.InstanceNormalization", lambda: (
        partly(numbers(2, 4, 5)), numbers(4), numbers(4)), {}, 20)),
    "group norm": (f"{SETS}:grouped", ("onnx.GroupNormalization", lambda: (
        partly(numbers(2, 4, 3)), numbers(4), numbers(4)), {"num_groups": 2}, 21)),
    "integers added": (f"{BY_ELEMENT}:elementwise", ("onnx.Max", lambda: (
        partly(integers(2, 4, 3)), partly(integers(2, 4, 3))), {}, 20)),
}  # fmt: skip


@pytest.fixture(scope="module")
def evaluate() -> Evaluator:
    return Evaluator(api.catalogue())


def rule_of(case: str) -> tuple[Ref | None, Case]:
    """The rule to test and the call it is for; of installed handlers their own."""
    named = RULES | LOOSE
    if case in named:
        return Ref(named[case][0]), named[case][1]
    found = (LINEAR | OTHERS)[case]
    entry = api.catalogue().choose(ShortcutHandlerSpec, found[0], found[3])
    assert entry is not None
    return entry.spec.needed, found


def wanted_of(call: OpCall, states: States, evaluate: Evaluator) -> Array:
    """Live results: whole channels of them, some of others, and none of the rest."""
    entry = api.catalogue().choose(ShortcutHandlerSpec, call.target, call.opset)
    known: Array = np.zeros(call.output.shape, np.bool_)
    if entry is not None:
        known = entry.spec.propagate.load()(call, states, evaluate)[0].known
    wanted = RNG.random(call.output.shape) < 0.15
    axis = min(1, wanted.ndim - 1)
    first, second = np.take(np.arange(wanted.shape[axis]), [0, -1]) if wanted.ndim else (0, 0)
    where = (slice(None),) * axis
    wanted[(*where, first)] = True
    wanted[(*where, second)] = False
    return wanted & ~known


def filled(states: States, scale: float = 1.0) -> list[Array | None]:
    """Inputs with something random wherever nothing is known."""
    found: list[Array | None] = []
    for s in states:
        if s is None or s.is_constant:
            found.append(None if s is None else s.value)
            continue
        whole = s.value.dtype == np.int8
        fresh = integers(*s.value.shape) if whole else scale * numbers(*s.value.shape)
        found.append(np.where(s.known, s.value, fresh.astype(s.value.dtype)))
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", [*LINEAR, *OTHERS, *RULES, *LOOSE])
def test_what_a_rule_leaves_out_changes_no_wanted_result(
    case: str, seed: int, evaluate: Evaluator
) -> None:
    RNG.bit_generator.state = np.random.default_rng(seed).bit_generator.state
    rule, (target, operands, attributes, opset) = rule_of(case)
    call, states = call_of(target, operands(), attributes, opset, evaluate)
    wanted = wanted_of(call, states, evaluate)
    assert rule is not None, f"{target} has no backward rule"

    needed = rule.load()(call, states, (wanted,), evaluate)

    for scale in (0.1, 1.0, 10.0):
        before, other = filled(states, scale), filled(states, scale)
        after = [
            b if b is None or o is None or n is None else np.where(n, b, o)
            for b, o, n in zip(before, other, needed, strict=True)
        ]
        results = [evaluate(call, inputs)[0][wanted] for inputs in (before, after)]
        assert np.array_equal(*results)
    if case in (LINEAR | RULES):
        assert_minimal(call, states, needed, wanted, evaluate)


def assert_minimal(
    call: OpCall, states: States, needed: Sequence[Array | None], wanted: Array, evaluate: Evaluator
) -> None:
    """Each needed element changes a wanted result when it alone is changed."""
    inputs = filled(states)
    before = evaluate(call, inputs)[0][wanted]
    for index, (s, mask) in enumerate(zip(states, needed, strict=True)):
        if s is None or s.is_constant or mask is None:
            continue
        for place in np.argwhere(mask & ~s.known):
            changed = np.array(inputs[index])
            at = tuple(place)
            changed[at] = changed[at] ^ 64 if changed.dtype == np.int8 else changed[at] + 64
            after = evaluate(call, [*inputs[:index], changed, *inputs[index + 1 :]])[0][wanted]
            assert not np.array_equal(before, after), (index, place)
