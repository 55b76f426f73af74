"""One step after another: what a step gets, what it gives, and where its files go."""

import hashlib
import inspect
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field, fields, frozen, has

from qreg.catalogue import Catalogue, Entry
from qreg.errors import QregError, cause_of
from qreg.records import Table, Trace
from qreg.specs import FrontendSpec, StepSpec
from qreg.structure import Source, Use, spelled

if TYPE_CHECKING:
    import onnx_ir as ir

RUN_RECORD = "run.json"


@define
class Events:
    """Tells listeners what happens. One that fails is reported once and not asked again."""

    listeners: list[Any]
    failures: list[str] = field(factory=list)

    def send(self, event: str, **facts: Any) -> None:
        for listener in list(self.listeners):
            hook = getattr(listener, event, None)
            if hook is None:
                continue
            try:
                wanted = inspect.signature(hook).parameters
                hook(**{n: v for n, v in facts.items() if n in wanted})
            except (Exception, SystemExit) as exc:  # noqa: BLE001  a listener may be anybody's
                name = getattr(listener, "__name__", type(listener).__name__)
                self.failures.append(f"listener {name} failed at {event}: {cause_of(exc)}")
                self.listeners.remove(listener)


@frozen
class Folder:
    """Where a step may write: whole files or nothing."""

    path: Path
    events: Events

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file at once: complete or not there."""
        with self.writing(name) as partial:
            partial.write_bytes(content.encode() if isinstance(content, str) else content)
        return self.path / name

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """A path to write to, which becomes ``name`` when the block ends well."""
        path = self.path / name
        partial = path.with_name(f".{path.name}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            os.replace(partial, path)
        except OSError as exc:
            raise QregError(f"{path}: cannot be written: {exc.strerror or exc}") from exc
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        self.events.send("qreg_artifact_written", path=str(path))

    def inside(self, name: str) -> "Folder":
        return evolve(self, path=self.path / name)


@define
class Model:
    """A model that is read when asked for: as a graph, or as what runs. Each is made once.

    A source that no frontend was chosen for is an ``onnx_ir.Model`` already.
    """

    source: Any
    shapes: Mapping[str, Sequence[int]] = field(factory=dict)
    frontend: Entry[FrontendSpec] | None = None
    catalogue: Catalogue = field(factory=Catalogue)
    _graph: "ir.Model | None" = None
    _trace: Trace | None = None

    def graph(self) -> "ir.Model":
        """The model as a graph, with static shapes and named layers."""
        if self._graph is None:
            self._graph = self.source if self.frontend is None else self._call("load")
        return self._graph

    def trace(self) -> Trace | None:
        """What runs, without a graph; None where only the graph tells."""
        if self.frontend is None or self.frontend.spec.trace is None:
            return None
        if self._trace is None:
            self._trace = self._call("trace")
        return self._trace

    def _call(self, what: str) -> Any:
        named = isinstance(self.source, (str, Path))  # the text of a model in memory is all of it
        about = str(self.source) if named else type(self.source).__name__
        assert self.frontend is not None
        return self.frontend.call(what, self.source, self.shapes, self.catalogue, about=about)


@frozen(kw_only=True)
class Context:
    """What a step knows: the model as the steps before left it, and what they found."""

    catalogue: Catalogue
    loaded: Model
    name: str  # the model's short name, for titles and file names
    source: str  # as the user spelled it
    folder: Folder
    events: Events
    step: str = ""
    outcomes: Mapping[str, "Outcome"] = field(factory=dict)  # step name -> its last outcome

    @property
    def model(self) -> "ir.Model":
        """The model as a graph; made from its source when first asked for."""
        return self.loaded.graph()

    def progress(self, done: int, total: int, what: str) -> None:
        self.events.send("qreg_progress", step=self.step, done=done, total=total, what=what)

    def result(self, step: str) -> Any:
        """The record of an earlier step of this run, or None."""
        return self.outcomes[step].record if step in self.outcomes else None


@frozen(kw_only=True)
class Outcome:
    """What a step gives. ``record`` is what ``--json`` prints (fields marked ``json=False`` apart)."""

    record: Any
    tables: tuple[Table, ...] = ()
    lines: tuple[str, ...] = ()  # closing lines, the verdict last
    model: "ir.Model | None" = None  # the model for the steps that follow
    failed: str = ""  # why a check did not hold: exit code 1


def run_pipeline(
    steps: tuple[Use[StepSpec], ...], context: Context, header: Mapping[str, Any]
) -> tuple[tuple[str, Outcome], ...]:
    """Run the steps in order, each in its folder, and write ``run.json``. Stops at a failed check."""
    ids = tuple(use.entry.id for use in steps)
    root = context.folder
    context.events.send("qreg_run_started", folder=str(root.path), steps=ids)
    done: list[tuple[str, Outcome]] = []
    records = []
    for index, use in enumerate(steps, 1):
        name = use.entry.spec.name
        inner = evolve(context, folder=root.inside(f"{index}-{name}"), step=use.entry.id)
        context.events.send("qreg_step_started", step=use.entry.id, index=index, total=len(steps))
        outcome: Outcome = use.entry.call("run", inner, use.params)
        inner.folder.write(f"{name}.json", to_json(outcome.record))
        if outcome.model is not None:
            save_model(outcome.model, inner.folder, "model.onnx")
        done.append((use.entry.id, outcome))
        records.append(_record_of(use))
        context.events.send("qreg_step_finished", step=use.entry.id, outcome=outcome)
        if outcome.failed:
            break
        context = evolve(
            context,
            loaded=context.loaded if outcome.model is None else Model(outcome.model),
            outcomes={**context.outcomes, name: outcome},
        )
    context.events.send("qreg_run_finished", folder=root, outcomes=tuple(done), model=context.name)
    status = "failed" if done and done[-1][1].failed else "complete"
    record = {**header, "status": status, "steps": records, "files": _hashes(root.path)}
    root.write(RUN_RECORD, to_json(record))
    return tuple(done)


def _record_of(use: Use[StepSpec]) -> dict[str, Any]:
    """What ran, with which parameters, and the hashes of the files these name."""
    given = [getattr(use.params, a.name) for a in fields(type(use.params))]
    read = {p.name: sha256(p) for p in given if isinstance(p, Path) and p.is_file()}
    return {"use": use.entry.id, "distribution": use.entry.distribution,
            "version": use.entry.version, "params": plain(use.params), "read": read}  # fmt: skip


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def run_folder(path: Path, events: Events) -> Iterator[Folder]:
    """A folder that becomes ``path`` when the block ends well; an earlier run there is replaced.

    Refuses a folder that holds anything but a run's own files. A block that fails leaves what was
    there before.
    """
    path = path.resolve()
    _refuse_foreign(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        yield Folder(partial, events)
        if path.is_dir():
            shutil.rmtree(path)
        partial.rename(path)
    except OSError as exc:
        raise QregError(f"{path}: cannot be written: {exc.strerror or exc}") from exc
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _refuse_foreign(path: Path) -> None:
    cure = "name another folder with --out or [run] folder"
    if path.exists() and not path.is_dir():
        raise QregError(f"{path}: is a file; {cure}")
    if Path.cwd().is_relative_to(path):
        raise QregError(f"{path}: is the folder you are in; {cure}")
    found = {p.relative_to(path).as_posix(): p for p in path.rglob("*") if not p.is_dir()}
    try:
        known = dict(json.loads((path / RUN_RECORD).read_text())["files"]) if found else {}
    except (OSError, ValueError, TypeError, KeyError):
        known = {}
    if known:
        found.pop(RUN_RECORD)
    for name, file in sorted(found.items()):
        if name not in known:
            raise QregError(f"{path}: holds {name!r}, which no run of qreg made; {cure}")
        if sha256(file) != known[name]:
            raise QregError(f"{path}: {name!r} was changed since the run; move it away, or {cure}")


@contextmanager
def scratch_folder(events: Events) -> Iterator[Folder]:
    """A folder that is gone afterwards, for commands whose files nobody asked for."""
    with tempfile.TemporaryDirectory(prefix="qreg-") as path:
        yield Folder(Path(path), events)


def save_model(model: "ir.Model", folder: Folder, name: str) -> None:
    import onnx_ir as ir  # noqa: PLC0415  the core must start without it

    with folder.writing(name) as partial:
        partial.write_bytes(ir.to_proto(model).SerializeToString(deterministic=True))


def plain(value: Any) -> Any:
    """A record as JSON values. Counts stay ints, ids are text, paths are file names."""
    if isinstance(value, Use):
        return {"use": value.entry.id, **plain(value.params)}
    if isinstance(value, Entry):
        return value.id
    if isinstance(value, Source):
        named = isinstance(value.given, (str, Path))
        return plain(value.given) if named else type(value.given).__name__
    if has(type(value)):
        shown = [a.name for a in fields(type(value)) if a.metadata.get("json", True)]
        return {spelled(name): plain(getattr(value, name)) for name in shown}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, Path):
        return value.name
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such numbers
    return value


def to_json(value: Any) -> str:
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): sha256(p) for p in files}
