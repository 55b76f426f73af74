"""``qreg show``: one entry as its author declared it."""

import argparse
import inspect

from attrs import fields

from qreg.catalogue import Catalogue, Entry, hint
from qreg.errors import QregError
from qreg.specs import Ref, Spec


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="plugin/name, or a name")


def run(args: argparse.Namespace, catalogue: Catalogue) -> int:
    entries = [e for e in catalogue.entries if args.id in (e.id, e.spec.name)]
    if not entries:
        raise QregError(f"no entry {args.id!r}{hint(args.id, (e.id for e in catalogue.entries))}")
    print("\n\n".join(describe(e) for e in entries))
    return 0


def describe(entry: Entry[Spec]) -> str:
    """Spec, documentation, source, file and line of an entry, for ``qreg show``."""
    lines = [
        f"{entry.spec.registry} {entry.id}",
        f"  from     {entry.distribution} {entry.version}",
    ]
    for attribute in fields(type(entry.spec)):
        value = getattr(entry.spec, attribute.name)
        if attribute.name == "name" or value in ((), "", None):
            continue
        shown = value.path if isinstance(value, Ref) else value
        text = ", ".join(map(str, shown)) if isinstance(shown, tuple) else str(shown)
        lines.append(f"  {attribute.name:<9}{text}")
        if isinstance(value, Ref):
            lines += [f"  {'':<9}{line}" for line in _where_and_doc(value)]
    return "\n".join(lines)


def _where_and_doc(ref: Ref) -> list[str]:
    try:
        target = ref.load()
        place = f"{inspect.getsourcefile(target)}:{inspect.getsourcelines(target)[1]}"
    except (QregError, OSError, TypeError) as exc:
        return [str(exc)]
    return [place, *(inspect.getdoc(target) or "").splitlines()]
