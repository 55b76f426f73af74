"""The example as a newcomer runs it."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from qreg.cli import main

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folders of two runs of the same pipeline."""
    folders = (tmp_path_factory.mktemp("a") / "run", tmp_path_factory.mktemp("b") / "run")
    for folder in folders:
        assert main(["run", str(EXAMPLES / "resnet8.toml"), "--out", str(folder)]) == 0
    return folders


def record(folder: Path, step: str) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((folder / step).read_text())
    return loaded


def files(folder: Path) -> dict[str, bytes]:
    found = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


def test_the_run_proves_every_image(runs: tuple[Path, Path]) -> None:
    verification = record(runs[0], "7-verify/verify.json")

    assert verification["images"] == 360
    report = (runs[0] / "report.md").read_text()
    assert "verify: 360/360 images bit-exact" in report


def test_the_c_is_clean_under_the_sanitizers_on_every_image(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    model, data = runs[0] / "4-quantize" / "model.onnx", EXAMPLES / "digits_test.npz"

    assert main(["verify", str(model), "--data", str(data), "--sanitize"]) == 0

    shown = capsys.readouterr().out
    assert "-fsanitize=address,undefined" in shown
    assert shown.rstrip().splitlines()[-1] == "verify: 360/360 images bit-exact"


def test_two_runs_are_byte_identical(runs: tuple[Path, Path]) -> None:
    assert files(runs[0]) == files(runs[1])


def test_every_model_on_the_way_is_valid_onnx(runs: tuple[Path, Path]) -> None:
    models = sorted(runs[0].rglob("*.onnx"))

    assert [m.parent.name for m in models] == ["4-quantize"]
    for path in models:
        model = onnx.load(path)
        assert model.graph.node
        onnx.checker.check_model(model)


def test_the_quantised_network_is_as_accurate_as_the_float_one(runs: tuple[Path, Path]) -> None:
    from qreg_onnx.runtime import session

    data = np.load(EXAMPLES / "digits_test.npz")

    def right(path: Path) -> int:
        run = session(onnx.load(path)).run
        answers = [int(np.argmax(run(None, {"image": x[None]})[0])) for x in data["image"]]
        return int(np.sum(answers == data["label"]))

    float_right = right(EXAMPLES / "resnet8.onnx")
    int8_right = right(runs[0] / "4-quantize" / "model.onnx")
    assert float_right >= 0.98 * 360
    assert abs(float_right - int8_right) <= 0.005 * 360


def test_nothing_in_the_run_names_this_machine(runs: tuple[Path, Path]) -> None:
    for name, content in files(runs[0]).items():
        assert str(EXAMPLES.parent).encode() not in content, name
        assert str(runs[0]).encode() not in content, name


def test_the_committed_data_are_scikit_learns_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn (the test extra)")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from digits import load_split  # type: ignore[import-not-found]

    train_x, train_y, test_x, test_y = load_split()

    test, calibration = (np.load(EXAMPLES / f"digits_{n}.npz") for n in ("test", "calibration"))
    assert np.array_equal(test["image"], test_x)
    assert np.array_equal(test["label"], test_y)
    assert np.array_equal(calibration["image"], train_x[:100])
    assert np.array_equal(calibration["label"], train_y[:100])


def test_no_calibration_image_is_a_test_image() -> None:
    test, calibration = (np.load(EXAMPLES / f"digits_{n}.npz") for n in ("test", "calibration"))
    seen = {image.tobytes() for image in test["image"]}

    assert not [image for image in calibration["image"] if image.tobytes() in seen]
