"""The command line as people and programs meet it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from qreg.cli import main

HEAVY = {"torch", "numpy", "onnx", "onnx_ir", "onnxruntime", "jinja2", "cattrs"}


def test_listing_plugins_imports_nothing_heavy() -> None:
    code = f"""
import sys
from qreg.cli import main
assert main(["list"]) == 0
print("heavy:", sorted({HEAVY!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_the_list_for_programs_has_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "layer_estimators", "--json"]) == 0

    listed = json.loads(capsys.readouterr().out)
    conv = next(e for e in listed["entries"] if e["id"] == "conv/conv")
    assert set(conv) == {
        "registry",
        "id",
        "targets",
        "distribution",
        "version",
        "summary",
        "source",
    }
    assert {"onnx.Conv", "onnx.QLinearConv"} <= set(conv["targets"])
    assert listed["broken"] == []


def test_an_unknown_registry_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "c_emiters"]) == 1
    assert "no registry 'c_emiters'; did you mean 'c_emitters'?" in capsys.readouterr().err


def test_show_prints_spec_documentation_source_and_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "report/markdown"]) == 0

    shown = capsys.readouterr().out
    assert "renderers report/markdown" in shown
    assert "qreg_report.markdown:render" in shown
    assert "markdown.py:" in shown


def test_showing_what_is_not_there_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "report/markdwn"]) == 1
    assert "no entry 'report/markdwn'; did you mean 'report/markdown'?" in capsys.readouterr().err
    assert main(["show", "xyzzy"]) == 1
    assert capsys.readouterr().err == "qreg: no entry 'xyzzy'; qreg list shows them all\n"


def test_every_declared_import_path_resolves(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--plugins"]) == 0, capsys.readouterr().err


def test_wrong_usage_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["count"])
    assert caught.value.code == 2
    assert main(["check"]) == 2
    assert "name a pipeline, or give --plugins" in capsys.readouterr().err


def test_a_full_disk_on_the_output_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "qreg", "list"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr == "qreg: output: No space left on device\n"


def test_a_full_disk_does_not_stop_a_run_and_is_told(tmp_path: Path, resnet8: Path) -> None:
    pipeline = tmp_path / "p.toml"
    pipeline.write_text(f'[model]\nsource = "{resnet8}"\n[[step]]\nuse = "count"\n')
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "qreg", "run", str(pipeline), "--out", str(tmp_path / "out")],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == ["qreg: output: No space left on device"]
    assert (tmp_path / "out" / "report.md").is_file()


def test_the_help_says_which_choices_an_option_has(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["count", "--help"])

    text = capsys.readouterr().out
    assert "--as fvcore|ptflops|thop|torch" in text
    assert "--activation-bits N" in text
    assert "model.tflite" in text


def test_entries_without_targets_are_listed_with_what_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["list", "metrics"]) == 0
    assert "multiply-accumulates of contractions" in capsys.readouterr().out


@pytest.mark.parametrize("columns", [80, 140])
def test_the_list_fits_the_window(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))

    assert main(["list"]) == 0

    lines = capsys.readouterr().out.splitlines()
    long = [line for line in lines if len(line) > columns]  # a single target cannot be broken
    assert not [line for line in long if " " in line[columns:]]
    assert any(line.endswith(" more") for line in lines)


def test_one_registry_is_listed_with_all_its_targets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "shortcut_handlers"]) == 0
    assert "com.microsoft.QLinearGlobalAveragePool" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["count", "none.onnx"], "qreg: none.onnx: no such file"),
        (["count", "none.onnx", "--shape", "x"], "--shape x: write INPUT=SIZES, for example"),
        (
            ["count", "none.onnx", "--shape", "x=1,a"],
            "--shape.x[1]: expected a whole number, found 'a'",
        ),
        (["run", "none.toml"], "none.toml: cannot be read: No such file or directory"),
    ],
)
def test_a_mistake_is_one_clear_line_and_exit_code_1(
    argv: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 1

    err = capsys.readouterr().err
    assert text in err
    assert len(err.splitlines()) == 1


MISTAKEN = """\
[model]
source = "nothing.onnx"
shape = { image = [1, 3, "32", 32] }
[modle]
x = 1
[pin]
"onnx.Conv" = "conv/cnv"
[[step]]
use = "cuont"
[[step]]
use = "estimate"
hardware = [
    "cortex-m4",
    "h20",
]
[[step]]
use = "quantize"
[[step.rule]]
use = "static"
match = "("
act = "int4"
granularty = "channel"
[[step]]
use = "verify"
data = "none.npz"
"""


def test_every_mistake_of_a_pipeline_is_told_with_its_line_and_nothing_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(MISTAKEN)
    monkeypatch.chdir(tmp_path)

    assert main(["run", "p.toml"]) == 1

    def line(text: str) -> int:
        return next(n for n, row in enumerate(MISTAKEN.splitlines(), 1) if text in row)

    told = capsys.readouterr().err.splitlines()
    places = [row.split(": ")[0] for row in told]
    assert places == [
        f"p.toml:{line(text)}"
        for text in ("nothing.onnx", '"32"', "[modle]", "conv/cnv", "cuont", '"h20"',
                     'match = "("', "int4", "granularty", "none.npz")
    ]  # fmt: skip
    assert told[2].endswith("modle: unknown key; did you mean 'model'?")
    assert told[5].endswith("step[1].hardware[1]: no hardware profile 'h20'; did you mean 'h200'?")
    assert not (tmp_path / "qreg-runs").exists()


def test_a_pipeline_that_is_not_toml_names_the_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.toml"
    path.write_text('[model]\nsource = "x\n')

    assert main(["check", str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"{path}:2: ")
