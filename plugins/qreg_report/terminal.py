"""Tables as aligned text, no wider than the window."""

from collections.abc import Sequence

from qreg.records import Table
from qreg_report.cells import printable, text_of


def render(tables: Sequence[Table], lines: Sequence[str], width: int) -> str:
    """Names are shortened, then the last columns continue in a block below."""
    parts = [_table(table, width) for table in tables]
    if lines:
        parts.append("\n".join(map(printable, lines)))
    return "\n\n".join(parts) + "\n"


def _table(table: Table, width: int) -> str:
    body = [*table.rows, *([table.footer] if table.footer else [])]
    cells = [[text_of(c) for c in row] for row in body]
    right = [all(isinstance(r[i], (int, float, type(None))) for r in table.rows)
             for i in range(len(table.columns))]  # fmt: skip
    blocks = []
    for picked in _blocks(table.columns, cells, width):
        blocks.append(_block(table.columns, cells, right, picked, bool(table.footer), width))
    title = [printable(table.title)] if table.title else []
    return "\n".join([*title, "\n\n".join(blocks), *map(printable, table.notes)])


def _widths(columns: Sequence[str], cells: list[list[str]]) -> list[int]:
    return [max(len(name), *(len(r[i]) for r in cells)) if cells else len(name)
            for i, name in enumerate(columns)]  # fmt: skip


def _blocks(columns: Sequence[str], cells: list[list[str]], width: int) -> list[list[int]]:
    """Column indices per block; the first column (names) leads every block."""
    widths = _widths(columns, cells)
    first = min(widths[0], max(12, width // 3)) if columns else 0
    blocks: list[list[int]] = [[0]]
    used = first
    for i in range(1, len(columns)):
        if used + 2 + widths[i] > width and len(blocks[-1]) > 1:
            blocks.append([0])
            used = first
        blocks[-1].append(i)
        used += 2 + widths[i]
    return blocks


def _block(
    columns: Sequence[str],
    cells: list[list[str]],
    right: list[bool],
    picked: list[int],
    footer: bool,
    width: int,
) -> str:
    widths = _widths(columns, cells)
    others = sum(2 + widths[i] for i in picked[1:])
    widths[0] = min(widths[0], max(12, width - others))
    rule = "  ".join("-" * widths[i] for i in picked)
    rows = [list(columns), *cells]
    lines = ["  ".join(_fit(row[i], widths[i], right[i]) for i in picked).rstrip() for row in rows]
    lines.insert(1, rule)
    if footer:
        lines.insert(-1, rule)
    return "\n".join(lines)


def _fit(text: str, width: int, right: bool) -> str:
    if len(text) > width:
        keep = width - 1
        text = text[: keep // 2] + "…" + text[len(text) - (keep - keep // 2) :]
    return text.rjust(width) if right else text.ljust(width)
