"""Command line. Each command imports what it needs, so that --help and list stay quick."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from qreg import __version__
from qreg.catalogue import Catalogue, Entry, discover, hint
from qreg.errors import Mistakes, QregError
from qreg.specs import CommandSpec, RegistrySpec, Spec, StepSpec

DONE, FAILED = 0, 1  # argparse exits with 2 for wrong usage


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns 0 done, 1 the user's mistake or a failed check, 2 usage."""
    try:
        return _main(sys.argv[1:] if argv is None else argv)
    except Mistakes as exc:  # lines an editor can jump to, so without our name in front
        print(exc, file=sys.stderr)
        return FAILED
    except QregError as exc:
        print(f"qreg: {exc}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:  # ``qreg list | head``
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        print("qreg: interrupted", file=sys.stderr)
        return FAILED


def _main(argv: list[str]) -> int:
    catalogue = discover()
    parser = argparse.ArgumentParser(prog="qreg", description="From a trained network to a chip.")
    parser.add_argument("--version", action="version", version=f"qreg {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    _own_commands(commands)
    chosen = next((a for a in argv if not a.startswith("-")), "")
    for entry in (*catalogue.of(CommandSpec), *catalogue.of(StepSpec)):
        name = entry.spec.name if entry.spec.name not in commands.choices else entry.id
        sub = commands.add_parser(name, help=entry.spec.summary, description=entry.spec.summary)
        if name == chosen and isinstance(entry.spec, CommandSpec):
            entry.spec.configure.load()(sub)
            sub.set_defaults(run=entry.spec.run.load())
        elif name == chosen:
            from qreg.command import add_step_options, run_step_command

            add_step_options(sub, entry)  # type: ignore[arg-type]
            sub.set_defaults(run=run_step_command, entry=entry)
    args = parser.parse_args(argv)
    code: int = args.run(args, catalogue)
    return code


def _own_commands(commands: Any) -> None:
    lister = commands.add_parser("list", help="show what every registry holds")
    lister.add_argument("registry", nargs="?", help="only this registry")
    lister.add_argument("-v", "--verbose", action="store_true", help="with summaries and timings")
    lister.add_argument("--json", action="store_true", help="for programs")
    lister.set_defaults(run=show_list)
    checker = commands.add_parser("check", help="report every mistake in a pipeline, or in plugins")
    checker.add_argument("pipeline", type=Path, nargs="?")
    checker.add_argument(
        "--plugins", action="store_true", help="import everything that is declared"
    )
    checker.set_defaults(run=check)
    runner = commands.add_parser("run", help="run a pipeline")
    runner.add_argument("pipeline", type=Path)
    runner.add_argument("--out", type=Path, help="folder for the results")
    runner.add_argument("--json", action="store_true", help="print every step's result as JSON")
    runner.set_defaults(run=run)


def show_list(args: argparse.Namespace, catalogue: Catalogue) -> int:
    known = [e.spec.name for e in catalogue.of(RegistrySpec)]
    if args.registry and args.registry not in known:
        raise QregError(f"no registry {args.registry!r}{hint(args.registry, known)}")
    entries = sorted(catalogue.entries, key=lambda e: (known.index(e.spec.registry), e.id))
    shown = [e for e in entries if args.registry in (None, e.spec.registry)]
    if args.json:
        print(json.dumps({"entries": [_as_json(e) for e in shown], "broken": [
            {"plugin": b.plugin, "distribution": b.distribution, "version": b.version,
             "cause": b.cause} for b in catalogue.broken]}, indent=2))  # fmt: skip
        return DONE
    rows = [(e.spec.registry, e.id, " ".join(e.spec.targets), f"{e.distribution} {e.version}",
             e.spec.summary) for e in shown]  # fmt: skip
    _print_columns([row if args.verbose else row[:4] for row in rows])
    _print_columns([("broken", b.plugin, f"{b.distribution} {b.version}: {b.cause}")
                    for b in catalogue.broken])  # fmt: skip
    if args.verbose:
        _print_columns([("loaded", name, f"{ms:.1f} ms") for name, ms in catalogue.load_ms.items()])
    return DONE


def check(args: argparse.Namespace, catalogue: Catalogue) -> int:
    from qreg.pipeline import read_pipeline
    from qreg.testing import faults_of

    if args.pipeline is None and not args.plugins:
        raise QregError("check what? name a pipeline, or give --plugins")
    faults = [f"broken: {b.plugin} ({b.distribution} {b.version}): {b.cause}"
              for b in catalogue.broken if args.plugins]  # fmt: skip
    if args.plugins:
        faults += [fault for e in catalogue.entries for fault in faults_of(e)]
    if faults:
        raise QregError("\n".join(faults))
    if args.pipeline:
        pipeline = read_pipeline(args.pipeline, catalogue)
        print(f"{args.pipeline}: {len(pipeline.step)} steps, no mistakes")
    else:
        print(f"{len(catalogue.entries)} entries, no faults")
    return DONE


def run(args: argparse.Namespace, catalogue: Catalogue) -> int:
    from qreg.command import run_file

    return run_file(args, catalogue)


def _as_json(entry: Entry[Spec]) -> dict[str, Any]:
    return {"registry": entry.spec.registry, "id": entry.id, "targets": list(entry.spec.targets),
            "distribution": entry.distribution, "version": entry.version,
            "summary": entry.spec.summary, "source": entry.spec.source}  # fmt: skip


def _print_columns(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(map(str.ljust, row, widths)).rstrip())
