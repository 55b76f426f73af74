"""``qreg new-plugin``: what it makes installs, lists, passes its own tests, and leaves."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qreg.api import catalogue
from qreg.cli import main
from qreg.errors import QregError
from qreg_author.new_plugin import make_plugin, scaffold

NAME = "my_act"


def python(
    *arguments: str, path: Path | None = None, cwd: Path
) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that sees ``path`` beside this environment."""
    environ = {k: v for k, v in os.environ.items() if k not in ("QREG_PLUGINS", "PYTHONPATH")}
    if path is not None:
        environ["PYTHONPATH"] = str(path)
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True,
                          check=False, cwd=cwd, env=environ)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plugin(NAME, tmp_path_factory.mktemp("work"), catalogue())


@pytest.fixture(scope="module")
def site(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated package, installed into a folder of its own."""
    target = tmp_path_factory.mktemp("site")
    done = python("-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
                  "--no-build-isolation", "--target", str(target), str(made), cwd=made)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


def ids(site: Path | None, cwd: Path) -> set[tuple[str, str]]:
    listed = python("-m", "qreg", "list", "--json", path=site, cwd=cwd)
    return {(e["registry"], e["id"]) for e in json.loads(listed.stdout)["entries"]}


def test_the_package_has_everything_a_distribution_needs(made: Path) -> None:
    files = {p.relative_to(made).as_posix() for p in made.rglob("*") if p.is_file()}
    assert {"pyproject.toml", "README.md", "qreg_my_act/__init__.py", "qreg_my_act/py.typed",
            "qreg_my_act/plugin.py", "qreg_my_act/ops.py", "qreg_my_act/hard_sigmoid.c.j2",
            "tests/test_plugin.py"} == files  # fmt: skip


def test_no_mark_is_left_unfilled() -> None:
    for path, text in scaffold(NAME):
        assert "<<" not in path + text, path
        assert "package/" not in path


def test_installed_it_is_listed_and_uninstalled_it_is_gone(site: Path, tmp_path: Path) -> None:
    wanted = {(registry, f"{NAME}/hard_sigmoid") for registry in
              ("ops", "layer_estimators", "shortcut_handlers", "c_emitters")}  # fmt: skip
    assert wanted <= ids(site, tmp_path)
    without = tmp_path / "site"
    shutil.copytree(site, without, ignore=shutil.ignore_patterns("qreg_my_act*"))
    assert not wanted & ids(without, tmp_path)


def test_its_own_tests_pass_as_generated(made: Path, site: Path, tmp_path: Path) -> None:
    tests = shutil.copytree(made / "tests", tmp_path / "tests")
    done = python("-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", str(tests),
                  path=site, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_generated_code_is_clean_by_the_default_rules_of_ruff(made: Path) -> None:
    for command in (("check", "--select", "E,F,B,UP"), ("format", "--check")):
        done = python("-m", "ruff", *command, "--isolated", str(made), cwd=made)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["Softsign", "my-act", "2act", "", "class", "a b", "../x"])
def test_a_name_that_cannot_be_a_package_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(QregError, match="cannot name a plugin: it takes lower-case letters"):
        make_plugin(name, tmp_path, catalogue())
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_an_installed_plugin_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-plugin", "conv", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        "qreg: plugin 'conv' is installed already (by qreg); choose another name\n"
    )


def test_a_folder_that_is_there_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "qreg-my_act").mkdir()
    with pytest.raises(
        QregError, match=r"qreg-my_act exists; choose another name or another --out"
    ):
        make_plugin(NAME, tmp_path, catalogue())
    assert list((tmp_path / "qreg-my_act").iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(QregError, match="cannot be written: Not a directory"):
        make_plugin(NAME, tmp_path / "file", catalogue())


def test_the_command_says_what_to_do_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-plugin", NAME, "--out", str(tmp_path)]) == 0
    folder = tmp_path / "qreg-my_act"
    assert capsys.readouterr().out.splitlines() == [
        f"made {folder}; next:", f"  pip install -e '{folder}[test]'", f"  pytest {folder}",
    ]  # fmt: skip
