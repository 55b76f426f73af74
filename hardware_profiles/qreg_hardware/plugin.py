"""Devices, one TOML file each."""

from qreg.hooks import hookimpl
from qreg.specs import HardwareProfileSpec, Spec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return tuple(
        HardwareProfileSpec(name=name, summary=summary, profile=f"qreg_hardware:{name}.toml")
        for name, summary in (
            ("cortex-m4", "STM32L4R5 board, Cortex-M4F at 120 MHz"),
            ("epyc-core", "one core of an AMD EPYC Turin server"),
            ("h200", "NVIDIA H200 SXM"),
        )
    )
