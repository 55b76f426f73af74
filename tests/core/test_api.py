"""The same calls from Python."""

from pathlib import Path

import pytest

import qreg
from qreg.errors import QregError


def test_every_step_is_a_function_that_gives_its_record_and_prints_nothing(
    resnet8: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    count = qreg.count(resnet8)

    assert count.totals["macs"] == 12_501_632
    assert capsys.readouterr().out == ""


def test_a_loaded_model_can_be_used_again(resnet8: Path) -> None:
    model = qreg.load(resnet8)

    assert qreg.count(model).totals == qreg.count(model).totals


def test_parameters_are_checked_as_in_a_pipeline(resnet8: Path) -> None:
    with pytest.raises(QregError, match=r"strct: unknown key; did you mean 'strict'\?"):
        qreg.count(resnet8, strct=True)


def test_files_are_kept_where_asked(resnet8: Path, tmp_path: Path) -> None:
    qreg.emit(resnet8, out=tmp_path)

    assert {p.name for p in tmp_path.iterdir()} == {"resnet8.c", "resnet8.h", "emit.json"}


def test_a_name_nobody_declares_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match=r"qreg has no 'cuont'; did you mean 'count'\?"):
        _ = qreg.cuont
    assert not hasattr(qreg, "__wrapped__")


@pytest.mark.parametrize("shape", ["1,3,32,32", {"image": "1,3,32,32"}, (1, 3, 32.5, 32), 3])
def test_sizes_that_are_no_numbers_are_told_apart_from_faults(resnet8: Path, shape: object) -> None:
    with pytest.raises(QregError, match=r"shape.*: give the sizes as numbers, as \(1, 3, 32, 32\)"):
        qreg.count(resnet8, shape=shape)


def test_sizes_without_their_name_are_refused_with_the_name(resnet8: Path) -> None:
    with pytest.raises(TypeError, match=r"takes model; 2 were given \(all else goes by name"):
        qreg.count(resnet8, (1, 3, 32, 32))


def test_what_is_no_model_is_told_with_what_is_one() -> None:
    with pytest.raises(
        QregError, match=r"no frontend reads a builtins.int; .* for .*onnx_ir.Model"
    ):
        qreg.count(3)
    with pytest.raises(QregError, match=r"'weights.pth'.*name the callable that builds it"):
        qreg.count("weights.pth")
