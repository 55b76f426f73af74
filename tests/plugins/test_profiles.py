"""Hardware profiles: what ships is sourced, what is wrong is refused with file and line."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from qreg.api import catalogue
from qreg.errors import Mistakes, QregError
from qreg.specs import HardwareProfileSpec
from qreg_estimate.profile import load_profile, read_profile
from qreg_estimate.profile_checks import numbers

SHIPPED = sorted(e.spec.name for e in catalogue().of(HardwareProfileSpec) if e.plugin == "hardware")

PROFILE = """\
title = "A board"
device = "mcu"
software = "own kernels"

clock_hz = { value = 100e6, source = "data sheet", kind = "datasheet" }
units = { value = 2, source = "data sheet", kind = "datasheet" }

[ops_per_cycle]
int8 = { value = 4, source = "manual", kind = "datasheet" }

[peak_ops_per_s]
int8 = { value = 800e6, source = "manual", kind = "datasheet" }

[[memory]]
name = "SRAM"
bytes = { value = 65536, source = "data sheet", kind = "datasheet" }
bytes_per_s = { value = 400e6, source = "manual", kind = "datasheet" }

[[memory]]
name = "flash"
bytes_per_s = { value = 100e6, source = "manual", kind = "datasheet" }

[overhead_s]
value = 0
source = "contained in the utilisation"
kind = "estimate"

[utilisation]
default = { value = 1.0, source = "ideal", kind = "estimate" }
"""

KINDS = (
    "utilisation.default.kind: 'guess' is not one of 'datasheet', 'measured', 'fitted', 'estimate'"
)
SPARSE = (
    "peak_ops_per_s.int8.value: 1.6e+09 cannot be: units * ops_per_cycle * clock_hz = "
    "2 * 4 * 1e+08 = 8e+08; give the dense peak"
)
HOLDS = (
    "memory[1].holds[0]: 'weight' is not one of 'weights', 'activations'; did you mean 'weights'?"
)


def written(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = PROFILE
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / "board.toml"
    path.write_text(text)
    return path


def line_of(path: Path, fragment: str) -> int:
    lines = path.read_text().splitlines()
    return next(n for n, line in enumerate(lines, 1) if fragment in line)


def leaves(table: Any) -> list[Any]:
    """Every number of a TOML document that is not the ``value`` of a sourced figure."""
    if isinstance(table, dict):
        if {"value", "source", "kind"} == table.keys():
            return []
        return [leaf for value in table.values() for leaf in leaves(value)]
    if isinstance(table, list):
        return [leaf for value in table for leaf in leaves(value)]
    return [table] if isinstance(table, (int, float)) and not isinstance(table, bool) else []


def shipped_text(name: str) -> str:
    return files("qreg_hardware").joinpath(f"{name}.toml").read_text()


def test_a_server_core_a_cortex_m4_board_and_a_gpu_are_shipped() -> None:
    assert SHIPPED == ["cortex-m4", "epyc-core", "h200"]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_number_of_a_shipped_profile_has_a_source_and_a_kind(name: str) -> None:
    assert leaves(tomllib.loads(shipped_text(name))) == []
    profile = load_profile(catalogue().find(HardwareProfileSpec, name))
    for path, number in numbers(profile):
        assert len(number.source) > 5, path


@pytest.mark.parametrize("name", SHIPPED)
def test_no_shipped_figure_is_a_placeholder(name: str) -> None:
    for word in ("TODO", "UNVERIFIED", "unknown", "tbd"):
        assert word.lower() not in shipped_text(name).lower()


def test_a_profile_says_int8_and_float32_for_every_shipped_device() -> None:
    for name in SHIPPED:
        profile = load_profile(catalogue().find(HardwareProfileSpec, name))
        assert {"int8", "float32"} <= profile.peak_ops_per_s.keys()
        assert profile.executed_as("uint8") == "int8"
        assert profile.executed_as("int4") is None


def test_the_h200_peaks_are_dense() -> None:
    profile = load_profile(catalogue().find(HardwareProfileSpec, "h200"))
    # 132 multiprocessors * 4096 operations per cycle * 1.83 GHz; the sparse figure is twice that
    assert profile.peak_ops_per_s["bfloat16"].value == pytest.approx(132 * 4096 * 1.83e9, rel=0.01)


def test_cortex_m4_rates_give_back_the_published_latencies() -> None:
    """MLPerf Tiny v1.2: 6.056 inferences/s of 12,501,632 MACs; 190.086 of 264,192 (all linear)."""
    profile = load_profile(catalogue().find(HardwareProfileSpec, "cortex-m4"))
    peak = profile.peak_ops_per_s["int8"].value
    for kind, macs, per_second in (("conv", 12_501_632, 6.056), ("gemm", 264_192, 190.086)):
        seconds = 2 * macs / (peak * profile.utilisation[kind].value)
        assert seconds == pytest.approx(1 / per_second, rel=0.005)


def test_a_sound_profile_is_read(tmp_path: Path) -> None:
    profile = read_profile(written(tmp_path))
    assert profile.peak_ops_per_s["int8"].value == 800e6
    assert profile.memory[1].bytes is None
    assert profile.home("weights").name == "flash"


@pytest.mark.parametrize(
    ("change", "fragment", "message"),
    [
        (("software =", "sofware ="), "sofware",
         "sofware: unknown key; did you mean 'software'?"),
        (('int8 = { value = 800e6, source = "manual", kind', 'int8 = { value = 800e6, source = "manual", knd'),
         "knd", "peak_ops_per_s.int8.knd: unknown key; did you mean 'kind'?"),
        (('"mcu"', '"mcv"'), '"mcv"', "device: 'mcv' is no kind of device; did you mean 'mcu'?"),
        (("default = { value = 1.0", "default = { value = true"), "true",
         "utilisation.default.value: expected a number, found True"),
        (('"ideal", kind = "estimate"', '"ideal", kind = "guess"'), "guess", KINDS),
        (('value = 1.0, source = "ideal"', 'value = 1.0, source = " "'), '" "',
         "utilisation.default.source: is empty; say where the figure comes from"),
        (("value = 400e6", "value = 0"), "value = 0,",
         "memory[0].bytes_per_s.value: must be more than 0; leave out what is unknown"),
        (("value = 400e6", "value = -1"), "-1",
         "memory[0].bytes_per_s.value: 'value' must be >= 0.0: -1.0"),
        (("value = 400e6", "value = inf"), "inf",
         "memory[0].bytes_per_s.value: 'value' must be < inf: inf"),
        (("value = 800e6", "value = 1.6e9"), "1.6e9",
         SPARSE),
        (("int8 = { value = 4,", "int9 = { value = 4,"), "int9",
         "ops_per_cycle.int9: is no element type; did you mean 'int8'?"),
        (("default = {", "conf = {"), "conf",
         "utilisation.conf: 'conf' is no kind of op; did you mean 'conv'?"),
        (("default = {", '"conv.int88" = {'), "int88",
         "utilisation.conv.int88: 'int88' is no element type; did you mean 'int8'?"),
        (("value = 1.0,", "value = 1.5,"), "1.5",
         "utilisation.default.value: a share of the peak is at most 1"),
        (("value = 100e6, source = \"manual\"", "value = 500e6, source = \"manual\""), "500e6",
         "memory[1].bytes_per_s.value: is more than that of SRAM; list the nearest level first"),
        (('name = "flash"', 'name = "SRAM"'), None, "memory[1].name: 'SRAM' is there twice"),
        (('name = "flash"', 'name = "flash"\nholds = ["weight"]'), "holds",
         HOLDS),
        (("[utilisation]", '[executes]\nuint8 = "int16"\n\n[utilisation]'), "uint8",
         "executes.uint8: 'int16' has no peak_ops_per_s; did you mean 'int8'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_line_key_and_cure(
    tmp_path: Path, change: tuple[str, str], fragment: str | None, message: str
) -> None:
    path = written(tmp_path, change)
    with pytest.raises(Mistakes) as caught:
        read_profile(path)
    lines = str(caught.value).splitlines()
    assert any(line.endswith(f": {message}") for line in lines), lines
    if fragment:
        assert f"{path}:{line_of(path, fragment)}: {message}" in lines


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, ("value = 800e6", "value = 9e9"), ("value = 400e6", "value = 0"),
                   ("value = 1.0", "value = 2.0"))  # fmt: skip
    with pytest.raises(Mistakes) as caught:
        read_profile(path)
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "peak_ops_per_s.int8.value",
        "memory[0].bytes_per_s.value",
        "memory[1].bytes_per_s.value",
        "utilisation.default.value",
    ]


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, ('title = "A board"\n', ""), ("default", "conv"))
    with pytest.raises(Mistakes, match=r"title: required key is missing"):
        read_profile(path)


def test_utilisation_needs_a_default(tmp_path: Path) -> None:
    path = written(tmp_path, ("default", "conv"))
    with pytest.raises(Mistakes, match=r"board.toml:\d+: utilisation: needs 'default'"):
        read_profile(path)


def test_a_profile_whose_package_is_gone_is_told_by_its_id() -> None:
    entry = catalogue().find(HardwareProfileSpec, "h200")
    spec = HardwareProfileSpec(name="h200", profile="no_such_package:h200.toml")
    with pytest.raises(QregError, match=r"hardware profile hardware/h200 .*no_such_package"):
        load_profile(type(entry)("hardware", "qreg", "1", "m", spec))
