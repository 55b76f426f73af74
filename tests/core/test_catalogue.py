"""Who wins a target, and what becomes of plugins that fail."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from qreg.catalogue import Catalogue, Entry, discover, rank
from qreg.errors import QregError
from qreg.specs import CEmitterSpec, LayerEstimatorSpec, RegistrySpec, StepSpec


def entry(id_: str, *targets: str, **facts: object) -> Entry[LayerEstimatorSpec]:
    plugin, name = id_.split("/")
    spec = LayerEstimatorSpec(name=name, targets=targets, estimate="m:f", **facts)  # type: ignore[arg-type]
    return Entry(plugin, f"qreg-{plugin}", "1.0", f"qreg_{plugin}.plugin", spec)


def emitter(id_: str, dtypes: tuple[str, ...], isa: tuple[str, ...] = ()) -> Entry[CEmitterSpec]:
    plugin, name = id_.split("/")
    spec = CEmitterSpec(
        name=name, targets=("onnx.Conv",), dtypes=dtypes, isa=isa, template="p:t.j2", context="m:f"
    )
    return Entry(plugin, f"qreg-{plugin}", "1.0", f"qreg_{plugin}.plugin", spec)


def chosen(
    entries: list[Entry[LayerEstimatorSpec]],
    target: str,
    pins: Mapping[str, Sequence[str]] | None = None,
) -> str | None:
    catalogue = Catalogue(entries=tuple(entries), pins=pins or {})
    found = catalogue.choose(LayerEstimatorSpec, target)
    return found and found.id


@pytest.mark.parametrize(
    ("claims", "winner"),
    [
        (["a/exact:aten.add.Tensor", "b/packet:aten.add", "c/glob:aten.*"], "a/exact"),
        (["b/packet:aten.add", "c/glob:aten.*"], "b/packet"),
        (["c/glob:aten.*"], "c/glob"),
        (["a/other:aten.mul", "b/prefix:aten.ad"], None),
    ],
)
def test_the_most_specific_target_wins(claims: list[str], winner: str | None) -> None:
    assert chosen([entry(*c.split(":")) for c in claims], "aten.add.Tensor") == winner


def test_equal_claims_are_a_conflict_that_names_both_and_prints_the_pin() -> None:
    with pytest.raises(QregError) as caught:
        chosen([entry("a/x", "onnx.Conv"), entry("b/y", "onnx.Conv")], "onnx.Conv")

    assert str(caught.value).splitlines() == [
        "2 layer_estimators claim onnx.Conv:",
        "  a/x                     qreg-a 1.0",
        "  b/y                     qreg-b 1.0",
        "choose one in the pipeline:",
        "  [pin]",
        '  "onnx.Conv" = "a/x"',
        "or on the command line: --pin onnx.Conv=a/x",
    ]


def test_a_pin_settles_a_conflict_and_beats_a_more_specific_claim() -> None:
    claims = [entry("a/x", "onnx.Conv"), entry("b/y", "onnx.*")]

    assert chosen(claims, "onnx.Conv", {"onnx.Conv": ["b/y"]}) == "b/y"


def test_one_pin_can_settle_two_registries() -> None:
    catalogue = Catalogue(
        entries=(
            entry("a/cost", "onnx.Conv"), entry("b/cost", "onnx.Conv"),
            emitter("a/code", ("float32",)), emitter("b/code", ("float32",)),
        ),
        pins={"onnx.Conv": ["a/cost", "b/code"]},
    )  # fmt: skip

    cost = catalogue.choose(LayerEstimatorSpec, "onnx.Conv")
    code = catalogue.choose(CEmitterSpec, "onnx.Conv", dtypes="float32")

    assert (cost and cost.id, code and code.id) == ("a/cost", "b/code")


def test_a_pin_that_cannot_serve_is_told_not_ignored() -> None:
    catalogue = Catalogue(
        entries=(emitter("a/float", ("float32",)), emitter("a/int8", ("int8",))),
        pins={"onnx.Conv": ["a/int8"]},
    )

    with pytest.raises(QregError, match=r"'a/int8' does not serve it with .*dtypes float32"):
        catalogue.choose(CEmitterSpec, "onnx.Conv", dtypes="float32")


def test_overrides_replaces_an_equal_claim() -> None:
    claims = [entry("a/x", "onnx.Conv"), entry("b/y", "onnx.Conv", overrides=("a/x",))]

    assert chosen(claims, "onnx.Conv") == "b/y"


def test_two_entries_that_override_each_other_stay_a_conflict() -> None:
    claims = [
        entry("a/x", "onnx.Conv", overrides=("b/y",)),
        entry("b/y", "onnx.Conv", overrides=("a/x",)),
    ]

    with pytest.raises(QregError, match=r"claim onnx\.Conv"):
        chosen(claims, "onnx.Conv")


def test_the_latest_version_not_newer_than_the_model_wins() -> None:
    old, new = entry("a/old", "onnx.Clip", since=6), entry("a/new", "onnx.Clip", since=11)
    catalogue = Catalogue(entries=(old, new))

    picks = [catalogue.choose(LayerEstimatorSpec, "onnx.Clip", opset=v) for v in (5, 6, 10, 11, 20)]

    assert [p and p.id for p in picks] == [None, "a/old", "a/old", "a/new", "a/new"]


def test_the_emitter_for_the_richest_available_instruction_set_wins() -> None:
    catalogue = Catalogue(
        entries=(
            emitter("a/plain", ("int8",)),
            emitter("a/vnni", ("int8",), ("avx512vnni",)),
            emitter("a/float", ("float32",)),
        )
    )

    def pick(dtype: str, isa: set[str]) -> str | None:
        found = catalogue.choose(CEmitterSpec, "onnx.Conv", dtypes=dtype, isa=isa)
        return found and found.id

    assert pick("int8", set()) == "a/plain"
    assert pick("int8", {"avx2", "avx512vnni"}) == "a/vnni"
    assert pick("float32", {"avx512vnni"}) == "a/float"
    assert pick("int16", set()) is None


def test_a_name_finds_its_entry_and_a_wrong_one_gets_the_nearest() -> None:
    catalogue = Catalogue(entries=(entry("a/conv", "onnx.Conv"),))

    assert catalogue.find(LayerEstimatorSpec, "conv").id == "a/conv"
    with pytest.raises(QregError, match=r"no layer estimator 'cnv'; did you mean 'conv'\?"):
        catalogue.find(LayerEstimatorSpec, "cnv")


def test_a_name_two_plugins_share_must_be_written_in_full() -> None:
    catalogue = Catalogue(entries=(entry("a/conv", "x"), entry("b/conv", "y")))

    with pytest.raises(QregError, match="'conv' is ambiguous: write 'a/conv' or 'b/conv'"):
        catalogue.find(LayerEstimatorSpec, "conv")


def test_specificity_orders_exact_packet_glob_none() -> None:
    target = "aten.add.Tensor"

    assert [rank(p, target) for p in (target, "aten.add", "aten.*", "aten.ad")] == [3, 2, 1, 0]


def test_every_installed_plugin_loads_and_every_registry_is_declared() -> None:
    catalogue = discover()

    assert catalogue.broken == ()
    declared = {e.spec.name for e in catalogue.of(RegistrySpec)}
    assert {e.spec.registry for e in catalogue.entries} <= declared


def test_discovery_can_be_restricted_to_named_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QREG_PLUGINS", "cost,report")

    catalogue = discover()

    assert {e.plugin for e in catalogue.entries} == {"core", "cost", "report"}
    assert [e.id for e in catalogue.of(StepSpec)] == ["cost/count", "cost/compare"]


def test_a_distribution_without_metadata_is_broken_not_fatal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "ghost-1.0.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text("[qreg]\nghost = ghost.plugin\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    (ghost,) = [b for b in discover().broken if b.plugin == "ghost"]

    assert ghost.cause == "its metadata has no name or version: install it again"


def test_a_misspelt_restriction_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QREG_PLUGINS", "cost, reprot")

    with pytest.raises(QregError, match=r"QREG_PLUGINS: no plugin 'reprot' is installed; did you"):
        discover()


def test_a_fault_of_an_entry_is_told_with_whose_it_is() -> None:
    broken = entry("a/x", "onnx.Conv")
    spec = LayerEstimatorSpec(name="x", estimate="math:sqrt")

    with pytest.raises(
        QregError, match=r"node 'n': layer_estimators a/x \(qreg-a 1.0\): m:f cannot"
    ):
        broken.call("estimate", 1, about="node 'n'")
    with pytest.raises(
        QregError, match=r"a/x \(qreg-a 1.0\) failed: ValueError: .*fault of the pl"
    ):
        Entry("a", "qreg-a", "1.0", "m", spec).call("estimate", -1)


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "Conv 2"), ("targets", "onnx.Conv"), ("summary", "x" * 73), ("estimate", "no colon")],
)
def test_a_malformed_spec_is_refused_where_it_is_made(field: str, value: object) -> None:
    facts = {"name": "conv", "targets": ("onnx.Conv",), "estimate": "m:f", field: value}

    with pytest.raises((TypeError, ValueError)):
        LayerEstimatorSpec(**facts)  # type: ignore[arg-type]
