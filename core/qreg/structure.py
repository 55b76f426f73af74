"""Plain TOML or JSON values to typed parameters, strictly, with every mistake told at once."""

import re
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from attrs import fields, frozen, has, resolve_types
from cattrs import Converter
from cattrs.cols import homogenous_tuple_structure_factory
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError, IterableValidationNote
from cattrs.gen import make_dict_structure_fn, mapping_structure_factory, override

from qreg.catalogue import Catalogue, Entry
from qreg.errors import QregError, StructureError, hint
from qreg.specs import Spec

T = TypeVar("T")
S_co = TypeVar("S_co", bound=Spec, covariant=True)
Problem = tuple[tuple[str | int, ...], str]


class Ids(tuple[str, ...]):
    """One id, or a list of ids."""

    __slots__ = ()


@frozen
class Use(Generic[S_co]):
    """A table whose ``use`` names an entry; its other keys are that entry's parameters."""

    entry: Entry[S_co]
    params: Any


@frozen
class Source:
    """Another model: what the user calls it, or the object itself."""

    given: Any


def spelled(name: str) -> str:
    """A field's name as users write it: ``as`` of ``as_``, which Python keeps for itself."""
    return name.rstrip("_")


def structure(value: Any, kind: type[T], catalogue: Catalogue, base: Path) -> T:
    """``value`` as a ``kind``; relative paths start at ``base``. Raises StructureError."""
    try:
        return converter_for(catalogue, base).structure(value, kind)
    except (BaseValidationError, QregError, TypeError, ValueError) as exc:
        raise StructureError(problems(exc, ())) from exc


def converter_for(catalogue: Catalogue, base: Path) -> Converter:
    """Strict scalars; ``Entry[XSpec]`` reads an id and ``Use[XSpec]`` a table with ``use``."""
    converter = Converter()
    origin: Callable[[Any], Any] = get_origin
    for scalar in (bool, int, str):
        converter.register_structure_hook(scalar, _exact)
    converter.register_structure_hook(float, _exact_float)
    converter.register_structure_hook(Path, lambda v, _: _existing(base, v))
    converter.register_structure_hook_func(lambda t: t is Ids, lambda v, _: _ids(v))
    converter.register_structure_hook(Source, lambda v, _: _source(base, v))
    converter.register_structure_hook_func(lambda t: origin(t) is Literal, _literal)
    converter.register_structure_hook_factory(
        lambda t: origin(t) is None and has(t), lambda t: _class_hook(t, converter)
    )
    converter.register_structure_hook_factory(
        lambda t: origin(t) is tuple, lambda t: _tuple_hook(t, converter)
    )
    converter.register_structure_hook_factory(
        lambda t: origin(t) is dict, lambda t: _dict_hook(t, converter)
    )
    converter.register_structure_hook_func(
        lambda t: origin(t) is Entry,
        lambda v, t: catalogue.find(get_args(t)[0], _exact(v, str)),
    )
    converter.register_structure_hook_func(
        lambda t: origin(t) is Use, lambda v, t: _use(v, get_args(t)[0], catalogue, converter)
    )
    return converter


def problems(
    exc: BaseException, path: tuple[str | int, ...], expected: Any = None
) -> list[Problem]:
    """Every failure inside ``exc`` as (key path, what is wrong and what would be right)."""
    if isinstance(exc, StructureError):
        return [((*path, *where), what) for where, what in exc.problems]
    if isinstance(exc, BaseValidationError):
        noted, rest = exc.group_exceptions()  # type: ignore[attr-defined]
        found = [p for e in rest for p in problems(e, path, exc.cl)]
        for e, note in noted:
            key = note.index if isinstance(note, IterableValidationNote) else spelled(note.name)
            found += problems(e, (*path, key), note.type)
        return found
    if isinstance(exc, ForbiddenExtraKeysError):
        known = [spelled(f.name) for f in fields(exc.cl)]
        return [((*path, k), "unknown key" + hint(k, known)) for k in sorted(exc.extra_fields)]
    if isinstance(exc, KeyError):
        return [(path, "required key is missing")]
    blamed = re.match(r"'(\w+)' ", str(exc))  # attrs validators begin with the field they reject
    if blamed and has(expected) and blamed[1] in {f.name for f in fields(expected)}:
        return [((*path, blamed[1]), str(exc))]
    return [(path, str(exc))]


def _exact(value: Any, wanted: type[T]) -> T:
    """``value`` if it is a ``wanted`` and nothing else; cattrs alone reads bool("no") as True."""
    if type(value) is not wanted:
        raise TypeError(f"expected {_spoken(wanted)}, found {value!r}")
    return value


def _existing(base: Path, value: Any) -> Path:
    """A file or folder the parameters name: it must be there before anything runs."""
    path = base / (value if isinstance(value, Path) else _exact(value, str))
    if not path.exists():
        raise ValueError(f"no such file: {path}")
    return path


def _source(base: Path, value: Any) -> Source:
    """A file, which must be there, an import path, or a model in memory."""
    is_file = isinstance(value, Path) or (isinstance(value, str) and ":" not in value)
    return Source(_existing(base, value) if is_file else value)


def _ids(value: Any) -> Ids:
    if not isinstance(value, (str, list, tuple)):
        raise TypeError(f"expected an id or a list of ids, found {value!r}")
    return Ids([value] if isinstance(value, str) else [_exact(v, str) for v in value])


def _exact_float(value: Any, _: type) -> float:
    return float(value) if type(value) is int else _exact(value, float)


def _literal(value: Any, kind: Any) -> Any:
    allowed = get_args(kind)
    if value in allowed:
        return value
    named = [a for a in allowed if a != ""]
    near = get_close_matches(str(value), named, 1)
    cure = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{value!r} is not one of {', '.join(map(repr, named))}{cure}")


def _spoken(kind: type) -> str:
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}[kind]


def _class_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    names = [a.name for a in fields(resolve_types(kind))]
    renamed: Any = {n: override(rename=spelled(n)) for n in names if spelled(n) != n}
    structure_fields = make_dict_structure_fn(
        kind, converter, _cattrs_forbid_extra_keys=True, **renamed
    )

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise TypeError(f"expected a table, found {value!r}")
        try:
            return structure_fields(value, kind)
        except BaseValidationError as exc:
            found = dict.fromkeys(problems(exc, ()) + _refused(value, kind, converter))
            raise StructureError(list(found)) from exc

    return hook


def _refused(table: dict[str, Any], kind: Any, converter: Converter) -> list[Problem]:
    """What the fields' own validators say; they run only once a record is made, which failed."""
    found: list[Problem] = []
    for attribute in fields(resolve_types(kind)):
        key = spelled(attribute.name)
        if attribute.validator is None or key not in table:
            continue
        try:
            value = converter.structure(table[key], attribute.type)
            attribute.validator(None, attribute, value)
        except ValueError as exc:
            if str(exc).startswith(f"'{attribute.name}' "):
                found.append(((attribute.name,), str(exc)))
        except (TypeError, AttributeError, QregError, BaseValidationError):
            continue  # told already, or a validator that needs the whole record
    return found


def _tuple_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    structure_items = homogenous_tuple_structure_factory(kind, converter)

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"expected a list, found {value!r}")
        return structure_items(value, kind)

    return hook


def _dict_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    structure_items = mapping_structure_factory(kind, converter)

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise TypeError(f"expected a table, found {value!r}")
        return structure_items(value, kind)

    return hook


def _use(value: Any, spec: type[Spec], catalogue: Catalogue, converter: Converter) -> Use[Spec]:
    if not isinstance(value, dict):
        raise TypeError(f"expected a table, found {value!r}")
    if "use" not in value:
        raise StructureError([((), f"required key 'use' is missing: which {spec.registry}?")])
    try:
        entry = catalogue.find(spec, _exact(value["use"], str))
    except (QregError, TypeError) as exc:
        raise StructureError([(("use",), str(exc))]) from exc
    rest = {k: v for k, v in value.items() if k != "use"}
    return Use(entry, converter.structure(rest, entry.spec.params.load()))  # type: ignore[attr-defined]
