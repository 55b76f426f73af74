"""Steps and pipelines run from the command line."""

import argparse
import sys
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from attrs import NOTHING, fields, resolve_types

from qreg.api import load_model, run_command, short_name
from qreg.catalogue import Catalogue, Entry
from qreg.cli import finish, options_error
from qreg.errors import QregError, StructureError
from qreg.pipeline import read_pipeline
from qreg.run import Context, Events, Folder, claim_folder, run_pipeline
from qreg.specs import StepSpec
from qreg.structure import Use, structure


def add_step_options(parser: argparse.ArgumentParser, entry: Entry[StepSpec]) -> None:
    """The step's parameters as options; tables (rules) come from files."""
    parser.add_argument("model", help="model.onnx, model.pt2 or package.module:callable")
    parser.add_argument("--shape", action="append", default=[], metavar="INPUT=SIZES",
                        help="sizes of an input: x=1,3,32,32")  # fmt: skip
    for attribute in fields(resolve_types(entry.spec.params.load())):
        kind = _required(attribute.type)
        if _is_table(kind):
            continue
        flag = "--" + attribute.name.replace("_", "-")
        text = attribute.metadata.get("doc", "").replace("%", "%%")
        if kind is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        else:
            many = get_origin(kind) is tuple
            parser.add_argument(flag, help=text, metavar="A,B" if many else None,
                                required=attribute.default is NOTHING)  # fmt: skip
    parser.add_argument("--out", type=Path, help="keep the step's files in this folder")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--csv", action="store_true", help="the tables as comma-separated values")


def run_step_command(args: argparse.Namespace, catalogue: Catalogue) -> int:
    entry: Entry[StepSpec] = args.entry
    kind = entry.spec.params.load()
    given = {a.name: _value(_required(a.type), v) for a in fields(resolve_types(kind))
             if (v := getattr(args, a.name, None)) is not None}  # fmt: skip
    try:
        params = structure(given, kind, catalogue, Path())
        shapes = structure(_shapes(args.shape), dict[str, tuple[int, ...]], catalogue, Path())
    except StructureError as exc:
        raise options_error(exc) from exc
    model = load_model(args.model, shapes, catalogue)
    folder = args.out
    if folder is None and entry.spec.writes:
        folder = Path(f"{short_name(args.model)}-{entry.spec.name}")
    events = Events(list(catalogue.listeners))
    outcome = run_command(entry, model, args.model, params, catalogue, events, folder)
    events.send("qreg_step_finished", step=entry.id, outcome=outcome)
    code = finish([(entry.spec.name, outcome)], catalogue, args)
    _report(events)
    return code


def run_file(args: argparse.Namespace, catalogue: Catalogue) -> int:
    """``qreg run``: read, check, and run a pipeline into its folder."""
    pipeline = read_pipeline(args.pipeline, catalogue)
    base = args.pipeline.parent
    catalogue = catalogue.pinned(pipeline.pin)
    source = pipeline.model.source
    path = source if ":" in source else str(base / source)
    model = load_model(path, pipeline.model.shape, catalogue, pipeline.model.frontend)
    named = base / pipeline.run.folder if pipeline.run.folder else None
    folder = args.out or named or Path("qreg-runs") / args.pipeline.stem
    claim_folder(folder)
    events = Events(list(catalogue.listeners))
    context = Context(
        catalogue=catalogue, model=model, name=short_name(source), source=source,
        folder=Folder(folder, events), events=events,
    )  # fmt: skip
    header = {"pipeline": args.pipeline.name, "source": source, "pin": pipeline.pin,
              "versions": _versions()}  # fmt: skip
    outcomes = run_pipeline(pipeline.step, context, header)
    code = finish(outcomes, catalogue, args)
    _report(events)
    return code


def _report(events: Events) -> None:
    for failure in events.failures:
        print(f"qreg: {failure}", file=sys.stderr)


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    found = {}
    for name in ("qreg", "onnx", "onnx-ir", "onnxruntime", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _required(kind: Any) -> Any:
    """``X`` of ``X | None``."""
    if get_origin(kind) in (Union, UnionType):
        return next(a for a in get_args(kind) if a is not type(None))
    return kind


def _is_table(kind: Any) -> bool:
    inner = get_args(kind)[0] if get_origin(kind) is tuple else kind
    return get_origin(inner) is Use


def _value(kind: Any, text: Any) -> Any:
    """An option's text as TOML would have given it; what does not fit is left for the check."""
    if get_origin(kind) is tuple:
        return [_value(get_args(kind)[0], part.strip()) for part in text.split(",") if part.strip()]
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            return text
    return text


def _shapes(options: list[str]) -> dict[str, Any]:
    found = {}
    for option in options:
        name, equals, sizes = option.rpartition("=")
        if not equals:
            raise QregError(f"--shape {option}: write INPUT=SIZES, for example x=1,3,32,32")
        found[name] = _value(tuple[int, ...], sizes)
    return found
