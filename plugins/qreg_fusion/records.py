"""Fused work, as hardware models see it."""

from attrs import frozen

from qreg.records import Cost, OpCall


@frozen
class FusedOp:
    """Ops that run as one kernel; only what crosses its border is moved."""

    name: str
    pattern: str  # id of the fusion pattern, empty for a single op
    calls: tuple[OpCall, ...]
    cost: Cost
    dtype: str  # of the arithmetic: ``int8``, ``float32``
    input_bytes: int
    weight_bytes: int
    output_bytes: int

    @property
    def bytes(self) -> int:
        return self.input_bytes + self.weight_bytes + self.output_bytes
