"""What the estimate step reports: devices, their totals and their layers."""

from collections.abc import Mapping

from attrs import frozen

from qreg_estimate.records import Estimate


@frozen(kw_only=True)
class LayerEstimate:
    """One row: a fused op on one device. Costs are None where no estimator knows the op."""

    name: str
    op: str  # the ops that run as one: ``Conv+Relu``
    dtype: str
    macs: int | None
    elementwise_flops: int | None
    estimate: Estimate


@frozen(kw_only=True)
class Placement:
    """What lives in one memory for the whole run, and whether there is room for it."""

    memory: str
    holds: tuple[str, ...]
    needed_bytes: int | None  # None where an op has tensors of unknown size
    size_bytes: int | None
    fits: bool | None


@frozen(kw_only=True)
class DeviceEstimate:
    """The network on one device. Totals are None where an op is unknown."""

    hardware: str  # id of the profile
    title: str
    software: str
    accuracy: str
    latency_s: float | None
    known_latency_s: float  # of the ops that are not unknown
    speedup: float | None  # over the first device
    energy_j: Mapping[str, float | None] | None  # by term
    total_energy_j: float | None  # the sum of the terms
    bound_by: Mapping[str, int]  # how many ops compute, memory or overhead limits
    unknown: tuple[str, ...]  # op and reason
    memory: tuple[Placement, ...]
    layers: tuple[LayerEstimate, ...]


@frozen(kw_only=True)
class Estimation:
    """The network on every device asked for."""

    model: str
    hardware_model: str
    devices: tuple[DeviceEstimate, ...]
