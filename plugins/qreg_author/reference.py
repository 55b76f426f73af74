"""The reference page: every key, command and entry that is installed, as Markdown."""

import argparse
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from attrs import NOTHING, Attribute, fields, resolve_types

from qreg.catalogue import Catalogue, Entry
from qreg.pipeline import ModelTable, Pipeline, RunTable
from qreg.specs import CommandSpec, QuantRuleSpec, RegistrySpec, Spec, StepSpec
from qreg.structure import Use, spelled

S = TypeVar("S", bound=Spec)

HEAD = """\
# Reference

This page is generated from the classes it describes: `qreg schema --reference`.
"""


def reference(catalogue: Catalogue) -> str:
    """The whole page."""
    parts = [HEAD, "## Pipeline files\n"]
    parts.append(_table("[model]", ModelTable) + _table("[run]", RunTable))
    parts.append(_table("top level", Pipeline))
    for step in _sorted(catalogue.of(StepSpec)):
        parts.append(_table(f'[[step]] use = "{step.spec.name}"', step.spec.params.load(), step))
    for rule in _sorted(catalogue.of(QuantRuleSpec)):
        parts.append(
            _table(f'[[step.rule]] use = "{rule.spec.name}"', rule.spec.params.load(), rule)
        )
    parts.append("## Commands\n\n" + _commands(catalogue))
    parts.append("## Entries\n")
    parts += [_registry(entry, catalogue) for entry in catalogue.of(RegistrySpec)]
    return "\n".join(parts)


def _table(title: str, kind: type, entry: Entry[Any] | None = None) -> str:
    intro = f"{entry.spec.summary} (`{entry.id}`).\n\n" if entry else ""
    rows = "".join(_key(a) for a in fields(resolve_types(kind)))
    if not rows:
        return f"### `{title}`\n\n{intro}No keys.\n\n"
    head = "| key | type | default | meaning |\n| --- | --- | --- | --- |\n"
    return f"### `{title}`\n\n{intro}{head}{rows}\n"


def _key(attribute: "Attribute[Any]") -> str:
    meaning = attribute.metadata.get("doc", "")
    return f"| `{spelled(attribute.name)}` | {_type(attribute.type)} | {_default(attribute)} | {meaning} |\n"


def _default(attribute: "Attribute[Any]") -> str:
    if attribute.default is NOTHING:
        return "required"
    plain = isinstance(attribute.default, (bool, int, float, str, tuple))
    if not plain or attribute.default in ("", ()):
        return ""
    value = attribute.default
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(kind: Any) -> str:
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _type(next(a for a in args if a is not type(None)))
    if origin is Literal:
        return " or ".join(f"`{a}`" for a in args if a)
    if origin is tuple:
        return f"list of {_type(args[0])}"
    if origin is dict:
        return f"table of {_type(args[1])}"
    if origin is Entry:
        return f"entry of `{args[0].registry}`"
    if origin is Use:
        return f"tables with `use` from `{args[0].registry}`"
    names = {
        "Ids": "id or list of ids",
        "str": "text",
        "int": "whole number",
        "float": "number",
        "bool": "true or false",
    }
    return names.get(kind.__name__, {"Path": "path", "Source": "model"}.get(kind.__name__, "table"))


def _commands(catalogue: Catalogue) -> str:
    rows = [_command(c) for c in _sorted(catalogue.of(CommandSpec))]
    for step in _sorted(catalogue.of(StepSpec)):
        attributes = fields(resolve_types(step.spec.params.load()))
        leading = [a.name.upper() for a in attributes if a.metadata.get("positional")]
        options = " ".join(
            f"[--{spelled(a.name).replace('_', '-')}]"
            for a in attributes
            if not _tables(a) and not a.metadata.get("positional")
        )
        common = "[--shape INPUT=SIZES] [--pin TARGET=ID] [--out DIR] [--json] [--csv]"
        line = " ".join(
            f"qreg {step.spec.name} {' '.join(leading)} MODEL {options} {common}".split()
        )
        rows.append(f"| `{line}` | {step.spec.summary} |\n")
    return "| command | what it does |\n| --- | --- |\n" + "".join(rows)


def _command(entry: Entry[CommandSpec]) -> str:
    parser = argparse.ArgumentParser(prog=f"qreg {entry.spec.name}", add_help=False)
    entry.call("configure", parser)
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    return f"| `{usage}` | {entry.spec.summary} |\n"


def _tables(attribute: "Attribute[Any]") -> bool:
    args = get_args(attribute.type)
    return bool(args) and get_origin(args[0]) is Use


def _registry(entry: Entry[RegistrySpec], catalogue: Catalogue) -> str:
    name = entry.spec.name
    rows = [
        f"| `{e.id}` | {' '.join(f'`{t}`' for t in e.spec.targets)} | {e.spec.summary} "
        f"| {e.spec.source} |\n"
        for e in sorted(catalogue.entries, key=lambda e: e.id)
        if e.spec.registry == name
    ]
    head = "| id | targets | what it is | source |\n| --- | --- | --- | --- |\n"
    return f"### `{name}`\n\n{entry.spec.summary}. Contract: `{entry.spec.contract}`.\n\n{head}{''.join(rows)}"


def _sorted(entries: tuple[Entry[S], ...]) -> list[Entry[S]]:
    return sorted(entries, key=lambda e: e.id)
