"""Names of .tflite files as layer names, and what is said where the package is missing."""

import re
import sys
from pathlib import Path

import pytest

import qreg
from qreg.errors import QregError
from qreg.testing import check_plugin
from qreg_tflite.names import clean, layer_name


@pytest.mark.parametrize(
    ("output", "parameters", "layer"),
    [
        ("m/act/Relu;m/bn/FusedBatchNormV3;m/conv2d/BiasAdd", ["m/conv2d/Conv2D", "b"], "m.conv2d"),
        ("m/act/Relu", ["m/bn/FusedBatchNormV3;m/depthwise_conv2d/depthwise;m/x"],
         "m.depthwise_conv2d"),
        ("m/dense/MatMul;m/dense/BiasAdd", ["m/w"], "m.dense"),
        ("Identity", ["m/dense_9/MatMul/ReadVariableOp"], "m.dense_9"),
        ("m/act/Relu;m/add/add;m/conv2d/BiasAdd", [], "m.conv2d.BiasAdd"),
        ("m/act/Relu;m/add/add", [], "m.add.add"),
        ("x", ["weights"], "x"),
        ("", [], ""),
    ],
)  # fmt: skip
def test_a_layer_is_named_by_the_path_of_its_contraction(
    output: str, parameters: list[str], layer: str
) -> None:
    assert layer_name(output, parameters) == layer


def test_a_name_is_one_line_of_bounded_length() -> None:
    assert clean(b"a\nb\x00\xff") == "a_b__"
    assert len(clean("x" * 100_000)) == 1000


def test_every_operator_that_is_mapped_is_in_the_docs() -> None:
    pytest.importorskip("tflite", reason="needs the tflite extra")
    from qreg_tflite.convert import HANDLERS

    page = (Path(__file__).parents[2] / "docs" / "tflite.md").read_text()
    named = set(re.findall(r"[A-Z][A-Z0-9_]{2,}", page))

    assert set(HANDLERS) - named == set()


def test_the_plugin_declares_what_it_has() -> None:
    pytest.importorskip("tflite", reason="needs the tflite extra")
    check_plugin("tflite")


def test_without_the_package_the_cure_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in sys.modules if n.startswith(("tflite", "qreg_tflite"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tflite", None)
    (tmp_path / "m.tflite").write_bytes(b"")

    with pytest.raises(QregError, match=r"pip install 'qreg\[tflite\]'"):
        qreg.load(tmp_path / "m.tflite")
