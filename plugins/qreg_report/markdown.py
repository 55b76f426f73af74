"""Tables as Markdown; text from a model is escaped."""

from collections.abc import Sequence

from qreg.records import Table
from qreg_report.cells import text_of


def render(tables: Sequence[Table], lines: Sequence[str], width: int) -> str:
    del width
    parts = [_table(table) for table in tables]
    parts += [_escaped(line) for line in lines]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    rows = [*table.rows, *([table.footer] if table.footer else [])]
    lines = ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * len(table.columns)]
    lines += ["| " + " | ".join(_escaped(text_of(c)) for c in row) + " |" for row in rows]
    title = [f"### {_escaped(table.title)}", ""] if table.title else []
    return "\n".join([*title, *lines, *(f"\n{_escaped(note)}" for note in table.notes)])


def _escaped(text: str) -> str:
    for char in "\\`*_{}[]<>|":
        text = text.replace(char, "&lt;" if char == "<" else "\\" + char)
    return text
