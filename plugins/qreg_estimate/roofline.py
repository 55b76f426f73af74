"""The roofline: an op takes the longer of its arithmetic and its memory traffic, plus overhead.

With ops = 2 * MACs + elementwise operations of the fused group, u the share of the peak that
kernels of its kind reach, and b the share of the bandwidth::

    compute_s = ops / (peak[dtype] * u[kind])
    memory_s  = sum over levels of bytes[level] / (bytes_per_s[level] * b[level])
    latency_s = max(compute_s, memory_s) + overhead_s
    energy_j  = static_w * latency_s + joules_per_op[dtype] * ops + joules_per_byte * bytes

Only what crosses the group's border is moved: weights from the memory where all weights live,
activations from and to the one where all activations live. No cache is modelled.

Source: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009; the energy form is that of
Choi, Bedard, Fowler, Vuduc, "A roofline model of energy", IPDPS 2013, section II.
"""

from collections.abc import Mapping

from qreg_estimate.kinds import kind_of
from qreg_estimate.records import Estimate, Memory, Number, Profile
from qreg_fusion.records import FusedOp

# Mean error on 20 whole networks, one CPU core: 17 % in ONNX Runtime with fusion where every op
# gets the full rate, 32 % there with rates by kind of op set by hand, 63 % in eager PyTorch.
ACCURACY = "uncalibrated; such rooflines were 17-63 % off on 20 whole networks (CPU)"


def estimate(op: FusedOp, profile: Profile) -> Estimate:
    """Time, traffic and energy of one fused op; what the profile or the op lacks is unknown."""
    ops = operations(op)
    moved = traffic(op, profile)
    memory_s = {m.name: moved[m.name] / _reached(m) for m in profile.memory if m.name in moved}
    compute_s = compute_time(op, profile)
    latency_s, bound = None, ""
    if compute_s is not None:
        times = {"compute": compute_s, "memory": sum(memory_s.values()),
                 "overhead": profile.overhead_s.value}  # fmt: skip
        latency_s = max(times["compute"], times["memory"]) + times["overhead"]
        bound = max(times, key=times.__getitem__)
    return Estimate(
        compute_s=compute_s,
        memory_s=memory_s,
        overhead_s=profile.overhead_s.value,
        latency_s=latency_s,
        bound=bound,
        utilisation=achieved(op, profile, latency_s),
        tiles=tiles(op, profile),
        bytes=moved,
        energy_j=energy(profile, op.dtype, latency_s, ops, sum(moved.values())),
        unknown="" if compute_s is not None else why_unknown(op, profile),
        accuracy=ACCURACY,
    )


def operations(op: FusedOp) -> int | None:
    """Two per multiply-accumulate, and the elementwise ones; None where the cost is unknown."""
    return None if op.cost is None else 2 * op.cost.macs + op.cost.elementwise_flops


def compute_time(op: FusedOp, profile: Profile) -> float | None:
    """Seconds of arithmetic; None where its amount, or the peak of its type, is unknown."""
    ops = operations(op)
    executed = profile.executed_as(op.dtype)
    if not ops:
        return None if ops is None else 0.0
    if executed is None:
        return None
    peak = profile.peak_ops_per_s[executed].value
    return ops / (peak * share_of_peak(profile, kind_of(op), executed))


def share_of_peak(profile: Profile, kind: str, dtype: str) -> float:
    """By kind and element type, else by kind, else the default."""
    table = profile.utilisation
    keys = (f"{kind}.{dtype}", kind, f"default.{dtype}", "default")
    return next(table[key] for key in keys if key in table).value


def achieved(op: FusedOp, profile: Profile, latency_s: float | None) -> float | None:
    """Operations per second over the peak, 0..1."""
    ops = operations(op)
    executed = profile.executed_as(op.dtype)
    if ops is None or executed is None or not latency_s:
        return None
    return ops / (profile.peak_ops_per_s[executed].value * latency_s)


def traffic(op: FusedOp, profile: Profile) -> dict[str, int]:
    """Bytes by level: weights where all weights live, inputs and outputs where activations do."""
    moved = {memory.name: 0 for memory in profile.memory}
    moved[profile.home("weights").name] += op.weight_bytes
    moved[profile.home("activations").name] += op.input_bytes + op.output_bytes
    return {name: count for name, count in moved.items() if count}


def tiles(op: FusedOp, profile: Profile) -> int | None:
    """ceil(bytes of the group / size of the nearest memory): the least number of pieces.

    A lower bound: data that pieces share is counted once. None where the size is unknown.
    """
    size = profile.memory[0].bytes
    return max(1, -(-op.bytes // int(size.value))) if size else None


def energy(
    profile: Profile, dtype: str, latency_s: float | None, ops: int | None, moved: int
) -> Mapping[str, float | None]:
    """Joules by term of the profile's energy form; None where a factor is unknown."""
    executed = profile.executed_as(dtype) or dtype
    terms = {
        "static": _product(profile.static_w, latency_s),
        "op": _product(profile.joules_per_op.get(executed), ops),
        "byte": _product(profile.joules_per_byte, moved),
    }
    return {term: terms[term] for term in profile.energy_terms}


def why_unknown(op: FusedOp, profile: Profile) -> str:
    if op.cost is None:
        return "no plugin has a layer estimator for it"
    return f"the profile has no peak_ops_per_s.{op.dtype}"


def _product(factor: Number | None, amount: float | None) -> float | None:
    if amount == 0:
        return 0.0
    return None if factor is None or amount is None else factor.value * amount


def _reached(memory: Memory) -> float:
    share = memory.utilisation.value if memory.utilisation else 1.0
    return memory.bytes_per_s.value * share
