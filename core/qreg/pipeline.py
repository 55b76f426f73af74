"""Read a pipeline file, and say exactly what is wrong with one that fails."""

import tomllib
from pathlib import Path
from typing import Any

from attrs import field, frozen
from attrs.validators import min_len

from qreg.catalogue import Catalogue, Entry, rank_of
from qreg.errors import Mistakes, QregError, StructureError, hint, key_path
from qreg.lines import key_lines
from qreg.specs import FrontendSpec, StepSpec
from qreg.structure import Ids, Problem, Use, structure


@frozen(kw_only=True)
class ModelTable:
    source: str = field(
        metadata={"doc": "model.onnx, model.pt2 or package.module:callable; "
                         "a file's path starts at the pipeline's folder"}
    )  # fmt: skip
    frontend: Entry[FrontendSpec] | None = field(
        default=None, metadata={"doc": "which frontend reads the source, where several could"}
    )
    shape: dict[str, tuple[int, ...]] = field(
        factory=dict, metadata={"doc": "sizes of inputs, by name, where the model leaves them open"}
    )


@frozen(kw_only=True)
class RunTable:
    folder: str = field(
        default="", metadata={"doc": "where results go; default qreg-runs/<pipeline's name>"}
    )


@frozen(kw_only=True)
class Pipeline:
    model: ModelTable = field(metadata={"doc": "the network"})
    run: RunTable = field(factory=RunTable, metadata={"doc": "the run"})
    pin: dict[str, Ids] = field(
        factory=dict,
        metadata={"doc": "which entry serves a target that several claim; a list: per registry"},
    )
    step: tuple[Use[StepSpec], ...] = field(
        validator=min_len(1), metadata={"doc": "what to do, in order"}
    )


def read_pipeline(path: Path, catalogue: Catalogue) -> Pipeline:
    """The pipeline in ``path``; Mistakes tells all of them, ``file:line: key: what``."""
    text, table = read_toml(path)
    found = _wrong_pins(table, catalogue) + _missing_source(table, path.parent)
    try:
        pipeline = structure(table, Pipeline, catalogue, path.parent)
    except StructureError as exc:
        found += exc.problems
    if found:
        raise Mistakes(located(path, text, found))
    return pipeline


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Text and content of a TOML file; its faults are told with file and line."""
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except OSError as exc:
        raise QregError(f"{path}: cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise QregError(f"{path}: is not UTF-8 text (byte {exc.start})") from exc
    except RecursionError as exc:
        raise Mistakes(f"{path}:1: is nested too deeply to be read") from exc
    except tomllib.TOMLDecodeError as exc:
        what, _, where = str(exc).partition(" (at ")
        line = where.partition("line ")[2].partition(",")[0]
        place = line or str(text.count("\n") + 1)
        raise Mistakes(f"{path}:{place}: {what}; this is not valid TOML") from exc


def located(path: Path, text: str, found: list[Problem]) -> str:
    """One line per problem, in the order of the file."""
    lines = key_lines(text)
    rows = sorted(((_line(where, lines), where, what) for where, what in found), key=lambda r: r[0])
    return "\n".join(
        f"{path}:{line}: {key_path(where) or 'pipeline'}: {what}" for line, where, what in rows
    )


def _wrong_pins(table: dict[str, Any], catalogue: Catalogue) -> list[Problem]:
    pins = table.get("pin")
    found: list[Problem] = []
    for target, value in pins.items() if isinstance(pins, dict) else ():
        for wanted in value if isinstance(value, list) else [value]:
            if isinstance(wanted, str) and (what := wrong_pin(target, wanted, catalogue)):
                found.append((("pin", target), what))
    return found


def wrong_pin(target: str, wanted: str, catalogue: Catalogue) -> str:
    """What is wrong with a pin; empty where nothing is."""
    entries = [e for e in catalogue.entries if e.id == wanted]
    if not entries:
        return f"no entry {wanted!r}{hint(wanted, {e.id for e in catalogue.entries})}"
    if any(rank_of(e.spec, target) for e in entries):
        return ""
    claimed = ", ".join(sorted({t for e in entries for t in e.spec.targets})) or "nothing"
    return f"{wanted!r} does not claim it; it claims {claimed}"


def _missing_source(table: dict[str, Any], base: Path) -> list[Problem]:
    model = table.get("model")
    source = model.get("source") if isinstance(model, dict) else None
    if not isinstance(source, str) or ":" in source or (base / source).is_file():
        return []
    return [(("model", "source"), f"no such file: {base / source}")]


def _line(where: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]) -> int:
    """The line of the nearest key that the file does have."""
    for end in range(len(where), 0, -1):
        if where[:end] in lines:
            return lines[where[:end]]
    return 1
