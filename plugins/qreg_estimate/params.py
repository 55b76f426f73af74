"""Keys of the estimate step."""

from typing import Any

from attrs import field, frozen

from qreg.catalogue import Entry
from qreg.specs import HardwareModelSpec, HardwareProfileSpec


def _some(_: Any, __: Any, value: tuple[Any, ...]) -> None:
    if not value:
        raise ValueError("'hardware' is empty; 'qreg list hardware_profiles' shows the devices")


@frozen(kw_only=True)
class EstimateParams:
    hardware: tuple[Entry[HardwareProfileSpec], ...] = field(
        validator=_some,
        metadata={"doc": "devices by profile; speed-ups are over the first"},
    )
    hardware_model: Entry[HardwareModelSpec] | None = field(
        default=None, metadata={"doc": "how time and energy are found; default estimate/roofline"}
    )
