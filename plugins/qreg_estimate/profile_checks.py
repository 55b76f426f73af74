"""What cannot be right in a hardware profile: figures that contradict each other, unknown names."""

from collections.abc import Iterator
from typing import Any

from attrs import fields, has

from qreg.errors import hint
from qreg.structure import Problem
from qreg_estimate.kinds import KINDS
from qreg_estimate.records import Number, Profile

DEVICES = ("cpu", "gpu", "npu", "tpu", "mcu", "dsp", "fpga")
DTYPES = (
    "float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float4_e2m1fn",
    "int64", "int32", "int16", "int8", "int4", "int2", "uint8", "uint16", "uint4", "uint2", "bool",
)  # fmt: skip
TOLERANCE = 0.02  # data sheets round peaks and clocks to two or three digits


def contradictions(profile: Profile) -> list[Problem]:
    """Everything that cannot be right, as (key path, what is wrong and the cure)."""
    checks = (_device, _numbers, _element_types, _executes, _peaks, _utilisation, _levels, _homes)
    return [problem for check in checks for problem in check(profile)]


def numbers(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, Number]]:
    """Every figure in a profile with its key path."""
    if isinstance(value, Number):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from numbers(item, (*path, key))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from numbers(item, (*path, index))
    elif has(type(value)):
        for attribute in fields(type(value)):
            yield from numbers(getattr(value, attribute.name), (*path, attribute.name))


def _device(profile: Profile) -> Iterator[Problem]:
    if profile.device not in DEVICES:
        yield ("device",), f"{profile.device!r} is no kind of device{hint(profile.device, DEVICES)}"


def _numbers(profile: Profile) -> Iterator[Problem]:
    for path, number in numbers(profile):
        if number.value == 0 and path != ("overhead_s",):
            yield (*path, "value"), "must be more than 0; leave out what is unknown"
        if not number.source.strip():
            yield (*path, "source"), "is empty; say where the figure comes from"


def _element_types(profile: Profile) -> Iterator[Problem]:
    for table in ("ops_per_cycle", "peak_ops_per_s", "executes", "joules_per_op"):
        for key in getattr(profile, table):
            if key not in DTYPES:
                yield (table, key), f"is no element type{hint(key, DTYPES)}"


def _executes(profile: Profile) -> Iterator[Problem]:
    for key, other in profile.executes.items():
        if other not in profile.peak_ops_per_s:
            wanted = hint(other, profile.peak_ops_per_s)
            yield ("executes", key), f"{other!r} has no peak_ops_per_s{wanted}"


def _peaks(profile: Profile) -> Iterator[Problem]:
    """peak = units * operations per cycle and unit * clock, to rounding."""
    for dtype, per_cycle in profile.ops_per_cycle.items():
        peak = profile.peak_ops_per_s.get(dtype)
        if profile.units is None or profile.clock_hz is None:
            yield ("ops_per_cycle", dtype), "needs 'units' and 'clock_hz' at the top of the file"
        elif peak is None:
            yield ("ops_per_cycle", dtype), f"has no peak_ops_per_s.{dtype} to check; add it"
        else:
            units, ops, clock = profile.units.value, per_cycle.value, profile.clock_hz.value
            expected = units * ops * clock
            if abs(peak.value - expected) > TOLERANCE * expected:
                what = (f"{peak.value:g} cannot be: units * ops_per_cycle * clock_hz = {units:g} * "
                        f"{ops:g} * {clock:g} = {expected:g}; give the dense peak")  # fmt: skip
                yield ("peak_ops_per_s", dtype, "value"), what


def _utilisation(profile: Profile) -> Iterator[Problem]:
    kinds = (*KINDS, "default")
    if "default" not in profile.utilisation:
        what = "needs 'default', the share of the peak that other kinds of op reach (ideal: 1.0)"
        yield ("utilisation",), what
    for key, number in profile.utilisation.items():
        kind, dot, dtype = key.partition(".")
        if kind not in kinds:
            yield ("utilisation", key), f"{kind!r} is no kind of op{hint(kind, kinds)}"
        elif dot and dtype not in DTYPES:
            yield ("utilisation", key), f"{dtype!r} is no element type{hint(dtype, DTYPES)}"
        if number.value > 1:
            yield ("utilisation", key, "value"), "a share of the peak is at most 1"


def _levels(profile: Profile) -> Iterator[Problem]:
    """Each level once, the nearest first: bandwidth falls with distance."""
    names = [memory.name for memory in profile.memory]
    for index, memory in enumerate(profile.memory):
        if memory.name in names[:index]:
            yield ("memory", index, "name"), f"{memory.name!r} is there twice"
        if memory.utilisation is not None and memory.utilisation.value > 1:
            yield ("memory", index, "utilisation", "value"), "a share is at most 1"
        if index and memory.bytes_per_s.value > profile.memory[index - 1].bytes_per_s.value:
            what = f"is more than that of {names[index - 1]}; list the nearest level first"
            yield ("memory", index, "bytes_per_s", "value"), what


def _homes(profile: Profile) -> Iterator[Problem]:
    for content in ("weights", "activations"):
        if not any(content in memory.holds for memory in profile.memory):
            yield ("memory",), f"no level holds the {content}"
