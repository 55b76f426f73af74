"""Activations and functions cost what their formulas do.

Each formula is written here as its standard defines it, over numbers that count the operations done
with them; PyTorch's result for the same numbers shows that the formula is the right one.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cost_calls import aten, onnx_call, priced
from counted import (
    Number,
    Tally,
    between,
    clip,
    cos,
    erf,
    exp,
    lgamma,
    log,
    log1p,
    sin,
    sqrt,
    tanh,
    trunc,
)

from qreg.records import OpCall

torch = pytest.importorskip("torch")

SHAPE = (3, 5)
POINTS = (-4.5, -1.25, -0.3, 0.2, 0.7, 1.9, 5.0)
INSIDE = (0.1, 0.35, 0.6, 0.92)  # where logarithms of x and 1 - x exist
K, C = math.sqrt(2 / math.pi), 0.044715
ALPHA, SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946

Formula = Callable[..., Any]


def sigmoid(x: Number) -> Any:
    return 1 / (1 + exp(-x))


def gelu_tanh(x: Number) -> Any:
    return 0.5 * x * (1 + tanh(K * (x + C * x**3)))


def gelu_backward(g: Number, x: Number) -> Any:
    below = 0.5 * (1 + erf(x * math.sqrt(0.5)))
    density = exp(x * x * -0.5) * (K / 2)
    return g * (below + x * density)


def gelu_tanh_backward(g: Number, x: Number) -> Any:
    t = tanh(K * (x + C * x**3))
    return g * ((1 + t) * 0.5 + x * 0.5 * (1 - t * t) * K * (1 + (3 * C) * x * x))


def silu_backward(g: Number, x: Number) -> Any:
    s = sigmoid(x)
    return g * s * (1 + x * (1 - s))


def mish_backward(g: Number, x: Number) -> Any:
    t, s = tanh(log(1 + exp(x))), sigmoid(x)
    return g * (t + x * s * (1 - t * t))


def hardswish_backward(g: Number, x: Number) -> Any:
    if between(x, -3, 3):
        return g * (x / 3 + 0.5)
    return g if x.value > 0 else 0.0


def elu(x: Number) -> Any:
    return x if x > 0 else 0.8 * (exp(x) - 1)


# name, keywords, formula, inputs where it is evaluated, and the same op in ONNX's spelling
UNARY: list[tuple[str, dict[str, Any], Formula, tuple[float, ...], str]] = [
    ("relu", {}, lambda x: x if x > 0 else 0 * x.value, POINTS, "Relu"),
    ("hardtanh", {}, lambda x: clip(x, -1, 1), POINTS, "Clip"),
    ("hardshrink", {}, lambda x: 0.0 if between(x, -0.5, 0.5) else x, POINTS, ""),
    ("softshrink", {}, lambda x: x - clip(x, -0.5, 0.5), POINTS, "Shrink"),
    ("leaky_relu", {}, lambda x: x if x > 0 else 0.01 * x, POINTS, "LeakyRelu"),
    ("elu", {"alpha": 0.8}, elu, POINTS, "Elu"),
    ("selu", {}, lambda x: SCALE * x if x > 0 else SCALE * (ALPHA * (exp(x) - 1)), POINTS, "Selu"),
    ("celu", {"alpha": 2.0}, lambda x: x if x > 0 else 2 * (exp(x / 2) - 1), POINTS, "Celu"),
    ("sigmoid", {}, sigmoid, POINTS, "Sigmoid"),
    ("log_sigmoid", {}, lambda x: log(sigmoid(x)), POINTS, ""),
    ("silu", {}, lambda x: x * sigmoid(x), POINTS, "Swish"),
    ("hardsigmoid", {}, lambda x: clip(x / 6 + 0.5, 0, 1), POINTS, "HardSigmoid"),
    ("hardswish", {}, lambda x: x * clip(x / 6 + 0.5, 0, 1), POINTS, "HardSwish"),
    ("gelu", {}, lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))), POINTS, "Gelu"),
    ("gelu", {"approximate": "tanh"}, gelu_tanh, POINTS, "Gelu"),
    ("mish", {}, lambda x: x * tanh(log(1 + exp(x))), POINTS, "Mish"),
    ("softplus", {}, lambda x: log(1 + exp(x)), POINTS, "Softplus"),
    ("softplus", {"beta": 2}, lambda x: log(1 + exp(2 * x)) / 2, POINTS, ""),
    ("tanh", {}, tanh, POINTS, "Tanh"),
    ("exp", {}, exp, POINTS, "Exp"),
    ("sin", {}, sin, POINTS, "Sin"),
    ("erf", {}, erf, POINTS, "Erf"),
    ("neg", {}, lambda x: -x, POINTS, "Neg"),
    ("abs", {}, abs, POINTS, "Abs"),
    ("reciprocal", {}, lambda x: 1 / x, POINTS, "Reciprocal"),
    ("square", {}, lambda x: x * x, POINTS, ""),
    ("frac", {}, lambda x: x - trunc(x), POINTS, ""),
    ("sinc", {}, lambda x: sin(y := math.pi * x) / y, POINTS, ""),
    ("sqrt", {}, sqrt, INSIDE, "Sqrt"),
    ("log", {}, log, INSIDE, "Log"),
    ("log1p", {}, log1p, INSIDE, ""),
    ("lgamma", {}, lgamma, INSIDE, ""),
    ("logit", {}, lambda x: log(x / (1 - x)), INSIDE, ""),
    ("special_entr", {}, lambda x: -(x * log(x)), INSIDE, ""),
]  # fmt: skip

BINARY: list[tuple[str, dict[str, Any], Formula, str]] = [
    ("add.Tensor", {}, lambda x, y: x + y, "Add"),
    ("add.Tensor", {"alpha": 3}, lambda x, y: x + 3 * y, ""),
    ("sub.Tensor", {}, lambda x, y: x - y, "Sub"),
    ("rsub.Tensor", {}, lambda x, y: y - x, ""),
    ("mul.Tensor", {}, lambda x, y: x * y, "Mul"),
    ("div.Tensor", {}, lambda x, y: x / y, "Div"),
    ("pow.Tensor_Tensor", {}, lambda x, y: x**y, "Pow"),
    ("maximum", {}, lambda x, y: max(y, x), "Max"),
    ("minimum", {}, lambda x, y: min(y, x), "Min"),
    ("max.other", {}, lambda x, y: max(y, x), ""),
    ("xlogy.Tensor", {}, lambda x, y: x * log(y), ""),
    ("logaddexp", {}, lambda x, y: log(exp(x) + exp(y)), ""),
    ("_prelu_kernel", {}, lambda x, y: x if x > 0 else y * x, "PRelu"),
    ("polar", {}, lambda x, y: (x * cos(y), x * sin(y)), ""),
]

# gradients: of the result, and of the input or the result of the forward pass
BACKWARD: list[tuple[str, Formula, tuple[Any, ...], dict[str, Any]]] = [
    ("threshold_backward", lambda g, x: g if x > 0 else 0.0, (0.0,), {}),
    ("hardtanh_backward", lambda g, x: g if between(x, -1, 1) else 0.0, (-1.0, 1.0), {}),
    ("leaky_relu_backward", lambda g, x: g if x > 0 else 0.1 * g, (0.1, False), {}),
    ("sigmoid_backward", lambda g, y: g * y * (1 - y), (), {}),
    ("tanh_backward", lambda g, y: g * (1 - y * y), (), {}),
    ("silu_backward", silu_backward, (), {}),
    ("mish_backward", mish_backward, (), {}),
    ("gelu_backward", gelu_backward, (), {}),
    ("softplus_backward", lambda g, x: g * (z := exp(x)) / (1 + z), (1.0, 20.0), {}),
    ("hardsigmoid_backward", lambda g, x: g / 6 if between(x, -3, 3) else 0.0, (), {}),
    ("logit_backward", lambda g, x: g / (x * (1 - x)), (), {}),
    ("gelu_backward", gelu_tanh_backward, (), {"approximate": "tanh"}),
    ("hardswish_backward", hardswish_backward, (), {}),
]


def double(*values: float) -> Any:
    return torch.tensor(values, dtype=torch.float64)


def value(result: Any) -> float:
    return result.value if isinstance(result, Number) else float(result)


def most(formula: Formula, *points: tuple[float, ...]) -> int:
    """Operations of the longest branch that the points take."""
    found = []
    for point in zip(*points, strict=True):
        tally = Tally()
        formula(*tally.numbers(point))
        found.append(tally.operations)
    return max(found)


def each(call: OpCall) -> int:
    """Operations per element of a call over SHAPE."""
    cost = priced(call)
    assert cost.contractions == ()
    assert cost.elementwise_flops % 15 == 0
    return cost.elementwise_flops // 15


@pytest.mark.parametrize(
    ("name", "given", "formula", "points", "onnx"), UNARY, ids=lambda v: v if isinstance(v, str) else ""
)  # fmt: skip
def test_a_function_costs_the_operations_of_its_formula(
    name: str, given: dict[str, Any], formula: Formula, points: tuple[float, ...], onnx: str
) -> None:
    result = getattr(torch.ops.aten, name)(double(*points), **given)
    mine = [value(formula(Tally().number(p))) for p in points]
    torch.testing.assert_close(result, double(*mine))

    expected = most(formula, points)
    assert each(aten(name, torch.empty(SHAPE, device="meta"), **given)) == expected
    if onnx:
        assert each(onnx_call(onnx, [SHAPE], [SHAPE], **given)) == expected


@pytest.mark.parametrize(
    ("name", "given", "formula", "onnx"), BINARY, ids=lambda v: v if isinstance(v, str) else ""
)
def test_an_operation_of_two_costs_the_operations_of_its_formula(
    name: str, given: dict[str, Any], formula: Formula, onnx: str
) -> None:
    x, y = (-0.3 if name.startswith("_prelu") else 0.3, 0.9, 2.0), (1.5, 0.4, 0.6)
    packet, _, which = name.partition(".")
    op = getattr(getattr(torch.ops.aten, packet), which or "default")
    result = op(double(*x), double(*y), **given)
    mine = [formula(*Tally().numbers(p)) for p in zip(x, y, strict=True)]
    mine = [complex(*map(value, m)) if isinstance(m, tuple) else value(m) for m in mine]
    torch.testing.assert_close(result, torch.tensor(mine, dtype=result.dtype))

    expected = most(formula, x, y)
    wide, narrow = torch.empty(SHAPE, device="meta"), torch.empty(SHAPE[1:], device="meta")
    assert each(aten(name, wide, narrow, **given)) == expected
    if onnx:
        assert each(onnx_call(onnx, [SHAPE, SHAPE[1:]], [SHAPE])) == expected


@pytest.mark.parametrize(
    ("name", "formula", "rest", "given"), BACKWARD, ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_gradient_costs_the_operations_of_its_formula(
    name: str, formula: Formula, rest: tuple[Any, ...], given: dict[str, Any]
) -> None:
    points = INSIDE if name == "logit_backward" else POINTS
    gradients = tuple(0.5 + i for i, _ in enumerate(points))
    result = getattr(torch.ops.aten, name)(double(*gradients), double(*points), *rest, **given)
    mine = [value(formula(*Tally().numbers(p))) for p in zip(gradients, points, strict=True)]
    torch.testing.assert_close(result, double(*mine))

    empty = torch.empty(SHAPE, device="meta")
    assert each(aten(name, empty, empty, *rest, **given)) == most(formula, gradients, points)


def test_gradients_with_arguments_in_other_places_cost_their_formulas_too() -> None:
    x = torch.empty(SHAPE, device="meta")

    def of_elu(g: Number, x: Number) -> Any:
        return g if x > 0 else g * 0.8 * exp(x)

    assert each(aten("elu_backward", x, 0.8, 1, 1, False, x)) == most(of_elu, POINTS, POINTS)
    of_log = most(lambda g, x: g / (1 + exp(x)), POINTS, POINTS)
    assert each(aten("log_sigmoid_backward", x, x, x)) == of_log


def test_gated_units_cost_a_sigmoid_and_a_product_per_result() -> None:
    """Backwards s * g and (1 - s) * s * g * a: one and four operations after the sigmoid's four."""
    halves, half = torch.empty(3, 10, device="meta"), torch.empty(SHAPE, device="meta")

    assert each(aten("glu", halves)) == 4 + 1
    assert each(aten("glu_backward", half, halves, -1)) == 4 + 1 + 4
    assert each(onnx_call("SwiGLU", [SHAPE, SHAPE], [SHAPE])) == 5 + 1
    assert each(onnx_call("SwiGLU", [SHAPE, SHAPE], [SHAPE], alpha=1.5)) == 6 + 1


def test_a_leaky_relu_with_drawn_slopes_draws_in_training_only() -> None:
    x = torch.empty(SHAPE, device="meta")

    assert each(aten("rrelu", x)) == 2
    assert each(aten("rrelu", x, training=True)) == 3


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "operations"),
    [
        ("Gelu", [SHAPE], {}, 5),
        ("BiasGelu", [SHAPE, (5,)], {}, 1 + 5),
        ("FastGelu", [SHAPE], {}, 8),
        ("FastGelu", [SHAPE, (5,)], {}, 1 + 8),
        ("QuickGelu", [SHAPE], {}, 1 + 4 + 1),
        ("QuickGelu", [SHAPE], {"alpha": 1.0}, 4 + 1),
        ("ScaledSiLU", [SHAPE, ()], {}, 1 + 4 + 1),
        ("BiasSplitGelu", [(3, 10), (10,)], {}, 2 + 5 + 1),
        ("QLinearSigmoid", [SHAPE, (), (), (), ()], {}, 4),
        ("QLinearLeakyRelu", [SHAPE, (), (), (), ()], {}, 2),
        ("QLinearAdd", [SHAPE, (), (), SHAPE, (), (), (), ()], {}, 1),
        ("QLinearMul", [SHAPE, (), (), SHAPE, (), (), (), ()], {}, 1),
        ("QLinearWhere", [SHAPE, SHAPE, (), (), SHAPE, (), (), (), ()], {}, 1),
        ("LinearAttentionGate", [SHAPE, (5,), (5,)], {}, 1 + 3 + 1),
        ("LinearAttentionGate", [SHAPE, (5,), (5,), SHAPE], {}, 1 + 3 + 1 + 4),
        ("BiasAdd", [SHAPE, (5,), SHAPE], {}, 2),
        ("GatedAdd", [SHAPE, SHAPE, (3, 1)], {}, 2),
        ("ComplexMul", [SHAPE, SHAPE], {}, 3),
    ],
)
def test_ops_of_onnx_runtime_cost_what_they_join(
    op: str, inputs: list[tuple[int, ...]], attributes: dict[str, Any], operations: int
) -> None:
    assert each(onnx_call(f"com.microsoft.{op}", inputs, [SHAPE], **attributes)) == operations


def test_the_table_of_activations_says_what_is_counted() -> None:
    page = (Path(__file__).parents[2] / "docs" / "elementwise.md").read_text()
    section = page.partition("## Activations")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+`) \| (\d+) \|", section, re.MULTILINE)

    assert len(rows) >= 15
    for names, operations in rows:
        for name in re.findall(r"`(\w+)`", names):
            target = f"aten.{name}.default" if name.islower() else f"onnx.{name}"
            assert each(onnx_call(target, [SHAPE, SHAPE], [SHAPE])) == int(operations), name


def test_complex_sums_are_two_operations_and_products_six() -> None:
    z, x = (
        torch.empty(SHAPE, device="meta", dtype=torch.complex64),
        torch.empty(SHAPE, device="meta"),
    )

    assert each(aten("add.Tensor", z, x)) == 2
    assert each(aten("mul.Tensor", z, z)) == 4 + 2
    assert each(aten("mul.Tensor", z, x)) == 2
    assert each(aten("div.Tensor", z, z)) == 6 + 3 + 2
    assert each(aten("mul.Tensor", x, x)) == 1
