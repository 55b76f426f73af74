"""Sorting, transforms, factorisations, random numbers, quantisation and optimisers.

Oracles: the algorithms themselves over numbers that count their operations, and figures by hand.
"""

import math
import random
from functools import cmp_to_key
from typing import Any

import numpy as np
import pytest
from cost_calls import aten, onnx_call, priced, stored
from counted import Number, Tally, sqrt

from qreg.records import Cost, OpCall
from qreg_linalg.cost import cholesky_operations, lu_operations, qr_operations, solve_operations
from qreg_reduce.order import rounds
from qreg_signal.cost import transform

torch = pytest.importorskip("torch")

Matrix = list[list[Number]]


def meta(*shape: int, dtype: Any = torch.float32) -> Any:
    return torch.empty(shape, device="meta", dtype=dtype)


def flops(call: OpCall) -> int:
    cost = priced(call)
    assert cost.contractions == ()
    return cost.elementwise_flops


# Sorting ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 8, 100, 1000])
def test_no_sort_needs_more_comparisons_than_are_counted(size: int) -> None:
    """Python's sort merges: on shuffled numbers it stays below, and above log2(n!)."""
    compared = 0

    def compare(a: int, b: int) -> int:
        nonlocal compared
        compared += 1
        return a - b

    numbers = list(range(size))
    random.Random(0).shuffle(numbers)
    numbers.sort(key=cmp_to_key(compare))

    assert compared <= size * rounds(size)
    assert size * rounds(size) <= 2 * max(compared, size)


def test_ordering_costs_comparisons() -> None:
    x = meta(3, 100)

    assert flops(aten("sort", x)) == flops(aten("argsort", x)) == 300 * 7
    assert flops(aten("sort", x, 0)) == 300 * 2
    assert flops(aten("topk", x, 5)) == 300 * 3
    assert flops(aten("topk", x, 1)) == 300
    assert flops(onnx_call("TopK", [(3, 100), (1,)], [(3, 5), (3, 5)])) == 300 * 3
    assert flops(onnx_call("TopK", [(3, 100), (1,)], [(2, 100), (2, 100)], axis=0)) == 300
    assert flops(aten("kthvalue", x, 30)) == 300 * 5
    assert flops(aten("median", x)) == 300 * 8  # of 300 numbers: the better 151
    assert flops(aten("median.dim", x, 1)) == 300 * 6
    assert flops(aten("mode", x)) == 300 * (7 + 1)
    assert flops(onnx_call("Unique", [(3, 100)], [(9,)])) == 300 * (9 + 1)
    assert flops(aten("searchsorted.Tensor", meta(31), meta(4, 6))) == 24 * 5
    assert flops(aten("bucketize.Tensor", meta(4, 6), meta(31))) == 24 * 5
    assert flops(aten("isin.Tensor_Tensor", meta(4, 6), meta(8))) == 8 * 3 + 24 * 4
    assert flops(onnx_call("NonZero", [(3, 100)], [(2, 9)])) == 300


def test_other_scans_cost_operations_per_element() -> None:
    x = meta(3, 8)

    for name, each in (("cumprod", 1), ("cummax", 1), ("logcumsumexp", 4)):
        assert flops(aten(name, x, 1)) == each * 24
    for name, each in (
        ("any", 1),
        ("prod", 1),
        ("count_nonzero", 2),
        ("nansum", 2),
        ("aminmax", 2),
    ):
        assert flops(aten(name, x)) == each * 24
    assert flops(aten("diff", x)) == 3 * 7
    assert flops(aten("trace", x)) == 3
    assert flops(aten("dist", x, x)) == 3 * 24
    assert flops(aten("renorm", x, 2, 0, 1.0)) == 3 * 24
    assert flops(aten("trapezoid.dx", x)) == 3 * 24
    assert flops(aten("linalg_norm", x)) == flops(aten("linalg_norm.ord_str", x, "fro")) == 2 * 24
    assert flops(aten("linalg_norm", x, 1)) == 2 * 24  # of a matrix: columns of absolute values
    assert flops(aten("pdist", x)) == 3 * 8 * 3  # three pairs of rows
    assert flops(aten("pairwise_distance", x, x)) == 4 * 24
    assert flops(aten("cosine_similarity", x, x)) == 6 * 24


# Transforms -------------------------------------------------------------------------------------


def test_a_transform_costs_five_n_log_n_and_half_for_real_signals() -> None:
    assert transform((8,), 3, real=False) == 3 * 5 * 8 * 3
    assert transform((4, 8), 1, real=False) == 5 * 32 * 5
    assert transform((8,), 3, real=True) == 3 * 5 * 8 * 3 // 2
    assert transform((6,), 1, real=False) == round(5 * 6 * math.log2(6)) == 78
    assert transform((1,), 7, real=False) == 0


def test_transforms_cost_the_same_in_all_spellings() -> None:
    real, whole = meta(3, 64), meta(3, 64, dtype=torch.complex64)
    half = meta(3, 33, dtype=torch.complex64)
    expected = 3 * 5 * 64 * 6

    assert flops(aten("fft_fft", whole)) == flops(aten("fft_ifft", whole)) == expected
    assert flops(aten("_fft_c2c", whole, [1], 0, True)) == expected
    assert flops(onnx_call("DFT", [(3, 64, 2)], [(3, 64, 2)])) == expected
    assert flops(aten("fft_fft", whole, 32)) == 3 * 5 * 32 * 5
    for call in (aten("fft_rfft", real), aten("fft_irfft", half), aten("fft_fft", real), aten("fft_hfft", half),
                 aten("fft_ihfft", real), aten("_fft_r2c", real, [1], 0, True), aten("_fft_c2r", half, [1], 0, 64),
                 onnx_call("DFT", [(3, 64, 1)], [(3, 33, 2)], onesided=1),
                 onnx_call("com.microsoft.Rfft", [(3, 64)], [(3, 33, 2)]),
                 onnx_call("com.microsoft.Irfft", [(3, 33, 2)], [(3, 64)])):  # fmt: skip
        assert flops(call) == expected // 2, call.target
    assert (
        flops(aten("fft_rfftn", real))
        == flops(aten("fft_rfft2", real))
        == round(2.5 * 192 * math.log2(192))
    )
    assert flops(aten("fft_fftn", whole, None, [1])) == expected


def test_a_spectrogram_multiplies_its_windows_and_transforms_them() -> None:
    """(1000 - 256) / 64 + 1 = 12 whole frames, 16 centred ones."""
    window = torch.hann_window(256)
    call = aten("stft", torch.empty(3, 1000), 256, 64, 256, window, False, True, True)
    onnx = onnx_call("STFT", [(3, 1000), (), (256,)], [(3, 12, 129, 2)])

    each = 256 + 5 * 256 * 8 // 2
    assert call.output.shape == (3, 129, 12)
    assert flops(call) == flops(onnx) == 3 * 12 * each
    back = aten("istft", torch.zeros(3, 129, 16, dtype=torch.complex64), 256, 64, 256, window)
    assert flops(back) == 3 * 16 * (each + 2 * 256) + 3 * 960


def test_windows_cost_their_formulas() -> None:
    """Hann: 0.5 - 0.5 * cos(f * i); Blackman adds 0.08 * cos(2 * f * i)."""
    assert flops(aten("hann_window", 10)) == flops(onnx_call("HannWindow", [()], [(10,)])) == 10 * 4
    assert flops(onnx_call("BlackmanWindow", [()], [(10,)])) == 10 * 8


# Factorisations -----------------------------------------------------------------------------------


def matrix(tally: Tally, rows: int, columns: int) -> Matrix:
    values = np.random.default_rng(0).normal(size=(rows, columns)) + 5 * np.eye(rows, columns)
    return [tally.numbers(row) for row in values]


def factorised(a: Matrix) -> None:
    """Doolittle's elimination in place."""
    rows, columns = len(a), len(a[0])
    for k in range(min(rows, columns)):
        for i in range(k + 1, rows):
            a[i][k] = a[i][k] / a[k][k]
            for j in range(k + 1, columns):
                a[i][j] = a[i][j] - a[i][k] * a[k][j]


def cholesky(a: Matrix) -> None:
    size = len(a)
    for k in range(size):
        a[k][k] = sqrt(abs_value(a[k][k]))
        for i in range(k + 1, size):
            a[i][k] = a[i][k] / a[k][k]
        for j in range(k + 1, size):
            for i in range(j, size):
                a[i][j] = a[i][j] - a[i][k] * a[j][k]


def abs_value(x: Number) -> Number:
    return x.tally.number(abs(x.value))


def solved(lu: Matrix, b: Matrix) -> None:
    size = len(lu)
    for column in range(len(b[0])):
        for i in range(size):
            for j in range(i):
                b[i][column] = b[i][column] - lu[i][j] * b[j][column]
        for i in reversed(range(size)):
            for j in range(i + 1, size):
                b[i][column] = b[i][column] - lu[i][j] * b[j][column]
            b[i][column] = b[i][column] / lu[i][i]


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (5, 5), (7, 4), (3, 6)])
def test_an_lu_factorisation_costs_what_elimination_does(rows: int, columns: int) -> None:
    tally = Tally()
    factorised(matrix(tally, rows, columns))

    assert lu_operations(rows, columns) == tally.operations
    assert flops(aten("linalg_lu_factor", meta(2, rows, columns))) == 2 * tally.operations


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_cholesky_and_both_triangles_cost_what_their_loops_do(size: int) -> None:
    root, solving = Tally(), Tally()
    cholesky(matrix(root, size, size))
    solved(matrix(solving, size, size), matrix(solving, size, 3))

    assert cholesky_operations(size) == root.operations
    assert solve_operations(size, 3) == solving.operations


def test_determinant_inverse_and_solution_are_made_of_them() -> None:
    """4 by 4: 3 + 2 + 1 quotients and twice 9 + 4 + 1 products; per column 12 + 16 to solve."""
    lu = 6 + 2 * 14
    x = meta(2, 4, 4)

    assert (
        flops(aten("linalg_det", x)) == flops(onnx_call("Det", [(2, 4, 4)], [(2,)])) == 2 * (lu + 3)
    )
    assert flops(aten("linalg_inv", x)) == 2 * (lu + 4 * 28)
    assert flops(onnx_call("com.microsoft.Inverse", [(2, 4, 4)], [(2, 4, 4)])) == 2 * (lu + 4 * 28)
    assert flops(aten("linalg_solve", x, meta(2, 4, 3))) == 2 * (lu + 3 * 28)
    assert flops(aten("linalg_solve_triangular", x, meta(2, 4, 3), upper=True)) == 2 * 3 * 16
    assert flops(aten("linalg_cholesky", x)) == 2 * (4 + 6 + 2 * 10)


def test_qr_costs_what_householder_reflections_do() -> None:
    assert qr_operations(9, 3) == 2 * 9 * (9 - 1) == 144
    assert flops(aten("linalg_qr", meta(2, 9, 3), "r")) == 2 * 144
    assert flops(aten("linalg_qr", meta(2, 9, 3))) == 2 * 2 * 144


# Random numbers -------------------------------------------------------------------------------------


def test_dropout_costs_nothing_at_inference_and_four_operations_in_training() -> None:
    x, yes, no = meta(3, 8), stored(np.array(True)), stored(np.array(False))

    assert flops(aten("native_dropout", x, 0.5, True)) == 4 * 24
    assert flops(aten("dropout", x, 0.5, True)) == 4 * 24
    assert flops(aten("dropout", x, 0.5, False)) == 0
    assert flops(aten("native_dropout_backward", x, x, 2.0)) == 2 * 24
    for flag, expected in ((None, 0), (no, 0), (yes, 4 * 24)):
        assert flops(onnx_call("Dropout", [(3, 8), (), flag], [(3, 8)])) == expected
    assert flops(onnx_call("Dropout", [(3, 8), (), ()], [(3, 8)])) == 4 * 24  # not known
    residual = [(3, 8), (8,), (3, 8), (), no]
    assert flops(onnx_call("com.microsoft.BiasDropout", residual, [(3, 8)])) == 2 * 24
    images = meta(2, 3, 4, 5)
    assert flops(aten("feature_dropout", images, 0.5, True)) == 2 * 6 + 2 * 120


def test_every_number_drawn_is_one_operation() -> None:
    assert flops(aten("randn", [3, 8])) == flops(onnx_call("RandomNormal", [], [(3, 8)])) == 24
    assert flops(aten("rand_like", meta(3, 8))) == 24
    assert (
        flops(aten("bernoulli", meta(3, 8)))
        == flops(onnx_call("Bernoulli", [(3, 8)], [(3, 8)]))
        == 48
    )
    drawn = aten("multinomial", torch.ones(3, 8), 5, True)  # running sums, draws, searches among 8
    assert flops(drawn) == 24 + 15 * (1 + 4)
    assert flops(onnx_call("Multinomial", [(3, 8)], [(3, 5)])) == 2 * 24 + 15 * (1 + 4)


# Quantisation ---------------------------------------------------------------------------------------


def test_quantising_scales_and_shifts() -> None:
    for op in ("quantize_per_tensor", "dequantize.self"):
        assert flops(onnx_call(f"aten.{op}", [(3, 8)], [(3, 8)])) == 2 * 24
    assert (
        flops(onnx_call("quantized_decomposed.quantize_per_tensor.default", [(3, 8)], [(3, 8)]))
        == 48
    )
    assert (
        flops(aten("fake_quantize_per_tensor_affine", torch.rand(3, 8), 0.1, 3, 0, 255)) == 4 * 24
    )
    for op in ("QuantizeLinear", "DequantizeLinear", "com.microsoft.QuantizeLinear"):
        assert flops(onnx_call(op, [(3, 8), (), ()], [(3, 8)])) == 2 * 24
    assert flops(onnx_call("DynamicQuantizeLinear", [(3, 8)], [(3, 8), (), ()])) == 4 * 24
    assert flops(onnx_call("com.microsoft.QLinearConcat", [(), (), (3, 4), (), ()], [(3, 4)])) == 0


# Optimisers -----------------------------------------------------------------------------------------


def test_functions_of_lists_count_the_elements_of_the_first() -> None:
    one, two = [meta(3, 8), meta(5)], [meta(3, 8), meta(5)]

    assert flops(aten("_foreach_add.List", one, two)) == 29
    assert flops(aten("_foreach_add.List", one, two, alpha=3)) == 2 * 29
    assert flops(aten("_foreach_mul.Scalar", one, 0.9)) == 29
    assert flops(aten("_foreach_addcmul.Scalar", one, two, two, 0.1)) == 3 * 29
    assert flops(aten("_foreach_addcdiv.ScalarList", one, two, two, [1.0, 2.0])) == 3 * 29
    assert flops(aten("_foreach_lerp.Scalar", one, two, 0.1)) == 3 * 29
    assert flops(aten("_foreach_sqrt", one)) == 29
    assert priced(aten("_foreach_copy", one, two)) == Cost()


def test_an_optimiser_costs_its_formula_per_parameter() -> None:
    """Adam: m += (g - m) * b; v = v * c + g * g * d; p -= s * m / (sqrt(v) / e + eps)."""
    tally = Tally()
    p, g, m, v = tally.numbers((1.0, 0.5, 0.2, 0.3))
    m = m + (g - m) * 0.1
    v = v * 0.999 + g * g * 0.001
    p = p - 0.01 * m / (sqrt(v) / 0.5 + 1e-8)
    lists = [(3, 8), (5,)]
    given = {"self": 2, "grads": 2, "exp_avgs": 2, "exp_avg_sqs": 2, "max_exp_avg_sqs": 0}

    plain = onnx_call("aten._fused_adam.default", lists * 4, lists * 4, weight_decay=0.0, **given)
    decay = onnx_call("aten._fused_adam.default", lists * 4, lists * 4, weight_decay=0.1, **given)
    assert flops(plain) == tally.operations * 29 == 13 * 29
    assert flops(decay) == (13 + 2) * 29
    sizes = [(), (), (3, 8), (3, 8), (3, 8), (3, 8)]
    assert flops(onnx_call("ai.onnx.preview.training.Adam", sizes, [(3, 8)] * 3)) == 14 * 24


# Losses of classes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, (10,)])
@pytest.mark.parametrize(("reduction", "added"), [("none", 0), ("mean", 1), ("sum", 1)])
def test_a_class_loss_costs_a_log_softmax_and_one_number_per_sample(
    weights: tuple[int, ...] | None, reduction: str, added: int
) -> None:
    """The negative of it, its weight, and the sum."""
    x, t = meta(6, 10), meta(6, dtype=torch.int64)
    w = None if weights is None else meta(10)
    code = {"none": 0, "mean": 1, "sum": 2}[reduction]
    sample = 6 * (1 + (weights is not None) + added)
    shapes = [(6, 10), (6,), weights]

    assert flops(aten("nll_loss_forward", x, t, w, code, -100)) == sample
    assert flops(aten("cross_entropy_loss", x, t, w, code)) == 5 * 60 + sample
    nll = onnx_call("NegativeLogLikelihoodLoss", shapes, [(6,)], reduction=reduction)
    entropy = onnx_call("SoftmaxCrossEntropyLoss", shapes, [(6,)], reduction=reduction)
    assert (flops(nll), flops(entropy)) == (sample, 5 * 60 + sample)
    backward = aten("nll_loss_backward", meta(), x, t, w, 1, -100, meta())
    assert flops(backward) == 6 * (1 + (weights is not None))
