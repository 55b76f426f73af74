"""Which rule takes what, what it may decide, and what is said of rules that do nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from attrs import evolve, field, frozen
from quant_models import (
    Array,
    Bench,
    bench,
    constant,
    network,
    node,
    ops,
    outputs,
    values,
    with_entries,
)  # fmt: skip

from qreg.catalogue import Entry
from qreg.errors import Mistakes, QregError
from qreg.records import OpCall
from qreg.specs import QuantRuleSpec
from qreg_quant.affine import from_range, from_values, quantized
from qreg_quant.params import Rule
from qreg_quant.ranges import Ranges
from qreg_quant.records import NodePlan, QParams
from qreg_quant.static import plan


def chain() -> onnx.ModelProto:
    """conv1, relu1, conv2, sigmoid, fc.in, head.0: one op that has no 8-bit form."""
    return network(
        [
            node("Conv", "x conv1.weight", "a", "n1"),
            node("Relu", "a", "b", "relu1"),
            node("Conv", "b conv2.weight", "c", "n2"),
            node("Sigmoid", "c", "d", "sigmoid"),
            node("Flatten", "d", "e", "flatten"),
            node("Gemm", "e fc.weight fc.bias", "y", "n3"),
        ],
        (1, 2, 5, 5), "y",
        conv1_weight=values(3, 2, 3, 3), conv2_weight=values(2, 3, 2, 2), fc_weight=values(8, 4),
        fc_bias=values(4),
    )  # fmt: skip


@pytest.fixture
def floats(tmp_path: Path) -> Bench:
    return bench(tmp_path, chain())


def refused(floats: Bench, *rules: dict[str, Any], **params: Any) -> str:
    with pytest.raises(QregError) as told:
        floats.quantize(*rules, **params)
    return str(told.value)


def test_without_rules_everything_is_quantised_that_can_be_and_the_rest_is_told(
    floats: Bench,
) -> None:
    outcome = floats.quantize()

    (rule,) = outcome.record.rules
    assert (rule.use, rule.match) == ("quant/static", ".*")
    assert rule.unsupported == ("sigmoid", "flatten")
    assert "stays float: Sigmoid 'sigmoid': onnx.Sigmoid has no 8-bit form" in outcome.lines
    assert "stays float: Flatten 'flatten': its input is float" in outcome.lines
    assert outcome.lines[-1].startswith(
        "quantize: 4 of 6 nodes in 8 bits, 2 QuantizeLinear, 2 DequantizeLinear; "
    )


def test_the_first_rule_that_matches_wins_and_the_coverage_says_so(floats: Bench) -> None:
    outcome = floats.quantize(
        {"match": "conv1", "granularity": "tensor"},
        {"match": r"conv\d|relu1"},
        {"match": "fc", "act": "uint8", "weight": "uint8"},
    )

    rules = outcome.record.rules
    assert [r.matched for r in rules] == [("conv1",), ("relu1", "conv2"), ("fc",)]
    assert [r.shadowed for r in rules] == [(), ("conv1",), ()]
    layers = {x.name: (x.rule, x.becomes, x.weight, x.granularity) for x in outcome.record.layers}
    assert layers == {
        "conv1": (1, "QLinearConv", "int8", "tensor"),
        "relu1": (2, "in conv1", "", ""),
        "conv2": (2, "QLinearConv", "int8", "channel"),
        "sigmoid": (None, "Sigmoid", "", ""),
        "flatten": (None, "Flatten", "", ""),
        "fc": (3, "QGemm", "uint8", "channel"),
    }
    table = outcome.tables[0]
    assert table.rows[1] == (2, "quant/static", r"conv\d|relu1", "", 2, 2, 1, 0)


def test_match_is_for_the_whole_name(floats: Bench) -> None:
    told = refused(floats, {"match": "conv"})

    assert "the whole name must match: 'conv' only begins 'conv1', 'conv2'; add '.*'" in told


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            [{"match": ".*fcc.*"}],
            "rule 1 (static, match '.*fcc.*') matches no layer: the nearest layers are 'fc'",
        ),
        (
            [{"match": "zzz"}],
            (
                "rule 1 (static, match 'zzz') matches no layer: "
                "there are 'conv1', 'relu1', 'conv2' and 3 more"
            ),
        ),
        (
            [{"match": "conv.*", "op": ["Gemm"]}],
            (
                "rule 1 (static, match 'conv.*', op Gemm) matches no layer: "
                "it fits 'conv1', 'conv2', which it is not for: Conv"
            ),
        ),
        (
            [{"match": ".*"}, {"match": "conv.*"}],
            (
                "rule 2 (static, match 'conv.*') is shadowed: rule 1 takes all it fits, "
                "'conv1', 'conv2'; first match wins, so put it before, or narrow the other"
            ),
        ),
        (
            [{"match": "sigmoid"}],
            (
                "rule 1 (static, match 'sigmoid') cannot quantise Sigmoid 'sigmoid': "
                "onnx.Sigmoid has no 8-bit form; narrow the rule, or leave the layer out"
            ),
        ),
        (
            [{"op": ["Conv", "Sigmoid"]}],
            "rule 1 (static, match '.*', op Conv Sigmoid) cannot quantise Sigmoid 'sigmoid'",
        ),
        (
            [{"match": "relu1|flatten"}],
            "rule 1 (static, match 'relu1|flatten') cannot quantise Relu 'relu1': its input is float",
        ),
    ],
)
def test_a_rule_that_does_nothing_is_an_error_unless_warned_about(
    floats: Bench, rules: list[dict[str, Any]], message: str
) -> None:
    told = refused(floats, *rules)
    assert message in told
    assert told.endswith('unmatched = "warn" makes this a warning')

    lines = floats.quantize(*rules, unmatched="warn").lines
    assert any(line.startswith(f"warning: {message}") for line in lines)


def test_a_rule_for_a_folded_batch_norm_is_told_where_it_went(tmp_path: Path) -> None:
    proto = network(
        [node("Conv", "x a.weight", "a", "n"), node("BatchNormalization", "a g b m v", "y", "bn1")],
        (1, 2, 4, 4), "y", a_weight=values(3, 2, 1, 1), g=values(3), b=values(3), m=values(3),
        v=np.abs(values(3)),
    )  # fmt: skip

    told = refused(bench(tmp_path, proto), {"match": "bn1"})

    assert "matches no layer: 'bn1' was folded into 'a': match that layer" in told


def test_mistakes_in_a_rules_keys_are_told_by_key(floats: Bench, tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(
        '[[rule]]\nuse = "static"\nmatch = "("\n'
        '[[rule]]\nuse = "static"\nact = "int4"\n'
        '[[rule]]\nuse = "statik"\n'
        '[[rule]]\nuse = "static"\ngranularty = "channel"\n'
        '[[rule]]\nuse = "static"\nweight = "uint8"\n'
    )

    with pytest.raises(Mistakes) as mistakes:
        floats.quantize(rules=str(path))
    told = str(mistakes.value).replace(f"{path}:", "").splitlines()

    assert told[0].startswith("3: rule[0].match: 'match' is not a regular expression: ")
    assert told[1] == "6: rule[1].act: 'int4' is not one of 'int8', 'uint8'; did you mean 'int8'?"
    assert told[2] == "8: rule[2].use: no quant rule 'statik'; did you mean 'static'?"
    assert told[3] == "11: rule[3].granularty: unknown key; did you mean 'granularity'?"
    assert told[4].startswith("14: rule[4].weight: 'weight' is uint8 with act int8, which ONNX")


def test_rules_come_from_a_file_or_from_the_step_but_not_from_both(
    floats: Bench, tmp_path: Path
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('[[rule]]\nuse = "static"\nmatch = "fc"\n')

    outcome = floats.quantize(rules=str(path))

    assert outcome.model is not None and ops(outcome.model).count("QGemm") == 1
    assert "rules are given in the step and in" in refused(floats, {}, rules=str(path))
    path.write_text("")
    assert "rules.toml:1: rule: required key is missing" in refused(floats, rules=str(path))


def test_a_rule_may_read_ranges_of_its_own(floats: Bench, tmp_path: Path) -> None:
    floats.calibrate()
    own = tmp_path / "own.toml"
    own.write_text("[tensor.d]\nmin = 0\nmax = 1\n[tensor.e]\nmin = 0\nmax = 1\n"
                   "[tensor.y]\nscale = 0.5\nzero_point = 3\n")  # fmt: skip

    outcome = floats.quantize({"match": "fc", "ranges": "own.toml"}, {"match": "conv.*"})

    assert outcome.model is not None
    assert constant(outcome.model, "y_scale") == 0.5
    assert constant(outcome.model, "e_scale") == np.float32(1 / 255)


def test_missing_and_misnamed_ranges_are_told_by_tensor(floats: Bench, tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text("[tensor.x]\nmin = 0\nmax = 1\n[tensor.bb]\nmin = 0\nmax = 1\n")
    told = refused(floats, {"match": "conv1"}, ranges=str(path))
    assert told == f"{path}:4: tensor.\"bb\": the model has no such tensor; did you mean 'b'?"

    path.write_text("[tensor.x]\nmin = 0\nmax = 1\n")
    told = refused(floats, {"match": "conv1"}, ranges=str(path))
    assert told == (
        f"{path}: no range for tensor 'b'; calibrate this model again, or add "
        "[tensor.\"b\"] with min and max (for layer 'conv1', rule 1 (static, match 'conv1'))"
    )


def test_quantising_without_any_ranges_says_where_they_come_from(floats: Bench) -> None:
    with pytest.raises(
        QregError, match="tensor 'x' has no range: none were given; put a calibrate"
    ):
        floats.run("quantize")


def test_a_zero_point_that_does_not_fit_the_rules_type_is_told_with_its_line(floats: Bench) -> None:
    floats.ranges.write_text("[tensor.x]\nscale = 0.5\nzero_point = 200\n")

    with pytest.raises(Mistakes) as told:
        floats.quantize({"match": "conv1"})

    assert str(told.value).startswith(
        f"{floats.ranges}:3: zero_point 200 of tensor 'x' does not fit int8; give"
    )


def test_symmetric_activations_have_their_zero_point_in_the_middle(floats: Bench) -> None:
    for act, middle in (("int8", 0), ("uint8", 128)):
        made = floats.quantize({"act": act, "symmetric": True}).model
        assert made is not None
        assert {int(constant(made, f"{t}_zero_point")) for t in ("x", "a", "c", "y")} == {middle}
        assert ops(made).count("Clip") == 1  # the Relu no longer ends where the integers do
        (real,), (found,) = outputs(floats.model, floats.data), outputs(made, floats.data)
        assert ((found - real) ** 2).mean() < 0.01 * real.var()


# --- what somebody else's rule may do


@frozen(kw_only=True)
class PowerOfTwo(Rule):
    """Symmetric scales rounded up to powers of two."""

    bits: int = field(default=8, metadata={"doc": "of weights"})


def power_of_two(rule: PowerOfTwo, call: OpCall, ranges: Ranges) -> NodePlan:
    found = plan(call, ranges, act="int8", weight="int8", symmetric=True)
    return found.map(lambda p: evolve(p, scale=np.exp2(np.ceil(np.log2(p.scale)))))


def leave_float(rule: Rule, call: OpCall, ranges: Ranges) -> NodePlan:
    return NodePlan(mode="float")


def no_output(rule: Rule, call: OpCall, ranges: Ranges) -> NodePlan:
    return evolve(plan(call, ranges), output=None)


def mixed_types(rule: Rule, call: OpCall, ranges: Ranges) -> NodePlan:
    return plan(call, ranges, act="int8", weight="uint8")


def per_channel_activations(rule: Rule, call: OpCall, ranges: Ranges) -> NodePlan:
    wide = QParams(dtype="int8", scale=np.ones(2), zero_point=np.zeros(2), axis=1)
    return evolve(plan(call, ranges), inputs=(wide, None))


def broken(rule: Rule, call: OpCall, ranges: Ranges) -> NodePlan:
    raise ZeroDivisionError("oh")


def nothing(rule: Rule, call: OpCall, ranges: Ranges) -> None:
    return None


def rule(name: str, params: str = "Rule", targets: tuple[str, ...] = ("*",)) -> Entry[Any]:
    home = __name__ if params == "PowerOfTwo" else "qreg_quant.params"
    spec = QuantRuleSpec(
        name=name, targets=targets, params=f"{home}:{params}", apply=f"{__name__}:{name}"
    )
    return Entry("theirs", "their-dist", "1", __name__, spec)


def test_a_rule_of_twenty_lines_gives_power_of_two_scales(floats: Bench) -> None:
    extended = with_entries(floats, rule("power_of_two", "PowerOfTwo"))

    outcome = extended.quantize({"use": "power_of_two", "match": "conv.*|relu.*"}, {"match": "fc"})

    assert outcome.model is not None
    scales = {
        n: constant(outcome.model, f"{n}_scale")
        for n in ("x", "a", "c", "conv1.weight", "conv2.weight")
    }
    for name, scale in scales.items():
        assert (np.frexp(scale)[0] == 0.5).all(), name
    assert (np.frexp(constant(outcome.model, "y_scale"))[0] != 0.5).all()
    (real,), (found,) = outputs(floats.model, floats.data), outputs(outcome.model, floats.data)
    assert ((found - real) ** 2).mean() < 0.01 * real.var()


def test_what_a_rule_leaves_float_is_covered_and_no_fault(floats: Bench) -> None:
    extended = with_entries(floats, rule("leave_float"))

    outcome = extended.quantize({"use": "leave_float", "match": "conv2|relu1|sigmoid"}, {})

    assert outcome.model is not None
    assert outcome.record.rules[0].unsupported == ("sigmoid",)
    assert ops(outcome.model)[:5] == [
        "QuantizeLinear", "QLinearConv", "DequantizeLinear", "Relu", "Conv",
    ]  # fmt: skip
    (real,), (found,) = outputs(floats.model, floats.data), outputs(outcome.model, floats.data)
    assert ((found - real) ** 2).mean() < 0.01 * real.var()


def test_a_rule_written_for_some_ops_takes_no_others(floats: Bench) -> None:
    extended = with_entries(floats, rule("power_of_two", "PowerOfTwo", ("onnx.Conv",)))

    rules = extended.quantize({"use": "power_of_two"}, {}).record.rules

    assert rules[0].matched == ("conv1", "conv2") == rules[1].shadowed


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_output", "gives no parameters for the output of layer 'conv1'"),
        (
            "mixed_types",
            "makes inputs int8 and uint8, output int8; ONNX Runtime computes int8 with",
        ),
        (
            "per_channel_activations",
            "gives input 0 one scale per channel; activations have a single",
        ),
        (
            "broken",
            "quant_rules theirs/broken (their-dist 1) failed: ZeroDivisionError: oh; that is",
        ),
        ("broken", "(for layer 'conv1', rule 1 (broken, match '.*'))"),
        (
            "nothing",
            "layer 'conv1': quant_rules theirs/nothing (their-dist 1) gave NoneType; its contract",
        ),
    ],
)
def test_a_rule_whose_plan_cannot_be_carried_out_is_named(
    floats: Bench, name: str, message: str
) -> None:
    extended = with_entries(floats, rule(name))

    assert message in refused(extended, {"use": name})


# --- the arithmetic of parameters


@pytest.mark.parametrize(
    ("low", "high", "dtype", "symmetric", "scale", "zero"),
    [
        (-1.0, 1.0, "int8", False, 2 / 255, 0),  # -128 + 127.5 = -0.5, to even
        (0.0, 255.0, "uint8", False, 1.0, 0),
        (-127.5, 127.5, "uint8", False, 1.0, 128),  # 127.5 to even
        (-126.5, 128.5, "uint8", False, 1.0, 126),  # 126.5 to even
        (3.0, 5.0, "int8", False, 5 / 255, -128),  # zero belongs to the range
        (-5.0, -3.0, "int8", False, 5 / 255, 127),
        (-1.0, 0.5, "int8", True, 1 / 127, 0),
        (-1.0, 0.5, "uint8", True, 2 / 255, 128),
        (0.0, 0.0, "int8", False, 1.0, 0),  # nothing to resolve
        (-1e-38, 1e-38, "uint8", False, 1.0, 0),  # its scale would be subnormal
    ],
)
def test_parameters_of_a_range(
    low: float, high: float, dtype: str, symmetric: bool, scale: float, zero: int
) -> None:
    found = from_range(low, high, dtype, symmetric)

    assert found.scale == np.float32(scale) and found.scale.dtype == np.float32
    assert found.zero_point == zero


def test_the_zero_point_uses_the_scale_before_it_is_rounded() -> None:
    """Brute force for a range where the rounded scale would give another zero-point."""
    rng = np.random.default_rng(1)
    for _ in range(200_000):
        low, high = -np.float32(rng.random()), np.float32(rng.random())
        exact = (float(high) - float(low)) / 255
        before, after = (-128 - float(low) / s for s in (exact, float(np.float32(exact))))
        if round(before) != round(after):
            break
    else:
        pytest.fail("no such range found")

    assert from_range(low, high, "int8").zero_point == round(before)


def test_integers_of_constants_round_halves_to_even_and_saturate() -> None:
    params = QParams(dtype="int8", scale=0.5, zero_point=3)
    reals = np.float32([0.25, 0.75, -0.25, -0.75, 1e30, -1e30, 61.9])

    assert quantized(reals, params).tolist() == [3, 5, 3, 1, 127, -128, 127]


def test_weights_per_channel_have_one_scale_each_along_any_axis() -> None:
    weight = np.float32([[127, -254, 0], [1, 2, 0]])

    rows, columns = from_values(weight, "int8", 0), from_values(weight, "int8", 1)

    assert rows.scale.tolist() == [2, np.float32(2 / 127)]
    assert columns.scale.tolist() == [1, 2, 1]
    assert quantized(weight, columns).tolist() == [[127, -127, 0], [1, 1, 0]]


def test_parameters_that_make_no_sense_are_refused() -> None:
    for change, message in (
        ({"scale": 0.0}, "must be positive and finite"),
        ({"scale": np.nan}, "must be positive and finite"),
        ({"zero_point": 128}, r"zero_point 128 does not fit int8 \(-128..127\)"),
        ({"axis": 0}, "must both have 1 dimensions when axis is 0"),
    ):
        with pytest.raises(QregError, match=message):
            QParams(**{"dtype": "int8", "scale": 1.0, "zero_point": 0, **change})  # type: ignore[arg-type]


def test_equal_parameters_are_equal() -> None:
    first = QParams(dtype="int8", scale=[0.1, 0.2], zero_point=[0, 0], axis=0)
    array: Array = np.float32([0.1, 0.2])

    assert first == QParams(dtype="int8", scale=array, zero_point=np.zeros(2, np.int8), axis=0)
    assert first != evolve(first, scale=array * 2)
