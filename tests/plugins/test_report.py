"""Tables as people see them."""

import csv
import io
from collections.abc import Callable

import pytest

from qreg.records import Table
from qreg_report.csv import render as as_csv
from qreg_report.markdown import render as as_markdown
from qreg_report.terminal import render as as_text

Renderer = Callable[..., str]

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


def test_a_last_column_of_text_continues_on_the_next_line_and_loses_no_word() -> None:
    why = "Add 'layer1.0.add' joins it with a live channel that somebody else reads"
    table = Table("kept", ("layer", "channels", "why"), (("conv1", 5, why), ("conv2", 6, "no")))

    lines = as_text([table], [], 50).splitlines()

    assert max(map(len, lines)) <= 50
    starts = [line[len("layer  channels  ") :].strip() for line in lines[3:]]
    assert " ".join(starts).split() == [*why.split(), "no"]


def test_texts_in_the_middle_are_shortened_before_the_table_breaks_in_two() -> None:
    op = "QLinearGlobalAveragePool"
    table = Table("", ("layer", "op", "MACs"), ((f"model.{op}", op, 123_456_789),))

    lines = as_text([table], [], 48).splitlines()

    assert len(lines) == 3  # header, rule, row
    assert lines[2].endswith("123,456,789")
    assert len(lines[2]) <= 48


def test_numbers_are_aligned_where_some_rows_have_none() -> None:
    table = Table("", ("layer", "density"), (("a", 0.5), ("relu", ""), ("b", 0.125)))

    lines = as_text([table], [], 80).splitlines()

    assert [line[-7:] for line in (lines[2], lines[4])] == ["    0.5", "  0.125"]


@pytest.mark.parametrize("render", [as_text, as_markdown])
def test_idle_rows_are_counted_and_not_shown(render: Renderer) -> None:
    table = Table("", ("layer", "MACs"), (("conv", 12), ("view", 0), ("flip", 0)), idle=(1, 2))

    text = render([table], [], 80)

    assert "view" not in text
    assert "left out: 2 rows with nothing but zeros" in text
    assert "view,0" in as_csv([table], [], 80)
