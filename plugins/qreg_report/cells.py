"""One cell of a table as text. Names come from model files, so nothing is printed raw."""

from qreg.records import Table

Cell = str | int | float | None


def text_of(cell: Cell) -> str:
    if cell is None:
        return "?"
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:.4g}" if isinstance(cell, float) else printable(cell)


def numeric(table: Table, column: int) -> bool:
    """Whether every row has a number (or unknown) there."""
    return all(isinstance(row[column], (int, float, type(None))) for row in table.rows)


def printable(text: str) -> str:
    """``text`` on one line without control characters; names come from model files."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
