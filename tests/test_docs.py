"""The documentation says what the code does."""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import qreg
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


def blocks(language: str) -> list[tuple[str, str]]:
    """(page, text) of every fenced block of that language."""
    found = []
    for page in (*PAGES, ROOT / "README.md"):
        fence = rf"^```{language}\n(.*?)^```"
        for text in re.findall(fence, page.read_text(), re.MULTILINE | re.DOTALL):
            found.append((page.name, text))
    return found


def test_every_pipeline_in_the_docs_satisfies_the_schema() -> None:
    pipelines = [(page, t) for page, text in blocks("toml") if "step" in (t := tomllib.loads(text))]

    assert len(pipelines) >= 2
    for _, table in pipelines:
        jsonschema.validate({"model": {"source": "m.onnx"}, **table}, checked_in_schema())


def test_every_toml_block_in_the_docs_is_toml() -> None:
    assert len(blocks("toml")) >= 4
    for _, text in blocks("toml"):
        tomllib.loads(text)


def test_the_plugin_in_the_guide_declares_what_it_says() -> None:
    (module,) = [text for _, text in blocks("python") if "QREG_API" in text]
    names: dict[str, Any] = {}

    exec(module, names)  # noqa: S102  our own documentation

    (spec,) = names["qreg_specs"]()
    assert (spec.name, spec.targets) == ("softsign", ("onnx.Softsign",))


def test_the_c_in_the_docs_compiles_against_the_example(tmp_path: Path) -> None:
    (program,) = [text for page, text in blocks("c") if page == "c.md" and "resnet8.h" in text]
    qreg.emit(ROOT / "examples" / "resnet8.onnx", out=tmp_path)
    (tmp_path / "use.c").write_text(program)

    flags = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-c"]
    done = subprocess.run(
        ["cc", *flags, "use.c"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_command_in_the_readme_exists() -> None:
    known = {e.spec.name for kind in (StepSpec, CommandSpec) for e in catalogue().of(kind)}
    text = "".join(text for _, text in blocks(""))

    used = set(re.findall(r"^qreg ([a-z-]+)", text, re.MULTILINE))
    assert len(used) >= 9
    assert used <= known


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
