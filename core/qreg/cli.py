"""Command line. Each command imports what it needs, so that --help and list stay quick."""

import argparse
import json
import os
import shutil
import sys
import textwrap
from pathlib import Path
from typing import Any

from qreg import __version__
from qreg.catalogue import Catalogue, Entry, discover
from qreg.errors import DONE, FAILED, USAGE, Mistakes, QregError, hint
from qreg.specs import CommandSpec, RegistrySpec, Spec, StepSpec


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns 0 done, 1 the user's mistake or a failed check, 2 usage."""
    try:
        code = _main(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return code
    except Mistakes as exc:  # lines an editor can jump to, so without our name in front
        print(exc, file=sys.stderr)
        return FAILED
    except QregError as exc:
        print(f"qreg: {exc}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:  # ``qreg list | head``
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as exc:  # output that cannot be written: a full disk, a closed terminal
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"qreg: {exc.filename or 'output'}: {exc.strerror or exc}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("qreg: interrupted", file=sys.stderr)
        return FAILED


def _main(argv: list[str]) -> int:
    catalogue = discover()
    parser = argparse.ArgumentParser(prog="qreg", description="From a trained network to a chip.")
    parser.add_argument("--version", action="version", version=f"qreg {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    chosen = next((a for a in argv if not a.startswith("-")), "")
    entries = [*catalogue.of(CommandSpec), *catalogue.of(StepSpec)]
    names = [e.spec.name for e in entries]
    for entry in entries:
        name = entry.spec.name if names.count(entry.spec.name) == 1 else entry.id
        sub = commands.add_parser(name, help=entry.spec.summary, description=entry.spec.summary)
        if name == chosen and isinstance(entry.spec, CommandSpec):
            entry.call("configure", sub)
            sub.set_defaults(run=lambda a, c, e=entry: e.call("run", a, c))
        elif name == chosen:
            from qreg.command import add_step_options, run_step_command

            add_step_options(sub, entry)  # type: ignore[arg-type]
            sub.set_defaults(run=run_step_command, entry=entry)
    args = parser.parse_args(argv)
    code: int = args.run(args, catalogue)
    return code


def list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("registry", nargs="?", help="only this registry")
    parser.add_argument("-v", "--verbose", action="store_true", help="with summaries and timings")
    parser.add_argument("--json", action="store_true", help="for programs")


def check_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pipeline", type=Path, nargs="?")
    parser.add_argument("--plugins", action="store_true", help="import everything that is declared")


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
    for registry in dict.fromkeys(e.spec.registry for e in shown):
        print(registry)
        rows = [(f"  {e.id}", f"{e.distribution} {e.version}",
                 _serves(e.spec, whole=bool(args.registry), alone=not args.verbose),
                 *([e.spec.summary] if args.verbose else []))
                for e in shown if e.spec.registry == registry]  # fmt: skip
        _print_columns(rows)
    _print_columns([("broken", b.plugin, f"{b.distribution} {b.version}: {b.cause}")
                    for b in catalogue.broken])  # fmt: skip
    if args.verbose:
        _print_columns([("loaded", name, f"{ms:.1f} ms") for name, ms in catalogue.load_ms.items()])
    return DONE


def check(args: argparse.Namespace, catalogue: Catalogue) -> int:
    from qreg.pipeline import read_pipeline
    from qreg.testing import faults_of, not_installed

    if args.pipeline is None and not args.plugins:
        print("qreg: check what? name a pipeline, or give --plugins", file=sys.stderr)
        return USAGE
    faults = [f"broken: {b.plugin} ({b.distribution} {b.version}): {b.cause}"
              for b in catalogue.broken if args.plugins]  # fmt: skip
    if args.plugins:
        faults += [fault for e in catalogue.entries for fault in faults_of(e)]
    if faults:
        raise QregError("\n".join(faults))
    if args.pipeline:
        steps = len(read_pipeline(args.pipeline, catalogue).step)
        print(f"{args.pipeline}: {steps} step{'' if steps == 1 else 's'}, no mistakes")
    if args.plugins:
        for e in catalogue.entries:
            if e.spec.needs and not_installed(e):
                print(f"{e.spec.registry} {e.id}: not usable here: {e.spec.needs}")
        print(f"{len(catalogue.entries)} entries, no faults")
    return DONE


def _serves(spec: Spec, whole: bool, alone: bool) -> str:
    """Enough to recognise an entry by: its targets, all where one registry is asked for, or what
    it is where it has none and the summary has no column of its own.
    """
    targets = spec.targets
    if not targets:
        return spec.summary if alone else ""
    short = len(targets) < 3 or whole
    return " ".join(targets) if short else f"{targets[0]} and {len(targets) - 1} more"


def _as_json(entry: Entry[Spec]) -> dict[str, Any]:
    return {"registry": entry.spec.registry, "id": entry.id, "targets": list(entry.spec.targets),
            "distribution": entry.distribution, "version": entry.version,
            "summary": entry.spec.summary, "source": entry.spec.source}  # fmt: skip


def _print_columns(rows: list[tuple[str, ...]]) -> None:
    """Two aligned columns; the others follow, in lines of their own where they need the room."""
    width = shutil.get_terminal_size((120, 24)).columns
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        head = "  ".join(map(str.ljust, row[:2], widths))
        room = max(width - len(head) - 2, 24)
        rest = [
            part for text in row[2:] for part in textwrap.wrap(text, room, break_long_words=False)
        ]
        indent = " " * len(head) if width - len(head) >= 26 else " " * 4
        lines = [f"{head}  {rest[0]}" if rest else head, *(f"{indent}  {t}" for t in rest[1:])]
        print("\n".join(line.rstrip() for line in lines))
