"""Bad input, on purpose: one clear message, exit code 1, no trace, no half-written file."""

import json
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from qreg.cli import main

EVIL = 'a"b\\c\n*/ int main(void){} /* <script>alert(1)</script> $(touch x) %s \u202e\x1b[31m'


def network(
    weight: np.ndarray, *, name: str = "conv", op: str = "", batch: int | str = 1
) -> onnx.ModelProto:
    """A 3x3 convolution, and one more op if asked for; every name is ``name``."""
    last = f"{name}.y"
    nodes = [helper.make_node("Conv", [f"{name}.x", f"{name}.w"], [last], name=name)]
    domain, _, kind = op.rpartition(".")
    if kind:
        nodes.append(helper.make_node(kind, [last], [f"{name}.z"], name=f"{name}.last",
                                      domain=domain))  # fmt: skip
        last = f"{name}.z"
    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info(f"{name}.x", TensorProto.FLOAT, [batch, 2, 5, 5])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, [batch, weight.shape[0], 3, 3])],
        [numpy_helper.from_array(weight.astype(np.float32), f"{name}.w")],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(domain or "com.example", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


WEIGHT = np.random.default_rng(0).normal(size=(4, 2, 3, 3))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved(folder: Path, proto: onnx.ModelProto) -> str:
    (folder / "m.onnx").write_bytes(proto.SerializeToString())
    return "m.onnx"


def refusal(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line a command that must fail prints."""
    capsys.readouterr()
    assert main(argv) == 1
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return err


def test_an_unknown_op_is_counted_as_unknown_and_not_emitted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = saved(folder, network(WEIGHT, op="com.example.Mystery"))

    assert main(["count", model, "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)
    assert counted["unknown"] == [{"op": "com.example.Mystery", "count": 1, "nodes": ["conv.last"]}]
    assert counted["totals"]["macs"] == 4 * 2 * 9 * 9
    assert [layer["op"] for layer in counted["layers"]] == ["Conv"]

    assert main(["count", model]) == 0
    assert "648 MACs" in (shown := capsys.readouterr().out)
    assert "1 op is unknown and in no total" in shown

    strict = refusal(["count", model, "--strict"], capsys)
    assert "com.example.Mystery" in strict

    refused = refusal(["emit", model, "--out", "c"], capsys)
    assert "conv.last" in refused
    assert "com.example.Mystery" in refused
    assert "c_emitters" in refused
    assert "new-plugin" in refused
    assert not list(folder.glob("c/*"))


def test_an_op_of_onnx_without_an_emitter_is_refused_by_name(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = saved(folder, network(WEIGHT, op="Erf"))

    assert "registry c_emitters has no entry" in refusal(["emit", model], capsys)
    assert "onnx.Erf" in refusal(["emit", model], capsys)


def test_names_from_a_model_stay_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = saved(folder, network(WEIGHT, name=EVIL, op="Relu"))

    for command in (["count", model], ["fuse", model], ["count", model, "--csv"],
                    ["estimate", model, "--hardware", "cortex-m4"]):  # fmt: skip
        assert main(command) == 0
        shown = capsys.readouterr().out
        assert "\x1b" not in shown
    assert main(["count", model, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["layers"][0]["name"] == EVIL
    assert main(["verify", model, "--out", "c"]) == 0
    assert capsys.readouterr().out.rstrip().splitlines()[-1].startswith("verify: 16/16 images")
    (source,) = folder.glob("c/**/*.c")
    assert source.read_text().isascii()
    assert not (folder / "x").exists()

    (folder / "p.toml").write_text(
        '[model]\nsource = "m.onnx"\n[[step]]\nuse = "count"\n[[step]]\nuse = "fuse"\n'
    )
    assert main(["run", "p.toml", "--out", "run"]) == 0
    assert "<script>" not in (folder / "run" / "report.md").read_text()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused_by_quantize(
    folder: Path, capsys: pytest.CaptureFixture[str], value: float
) -> None:
    weight = WEIGHT.copy()
    weight[1, 1, 2, 2] = value
    model = saved(folder, network(weight))
    (folder / "r.toml").write_text(
        '[tensor."conv.x"]\nmin = -1.0\nmax = 1.0\n[tensor."conv.y"]\nmin = -9.0\nmax = 9.0\n'
    )

    told = refusal(["quantize", model, "--ranges", "r.toml", "--out", "q"], capsys)

    assert "conv.w" in told
    assert not list(folder.glob("q/*"))


def test_a_dynamic_shape_is_refused_with_the_option_that_cures_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = saved(folder, network(WEIGHT, batch="N"))

    assert "--shape conv.x=1,2,5,5" in refusal(["count", model], capsys)
    assert main(["count", model, "--shape", "conv.x=3,2,5,5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["macs"] == 3 * 648


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda p: None, "no such file"),
        (lambda p: p.write_bytes(b"not a zip"), "x.npz"),
        (lambda p: np.savez(p, wrong=np.zeros((3, 2, 5, 5), np.float32)), "conv.x"),
        (lambda p: np.savez(p, **{"conv.x": np.zeros((3, 2, 5, 6), np.float32)}), "conv.x"),
        (lambda p: np.savez(p, **{"conv.x": np.full((3, 2, 5, 5), np.nan, np.float32)}), "conv.x"),
        (lambda p: np.savez(p, **{"conv.x": np.array([{"a": 1}], object)}), "plain arrays"),
    ],
    ids=["missing", "no-zip", "other-name", "other-shape", "nan", "pickle"],
)
def test_calibration_data_that_do_not_fit_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], make: object, text: str
) -> None:
    model = saved(folder, network(WEIGHT))
    make(folder / "x.npz")  # type: ignore[operator]

    told = refusal(["calibrate", model, "--data", "x.npz", "--out", "r"], capsys)

    assert text in told
    assert len(told.splitlines()) == 1
    assert not list(folder.glob("r/*"))


def test_a_missing_compiler_is_named_with_its_cure(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = saved(folder, network(WEIGHT))

    told = refusal(["verify", model, "--compiler", "no-such-cc"], capsys)

    assert "no-such-cc" in told
    assert len(told.splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = saved(folder, network(WEIGHT))
    (folder / "file").write_text("in the way")

    told = refusal(["emit", model, "--out", "file"], capsys)

    assert "file" in told
    assert (folder / "file").read_text() == "in the way"


def test_the_emitted_c_compiles_from_a_hostile_folder_name(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = folder / "a b;$(x)'"
    odd.mkdir()
    model = saved(odd, network(WEIGHT))

    assert main(["emit", str(odd / model), "--out", str(odd / "c")]) == 0
    (source,) = (odd / "c").glob("*.c")
    subprocess.run(
        ["cc", "-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-c",
         str(source), "-o", str(odd / "m.o")], check=True,
    )  # fmt: skip
