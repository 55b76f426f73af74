"""Plain values to typed parameters."""

from pathlib import Path
from typing import Any, Literal

import pytest
from attrs import field, frozen
from attrs.validators import gt

from qreg.catalogue import Catalogue, Entry
from qreg.errors import StructureError
from qreg.specs import MetricSpec, QuantRuleSpec
from qreg.structure import Use, structure


@frozen(kw_only=True)
class Rule:
    match: str
    scale: float = field(default=1.0, validator=gt(0.0))


@frozen(kw_only=True)
class Params:
    count: int
    ratio: float = 1.0
    flag: bool = False
    name: str = ""
    mode: Literal["fast", "exact"] = "fast"
    sizes: tuple[int, ...] = ()
    table: dict[str, tuple[int, ...]] = field(factory=dict)
    data: Path | None = None
    metrics: tuple[Entry[MetricSpec], ...] = ()
    rule: tuple[Use[QuantRuleSpec], ...] = ()


CATALOGUE = Catalogue(
    entries=(
        Entry("t", "t", "1", "t", MetricSpec(name="macs", compute="m:f")),
        Entry("t", "t", "1", "t", QuantRuleSpec(name="static", params=f"{__name__}:Rule", apply="m:f")),
    )
)  # fmt: skip


def mistakes(**values: Any) -> list[str]:
    with pytest.raises(StructureError) as caught:
        structure(values, Params, CATALOGUE, Path())
    return str(caught.value).splitlines()


def test_what_fits_is_read_with_entries_and_rules_resolved(tmp_path: Path) -> None:
    (tmp_path / "x.npz").touch()
    params = structure(
        {"count": 3, "ratio": 2, "sizes": [1, 2], "data": "x.npz", "metrics": ["t/macs"],
         "rule": [{"use": "static", "match": ".*", "scale": 0.5}]},
        Params, CATALOGUE, tmp_path,
    )  # fmt: skip

    assert (params.count, params.ratio, params.sizes) == (3, 2.0, (1, 2))
    assert params.data == tmp_path / "x.npz"
    assert [e.id for e in params.metrics] == ["t/macs"]
    assert params.rule[0].params == Rule(match=".*", scale=0.5)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"count": "3"}, "count: expected a whole number, found '3'"),
        ({"count": 3.0}, "count: expected a whole number, found 3.0"),
        ({"count": True}, "count: expected a whole number, found True"),
        ({"count": 1, "flag": "no"}, "flag: expected true or false, found 'no'"),
        ({"count": 1, "ratio": True}, "ratio: expected a number, found True"),
        ({"count": 1, "name": 3}, "name: expected a string, found 3"),
        ({"count": 1, "sizes": "12"}, "sizes: expected a list, found '12'"),
        ({"count": 1, "sizes": [1, "2"]}, "sizes[1]: expected a whole number, found '2'"),
        ({"count": 1, "table": {"x": [1, None]}}, "table.x[1]: expected a whole number, found None"),
        ({"count": 1, "cuont": 2}, "cuont: unknown key; did you mean 'count'?"),
        ({}, "count: required key is missing"),
        ({"count": 1, "mode": "exat"},
         "mode: 'exat' is not one of 'fast', 'exact'; did you mean 'exact'?"),
        ({"count": 1, "metrics": ["mac"]}, "metrics[0]: no metric 'mac'; did you mean 'macs'?"),
        ({"count": 1, "rule": [{"match": "x"}]},
         "rule[0]: required key 'use' is missing: which quant_rules?"),
        ({"count": 1, "rule": [{"use": "statc"}]},
         "rule[0].use: no quant rule 'statc'; did you mean 'static'?"),
        ({"count": 1, "rule": [{"use": "static", "match": "x", "scale": -1.0}]},
         "rule[0].scale: 'scale' must be > 0.0: -1.0"),
        ({"count": 1, "rule": [{"use": "static"}]}, "rule[0].match: required key is missing"),
        ({"count": 1, "data": "none.npz"}, "data: no such file: none.npz"),
        ({"count": 1, "rule": "static"}, "rule: expected a list, found 'static'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_path_and_cure(values: dict[str, Any], text: str) -> None:
    assert mistakes(**values) == [text]


def test_all_mistakes_are_told_at_once() -> None:
    found = mistakes(count="x", flag=1, nmae="y", rule=[{"use": "static", "mtch": 1}])

    assert sorted(found) == [
        "count: expected a whole number, found 'x'",
        "flag: expected true or false, found 1",
        "nmae: unknown key; did you mean 'name'?",
        "rule[0].match: required key is missing",
        "rule[0].mtch: unknown key; did you mean 'match'?",
    ]


def test_a_refused_value_is_told_also_where_another_key_keeps_the_record_from_being_made() -> None:
    rule = {"use": "static", "scale": -1.0, "mtch": "x", "match": 3}

    assert sorted(mistakes(count=1, rule=[rule])) == [
        "rule[0].match: expected a string, found 3",
        "rule[0].mtch: unknown key; did you mean 'match'?",
        "rule[0].scale: 'scale' must be > 0.0: -1.0",
    ]
