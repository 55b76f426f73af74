"""Tables as aligned text, no wider than the window."""

import textwrap
from collections.abc import Sequence

from qreg.records import Table
from qreg_report.cells import numeric, printable, text_of


def render(tables: Sequence[Table], lines: Sequence[str], width: int) -> str:
    """Names are shortened, then the last columns continue in a block below."""
    parts = [_table(table, width) for table in tables]
    if lines:
        parts.append("\n".join(_wrapped(lines, width)))
    return "\n\n".join(parts) + "\n"


def _table(table: Table, width: int) -> str:
    body = [*table.rows, *([table.footer] if table.footer else [])]
    cells = [[text_of(c) for c in row] for row in body]
    right = [numeric(table, i) for i in range(len(table.columns))]
    shown = _shown(table, cells, width)
    blocks = []
    for picked in _blocks(table.columns[:shown], cells, width):
        blocks.append(_block(table.columns, cells, right, picked, bool(table.footer), width))
    title = [printable(table.title)] if table.title else []
    left_out = ", ".join(table.columns[shown:])
    more = [f"in a wider window, --csv and --json: {left_out}"] if left_out else []
    notes = _wrapped((*table.notes, *more), width)
    return "\n".join([*title, "\n\n".join(blocks), *notes])


def _wrapped(lines: Sequence[str], width: int) -> list[str]:
    return [row for line in lines
            for row in textwrap.wrap(printable(line), width, subsequent_indent="  ",
                                     break_long_words=False, break_on_hyphens=False)]  # fmt: skip


def _shown(table: Table, cells: list[list[str]], width: int) -> int:
    """How many columns: all that are needed, and as many optional ones as fit beside them."""
    widths = _widths(table.columns, cells)
    needed = len(widths) - table.optional
    used = sum(widths[:needed]) + 2 * (needed - 1)
    for count in range(needed, len(widths)):
        used += 2 + widths[count]
        if used > width:
            return count
    return len(widths)


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
