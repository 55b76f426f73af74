"""Broken and hostile .tflite files: one clear line, soon, and no crash."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite", reason="needs the tflite extra")
pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert (the test extra)")

from tflite_support import SAME, File, drawn, model_of, packed, unpacked

from qreg.cli import main
from qreg.errors import QregError


def network() -> bytes:
    """A convolution and a linear layer on int8."""
    file = File()
    x, c = file.activation("x", (1, 4, 5, 3), "int8"), file.activation("c", (1, 4, 5, 6), "int8")
    w = file.constant("w", drawn(0, (6, 3, 3, 3), "int8"), scale=[0.01] * 6)
    b = file.constant("b", drawn(1, (6,), "int32"), scale=[0.0005] * 6)
    v = file.constant("v", drawn(2, (2, 120), "int8"), scale=0.01)
    y = file.activation("y", (1, 2), "int8")
    file.op(
        "CONV_2D", [x, w, b], [c], "Conv2DOptions", padding=SAME, strideH=1, strideW=1,
        dilationHFactor=1, dilationWFactor=1,
    )  # fmt: skip
    file.op("FULLY_CONNECTED", [c, v], [y], "FullyConnectedOptions")
    return file.bytes([x], [y])


def refused(data: bytes, folder: Path) -> str:
    with pytest.raises(QregError) as caught:
        model_of(data, folder)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(str(folder / "m.tflite"))
    return text


def test_the_network_itself_is_read(tmp_path: Path) -> None:
    assert len(list(model_of(network(), tmp_path).graph)) >= 3


def test_what_is_no_tflite_file_is_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "identifier TFL3" in refused(b"", tmp_path)
    assert "identifier TFL3" in refused(b"PK\3\4" + b"\0" * 60, tmp_path)
    assert "not a complete TFLite file" in refused(b"\x1c\0\0\0TFL3", tmp_path)

    assert main(["count", str(tmp_path / "m.tflite")]) == 1
    assert main(["count", str(tmp_path / "absent.tflite")]) == 1
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert "absent.tflite: no such file" in told


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.97])
def test_a_truncated_file_is_refused(share: float, tmp_path: Path) -> None:
    data = network()

    refused(data[: int(share * len(data))], tmp_path)


def test_any_bytes_changed_give_a_network_or_one_line(tmp_path: Path) -> None:
    data, draw = network(), np.random.default_rng(0)
    sizes = [0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, len(data), len(data) - 4]
    outcomes = set()

    for _ in range(400):
        changed = bytearray(data)
        for _ in range(int(draw.integers(1, 5))):
            at = int(draw.integers(0, len(data) // 4 - 1)) * 4
            number = int(draw.choice([*sizes, int(draw.integers(0, 256))]))
            changed[at : at + 4] = number.to_bytes(4, "little")
        try:
            model_of(bytes(changed), tmp_path)
            outcomes.add("read")
        except QregError as exc:
            assert "\n" not in str(exc)
            outcomes.add("refused")

    assert outcomes == {"read", "refused"}


def test_tables_that_name_the_same_bytes_again_and_again_are_refused(tmp_path: Path) -> None:
    """A thousand tensors that share one long name would take the memory of a thousand names."""
    file = File()
    x, y = file.tensor("x", (1, 3)), file.tensor("y", (1, 3))
    for _ in range(1000):
        file.tensor("n" * 60_000, (1, 3))
    file.op("EXP", [x], [y])
    data = packed(unpacked(file.bytes([x], [y])), shared=True)

    assert len(data) < 300_000
    assert "again and again" in refused(data, tmp_path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.subgraphs.clear(), "holds no graph"),
        (lambda t: t.subgraphs[0].operators.clear(), "holds no operators"),
        (lambda t: setattr(t, "version", 2), "schema version 2"),
        (lambda t: setattr(t.subgraphs[0].operators[0], "inputs", [0, 99, 3]), "tensor 99"),
        (lambda t: setattr(t.subgraphs[0].operators[1], "outputs", [0]), "makes tensor 0"),
        (lambda t: t.subgraphs[0].operators.reverse(), "which nothing has made"),
        (lambda t: setattr(t.subgraphs[0].tensors[2], "shape", [6, 3, 3, 4]), "is stored in"),
        (lambda t: setattr(t.subgraphs[0].tensors[0], "shape", [1] * 40), "has sizes"),
        (lambda t: setattr(t.subgraphs[0].tensors[0], "shape", [1, -4, 5, 3]), "has sizes"),
        (lambda t: setattr(t.subgraphs[0].tensors[1], "shape", [1, 5, 4, 6]), "in the file"),
        (lambda t: setattr(t.subgraphs[0].tensors[2], "buffer", 77), "names buffer 77"),
        (lambda t: setattr(t.subgraphs[0].operators[0].builtinOptions, "strideH", 0), "stride"),
        (lambda t: setattr(t.subgraphs[0].operators[0], "builtinOptionsType", 9), "another op"),
        (lambda t: setattr(t.subgraphs[0].operators[0].builtinOptions,
                           "fusedActivationFunction", 77), "activation 77"),
        (lambda t: setattr(t.subgraphs[0], "inputs", [0, 0]), "twice"),
        (lambda t: setattr(t.subgraphs[0], "outputs", [1, 5, 5, 0, 2]), ""),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_named(change: object, text: str, tmp_path: Path) -> None:
    tree = unpacked(network())
    change(tree)  # type: ignore[operator]
    data = packed(tree)

    if text:
        assert text in refused(data, tmp_path)
    else:
        model_of(data, tmp_path)
