"""The formulas against exact rational arithmetic, and tables of ties derived by hand."""

from fractions import Fraction

import numpy as np
import pytest
from numerics_cases import Case, by_reference, by_runtime
from numerics_contractions import conv

from qreg.records import Array
from qreg_numerics.float32 import fma, to_int32
from qreg_numerics.integers import convolve
from qreg_numerics.requantize import contraction_scale, limits, requantize
from qreg_numerics.windows import window_of

ZERO = np.int8(0)


def rounded(value: Fraction) -> Fraction:
    """``value`` as the nearest float32, ties to even, by integer arithmetic (no overflow here)."""
    if value == 0:
        return value
    exponent = abs(value.numerator).bit_length() - value.denominator.bit_length()
    exponent -= abs(value) < Fraction(2) ** exponent
    unit = Fraction(2) ** max(exponent - 23, -149)
    return round(value / unit) * unit


def exact(number: object) -> Fraction:
    return Fraction(float(number))  # type: ignore[arg-type]


def floats(rng: np.random.Generator, count: int, exponents: tuple[int, int]) -> Array:
    """Random float32 with last places 2^exponent, many with few significant bits."""
    mantissa = rng.integers(1, 2**24, count) >> rng.integers(0, 24, count)
    sign = rng.choice([-1, 1], count)
    return np.ldexp(sign * mantissa, rng.integers(*exponents, count)).astype(np.float32)


@pytest.mark.parametrize(
    ("factors", "addends"),
    [
        ((-1, 1), (-1, 1)),
        ((-12, 12), (-12, 12)),
        ((-40, 39), (-40, 39)),
        ((-88, -60), (-149, -120)),  # results below the smallest normal number
    ],
)
def test_fma_rounds_the_exact_sum_once(factors: tuple[int, int], addends: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    a, b, c = floats(rng, 2000, factors), floats(rng, 2000, factors), floats(rng, 2000, addends)

    result = fma(a, b, c)

    for got, x, y, z in zip(result, a, b, c, strict=True):
        assert exact(got) == rounded(exact(x) * exact(y) + exact(z))


def test_fma_does_not_round_twice_where_float64_alone_would() -> None:
    # a*b = 2^-24 (1 - 2^-46) is just less than half of c's last place. In float64 the sum rounds
    # to the exact half, a tie which float32 then takes upwards to the even neighbour.
    a, b = np.float32(2.0**-12 * (1 + 2.0**-23)), np.float32(2.0**-12 * (1 - 2.0**-23))
    c = np.float32(1 + 2.0**-23)

    naive = np.float32(np.float64(a) * np.float64(b) + np.float64(c))

    assert naive == np.float32(1 + 2.0**-22)
    assert fma(a, b, c) == c


def test_conversion_to_int32_rounds_ties_to_even_and_overflows_to_the_smallest() -> None:
    value = np.array(
        [0.5, 1.5, -0.5, -2.5, 2.0**31, -(2.0**31), np.inf, -np.inf, np.nan, 2147483520]
    )
    expected = [0, 2, 0, -2, -(2**31), -(2**31), -(2**31), -(2**31), -(2**31), 2147483520]
    assert to_int32(value.astype(np.float32)).tolist() == expected


def test_requantisation_is_that_of_exact_arithmetic_rounded_to_float32_at_each_step() -> None:
    rng = np.random.default_rng(1)
    for dtype in (np.dtype(np.int8), np.dtype(np.uint8)):
        low, high = limits(dtype)
        for _ in range(300):
            xs, ws, ys = (np.float32(10.0 ** rng.uniform(-4, 1)) for _ in range(3))
            zero_point = int(rng.integers(low, high + 1))
            top = min(2**31 - 1, int(300 * ys / (xs * ws)) + 2)
            acc = rng.integers(-top, top, 4).astype(np.int32)

            got = requantize(acc, contraction_scale(xs, ws, ys), zero_point, dtype)

            s = rounded(rounded(exact(xs) * exact(ws)) / exact(ys))
            scaled = [round(rounded(rounded(Fraction(int(n))) * s)) for n in acc]
            assert got.tolist() == [min(max(v + zero_point, low), high) for v in scaled]


def pointwise(x: list[int], scales: tuple[float, float, float], zero_point: int) -> Case:
    """A 1 x 1 convolution with weight 1 over the pixels ``x``."""
    xs, ws, ys = (np.float32(s) for s in scales)
    image, zp = np.array(x, np.int8).reshape(1, 1, 1, -1), np.int8(zero_point)
    weight = np.ones((1, 1, 1, 1), np.int8)
    return Case("onnx.QLinearConv", (image, xs, ZERO, weight, ws, ZERO, ys, zp))


@pytest.mark.parametrize(
    ("x", "scales", "zero_point", "y"),
    [
        # x/2: every odd x is a tie. f32(f32(.07 * .05) / .007) is 0.5 exactly.
        (range(12), (0.07, 0.05, 0.007), 0, [0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5, 6]),
        (range(12), (0.5, 1.0, 1.0), 0, [0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5, 6]),
        # The tie goes to even before the odd zero point is added: 0.5 -> 0 -> 1, 1.5 -> 2 -> 3.
        ([1, 3, 5, 7, -1, -3, -5, -7], (0.5, 1.0, 1.0), 1, [1, 3, 3, 5, 1, -1, -1, -3]),
    ],
)
def test_ties_go_to_even_before_the_zero_point(
    x: list[int], scales: tuple[float, float, float], zero_point: int, y: list[int]
) -> None:
    case = pointwise(list(x), scales, zero_point)

    assert by_reference(case).ravel().tolist() == y
    assert by_runtime(case).ravel().tolist() == y


def test_quantize_linear_ties_infinities_and_nan() -> None:
    x = np.array([0.25, 0.75, 1.25, -0.25, -0.75, np.inf, -np.inf, np.nan], np.float32)
    case = Case("onnx.QuantizeLinear", (x, np.float32(0.5), np.int8(1)))

    assert by_reference(case).tolist() == [1, 3, 3, 1, -1, 127, -128, -128]
    assert by_runtime(case).tolist() == by_reference(case).tolist()


def test_an_accumulator_beyond_32_bits_wraps() -> None:
    # 127 * 127 + (2^31 - 1) = 2^31 + 16128 wraps to -2^31 + 16128; times 2^-25 that is -63.9995.
    x = np.full((1, 1, 1), 127, np.int8)
    bias = np.array([2**31 - 1], np.int32)
    half = np.float32(2.0**-25)
    inputs = (x, half, ZERO, x, np.float32(1), ZERO, np.float32(1), ZERO, bias)
    case = Case("onnx.QLinearConv", inputs)

    assert by_reference(case).ravel().tolist() == [-64]
    assert by_runtime(case).ravel().tolist() == [-64]


def test_a_convolution_is_the_sum_over_its_taps() -> None:
    for seed in range(30):
        case = conv(np.random.default_rng(seed))
        x, w = np.asarray(case.inputs[0]), np.asarray(case.inputs[3])
        call, groups = case.call, int(str(case.attributes["group"]))
        window = window_of(call, x.shape[2:], w.shape[2:])
        x, w = x.astype(np.int64) - 3, w.astype(np.int64) - 5

        got = convolve(x, w, window, groups)

        rng = np.random.default_rng(seed)
        for _ in range(10):
            n, m, *position = (int(rng.integers(size)) for size in got.shape)
            begin = m // (w.shape[0] // groups) * w.shape[1]
            total = 0
            for c, *tap in np.ndindex(*w.shape[1:]):
                geometry = zip(
                    position, window.strides, tap, window.dilations, window.before, strict=True
                )
                at = [o * s + t * d - p for o, s, t, d, p in geometry]
                if all(0 <= i < size for i, size in zip(at, x.shape[2:], strict=True)):
                    total += int(x[(n, begin + c, *at)]) * int(w[(m, c, *tap)])
            assert got[(n, m, *position)] == total
