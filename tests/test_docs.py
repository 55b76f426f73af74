"""The documentation says what the code does."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from qreg.api import catalogue
from qreg.hooks import __dict__ as hooks
from qreg.pipeline import read_pipeline
from qreg.specs import CommandSpec, RegistrySpec, StepSpec
from qreg_author.reference import reference
from qreg_author.schema import pipeline_schema

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
PIPELINES = sorted((ROOT / "examples").glob("*.toml"))


def checked_in_schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((DOCS / "pipeline.schema.json").read_text())
    return schema


def test_the_reference_is_what_the_classes_say() -> None:
    assert (DOCS / "reference.md").read_text() == reference(catalogue()), (
        "write it again: qreg schema --reference > docs/reference.md"
    )


def test_the_schema_is_what_the_classes_say() -> None:
    assert checked_in_schema() == pipeline_schema(catalogue()), (
        "write it again: qreg schema > docs/pipeline.schema.json"
    )


@pytest.mark.parametrize("path", PIPELINES, ids=lambda p: p.name)
def test_every_example_satisfies_the_schema_and_the_reader(path: Path) -> None:
    jsonschema.validate(tomllib.loads(path.read_text()), checked_in_schema())
    read_pipeline(path, catalogue())


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"step": [{"use": "cuont"}]}, ["step", 0, "use"]),
        ({"step": [{"use": "count", "strct": True}]}, ["step", 0]),
        ({"step": [{"use": "quantize", "rule": [{"use": "static", "act": "int3"}]}]},
         ["step", 0, "rule", 0, "act"]),
        ({"step": [{"use": "estimate"}]}, ["step", 0]),
    ],
)  # fmt: skip
def test_the_schema_points_at_a_mistake(change: dict[str, Any], path: list[str | int]) -> None:
    validator = jsonschema.Draft202012Validator(checked_in_schema())

    errors = list(validator.iter_errors({"model": {"source": "m.onnx"}, **change}))

    assert path in [list(e.absolute_path) for e in errors]


def test_every_registry_has_a_section_in_the_authors_guide() -> None:
    sections = re.findall(r"^### `(\w+)`", (DOCS / "plugins.md").read_text(), re.MULTILINE)

    assert set(sections) == {e.spec.name for e in catalogue().of(RegistrySpec)}


def test_every_event_is_in_the_authors_guide() -> None:
    guide = (DOCS / "plugins.md").read_text()

    events = [name for name in hooks if name.startswith("qreg_") and name != "qreg_specs"]
    assert len(events) >= 6
    assert [name for name in events if f"`{name}`" not in guide] == []


def test_every_step_and_command_is_in_the_readme_or_a_page() -> None:
    text = (ROOT / "README.md").read_text() + "".join(
        p.read_text() for p in PAGES if p.name != "reference.md"
    )

    names = [e.spec.name for kind in (StepSpec, CommandSpec) for e in catalogue().of(kind)]
    assert [n for n in names if not re.search(rf"qreg {n}|`{n}`|use = \"{n}\"", text)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_tree_speaks_of_itself_alone() -> None:
    words = re.compile(r"/(?:work|tmp|root|home)/\w", re.IGNORECASE)
    tracked = [p for folder in ("core", "plugins", "hardware_profiles", "c_templates", "examples", "docs")
               for p in (ROOT / folder).rglob("*") if p.suffix in {".py", ".md", ".toml", ".j2", ".json"}]  # fmt: skip

    assert [str(p) for p in tracked if words.search(p.read_text())] == []
