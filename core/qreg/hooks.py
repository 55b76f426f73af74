"""The pluggy hooks: one that declares, the others tell listeners what a run is doing."""

from typing import TYPE_CHECKING, Any

from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    from qreg.run import Folder
    from qreg.specs import Spec

hookspec = HookspecMarker("qreg")
hookimpl = HookimplMarker("qreg")


@hookspec
def qreg_specs() -> "tuple[Spec, ...]":  # type: ignore[empty-body]
    """Everything the plugin declares."""


@hookspec
def qreg_run_started(folder: str, steps: tuple[str, ...]) -> None:
    """A run begins; ``steps`` are the ids in order."""


@hookspec
def qreg_step_started(step: str, index: int, total: int) -> None:
    """Step ``index`` (from 1) of ``total`` begins."""


@hookspec
def qreg_progress(step: str, done: int, total: int, what: str) -> None:
    """``done`` of ``total`` units (layers, images, ...) of a step are finished."""


@hookspec
def qreg_artifact_written(path: str) -> None:
    """A file is complete on disk."""


@hookspec
def qreg_step_finished(step: str, outcome: Any) -> None:
    """A step gave its ``Outcome``."""


@hookspec
def qreg_run_finished(folder: "Folder", outcomes: tuple[tuple[str, Any], ...], model: str) -> None:
    """All steps are done; ``outcomes`` pairs step ids with what they gave."""
