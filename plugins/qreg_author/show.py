"""``qreg show``: one entry as its author declared it."""

import argparse
import inspect
from importlib import import_module
from importlib.resources import files

from attrs import fields

from qreg.catalogue import Catalogue, Entry
from qreg.errors import QregError, hint
from qreg.specs import Ref, Spec


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="plugin/name, or a name")


def run(args: argparse.Namespace, catalogue: Catalogue) -> int:
    entries = [e for e in catalogue.entries if args.id in (e.id, e.spec.name)]
    if not entries:
        near = hint(args.id, (e.id for e in catalogue.entries))
        near = near if "did you mean" in near else "; qreg list shows them all"
        raise QregError(f"no entry {args.id!r}{near}")
    print("\n\n".join(describe(e) for e in entries))
    return 0


def describe(entry: Entry[Spec]) -> str:
    """Spec, documentation, source, file and line of an entry, for ``qreg show``."""
    width = max(len(a.name) for a in fields(type(entry.spec))) + 2
    lines = [
        f"{entry.spec.registry} {entry.id}",
        f"  {'from':<{width}}{entry.distribution} {entry.version}",
        f"  {'declared':<{width}}{_place(import_module(entry.module))}",
    ]
    for attribute in fields(type(entry.spec)):
        value = getattr(entry.spec, attribute.name)
        if attribute.name == "name" or value in ((), "", None):
            continue
        shown = value.path if isinstance(value, Ref) else value
        text = ", ".join(map(str, shown)) if isinstance(shown, tuple) else str(shown)
        lines.append(f"  {attribute.name:<{width}}{text}")
        if isinstance(value, Ref):
            lines += [f"  {'':<{width}}{line}" for line in _where_and_doc(value)]
        elif attribute.name in ("template", "profile"):
            package, _, file = str(value).partition(":")
            lines.append(f"  {'':<{width}}{files(package).joinpath(file)}")
    return "\n".join(lines)


def _place(target: object) -> str:
    line = max(inspect.getsourcelines(target)[1], 1)  # type: ignore[arg-type]
    return f"{inspect.getsourcefile(target)}:{line}"  # type: ignore[arg-type]


def _where_and_doc(ref: Ref) -> list[str]:
    try:
        target = ref.load()
        place = _place(target)
    except (QregError, OSError, TypeError) as exc:
        return [str(exc)]
    return [place, *(inspect.getdoc(target) or "").splitlines()]
