"""``report.md`` of a run: every step's tables and verdicts on one page."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qreg_report.markdown import render

if TYPE_CHECKING:
    from qreg.run import Folder, Outcome


def write(folder: "Folder", outcomes: Sequence[tuple[str, "Outcome"]], model: str) -> None:
    parts = [
        f"# {model}\n",
        "Versions, parameters and hashes are in run.json, each step's data in its folder.\n",
    ]
    for number, (step, outcome) in enumerate(outcomes, 1):
        parts.append(f"## {number}. {step.rpartition('/')[2]} ({step})\n")
        parts.append(render(outcome.tables, outcome.lines, 100))
        if outcome.failed:
            parts.append(f"**Failed:** {outcome.failed}\n")
    folder.write("report.md", "\n".join(parts))
