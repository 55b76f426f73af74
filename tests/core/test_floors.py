"""Who may import whom."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = sorted((ROOT / "core" / "qreg").glob("*.py"))
PLUGINS = sorted(p for folder in ("plugins", "hardware_profiles", "c_templates")
                 for p in (ROOT / folder).glob("*/*.py"))  # fmt: skip


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """(module, imported name) of every import in a file, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def test_there_is_something_to_look_at() -> None:
    assert len(CORE) > 10
    assert len(PLUGINS) > 100


@pytest.mark.parametrize("path", CORE, ids=lambda p: p.name)
def test_the_core_imports_no_plugin_and_nothing_imports_the_command_line(path: Path) -> None:
    for module, name in imports(path):
        assert not module.startswith("qreg_"), f"{module}.{name}"
        if path.name != "__main__.py":
            assert module != "qreg.cli", name


@pytest.mark.parametrize("path", PLUGINS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_plugins_use_the_core_and_each_others_public_names_only(path: Path) -> None:
    for module, name in imports(path):
        assert module not in ("qreg.cli", "qreg.command"), name
        if module.startswith("qreg_") and not module.startswith(path.parent.name):
            assert not name.startswith("_"), f"{module}.{name}"
            assert not any(part.startswith("_") for part in module.split(".")), module


@pytest.mark.parametrize("path", [p for p in PLUGINS if p.name == "plugin.py"],
                         ids=lambda p: p.parent.name)  # fmt: skip
def test_a_declaration_imports_nothing_heavy(path: Path) -> None:
    tree = ast.parse(path.read_text())
    top = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
    modules = {n.module for n in top if isinstance(n, ast.ImportFrom)}
    modules |= {alias.name for n in top if isinstance(n, ast.Import) for alias in n.names}

    declared = {m for m in modules if m and m.startswith("qreg_") and m.endswith(".specs")}
    assert modules - declared <= {"qreg.hooks", "qreg.specs", "typing", "sys"}


@pytest.mark.parametrize("path", [p for p in PLUGINS if p.name == "specs.py"],
                         ids=lambda p: p.parent.name)  # fmt: skip
def test_the_records_of_a_plugins_own_registry_are_as_light(path: Path) -> None:
    modules = {module for module, _ in imports(path)}

    assert modules <= {"attrs", "attrs.converters", "attrs.validators", "qreg.specs"}
