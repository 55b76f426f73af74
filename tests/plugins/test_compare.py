"""Two states of one network side by side."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from small_nets import Net

import qreg
from qreg.cli import main
from qreg.errors import QregError

F32 = np.float32
PADS = {"pads": [1, 1, 1, 1]}


def two_convolutions(
    dead: tuple[int, ...] = (), width: int = 4, kernel: int = 3
) -> onnx.ModelProto:
    """2 -> width -> 8 channels on 4x4; the first one's ``dead`` filters are zero."""
    rng = np.random.default_rng(0)
    first = rng.uniform(1, 2, (width, 2, kernel, kernel)).astype(F32)
    first[list(dead)] = 0
    pads = {"pads": [kernel // 2] * 4}
    net = Net()
    y = net.conv(net.input(1, 2, 4, 4), first, "a", **pads)
    z = net.conv(y, rng.uniform(1, 2, (8, width, 3, 3)).astype(F32), "b", **PADS)
    return net.model(z)


def test_ratios_are_base_over_model_layer_by_layer_and_in_all() -> None:
    found = qreg.compare(two_convolutions(), two_convolutions(dead=(2, 3)))

    assert [layer.name for layer in found.layers] == ["a", "b"]
    first, second = found.layers
    assert (first.base["macs_zero_in"], first.model["macs_zero_in"]) == (1152, 576)
    assert (second.base["macs_zero_in"], second.model["macs_zero_in"]) == (4608, 2304)
    assert second.ratios["bops_masked"] == 2.0
    assert found.totals["macs_zero_in"] == {"base": 5760, "model": 2880, "ratio": 2.0}
    assert found.totals["macs"]["ratio"] == 1.0


def test_all_gone_is_an_infinite_ratio_and_json_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx.save(two_convolutions(), tmp_path / "base.onnx")
    onnx.save(two_convolutions(dead=(0, 1, 2, 3)), tmp_path / "dead.onnx")

    options = ["--metrics", "bops_masked"]
    given = [str(tmp_path / "base.onnx"), str(tmp_path / "dead.onnx")]
    assert main(["compare", *given, *options, "--json"]) == 0
    assert '"ratio": "inf"' in capsys.readouterr().out
    assert main(["compare", *given, *options]) == 0
    assert "BOPs masked inf" in capsys.readouterr().out


def test_fewer_channels_are_still_the_same_architecture() -> None:
    found = qreg.compare(two_convolutions(), two_convolutions(width=2))

    assert found.totals["macs"] == {"base": 5760, "model": 2880, "ratio": 2.0}


def test_another_architecture_is_refused_with_the_layers_that_differ() -> None:
    other = two_convolutions(kernel=1)
    other.graph.initializer[1].name = other.graph.node[1].input[1] = "c.weight"

    with pytest.raises(QregError) as caught:
        qreg.compare(two_convolutions(), other)

    assert str(caught.value) == (
        "not two states of one architecture: layer 'b' is only in the base; 'c' is only in the "
        "model; 'a' is output 4x4, kernel 3x3 in the base and output 4x4, kernel 1x1 in the model"
    )


def test_a_base_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "nowhere.onnx", "examples/resnet8.onnx"]) == 1
    assert capsys.readouterr().err == "qreg: BASE: no such file: nowhere.onnx\n"


def test_both_models_are_needed() -> None:
    with pytest.raises(TypeError, match="takes base, model; 1 were given"):
        qreg.compare(two_convolutions())


def test_the_closing_line_has_the_ratios_that_papers_quote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx.save(two_convolutions(), tmp_path / "base.onnx")
    onnx.save(two_convolutions(dead=(2, 3)), tmp_path / "model.onnx")

    assert main(["compare", str(tmp_path / "base.onnx"), str(tmp_path / "model.onnx")]) == 0

    closing = capsys.readouterr().out.strip().splitlines()[-1]
    assert closing == "base / model: MACs 1, MACs needed 2, BOPs dense 1, BOPs masked 2"


def test_what_neither_total_holds_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = Net()
    y = net.conv(net.input(1, 2, 4, 4), np.ones((4, 2, 3, 3), F32), "a", **PADS)
    onnx.save(net.model(net.op("Foo", y, domain="com.example", name="odd")), tmp_path / "m.onnx")

    assert main(["compare", str(tmp_path / "m.onnx"), str(tmp_path / "m.onnx")]) == 0

    text = capsys.readouterr().out
    assert "com.example.Foo" in text
    assert "; 1 op is unknown and in no total" in text


def test_nothing_is_asked_of_compare_that_it_does_not_do() -> None:
    with pytest.raises(QregError, match="prove: unknown key"):
        qreg.compare(two_convolutions(), two_convolutions(), prove=True)
