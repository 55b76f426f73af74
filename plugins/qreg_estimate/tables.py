"""Estimates as tables for people."""

from qreg.records import Table
from qreg_estimate.results import DeviceEstimate, Estimation

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))

Cell = str | int | float | None


def layers(found: Estimation) -> Table:
    """Fused ops by devices; each device in the unit that suits its slowest op."""
    scales = [_scale(_slowest(device)) for device in found.devices]
    columns = [f"{_short(device)} {unit}"
               for device, (_, unit) in zip(found.devices, scales, strict=True)]  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for same in zip(*(device.layers for device in found.devices), strict=True):
        times = [None if row.estimate.latency_s is None else row.estimate.latency_s / factor
                 for row, (factor, _) in zip(same, scales, strict=True)]  # fmt: skip
        rows.append((same[0].name, same[0].op, *map(_readable, times)))
    return Table(
        title=f"{found.model}: time of each fused op",
        columns=("layer", "runs as one", *columns),
        rows=tuple(rows),
    )


def memories(found: Estimation) -> Table:
    """What each device must hold."""
    return Table(
        title="Memory: data only, without code, stack and scratch",
        columns=("device", "memory", "holds", "bytes needed", "bytes there", "fits"),
        rows=tuple(
            (_short(device), part.memory, " and ".join(part.holds), part.needed_bytes,
             part.size_bytes, {True: "yes", False: "no", None: None}[part.fits])
            for device in found.devices for part in device.memory
        ),
    )  # fmt: skip


def devices(found: Estimation) -> Table:
    """Totals by device."""
    return Table(
        title=f"{found.model} by {found.hardware_model}",
        columns=("device", "ms", "speed-up", "mJ", "compute", "memory", "overhead", "unknown"),
        rows=tuple(
            (_short(device), _milli(device.latency_s), _readable(device.speedup),
             _milli(device.total_energy_j), *device.bound_by.values(), len(device.unknown))
            for device in found.devices
        ),
        notes=_notes(found),
    )  # fmt: skip


def verdict(found: Estimation) -> str:
    """``estimate: cortex-m4 165 ms, ... (roofline, uncalibrated)``; what does not fit is said."""
    parts = [f"{_short(device)} {_time(device.latency_s)}"
             + ("" if all(part.fits is not False for part in device.memory) else " (does not fit)")
             for device in found.devices]  # fmt: skip
    states = dict.fromkeys(device.accuracy.partition(";")[0] for device in found.devices)
    how = ", ".join((found.hardware_model.partition("/")[2], *states))
    return f"estimate: {', '.join(parts)} ({how})"


def _notes(found: Estimation) -> tuple[str, ...]:
    notes = ["compute, memory, overhead: how many ops each of them limits"]
    notes += [f"accuracy: {text}" for text in dict.fromkeys(d.accuracy for d in found.devices)]
    notes += [f"{_short(device)}: {device.title}; {device.software}" for device in found.devices]
    for device in found.devices:
        if device.unknown:
            known = _time(device.known_latency_s)
            known_ops = sum(row.estimate.latency_s is not None for row in device.layers)
            ops = known_ops + len(device.unknown)
            count = f"{len(device.unknown)} of {ops} ops are unknown"
            notes.append(f"{_short(device)}: {count}; the others take {known}:")
            notes += [f"  {text}" for text in device.unknown]
    return tuple(notes)


def _short(device: DeviceEstimate) -> str:
    return device.hardware.partition("/")[2]


def _slowest(device: DeviceEstimate) -> float:
    return max((row.estimate.latency_s or 0.0 for row in device.layers), default=0.0)


def _scale(seconds: float) -> tuple[float, str]:
    return next(((factor, unit) for factor, unit in UNITS if seconds >= factor), UNITS[-1])


def _time(seconds: float | None) -> str:
    if not seconds:
        return "? s" if seconds is None else "0 s"
    factor, unit = _scale(seconds)
    return f"{seconds / factor:.3g} {unit}"


def _milli(value: float | None) -> float | None:
    return None if value is None else _readable(1e3 * value)


def _readable(value: float | None) -> float | None:
    """Whole where a renderer of four digits would resort to powers of ten."""
    return round(value) if value is not None and value >= 1e4 else value
