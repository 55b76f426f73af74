"""Which arithmetic this machine's ONNX Runtime uses where machines differ.

The references claim that of x86-64 with AVX2 or better, and with VNNI for uint8 activations with
int8 weights. Elsewhere two things change: QLinearAdd rounds near ties otherwise, and AVX2 without
VNNI saturates sums of two uint8 x int8 products at 16 bits.
"""

import platform
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from attrs import frozen

from qreg.records import Array, OpCall

X86_AVX2, X86_SSE, ARM_FIXED_POINT, UNKNOWN = "x86-avx2", "x86-sse", "arm-fixed-point", "unknown"
EXACT, SATURATING = "exact", "saturating"
VNNI = ({"avx_vnni"}, {"avx512_vnni", "avx512f", "avx512bw", "avx512dq", "avx512vl"})
CONTRACTIONS = ("onnx.QLinearConv", "onnx.QLinearMatMul", "com.microsoft.QGemm")
PAIR_HIGH, PAIR_LOW = 128, -128  # times 255 still fits in 16 bits


@frozen(kw_only=True)
class Variant:
    """How one machine's ONNX Runtime computes.

    ``add``: QLinearAdd is "x86-avx2", "x86-sse", "arm-fixed-point" or "unknown". ``u8s8``: sums of
    uint8 x int8 products are "exact", "saturating" or "unknown".
    """

    name: str
    add: str
    u8s8: str


CLAIMED = Variant(
    name="x86-64 with AVX2 or better; VNNI for u8 activations x s8 weights",
    add=X86_AVX2,
    u8s8=EXACT,
)


def host_variant(machine: str | None = None, flags: Iterable[str] | None = None) -> Variant:
    """What this machine's ONNX Runtime computes; ``machine`` and CPU ``flags`` may be given.

    Source: ONNX Runtime MLAS_PLATFORM (the same CPUID bits); the effects are measured.
    """
    machine = platform.machine() if machine is None else machine
    if machine.lower() in ("aarch64", "arm64"):
        return Variant(name="64-bit Arm", add=ARM_FIXED_POINT, u8s8=EXACT)
    if machine.lower() not in ("x86_64", "amd64"):
        return Variant(name=machine or "an unknown machine", add=UNKNOWN, u8s8=UNKNOWN)
    known = frozenset(cpu_flags() if flags is None else flags)
    if not known:
        return Variant(name="x86-64 with unreadable CPU flags", add=UNKNOWN, u8s8=UNKNOWN)
    if not {"avx2", "fma"} <= known:
        return Variant(name="x86-64 without AVX2", add=X86_SSE, u8s8=EXACT)
    if any(needed <= known for needed in VNNI):
        return Variant(name="x86-64 with AVX2 and VNNI", add=X86_AVX2, u8s8=EXACT)
    return Variant(name="x86-64 with AVX2, no VNNI", add=X86_AVX2, u8s8=SATURATING)


def cpu_flags(path: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The first CPU's feature names as Linux spells them; empty where they cannot be read."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(
        next((x.partition(":")[2] for x in lines if x.startswith("flags")), "").split()
    )


def unclaimed(calls: Iterable[OpCall], variant: Variant | None = None) -> tuple[str, ...]:
    """The nodes this machine's ONNX Runtime computes otherwise than the references, and why."""
    here = host_variant() if variant is None else variant
    reasons = ((call, _deviation(call, here)) for call in calls)
    return tuple(f"{c.name} ({c.target}): {reason}" for c, reason in reasons if reason)


def saturating_pairs(weight: Array, contraction_axes: tuple[int, ...]) -> int:
    """How many neighbours of int8 ``weight`` can exceed 16 bits when both meet a uint8 of 255.

    Neighbours are taken along ``contraction_axes`` in the order ONNX Runtime packs them: the last
    of the axes varies fastest, two by two.
    """
    rest = [axis for axis in range(weight.ndim) if axis not in contraction_axes]
    rows = weight.transpose(*rest, *contraction_axes).astype(np.int32)
    rows = rows.reshape(int(np.prod(rows.shape[: len(rest)])), -1)
    rows = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).reshape(rows.shape[0], -1, 2)
    high, low = np.maximum(rows, 0).sum(-1), np.minimum(rows, 0).sum(-1)
    return int(np.count_nonzero((high > PAIR_HIGH) | (low < PAIR_LOW)))


def _deviation(call: OpCall, here: Variant) -> str:
    if call.target == "com.microsoft.QLinearAdd" and here.add != CLAIMED.add:
        if here.add == UNKNOWN:
            return f"what QLinearAdd computes on {here.name} is unknown"
        return f"{here.name} rounds near ties otherwise ({here.add}): outputs may differ by 1"
    mixed = call.target in CONTRACTIONS and _types(call) == ("uint8", "int8")
    if not mixed or here.u8s8 == CLAIMED.u8s8:
        return ""
    pairs = _pairs(call)
    if pairs == 0:
        return ""
    count = "unknown, for they are computed" if pairs is None else str(pairs)
    sure = "may" if here.u8s8 == UNKNOWN else "can"
    return (
        f"uint8 x int8 on {here.name} {sure} saturate at 16 bits; pairs of weights for which it "
        f"does: {count}; int8 activations avoid it"
    )


def _types(call: OpCall) -> tuple[str, ...]:
    return tuple(t.dtype for t in (call.optional(0), call.optional(3)) if t is not None)


def _pairs(call: OpCall) -> int | None:
    """Pairs of weights that can saturate; None where the weights are no constants."""
    weight = call.input(3)
    if (
        call.op == "QLinearConv"
        and weight.shape[1] == 1
        and call.attribute("group", 1) == weight.shape[0]
    ):
        return 0  # depthwise kernels multiply 16-bit numbers
    if weight.value is None:
        return None
    rank = len(weight.shape)
    if call.op == "QLinearConv":
        return saturating_pairs(weight.numpy(), (*range(2, rank), 1))
    transposed = call.op == "QGemm" and call.attribute("transB", 0)
    return saturating_pairs(weight.numpy(), (rank - 1 if transposed or rank == 1 else rank - 2,))
