"""A hardware model of ours: every operation takes the same time, memory is free."""

from qreg_estimate.records import Estimate, Profile
from qreg_fusion.records import FusedOp


def flat(op: FusedOp, profile: Profile) -> Estimate:
    dtype = profile.executed_as(op.dtype)
    if op.cost is None or dtype is None:
        return Estimate(None, {}, 0.0, None, "", None, None, {}, None, unknown="no cost or no peak")
    ops = 2 * op.cost.macs + op.cost.elementwise_flops
    seconds = ops / profile.peak_ops_per_s[dtype].value
    return Estimate(
        compute_s=seconds, memory_s={}, overhead_s=0.0, latency_s=seconds, bound="compute",
        utilisation=1.0, tiles=1, bytes={}, energy_j=None, accuracy="made up",
    )  # fmt: skip
