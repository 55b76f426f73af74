"""Steps and pipelines run from the command line."""

import argparse
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from attrs import NOTHING, fields, frozen, resolve_types

from qreg.api import run_command, short_name, source_model
from qreg.catalogue import Catalogue, Entry
from qreg.errors import DONE, FAILED, QregError, StructureError, key_path
from qreg.pipeline import read_pipeline, wrong_pin
from qreg.run import Context, Events, Outcome, run_folder, run_pipeline, sha256, to_json
from qreg.specs import RendererSpec, StepSpec
from qreg.structure import Ids, Use, spelled, structure

RECORDED = ("qreg", "onnx", "onnx-ir", "onnxruntime", "numpy")  # versions kept with a run


@frozen
class Options:
    """What every step's command takes beside the step's parameters."""

    shape: dict[str, tuple[int, ...]]
    pin: dict[str, Ids]


def add_step_options(parser: argparse.ArgumentParser, entry: Entry[StepSpec]) -> None:
    """The step's parameters as options; tables (rules) come from files."""
    parameters = fields(resolve_types(entry.spec.params.load()))
    for attribute in parameters:
        if attribute.metadata.get("positional"):
            parser.add_argument(_dest(attribute.name), metavar=attribute.name.upper(),
                                help=attribute.metadata.get("doc", ""))  # fmt: skip
    parser.add_argument(
        "source",
        metavar="MODEL",
        help="model.onnx, model.tflite, model.pt2, or package.module:callable for an nn.Module",
    )
    parser.add_argument("--shape", "--input-shape", action="append", metavar="INPUT=SIZES",
                        help="sizes of an input, x=1,3,32,32; of the only input, 1,3,32,32")  # fmt: skip
    parser.add_argument("--pin", action="append", default=[], metavar="TARGET=ID",
                        help="which entry serves a target that several claim")  # fmt: skip
    for attribute in parameters:
        if not attribute.metadata.get("positional"):
            _add_option(parser, attribute)
    parser.add_argument("--out", type=Path, help="keep the step's files in this folder")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--csv", action="store_true", help="the tables as comma-separated values")


def _add_option(parser: argparse.ArgumentParser, attribute: Any) -> None:
    kind = _required(attribute.type)
    if _is_table(kind):
        return
    name = spelled(attribute.name)
    flag = "--" + name.replace("_", "-")
    facts: dict[str, Any] = {
        "dest": _dest(attribute.name),
        "help": attribute.metadata.get("doc", "").replace("%", "%%"),
    }
    if kind is bool:
        facts |= {"action": argparse.BooleanOptionalAction}
    else:
        facts |= {"required": attribute.default is NOTHING, "metavar": _metavar(kind)}
    if get_origin(kind) is dict:
        facts |= {"action": "append"}
    parser.add_argument(flag, **facts)


def _metavar(kind: Any) -> str:
    """What an option's value looks like: the choices, or the kind of thing."""
    if get_origin(kind) is Literal:
        return "|".join(choice for choice in get_args(kind) if choice)
    if get_origin(kind) is tuple:
        return "A,B"
    if get_origin(kind) is dict:
        return "NAME=VALUE"
    return {int: "N", float: "X", Path: "FILE", str: "TEXT"}.get(kind, "ID")


def run_step_command(args: argparse.Namespace, catalogue: Catalogue) -> int:
    entry: Entry[StepSpec] = args.entry
    kind = entry.spec.params.load()
    given = {spelled(a.name): _value(_required(a.type), v, spelled(a.name))
             for a in fields(resolve_types(kind))
             if (v := getattr(args, _dest(a.name), None)) is not None}  # fmt: skip
    try:
        params = structure(given, kind, catalogue, Path())
        shapes = _value(dict[str, tuple[int, ...]], args.shape or [], "shape")
        common = {"shape": shapes, "pin": _pins(args.pin, catalogue)}
        options = structure(common, Options, catalogue, Path())
    except StructureError as exc:
        told = (f"{_option(path, kind)}: {what}" for path, what in exc.problems)
        raise QregError("\n".join(told)) from exc
    catalogue = catalogue.pinned(options.pin)
    model = source_model(args.source, options.shape, catalogue)
    folder = args.out
    if folder is None and entry.spec.writes:
        folder = Path(f"{short_name(args.source)}-{entry.spec.name}")
    events = Events(list(catalogue.listeners))
    outcome = run_command(entry, model, args.source, params, catalogue, events, folder)
    events.send("qreg_step_finished", step=entry.id, outcome=outcome)
    if args.json:
        print(to_json(outcome.record), end="")
    else:
        show(outcome, "csv" if args.csv else "terminal", catalogue)
    if folder is not None:
        print(f"qreg: files in {folder}", file=sys.stderr)
    return _verdict([outcome], events)


def run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pipeline", type=Path)
    parser.add_argument("--out", type=Path, help="folder for the results")
    parser.add_argument("--json", action="store_true", help="print every step's result as JSON")


def run_file(args: argparse.Namespace, catalogue: Catalogue) -> int:
    """``qreg run``: read, check, and run a pipeline into its folder."""
    pipeline = read_pipeline(args.pipeline, catalogue)
    base = args.pipeline.parent
    catalogue = catalogue.pinned(pipeline.pin)
    source = pipeline.model.source
    path = source if ":" in source else str(base / source)
    model = source_model(path, pipeline.model.shape, catalogue, pipeline.model.frontend)
    named = base / pipeline.run.folder if pipeline.run.folder else None
    folder = args.out or named or Path("qreg-runs") / args.pipeline.stem
    header = {"pipeline": args.pipeline.name, "source": source, "pin": pipeline.pin,
              "sha256": sha256(Path(path)) if Path(path).is_file() else None,
              "versions": {name: version(name) for name in RECORDED}}  # fmt: skip

    lost: list[OSError] = []

    def show_step(outcome: Outcome) -> None:
        try:
            show(outcome, "terminal", catalogue)
        except OSError as exc:  # a full disk, a closed pipe: the run goes on, into its folder
            lost.append(exc)

    shown = [] if args.json else [SimpleNamespace(qreg_step_finished=show_step)]
    events = Events([*catalogue.listeners, *shown])
    print(f"qreg: results go to {folder}", file=sys.stderr)
    with run_folder(folder, events) as kept:
        context = Context(
            catalogue=catalogue, loaded=model, name=short_name(source), source=source,
            folder=kept, events=events,
        )  # fmt: skip
        outcomes = run_pipeline(pipeline.step, context, header)
    if lost:
        raise lost[0]
    if args.json:
        print(to_json([{"use": step, "result": o.record} for step, o in outcomes]), end="")
    return _verdict([o for _, o in outcomes], events)


def show(outcome: Outcome, style: str, catalogue: Catalogue) -> None:
    """Print an outcome with the report plugin's renderer of that name."""
    renderer = catalogue.find(RendererSpec, f"report/{style}")
    width = shutil.get_terminal_size((100, 24)).columns
    print(renderer.call("render", outcome.tables, outcome.lines, width), flush=True)


def _verdict(outcomes: list[Outcome], events: Events) -> int:
    """Exit code; failed checks and failed listeners are told on stderr."""
    failures = [o.failed for o in outcomes if o.failed]
    for text in (*failures, *events.failures):
        print(f"qreg: {text}", file=sys.stderr)
    return FAILED if failures else DONE


def _dest(parameter: str) -> str:
    """Apart from the command's own arguments, whose names a parameter may share."""
    return f"parameter_{parameter}"


def _option(path: tuple[str | int, ...], kind: Any) -> str:
    """How the command line spells the parameter that a key path leads to."""
    leading = {a.name for a in fields(kind) if a.metadata.get("positional")}
    if path and path[0] in leading:
        return str(path[0]).upper()
    return f"--{key_path(path).replace('_', '-')}"


def _required(kind: Any) -> Any:
    """``X`` of ``X | None``."""
    if get_origin(kind) in (Union, UnionType):
        return next(a for a in get_args(kind) if a is not type(None))
    return kind


def _is_table(kind: Any) -> bool:
    inner = get_args(kind)[0] if get_origin(kind) is tuple else kind
    return get_origin(inner) is Use


def _value(kind: Any, text: Any, option: str) -> Any:
    """An option's text as TOML would have given it; what does not fit is left for the check."""
    if get_origin(kind) is tuple:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return [_value(get_args(kind)[0], part, option) for part in parts]
    if get_origin(kind) is dict:
        return dict(_pair(get_args(kind)[1], part, option) for part in text)
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            return text
    return text


def _pair(kind: Any, text: str, option: str) -> tuple[str, Any]:
    """``NAME=VALUE``; sizes alone are those of the only input."""
    name, equals, value = text.rpartition("=")
    if not equals and (option != "shape" or not value.replace(",", "").replace(" ", "").isdigit()):
        wanted = "INPUT=SIZES, for example x=1,3,32,32" if option == "shape" else "NAME=VALUE"
        raise QregError(f"--{option.replace('_', '-')} {text}: write {wanted}")
    return name, _value(kind, value, option)


def _pins(options: list[str], catalogue: Catalogue) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for option in options:
        target, equals, wanted = option.partition("=")
        what = wrong_pin(target, wanted, catalogue) if equals else "write TARGET=ID"
        if what:
            raise QregError(f"--pin {option}: {what}")
        found.setdefault(target, []).append(wanted)
    return found
