"""Tables as Markdown; text from a model is escaped."""

from collections.abc import Iterable, Sequence

from qreg.records import Table
from qreg_report.cells import Cell, numeric, text_of, without_idle

COLUMNS = 9


def render(tables: Sequence[Table], lines: Sequence[str], width: int) -> str:
    del width
    parts = [_table(table) for table in tables]
    parts += [_escaped(line) for line in lines]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    """Optional columns beyond ``COLUMNS`` are left to JSON and CSV: no page is that wide."""
    table, missing = without_idle(table)
    shown = max(len(table.columns) - table.optional, min(len(table.columns), COLUMNS))
    rows = [row[:shown] for row in (*table.rows, *([table.footer] if table.footer else []))]
    rules = ["---:" if numeric(table, i) else "---" for i in range(shown)]
    lines = [_row(table.columns[:shown]), _row(rules), *(_row(map(_cell, row)) for row in rows)]
    title = [f"### {_escaped(table.title)}", ""] if table.title else []
    left_out = ", ".join(dict.fromkeys(table.columns[shown:]))
    notes = [*table.notes, *missing, *([f"in JSON and CSV also: {left_out}"] if left_out else [])]
    return "\n".join([*title, *lines, *(f"\n{_escaped(note)}" for note in notes)])


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(cell: Cell) -> str:
    return _escaped(text_of(cell))


def _escaped(text: str) -> str:
    for char in "\\`*_{}[]<>|":
        text = text.replace(char, "&lt;" if char == "<" else "\\" + char)
    return text
