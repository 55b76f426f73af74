"""What hardware models get and give: a device with the source of every figure, and an estimate."""

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen
from attrs.validators import and_, ge, lt, min_len

Content = Literal["weights", "activations"]
Term = Literal["static", "op", "byte"]


@frozen(kw_only=True)
class Number:
    """A figure of a hardware profile and where it comes from."""

    value: float = field(
        validator=and_(ge(0.0), lt(float("inf"))),
        metadata={"doc": "the figure, in SI units: Hz, B, B/s, op/s, s, W, J"},
    )
    source: str = field(metadata={"doc": "document, benchmark or derivation it was taken from"})
    kind: Literal["datasheet", "measured", "fitted", "estimate"] = field(
        metadata={"doc": "how it was found"}
    )


@frozen(kw_only=True)
class Memory:
    """One level of storage."""

    name: str = field(metadata={"doc": "what people call it: L2, HBM, flash"})
    bytes: Number | None = field(
        default=None, metadata={"doc": "its size; left out where it is unknown"}
    )
    bytes_per_s: Number = field(metadata={"doc": "what it can deliver"})
    utilisation: Number | None = field(
        default=None, metadata={"doc": "share of bytes_per_s that kernels reach; 1 if left out"}
    )
    holds: tuple[Content, ...] = field(
        default=("weights", "activations"),
        validator=min_len(1),
        metadata={"doc": "what may live here"},
    )


@frozen(kw_only=True)
class Profile:
    """One device with the software that runs on it. A multiply-accumulate is two operations."""

    title: str = field(metadata={"doc": "the device, as its maker calls it"})
    device: str = field(metadata={"doc": "cpu, gpu, npu, tpu, mcu, dsp or fpga"})
    software: str = field(metadata={"doc": "whose kernels 'utilisation' and 'overhead_s' describe"})
    isa: tuple[str, ...] = field(
        default=(), metadata={"doc": "instruction-set features that emitted C may use"}
    )
    clock_hz: Number | None = field(default=None, metadata={"doc": "clock that the peaks assume"})
    units: Number | None = field(
        default=None, metadata={"doc": "cores, multiprocessors or arrays at work"}
    )
    ops_per_cycle: dict[str, Number] = field(
        factory=dict,
        metadata={"doc": "operations per cycle and unit, by element type; checks the peak"},
    )
    peak_ops_per_s: dict[str, Number] = field(
        metadata={"doc": "dense peak of the whole device, by element type; no peak is unknown"}
    )
    executes: dict[str, str] = field(
        factory=dict, metadata={"doc": "element types that run as another: uint8 = 'int8'"}
    )
    memory: tuple[Memory, ...] = field(
        validator=min_len(1), metadata={"doc": "levels of storage, nearest first"}
    )
    overhead_s: Number = field(metadata={"doc": "time of an op that has nothing to do"})
    utilisation: dict[str, Number] = field(
        metadata={
            "doc": "share of the peak that kernels reach, by kind of op ('conv'), by kind and "
            "element type ('conv.int8'), and for the others ('default')"
        }
    )
    energy_terms: tuple[Term, ...] = field(
        default=("static", "op", "byte"),
        validator=min_len(1),
        metadata={
            "doc": "terms of static_w*t + joules_per_op*ops + joules_per_byte*bytes that the "
            "figures were found with; the others are contained in them"
        },
    )
    static_w: Number | None = field(
        default=None, metadata={"doc": "power that flows as long as an op runs"}
    )
    joules_per_op: dict[str, Number] = field(
        factory=dict, metadata={"doc": "energy of one operation, by element type"}
    )
    joules_per_byte: Number | None = field(
        default=None, metadata={"doc": "energy of one byte from or to memory"}
    )

    def executed_as(self, dtype: str) -> str | None:
        """The element type whose peak counts for ``dtype``; None where the profile has none."""
        dtype = self.executes.get(dtype, dtype)
        return dtype if dtype in self.peak_ops_per_s else None

    def home(self, content: Content) -> Memory:
        """The memory where all weights, or all activations, must find room: the farthest."""
        return next(m for m in reversed(self.memory) if content in m.holds)


@frozen
class Estimate:
    """What a hardware model says of one fused op. None is unknown, and ``unknown`` says why.

    ``energy_j`` has one entry per term; the op's energy is their sum, None where one is None.
    ``accuracy`` begins with the state of the model, then ``;`` and how far off it was.
    """

    compute_s: float | None
    memory_s: Mapping[str, float]  # by level
    overhead_s: float
    latency_s: float | None
    bound: str  # compute, memory or overhead; empty where unknown
    utilisation: float | None  # of peak, 0..1
    tiles: int | None
    bytes: Mapping[str, int]  # by level
    energy_j: Mapping[str, float | None] | None
    unknown: str = ""
    accuracy: str = field(default="error not stated", metadata={"json": False})
