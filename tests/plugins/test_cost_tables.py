"""What a person sees of a count."""

import csv
import io
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from small_nets import Net

from qreg.cli import main

F32 = np.float32
PADS = {"pads": [1, 1, 1, 1]}
DENSE = 1152 + 4608  # 4*4 positions * 9 taps * (2*4 + 4*8)
LIVE = DENSE // 2  # of the four channels between the layers, two are zero


@pytest.fixture
def half_dead(tmp_path: Path) -> str:
    """2 -> 4 -> 8 channels on 4x4; two filters of the first convolution are zero."""
    first = np.ones((4, 2, 3, 3), F32)
    first[2:] = 0
    net = Net()
    y = net.op("Relu", net.conv(net.input(1, 2, 4, 4), first, "a", **PADS), name="relu")
    onnx.save(net.model(net.conv(y, np.ones((8, 4, 3, 3), F32), "b", **PADS)), tmp_path / "m.onnx")
    return str(tmp_path / "m.onnx")


def told(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main([*argv]) == 0
    return capsys.readouterr().out


def test_the_closing_line_says_how_much_is_dead(
    half_dead: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = told(capsys, "count", half_dead).splitlines()

    assert f"50 % of the MACs are dead, {LIVE:,} are live: qreg prune removes what it can" in lines


def test_the_convention_of_papers_is_named_and_promises_no_pruning(
    half_dead: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = told(capsys, "count", half_dead, "--convention", "ignore-bias")

    assert "convention ignore-bias: channels are null by their weights alone" in text
    assert "qreg prune" not in text


@pytest.mark.parametrize("width", ["40", "80"])
def test_metrics_that_are_asked_for_are_shown_in_any_window_and_in_that_order(
    half_dead: str, width: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)

    text = told(capsys, "count", half_dead, "--metrics", "bops_uniq,macs_live,macs")

    assert "in a wider window" not in text
    heads = [text.index(head) for head in ("BOPs uniq", "MACs live", "MACs  ")]
    assert heads == sorted(heads)


def test_another_tools_number_is_in_the_closing_line(
    half_dead: str, capsys: pytest.CaptureFixture[str]
) -> None:
    closing = told(capsys, "count", half_dead, "--as", "fvcore").strip().splitlines()[-1]

    assert closing == f"{DENSE:,} MACs, {DENSE:,} as fvcore"


def test_rows_of_nothing_but_zeros_are_left_to_programs(
    half_dead: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("count", half_dead, "--metrics", "macs,density")

    text = told(capsys, *asked)
    table = list(csv.reader(io.StringIO(told(capsys, *asked, "--csv").partition("\n\n")[0])))

    assert "relu" not in text
    assert "left out: 1 row with nothing but zeros; --csv and --json have them" in text
    assert [row[0] for row in table] == ["layer", "a", "relu", "b"]
    assert [row[3:] for row in table[1:]] == [["1152", "0.5"], ["0", ""], ["4608", "1.0"]]


def test_relu_is_shown_for_the_bytes_it_moves(
    half_dead: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "relu" in told(capsys, "count", half_dead)


def test_weights_that_are_no_numbers_are_told(
    half_dead: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load(half_dead)
    (weight,) = [i for i in model.graph.initializer if i.name == "b.weight"]
    numbers = numpy_helper.to_array(weight).copy()
    numbers[0, :2, 0, 0] = np.nan
    weight.CopyFrom(numpy_helper.from_array(numbers, "b.weight"))
    onnx.save(model, half_dead)

    closing = told(capsys, "count", half_dead).strip().splitlines()[-1]

    assert closing == "NaN in b.weight (2): what is said of dead channels does not hold"
