"""What cannot be pruned is refused before a model is written."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from small_nets import Net

from qreg.cli import main


def test_weights_that_are_no_numbers_are_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weight = np.ones((4, 2, 3, 3), np.float32)
    weight[0], weight[1, 0, 1, 1] = 0, np.nan
    net = Net()
    proto = net.model(net.conv(net.input(1, 2, 5, 5), weight, "a"))
    onnx.save(proto, tmp_path / "m.onnx")

    assert main(["prune", str(tmp_path / "m.onnx"), "--out", str(tmp_path / "out")]) == 1

    told = capsys.readouterr().err
    assert told.startswith("qreg: prune: NaN in 'a.weight' (1): nothing can be said")
    assert not (tmp_path / "out").exists()


def test_a_window_larger_than_its_input_is_an_error_not_zero(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = Net()
    y = net.conv(net.input(1, 2, 2, 2), np.ones((4, 2, 3, 3), np.float32), "a")
    onnx.save(net.model(y), tmp_path / "m.onnx")

    assert main(["count", str(tmp_path / "m.onnx")]) == 1

    told = capsys.readouterr().err
    assert "node 'a' (onnx.Conv) would give [1, 4, 0, 0]: its window is larger" in told
