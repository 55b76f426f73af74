"""What hardware models get and give."""

from collections.abc import Mapping

from attrs import field, frozen


@frozen
class Number:
    """A figure of a hardware profile, with where it comes from."""

    value: float
    source: str
    kind: str  # datasheet, measured, fitted or estimate


@frozen
class Profile:
    """One device. Figures are SI: operations/s (2 per MAC), bytes/s, seconds, watts, joules."""

    name: str
    title: str
    device: str  # cpu, gpu, npu, mcu, ...
    peak_ops_per_s: Mapping[str, Number]  # by dtype
    dram_bytes_per_s: Number
    overhead_s: Number  # per fused op
    utilisation: Mapping[str, Number]  # by op kind ("conv", "gemm", ...) or "default"
    isa: tuple[str, ...] = ()
    static_w: Number | None = None
    joules_per_op: Mapping[str, Number] = field(factory=dict)  # by dtype
    joules_per_byte: Number | None = None


@frozen
class Estimate:
    """What a hardware model says of one fused op; None is unknown."""

    compute_s: float
    memory_s: Mapping[str, float]  # by level
    overhead_s: float
    latency_s: float
    bound: str  # compute, memory or overhead
    utilisation: float  # of peak, 0..1
    tiles: int
    bytes: Mapping[str, int]  # by level
    energy_j: Mapping[str, float] | None  # by component; sums to the total
