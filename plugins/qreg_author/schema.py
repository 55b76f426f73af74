"""JSON Schema of a pipeline file, so that an editor completes and checks it."""

from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from attrs import NOTHING, fields, has, resolve_types

from qreg.catalogue import Catalogue, Entry
from qreg.pipeline import Pipeline
from qreg.specs import Spec
from qreg.structure import Ids, Source, Use, spelled

SCALARS = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string"}


def pipeline_schema(catalogue: Catalogue) -> dict[str, Any]:
    """The schema of a whole pipeline: every step and rule installed, with its keys."""
    schema = schema_of(Pipeline, catalogue)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_of(kind: Any, catalogue: Catalogue) -> dict[str, Any]:
    """The schema of one type that parameters may have."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is Source:
        return {"type": "string"}
    if has(kind) and origin is None:
        return _object(kind, catalogue)
    if origin in (Union, UnionType):
        return schema_of(next(a for a in args if a is not type(None)), catalogue)
    if origin is Literal:
        return {"enum": list(args)}
    if origin is tuple:
        return {"type": "array", "items": schema_of(args[0], catalogue)}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(args[1], catalogue)}
    if origin is Entry:
        return {"enum": _names(args[0], catalogue)}
    if origin is Use:
        return _use(args[0], catalogue)
    if kind is Ids:
        text = {"type": "string"}
        return {"anyOf": [text, {"type": "array", "items": text}]}
    return {"type": SCALARS[kind]}


def _object(kind: Any, catalogue: Catalogue) -> dict[str, Any]:
    attributes = fields(resolve_types(kind))
    return {
        "type": "object",
        "properties": {
            spelled(a.name): schema_of(a.type, catalogue) | _notes(a) for a in attributes
        },
        "required": [spelled(a.name) for a in attributes if a.default is NOTHING],
        "additionalProperties": False,
    }


def _notes(attribute: Any) -> dict[str, Any]:
    notes = {"description": attribute.metadata["doc"]} if "doc" in attribute.metadata else {}
    default = attribute.default
    if isinstance(default, tuple):
        default = list(default)
    plain = isinstance(default, (bool, int, float, str, list)) and default != []
    return notes | ({"default": default} if plain else {})


def _names(spec: type[Spec], catalogue: Catalogue) -> list[str]:
    """Ids, and bare names where they are unique."""
    entries = catalogue.of(spec)
    names = [e.spec.name for e in entries]
    return sorted({e.id for e in entries} | {n for n in names if names.count(n) == 1})


def _use(spec: type[Spec], catalogue: Catalogue) -> dict[str, Any]:
    """One ``if use = <id> then <its keys>`` per entry: with oneOf, editors only say no."""
    choices = []
    names = set(_names(spec, catalogue))
    for entry in catalogue.of(spec):
        then = _object(entry.spec.params.load(), catalogue)  # type: ignore[attr-defined]
        then["properties"]["use"] = {"description": entry.spec.summary}
        ids = sorted(names & {entry.id, entry.spec.name})
        choices.append({"if": {"properties": {"use": {"enum": ids}}}, "then": then})
    use = {"use": {"enum": sorted(names)}}
    return {"type": "object", "properties": use, "required": ["use"], "allOf": choices}
