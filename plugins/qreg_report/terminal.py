"""Tables as aligned text, no wider than the window."""

import textwrap
from collections.abc import Sequence
from itertools import zip_longest

from qreg.records import Table
from qreg_report.cells import numeric, printable, text_of, without_idle

Texts = Sequence[str]

SHORTENED = 16  # characters that are left of a text in the middle of a row, where room lacks
WRAPPED = 24  # the narrowest column whose texts continue on the next line


def render(tables: Sequence[Table], lines: Sequence[str], width: int) -> str:
    """Texts are shortened, in the last column wrapped; columns that still lack room follow below."""
    parts = [_table(table, width) for table in tables]
    if lines:
        parts.append("\n".join(_wrapped(lines, width)))
    return "\n\n".join(parts) + "\n"


def _table(table: Table, width: int) -> str:
    table, missing = without_idle(table)
    body = [*table.rows, *([table.footer] if table.footer else [])]
    cells = [[text_of(c) for c in row] for row in body]
    shown = _shown(table, cells, width)
    grid = [row[:shown] for row in (list(table.columns), *cells)]
    right = [numeric(table, i) for i in range(shown)]
    natural = _widths(grid)
    widths = _fitted(natural, right, width)
    blocks = []
    for picked in _blocks(widths, width):
        others = sum(2 + widths[i] for i in picked[1:])
        widths[0] = min(natural[0], max(12, width - others))
        blocks.append(_block(grid, right, picked, widths, bool(table.footer)))
    title = [printable(table.title)] if table.title else []
    left_out = ", ".join(dict.fromkeys(table.columns[shown:]))
    more = [f"in a wider window, --csv and --json: {left_out}"] if left_out else []
    notes = _wrapped((*table.notes, *missing, *more), width)
    return "\n".join([*title, "\n\n".join(blocks), *notes])


def _wrapped(lines: Texts, width: int) -> list[str]:
    return [row for line in lines
            for row in textwrap.wrap(printable(line), width, subsequent_indent="  ",
                                     break_long_words=False, break_on_hyphens=False)]  # fmt: skip


def _shown(table: Table, cells: Sequence[Texts], width: int) -> int:
    """How many columns: all that are needed, and as many optional ones as fit beside them."""
    widths = _widths([table.columns, *cells])
    needed = len(widths) - table.optional
    used = _total(widths[:needed])
    for count in range(needed, len(widths)):
        used += 2 + widths[count]
        if used > width:
            return count
    return len(widths)


def _widths(grid: Sequence[Texts]) -> list[int]:
    return [max(map(len, column)) for column in zip(*grid, strict=True)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def _fitted(natural: Sequence[int], right: Sequence[bool], width: int) -> list[int]:
    """The widths, with columns of text made narrower where the window asks for it."""
    last = len(natural) - 1
    floors = {0: max(12, width // 3)} | {i: SHORTENED for i in range(1, last) if not right[i]}
    if last > 0 and not right[last]:
        floors = {last: WRAPPED} | floors
    widths = list(natural)
    for i, floor in floors.items() if natural else ():
        excess = max(0, _total(widths) - width)
        widths[i] -= min(excess, max(0, widths[i] - floor))
    if _total(widths) > width:  # then in several blocks, where there is more room
        widths[1:last] = natural[1:last]
    return widths


def _blocks(widths: Sequence[int], width: int) -> list[list[int]]:
    """Column indices per block; the first column (names) leads every block."""
    blocks: list[list[int]] = [[0]] if widths else []
    used = widths[0] if widths else 0
    for i in range(1, len(widths)):
        if used + 2 + widths[i] > width and len(blocks[-1]) > 1:
            blocks.append([0])
            used = widths[0]
        blocks[-1].append(i)
        used += 2 + widths[i]
    return blocks


def _block(
    grid: Sequence[Texts],
    right: Sequence[bool],
    picked: Sequence[int],
    widths: Sequence[int],
    footer: bool,
) -> str:
    rule = "  ".join("-" * widths[i] for i in picked)
    wraps = {len(widths) - 1} - {0} if not right[-1] else set()
    lines = []
    for row in grid:
        parts = [_lines(row[i], widths[i], i in wraps) for i in picked]
        for line in zip_longest(*parts, fillvalue=""):
            fitted = (
                _aligned(text, widths[i], right[i]) for i, text in zip(picked, line, strict=True)
            )
            lines.append("  ".join(fitted).rstrip())
    lines.insert(1, rule)
    if footer:
        lines.insert(-1, rule)
    return "\n".join(lines)


def _lines(text: str, width: int, wraps: bool) -> list[str]:
    """The text on as many lines as it may have; longer ones lose their middle."""
    if not wraps:
        return [_shortened(text, width)]
    return [_shortened(line, width)
            for line in textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
            or [""]]  # fmt: skip


def _shortened(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    keep = width - 1
    return text[: keep // 2] + "…" + text[len(text) - (keep - keep // 2) :]


def _aligned(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)
