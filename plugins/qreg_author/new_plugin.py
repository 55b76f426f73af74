"""``qreg new-plugin NAME``: a package of one's own that installs, lists and passes its tests."""

import argparse
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from keyword import iskeyword
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from qreg import __version__
from qreg.catalogue import Catalogue
from qreg.errors import QregError

NAME = re.compile(r"[a-z][a-z0-9_]*")
SUFFIX = ".j2"  # of the scaffold's files; one that ends twice in it makes a template of C


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="lower-case letters, digits and underscores: 'activations'")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR",
                        help="folder in which to make qreg-NAME (default: here)")  # fmt: skip


def run(args: argparse.Namespace, catalogue: Catalogue) -> int:
    folder = make_plugin(args.name, args.out, catalogue)
    print(f"made {folder}; next:\n  pip install -e '{folder}[test]'\n  pytest {folder}")
    return 0


def make_plugin(name: str, out: Path, catalogue: Catalogue) -> Path:
    """The folder ``qreg-<name>`` under ``out``, filled. Raises QregError for a name in use."""
    _check_name(name, catalogue)
    folder = out / f"qreg-{name}"
    if folder.exists():
        raise QregError(f"{folder} exists; choose another name or another --out")
    contents = dict(scaffold(name))  # all of it before the first file is written
    try:
        for path, text in contents.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise QregError(f"{exc.filename}: cannot be written: {exc.strerror}") from exc
    return folder


def scaffold(name: str) -> Iterator[tuple[str, str]]:
    """Path and text of every file of the new package.

    Marks are ``<<name>>`` where C templates have ``{{ name }}``, so those are copied as they are.
    """
    environment = Environment(
        variable_start_string="<<", variable_end_string=">>", undefined=StrictUndefined,
        keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    marks = {"name": name, "package": f"qreg_{name}", "distribution": f"qreg-{name}",
             "version": __version__}  # fmt: skip
    for path, text in _walk(files("qreg_author") / "scaffold", ""):
        yield _filled_path(path, marks), environment.from_string(text).render(marks)


def _check_name(name: str, catalogue: Catalogue) -> None:
    if not NAME.fullmatch(name) or iskeyword(name):
        raise QregError(f"{name!r} cannot name a plugin: it takes lower-case letters, digits and "
                        "underscores, a letter first, for example 'activations'")  # fmt: skip
    owners = {e.plugin: e.distribution for e in catalogue.entries}
    owners |= {b.plugin: b.distribution for b in catalogue.broken}
    if name in owners:
        raise QregError(f"plugin {name!r} is installed already (by {owners[name]}); "
                        "choose another name")  # fmt: skip


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for item in sorted(folder.iterdir(), key=lambda i: i.name):
        if item.is_dir():
            yield from _walk(item, f"{prefix}{item.name}/")
        elif item.name.endswith(SUFFIX):
            yield prefix + item.name, item.read_text(encoding="utf-8")


def _filled_path(path: str, marks: Mapping[str, str]) -> str:
    return path.removesuffix(SUFFIX).replace("package/", f"{marks['package']}/", 1)
