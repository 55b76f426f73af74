"""The same calls from Python: ``qreg.load`` and one function per installed step."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import fields

from qreg.catalogue import Catalogue, Entry, discover
from qreg.errors import QregError, hint
from qreg.run import Context, Events, Folder, Model, Outcome, save_model, scratch_folder, to_json
from qreg.specs import ApiSpec, FrontendSpec, StepSpec
from qreg.structure import spelled, structure

if TYPE_CHECKING:
    import onnx_ir as ir

Shapes = Mapping[str, Sequence[int]]
CALLABLE = "package.module:callable"
AnyShapes = Shapes | Sequence[int] | None  # sizes alone are those of the only input


def function(name: str) -> Any:
    """What ``qreg.<name>`` is. Raises AttributeError for a name nobody declares."""
    if name == "load":
        return load
    if name.startswith("_"):
        raise AttributeError(name)
    offered = {e.spec.attribute: e for e in catalogue().of(ApiSpec)}
    if name in offered:
        return offered[name].spec.object.load()
    steps = {e.spec.name.replace("-", "_"): e.spec.name for e in catalogue().of(StepSpec)}
    if name not in steps:
        raise AttributeError(f"qreg has no {name!r}{hint(name, [*steps, *offered, 'load'])}")
    return _step_function(catalogue().find(StepSpec, steps[name]))


@cache
def catalogue() -> Catalogue:
    """What is installed, read once per process."""
    return discover()


def load(source: Any, shape: AnyShapes = None, frontend: str = "") -> "ir.Model":
    """A model with static shapes and named layers from a file, an import path or an nn.Module.

    ``shape`` gives sizes of inputs by name, or of the only one. Raises QregError for what cannot be read.
    """
    chosen = catalogue().find(FrontendSpec, frontend) if frontend else None
    return source_model(source, _by_name(shape), catalogue(), chosen).graph()


def source_model(
    source: Any, shapes: Shapes, catalogue: Catalogue, frontend: Entry[FrontendSpec] | None = None
) -> Model:
    """The model of a source, not read yet. Raises QregError where no frontend claims it."""
    return Model(source, shapes, frontend or _frontend_for(source, catalogue), catalogue)


def run_command(
    entry: Entry[StepSpec],
    model: Model,
    source: str,
    params: Any,
    catalogue: Catalogue,
    events: Events,
    folder: Path | None,
) -> Outcome:
    """One step on one model. Without a folder its files are gone when it returns."""
    with ExitStack() as stack:
        kept = Folder(folder, events) if folder else stack.enter_context(scratch_folder(events))
        context = Context(
            catalogue=catalogue, loaded=model, name=short_name(source), source=source,
            folder=kept, events=events, step=entry.id,
        )  # fmt: skip
        outcome: Outcome = entry.call("run", context, params)
        if outcome.model is not None:
            save_model(outcome.model, kept, f"{context.name}-{entry.spec.name}.onnx")
        if folder:
            kept.write(f"{entry.spec.name}.json", to_json(outcome.record))
        return outcome


def short_name(source: str) -> str:
    """``resnet8`` of ``examples/resnet8.onnx`` or ``zoo.models:resnet8``."""
    return Path(source).stem if ":" not in source else source.rpartition(":")[2]


def _by_name(shape: AnyShapes) -> Shapes:
    named = shape if isinstance(shape, Mapping) else {} if shape is None else {"": shape}
    for name, sizes in named.items():
        try:
            numbers = all(size == int(size) for size in sizes)
        except (TypeError, ValueError):
            numbers = False
        if not numbers:
            about = f"shape of {name!r}" if name else "shape"
            raise QregError(f"{about}: give the sizes as numbers, as (1, 3, 32, 32), not {sizes!r}")
    return named


def _frontend_for(source: Any, catalogue: Catalogue) -> Entry[FrontendSpec]:
    if isinstance(source, (str, Path)):
        names = [str(source)]
    else:
        names = [f"object {c.__module__}.{c.__qualname__}" for c in inspect.getmro(type(source))]
    for name in names:
        entry = catalogue.choose(FrontendSpec, name)
        if entry is not None:
            return entry
    raise QregError(_unread(names[0], catalogue))


def _unread(name: str, catalogue: Catalogue) -> str:
    targets = [t for e in catalogue.of(FrontendSpec) for t in e.spec.targets]
    if name.startswith("object "):
        known = ", ".join(t.removeprefix("object ") for t in targets if t.startswith("object "))
        return (
            f"no frontend reads a {name.removeprefix('object ')}; there are frontends for {known}"
        )
    known = ", ".join(t for t in targets if not t.startswith("object ")).replace("*:*", CALLABLE)
    return (f"no frontend reads {name!r}; there are frontends for {known}. Weights alone are no "
            f"network: name the callable that builds it and loads them, as {CALLABLE}")  # fmt: skip


def _step_function(entry: Entry[StepSpec]) -> Callable[..., Any]:
    def call(
        *sources: Any,
        shape: AnyShapes = None,
        pins: Mapping[str, Sequence[str]] | None = None,
        out: str | Path = "",
        **params: Any,
    ) -> Any:
        found = catalogue().pinned(pins or {})
        kind = entry.spec.params.load()
        leading = [a.name for a in fields(kind) if a.metadata.get("positional")]
        if len(sources) != len(leading) + 1:
            wanted = ", ".join([*leading, "model"])
            raise TypeError(
                f"qreg.{call.__name__} takes {wanted}; {len(sources)} were given "
                "(all else goes by name, as shape=(1, 3, 32, 32))"
            )
        given = {**params, **dict(zip(leading, sources, strict=False))}
        typed = structure({spelled(k): v for k, v in given.items()}, kind, found, Path())
        source = sources[-1]
        model = source_model(source, _by_name(shape), found)
        text = str(source) if isinstance(source, (str, Path)) else type(source).__name__
        folder = Path(out) if out else None
        outcome = run_command(entry, model, text, typed, found, Events([]), folder)
        if outcome.failed:
            raise QregError(outcome.failed)
        return outcome.record

    call.__name__ = entry.spec.name.replace("-", "_")
    call.__doc__ = f"{entry.spec.summary} (step {entry.id}); ``out`` keeps its files."
    return call
