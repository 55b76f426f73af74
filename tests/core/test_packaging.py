"""What the wheel holds, and that it works without the repository."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = [ROOT / name for name in ("core", "plugins", "hardware_profiles", "c_templates")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps",
               "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def packages() -> set[str]:
    return {p.parent.name for root in ROOTS for p in root.glob("*/__init__.py")}


def test_the_wheel_holds_every_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == packages()


def test_the_wheel_holds_every_template_and_profile(wheel: Path) -> None:
    shipped = set(zipfile.ZipFile(wheel).namelist())

    data = {
        str(path.relative_to(root))
        for root in ROOTS
        for kind in ("*.j2", "*.toml", "py.typed")
        for path in root.glob(f"*/**/{kind}")
    }
    assert len(data) > len(packages())
    assert data <= shipped


def test_every_plugin_has_an_entry_point_and_every_package_is_typed() -> None:
    declared = set(PROJECT["project"]["entry-points"]["qreg"].values())
    there = {f"{p.parent.name}.plugin" for root in ROOTS for p in root.glob("*/plugin.py")}

    assert declared == there
    assert all((root / name / "py.typed").exists() for root in ROOTS
               for name in {p.parent.name for p in root.glob("*/__init__.py")})  # fmt: skip
    assert set(PROJECT["tool"]["mypy"]["packages"]) == packages()


def test_the_wheel_works_where_the_repository_is_not(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
               "--target", str(target), str(wheel)]  # fmt: skip
    subprocess.run(install, check=True, capture_output=True)
    third_party = [p for p in sys.path if p and "site-packages" in p]
    roots = {str(root) for root in ROOTS}
    code = (
        "import sys\n"
        f"sys.path[:] = [p for p in sys.path if p not in {roots!r}]\n"
        f"sys.path[:0] = [{str(target)!r}, *{third_party!r}]\n"
        "import qreg\n"
        f"assert qreg.__file__.startswith({str(target)!r}), qreg.__file__\n"
        "from qreg.cli import main\n"
        f"sys.exit(main(['count', {str(ROOT / 'examples' / 'resnet8.onnx')!r}, '--json']))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )

    assert done.returncode == 0, done.stderr
    assert '"macs": 12501632' in done.stdout
