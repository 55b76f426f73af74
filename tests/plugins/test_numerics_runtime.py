"""Every reference equals ONNX Runtime, on random nodes and on nodes next to halves."""

import numpy as np
import pytest
from numerics_cases import Case, by_reference, by_runtime, difference
from numerics_generators import GENERATORS, SHAPES
from numerics_values import scale, zero_point

from qreg.records import Array
from qreg_numerics import contraction, pool
from qreg_numerics.elementwise import scalar_first
from qreg_numerics.platform import unclaimed
from qreg_numerics.requantize import limits

CASES = 60


@pytest.mark.parametrize("near", [False, True], ids=["random", "near halves"])
@pytest.mark.parametrize("op", GENERATORS)
def test_every_element_equals_onnx_runtime(op: str, near: bool) -> None:
    wrong, compared = {}, 0
    for seed in range(CASES):
        case = GENERATORS[op](np.random.default_rng([seed, near]), near)
        if unclaimed([case.call]):
            continue
        differing, elements = difference(case, optimise=bool(seed % 2))
        compared += elements
        if differing:
            wrong[seed] = differing
    if not compared:
        pytest.skip("this machine's ONNX Runtime uses another arithmetic than the one claimed")
    assert wrong == {}


def half_away(acc: Array, scale: Array, zero_point: int, dtype: np.dtype) -> Array:
    value = (acc.astype(np.float32) * scale).astype(np.float64)
    rounded = np.sign(value) * np.floor(np.abs(value) + 0.5)
    return np.clip(rounded + zero_point, *limits(dtype)).astype(dtype)


def zero_point_first(acc: Array, scale: Array, zero_point: int, dtype: np.dtype) -> Array:
    value = acc.astype(np.float32) * scale + np.float32(zero_point)
    return np.clip(np.rint(value), *limits(dtype)).astype(dtype)


def in_float64(acc: Array, scale: Array, zero_point: int, dtype: np.dtype) -> Array:
    value = acc * scale.astype(np.float64)
    return np.clip(np.rint(value) + zero_point, *limits(dtype)).astype(dtype)


@pytest.mark.parametrize("wrong", [half_away, zero_point_first, in_float64])
@pytest.mark.parametrize(
    ("op", "module"),
    [
        ("QLinearConv", contraction),
        ("QLinearMatMul", contraction),
        ("QGemm", contraction),
        ("QLinearGlobalAveragePool", pool),
    ],
)
def test_cases_near_halves_tell_a_wrong_rounding_from_the_right_one(
    op: str, module: object, wrong: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [GENERATORS[op](np.random.default_rng([seed, True]), True) for seed in range(40)]
    right = [by_reference(case) for case in cases]

    monkeypatch.setattr(module, "requantize", wrong)

    differing = [np.count_nonzero(by_reference(c) != r) for c, r in zip(cases, right, strict=True)]
    assert sum(differing) > 0


def sums_that_depend_on_the_order(count: int) -> list[tuple[Array, ...]]:
    """Inputs of QLinearAdd (one element each) for which swapping A and B changes the result."""
    every = np.arange(256, dtype=np.uint8).view(np.int8)
    a, b = np.repeat(every, 256), np.tile(every, 256)
    found: list[tuple[Array, ...]] = []
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        sa, sb, sy = scale(rng), scale(rng), scale(rng, low=-2, high=0)
        za, zb, zy = (zero_point(rng, "int8") for _ in range(3))
        straight = Case("com.microsoft.QLinearAdd", (a, sa, za, b, sb, zb, sy, zy))
        swapped = Case("com.microsoft.QLinearAdd", (b, sb, zb, a, sa, za, sy, zy))
        for at in np.flatnonzero(by_reference(straight) != by_reference(swapped))[:1]:
            found.append((a[at], sa, za, b[at], sb, zb, sy, zy))
        if len(found) == count:
            return found
    raise AssertionError("no sum depends on the order of its operands")


def test_the_operand_that_onnx_runtime_walks_as_a_scalar_takes_the_other_role() -> None:
    sums = sums_that_depend_on_the_order(3)
    if unclaimed([Case("com.microsoft.QLinearAdd", sums[0]).call]):
        pytest.skip("this machine's ONNX Runtime uses another arithmetic than the one claimed")
    for a, sa, za, b, sb, zb, sy, zy in sums:
        for left, right in SHAPES:
            inputs = (np.full(left, a), sa, za, np.full(right, b), sb, zb, sy, zy)
            case = Case("com.microsoft.QLinearAdd", inputs)
            assert np.array_equal(by_reference(case), by_runtime(case)), (left, right)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((2, 3, 4), (2, 3, 4), False),
        ((3, 1), (3, 4), True),
        ((3, 4), (3, 1), False),
        ((5, 1), (1,), True),  # the last common axis is 1 in both: A counts as the scalar
        ((5, 1), (5, 1), False),
        ((), (7,), True),
        ((7,), (), False),
        ((5, 1), (), True),
    ],
)
def test_which_operand_is_the_scalar(
    a: tuple[int, ...], b: tuple[int, ...], expected: bool
) -> None:
    assert scalar_first(a, b) is expected
