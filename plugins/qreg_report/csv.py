"""Tables as comma-separated values: plain numbers, unknown left empty."""

import csv
import io
from collections.abc import Sequence

from qreg.records import Table
from qreg_report.cells import printable


def render(tables: Sequence[Table], lines: Sequence[str], width: int) -> str:
    """One block per table, parted by an empty line. ``lines`` are for people and left out."""
    del lines, width
    blocks = []
    for table in tables:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows([printable(c) if isinstance(c, str) else c for c in row]
                         for row in table.rows)  # fmt: skip
        blocks.append(text.getvalue())
    return "\n".join(blocks).rstrip("\n")
