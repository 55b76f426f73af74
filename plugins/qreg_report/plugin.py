"""How results are shown: terminal, Markdown, CSV; the report of a run; the progress line."""

import sys
from typing import TYPE_CHECKING, Any

from qreg.hooks import hookimpl
from qreg.specs import RendererSpec, Spec

if TYPE_CHECKING:
    from qreg.run import Folder

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        RendererSpec(
            name="terminal", summary="aligned text that fits the window",
            render="qreg_report.terminal:render",
        ),
        RendererSpec(name="markdown", summary="Markdown", render="qreg_report.markdown:render"),
        RendererSpec(
            name="csv", summary="comma-separated values", render="qreg_report.csv:render",
        ),
    )  # fmt: skip


@hookimpl
def qreg_step_started(step: str, index: int, total: int) -> None:
    _show(f"[{index}/{total}] {step}")


@hookimpl
def qreg_progress(step: str, done: int, total: int, what: str) -> None:
    _show(f"{step}: {what} {done}/{total}")


@hookimpl
def qreg_step_finished() -> None:
    _show("")


@hookimpl
def qreg_run_finished(folder: "Folder", outcomes: tuple[tuple[str, Any], ...], model: str) -> None:
    from qreg_report.run_report import write  # noqa: PLC0415  listing plugins must stay quick

    write(folder, outcomes, model)


def _show(text: str) -> None:
    """One line on a terminal that says what is going on; nothing in a pipe."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
