"""Tables as people see them."""

import csv
import io

import pytest

from qreg.records import Table
from qreg_report.csv import render as as_csv
from qreg_report.markdown import render as as_markdown
from qreg_report.terminal import render as as_text

TABLE = Table(
    "cost of `net`",
    ("layer", "op", "MACs", "share", "params", "bytes moved", "dense BOPs", "masked BOPs"),
    (
        ("layer1.0.conv1", "Conv", 2359296, 0.25, 2304, 140000, 2415919104, 2415919104),
        ("a.very.long.module.path.that.no.terminal.wants.to.show.conv2", "Conv", 12, None, 1, 2, 3, 4),
    ),
    footer=("total", "", 2359308, None, 2305, 140002, 2415919107, 2415919108),
    notes=("1 op is unknown",),
)  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_a_table_fits_the_window_and_loses_no_number(width: int) -> None:
    text = as_text([TABLE], ["verdict"], width)

    assert max(map(len, text.splitlines())) <= width
    for number in ("2,359,296", "140,000", "2,415,919,104", "2,415,919,108", "2,359,308"):
        assert number in text
    assert text.rstrip().endswith("verdict")


def test_unknown_is_shown_as_a_question_mark() -> None:
    row = next(r for r in as_text([TABLE], [], 140).splitlines() if r.startswith("a.very"))

    assert "?" in row.split()


def test_names_from_a_model_cannot_break_the_page() -> None:
    table = Table("t", ("layer",), (("a|b<script>*/\n\x1b[2J`x`",),))

    shown = as_markdown([table], [], 80)
    text = as_text([table], [], 80)

    assert "<script>" not in shown
    assert "\\|" in shown
    assert "\x1b" not in shown + text
    assert len(text.splitlines()) == 4  # title, header, rule, one row


def test_csv_has_plain_numbers_and_leaves_unknown_empty() -> None:
    rows = list(csv.reader(io.StringIO(as_csv([TABLE], ["x"], 80))))

    assert rows[0][0] == "layer"
    assert rows[1][2] == "2359296"
    assert rows[2][3] == ""
