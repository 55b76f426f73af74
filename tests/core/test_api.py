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
