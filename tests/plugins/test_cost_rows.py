"""Norms, reductions and losses cost what their formulas do per element of a row.

Each formula runs over rows of numbers that count their operations; what is added by every further
element of the row is what an element costs, and what is done once per row drops out.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from cost_calls import aten, onnx_call, priced
from counted import Number, Tally, exp, largest, log, sqrt, total

from qreg.records import OpCall

torch = pytest.importorskip("torch")

Row = Sequence[Number]
Formula = Callable[..., Any]
SHAPE = (3, 8)
VALUES = (0.3, -1.2, 2.0, 0.7, -0.4, 1.1, 0.05, -2.2)
OTHERS = (0.9, 0.15, 0.6, 0.35, 0.2, 0.75, 0.45, 0.8)


def per_element(formula: Formula, operands: int = 1) -> int:
    """Operations that one more element of each row adds."""
    counts = []
    for length in (4, 8):
        tally = Tally()
        formula(*(tally.numbers((VALUES, OTHERS, VALUES)[i][:length]) for i in range(operands)))
        counts.append(tally.operations)
    assert (counts[1] - counts[0]) % 4 == 0
    return (counts[1] - counts[0]) // 4


def numbers(result: Any) -> list[float]:
    parts = result if isinstance(result, list) else [result]
    return [p.value for p in parts]


def check(formula: Formula, expected: Any, *operands: Sequence[float]) -> None:
    """The formula gives what PyTorch gives."""
    mine = numbers(formula(*(Tally().numbers(o) for o in operands)))
    torch.testing.assert_close(torch.tensor(mine, dtype=torch.float64), expected.reshape(-1))


def each(call: OpCall, elements: int = 24) -> int:
    cost = priced(call)
    assert cost.contractions == ()
    assert cost.elementwise_flops % elements == 0
    return cost.elementwise_flops // elements


def meta(*shape: int, dtype: Any = torch.float32) -> Any:
    return torch.empty(shape, device="meta", dtype=dtype)


def double(values: Sequence[float]) -> Any:
    return torch.tensor([values], dtype=torch.float64)


# Normalisation ----------------------------------------------------------------------------------


def softmax(x: Row) -> Any:
    top = largest(x)
    powers = [exp(v - top) for v in x]
    whole = total(powers)
    return [p / whole for p in powers]


def log_softmax(x: Row) -> Any:
    top = largest(x)
    moved = [v - top for v in x]
    whole = log(total([exp(m) for m in moved]))
    return [m - whole for m in moved]


def standardised(x: Row) -> Any:
    mean = total(x) / len(x)
    moved = [v - mean for v in x]
    factor = 1 / sqrt(total([m * m for m in moved]) / len(x) + 1e-5)
    return [m * factor for m in moved]


def root_mean_square(x: Row) -> Any:
    factor = 1 / sqrt(total([v * v for v in x]) / len(x) + 1e-5)
    return [v * factor for v in x]


def unit(x: Row) -> Any:
    length = sqrt(total([v * v for v in x]))
    return [v / length for v in x]


NORMS: list[tuple[str, tuple[Any, ...], Formula, str]] = [
    ("softmax.int", (1,), softmax, "Softmax"),
    ("_softmax", (1, False), softmax, "Softmax"),
    ("log_softmax.int", (1,), log_softmax, "LogSoftmax"),
    ("layer_norm", ([8],), standardised, "LayerNormalization"),
    ("native_layer_norm", ([8], None, None, 1e-5), standardised, "LayerNormalization"),
    ("rms_norm", ([8], None, 1e-5), root_mean_square, "RMSNormalization"),
]


@pytest.mark.parametrize(
    ("name", "rest", "formula", "onnx"), NORMS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_norm_costs_the_operations_of_its_formula(
    name: str, rest: tuple[Any, ...], formula: Formula, onnx: str
) -> None:
    packet, _, which = name.partition(".")
    result = getattr(getattr(torch.ops.aten, packet), which or "default")(double(VALUES), *rest)
    check(formula, result[0] if isinstance(result, tuple) else result, VALUES)

    assert each(aten(name, meta(*SHAPE), *rest)) == per_element(formula)
    assert each(onnx_call(onnx, [SHAPE], [SHAPE])) == per_element(formula)


def test_a_unit_norm_costs_its_formula() -> None:
    check(unit, torch.nn.functional.normalize(double(VALUES)), VALUES)

    assert each(onnx_call("LpNormalization", [SHAPE], [SHAPE])) == per_element(unit)
    assert each(onnx_call("ai.onnx.ml.Normalizer", [SHAPE], [SHAPE], norm="L2")) == per_element(
        unit
    )
    assert each(aten("_weight_norm", meta(*SHAPE), meta(3, 1))) == per_element(unit)


IMAGE = (2, 6, 2, 2)  # 48 elements


@pytest.mark.parametrize("affine", [0, 1, 2])
def test_scale_and_shift_of_a_norm_are_one_operation_each(affine: int) -> None:
    given = [meta(6) for _ in range(affine)] + [None] * (2 - affine)
    sizes = [(6,)] * affine

    assert each(aten("group_norm", meta(*IMAGE), 3, *given), 48) == 5 + affine
    assert each(aten("native_group_norm", meta(*IMAGE), *given, 2, 6, 4, 3, 1e-5), 48) == 5 + affine
    assert each(aten("layer_norm", meta(4, 12, 6)[:1, :8], [6], *given), 48) == 5 + affine
    assert each(aten("native_batch_norm", meta(*IMAGE), *given, meta(6), meta(6), True, 0.1, 1e-5), 48) == 5 + affine  # fmt: skip
    assert each(aten("batch_norm", meta(*IMAGE), *given, meta(6), meta(6), True, 0.1, 1e-5, False), 48) == 5 + affine  # fmt: skip
    assert each(aten("instance_norm", meta(*IMAGE), *given, None, None, True, 0.1, 1e-5, False), 48) == 5 + affine  # fmt: skip
    for op in ("GroupNormalization", "InstanceNormalization", "LayerNormalization"):
        assert each(onnx_call(op, [IMAGE, *sizes], [IMAGE]), 48) == 5 + affine


def test_a_batch_norm_with_stored_statistics_is_a_product_and_a_sum() -> None:
    x, c = meta(*IMAGE), meta(6)
    calls = [
        aten("batch_norm", x, c, c, c, c, False, 0.1, 1e-5, False),
        aten("native_batch_norm", x, c, c, c, c, False, 0.1, 1e-5),
        aten("_native_batch_norm_legit_no_training", x, c, c, c, c, 0.1, 1e-5),
        aten("instance_norm", x, c, c, c, c, False, 0.1, 1e-5, False),
        onnx_call("BatchNormalization", [IMAGE, (6,), (6,), (6,), (6,)], [IMAGE]),
    ]

    assert [each(call, 48) for call in calls] == [2] * 5
    training = onnx_call("BatchNormalization", [IMAGE, *[(6,)] * 4], [IMAGE], training_mode=1)
    assert each(training, 48) == 5 + 2


def test_local_response_sums_a_window_of_squares() -> None:
    """x / (k + a * sum of squares) ** b: square, sum of 5, product, addition, power, division."""
    assert each(onnx_call("LRN", [IMAGE], [IMAGE], size=5), 48) == 1 + 5 + 1 + 1 + 1 + 1


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "operations"),
    [
        ("SkipLayerNormalization", [SHAPE, SHAPE, (8,), (8,)], {}, 1 + 7),
        ("SkipLayerNormalization", [SHAPE, SHAPE, (8,), None, (8,)], {}, 2 + 6),
        ("SkipSimplifiedLayerNormalization", [SHAPE, SHAPE, (8,)], {}, 1 + 4),
        ("SkipSimplifiedLayerNormalization", [SHAPE, SHAPE, (8,), (8,)], {}, 2 + 4),
        ("GroupNorm", [SHAPE, (8,), (8,)], {"activation": 0}, 7),
        ("GroupNorm", [SHAPE, (8,), (8,)], {"activation": 1}, 7 + 5),
        ("SkipGroupNorm", [SHAPE, (8,), (8,), SHAPE, (8,)], {"activation": 1}, 2 + 7 + 5),
        ("EmbedLayerNormalization", [(3,), None, (9, 8), (9, 8), None, (8,), (8,)], {}, 1 + 7),
        ("EmbedLayerNormalization", [(3,), (3,), *[(9, 8)] * 3, (8,), (8,)], {}, 2 + 7),
        ("GatedRMSNorm", [SHAPE, (8,), SHAPE], {}, 3 + 1 + 5 + 1),
        ("GatedRMSNorm", [SHAPE, (8,), SHAPE], {"activation": "sigmoid"}, 3 + 1 + 4 + 1),
        ("BiasSoftmax", [SHAPE, (8,)], {}, 1 + 5),
        ("QLinearSoftmax", [SHAPE, (), (), (), ()], {}, 5),
    ],
)
def test_norms_of_onnx_runtime_cost_what_they_join(
    op: str, inputs: list[Any], attributes: dict[str, Any], operations: int
) -> None:
    assert each(onnx_call(f"com.microsoft.{op}", inputs, [SHAPE], **attributes)) == operations


# Gradients of norms -------------------------------------------------------------------------------


def softmax_backward(g: Row, y: Row) -> Any:
    whole = total([a * b for a, b in zip(g, y, strict=True)])
    return [b * (a - whole) for a, b in zip(g, y, strict=True)]


def log_softmax_backward(g: Row, y: Row) -> Any:
    whole = total(g)
    return [a - exp(b) * whole for a, b in zip(g, y, strict=True)]


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("_softmax_backward_data", softmax_backward),
        ("_log_softmax_backward_data", log_softmax_backward),
    ],
)
def test_the_gradient_of_a_softmax_costs_its_formula(name: str, formula: Formula) -> None:
    op = getattr(torch.ops.aten, name)
    check(formula, op(double(VALUES), double(OTHERS), 1, torch.float64), VALUES, OTHERS)

    assert each(aten(name, meta(*SHAPE), meta(*SHAPE), 1, torch.float32)) == per_element(formula, 2)


def of_layer_norm(
    dy: Row, x: Row, w: Row | None, wanted: tuple[bool, bool, bool]
) -> list[list[Any]]:
    """The gradients of input, weight and bias of one row."""
    n = len(x)
    values = [v.value for v in x]
    middle = sum(values) / n
    rstd = 1 / math.sqrt(sum((v - middle) ** 2 for v in values) / n + 1e-5)
    h = [(v - middle) * rstd for v in x] if wanted[0] or wanted[1] else []
    data, scale = [], []
    if wanted[0]:
        g = [a * b for a, b in zip(dy, w, strict=True)] if w is not None else dy
        mean = total(g) / n
        product = total([a * b for a, b in zip(g, h, strict=True)]) / n
        data = [rstd * (a - mean - b * product) for a, b in zip(g, h, strict=True)]
    tally = dy[0].tally
    if wanted[1]:  # added to what the rows before gave
        scale = [tally.number(0) + a * b for a, b in zip(dy, h, strict=True)]
    shift = [tally.number(0) + a for a in dy] if wanted[2] else []
    return [data, scale, shift]


@pytest.mark.parametrize(
    ("weighted", "wanted"),
    [(True, (True, True, True)), (True, (True, False, False)), (True, (False, True, True)),
     (True, (False, False, True)), (False, (True, False, True)), (False, (True, False, False))],
)  # fmt: skip
def test_the_gradient_of_a_layer_norm_costs_its_formula(
    weighted: bool, wanted: tuple[bool, bool, bool]
) -> None:
    def formula(dy: Row, x: Row, w: Row) -> Any:
        data, scale, shift = of_layer_norm(dy, x, w if weighted else None, wanted)
        return [*data, *scale, *shift]

    x = double(OTHERS)
    _, mean, rstd = torch.ops.aten.native_layer_norm(x, [8], None, None, 1e-5)
    w = double(VALUES)[0] if weighted else torch.ones(8, dtype=torch.float64)
    expected = torch.ops.aten.native_layer_norm_backward(
        double(VALUES), x, [8], mean, rstd, w, w, list(wanted)
    )
    check(
        formula,
        torch.cat([e.reshape(-1) for e in expected if e is not None]),
        VALUES,
        OTHERS,
        VALUES,
    )

    weight = meta(8) if weighted else None
    call = aten("native_layer_norm_backward", meta(*SHAPE), meta(*SHAPE), [8], meta(3, 1), meta(3, 1),
                weight, meta(8), list(wanted))  # fmt: skip
    assert each(call) == per_element(formula, 3)


def test_gradients_of_batch_and_group_norm_cost_as_much_in_training() -> None:
    """With stored statistics dx = dy * factor; dw still needs (x - mean) * rstd, a product, a sum."""
    x, c = meta(*IMAGE), meta(6)
    everything = [True, True, True]
    group = aten(
        "native_group_norm_backward", x, x, meta(2, 3), meta(2, 3), c, 2, 6, 4, 3, everything
    )
    batch = aten("native_batch_norm_backward", x, x, c, c, c, c, c, True, 1e-5, everything)
    stored = aten("native_batch_norm_backward", x, x, c, c, c, c, c, False, 1e-5, everything)

    assert each(group, 48) == each(batch, 48) == 2 + 8 + 2 + 1
    assert each(stored, 48) == 1 + 4 + 1


# Reductions ---------------------------------------------------------------------------------------


def running(x: Row) -> Any:
    sums = [x[0].tally.number(0)]
    for v in x:
        sums.append(sums[-1] + v)
    return sums[1:]


def variance(x: Row) -> Any:
    mean = total(x) / len(x)
    moved = [v - mean for v in x]
    return total([m * m for m in moved]) / (len(x) - 1)


def log_of_sum(x: Row) -> Any:
    top = largest(x)
    return top + log(total([exp(v - top) for v in x]))


REDUCTIONS: list[tuple[str, dict[str, Any], Formula, str]] = [
    ("sum.dim_IntList", {"dim": [1]}, total, "ReduceSum"),
    ("mean.dim", {"dim": [1]}, lambda x: total(x) / len(x), "ReduceMean"),
    ("amax", {"dim": [1]}, largest, "ReduceMax"),
    ("cumsum", {"dim": 1}, running, "CumSum"),
    ("logsumexp", {"dim": [1]}, log_of_sum, "ReduceLogSumExp"),
    ("var.correction", {"dim": [1]}, variance, ""),
    ("std.correction", {"dim": [1]}, lambda x: sqrt(variance(x)), ""),
    ("linalg_vector_norm", {"dim": [1]}, lambda x: sqrt(total([v * v for v in x])), "ReduceL2"),
    ("linalg_vector_norm", {"ord": 1, "dim": [1]}, lambda x: total([abs(v) for v in x]), "ReduceL1"),
    ("linalg_vector_norm", {"ord": 3, "dim": [1]},
     lambda x: total([abs(v) ** 3 for v in x]) ** (1 / 3), ""),
    ("norm.ScalarOpt_dim", {"p": 2, "dim": [1]}, lambda x: sqrt(total([v * v for v in x])), ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "given", "formula", "onnx"), REDUCTIONS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_reduction_costs_the_operations_of_its_formula(
    name: str, given: dict[str, Any], formula: Formula, onnx: str
) -> None:
    packet, _, which = name.partition(".")
    op = getattr(getattr(torch.ops.aten, packet), which or "default")
    check(formula, op(double(VALUES), **given), VALUES)

    assert each(aten(name, meta(*SHAPE), **given)) == per_element(formula)
    if onnx:
        assert each(onnx_call(onnx, [SHAPE], [(3, 1)])) == per_element(formula)


def test_the_product_of_the_squares_of_reduce_sum_square_is_counted() -> None:
    assert each(onnx_call("ReduceSumSquare", [SHAPE], [(3, 1)])) == 2
    assert (
        each(onnx_call("ArgMax", [SHAPE], [(3, 1)])) == each(aten("argmax", meta(*SHAPE), 1)) == 1
    )
    assert each(onnx_call("com.microsoft.QLinearReduceMean", [SHAPE, (), ()], [(3, 1)])) == 1


# Losses -------------------------------------------------------------------------------------------

LOSSES: list[tuple[str, Formula, tuple[Any, ...]]] = [
    ("mse_loss", lambda x, t: (x - t) * (x.value - t.value), ()),
    ("l1_loss", lambda x, t: abs(x - t), ()),
    ("huber_loss", lambda x, t: huber(abs(x - t)), ()),
    ("smooth_l1_loss", lambda x, t: smooth(abs(x - t)), ()),
    ("binary_cross_entropy", lambda x, t: -(t * log(x) + (1 - t) * log(1 - x)), (None,)),
    ("soft_margin_loss", lambda x, t: log(1 + exp(-(t * x))), ()),
    ("kl_div", lambda x, t: t * (log(t) - x), ()),
    ("binary_cross_entropy_with_logits",
     lambda x, t: (1 - t) * x - log(1 / (1 + exp(-x))), (None, None)),
]  # fmt: skip


def huber(d: Number) -> Any:
    return 0.5 * d * d if d < 1.0 else 1.0 * (d - 0.5)


def smooth(d: Number) -> Any:
    return 0.5 * d * d / 1.0 if d < 1.0 else d - 0.5


@pytest.mark.parametrize(
    ("name", "formula", "rest"), LOSSES, ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_loss_costs_the_operations_of_its_formula_and_its_sum(
    name: str, formula: Formula, rest: tuple[Any, ...]
) -> None:
    x, t = (0.3, 0.9, 0.55, 0.2), (0.8, 0.4, 0.1, 0.95)
    op = getattr(torch.ops.aten, name)
    none, mean = (*rest, 0), (*rest, 1)
    expected = op(double(x), double(t), *none)
    pairs = [Tally().numbers(p) for p in zip(x, t, strict=True)]
    mine = [formula(*p).value for p in pairs]
    torch.testing.assert_close(torch.tensor([mine], dtype=torch.float64), expected)
    operations = max(p[0].tally.operations for p in pairs)

    assert each(aten(name, meta(*SHAPE), meta(*SHAPE), *none)) == operations
    assert each(aten(name, meta(*SHAPE), meta(*SHAPE), *mean)) == operations + 1
