"""One cell of a table as text. Names come from model files, so nothing is printed raw."""

from attrs import evolve

from qreg.records import Table

Cell = str | int | float | None


def text_of(cell: Cell) -> str:
    if cell is None:
        return "?"
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:.4g}" if isinstance(cell, float) else printable(cell)


def numeric(table: Table, column: int) -> bool:
    """Whether every row has a number there, is unknown, or empty where there is nothing to say."""
    cells = [row[column] for row in table.rows if row[column] != ""]
    numbers = all(isinstance(cell, (int, float, type(None))) for cell in cells)
    return numbers and (bool(cells) or not table.rows)


def without_idle(table: Table) -> tuple[Table, tuple[str, ...]]:
    """The table for people, and a note on the rows it lacks."""
    if not table.idle:
        return table, ()
    rows = tuple(row for i, row in enumerate(table.rows) if i not in set(table.idle))
    count = len(table.rows) - len(rows)
    note = f"left out: {count} row{'s' if count > 1 else ''} with nothing but zeros"
    return evolve(table, rows=rows, idle=()), (f"{note}; --csv and --json have them",)


def printable(text: str) -> str:
    """``text`` on one line without control characters; names come from model files."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
