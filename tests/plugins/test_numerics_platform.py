"""Which nodes this machine computes otherwise than claimed; the flags of other machines given."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from numerics_cases import Case, by_reference, by_runtime

from qreg.api import catalogue
from qreg.records import OpCall, Tensor
from qreg.specs import OpSpec
from qreg_numerics.platform import CLAIMED, cpu_flags, host_variant, saturating_pairs, unclaimed

VNNI = ("avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni")
HASWELL = host_variant("x86_64", ("avx", "avx2", "fma"))
SANDY_BRIDGE = host_variant("x86_64", ("avx", "sse4_2"))
GRAVITON = host_variant("aarch64")


def contraction(target: str, x: str, weight: np.ndarray | None, **attributes: object) -> OpCall:
    shape = (4, 3, 3, 3) if weight is None else weight.shape
    value = None if weight is None else ir.tensor(weight)
    dtype = "int8" if weight is None else weight.dtype.name
    scalars = [Tensor(n, "float32", ()) for n in ("s", "z")]
    inputs = (Tensor("x", x, (1, 3, 8, 8)), *scalars, Tensor("w", dtype, shape, value))
    return OpCall(target, "layer1.conv", inputs, (), attributes)


def add() -> OpCall:
    return OpCall("com.microsoft.QLinearAdd", "layer1.add", (), ())


@pytest.mark.parametrize(
    ("machine", "flags", "adds", "u8s8"),
    [
        ("x86_64", VNNI, "x86-avx2", "exact"),
        ("AMD64", ("avx2", "fma", "avx_vnni"), "x86-avx2", "exact"),
        ("x86_64", VNNI[:-1], "x86-avx2", "saturating"),  # Skylake-X
        ("x86_64", ("avx2", "fma", "avx512_vnni"), "x86-avx2", "saturating"),  # 512 bits masked off
        ("x86_64", ("avx2",), "x86-sse", "exact"),  # ONNX Runtime asks for FMA with AVX2
        ("x86_64", ("avx",), "x86-sse", "exact"),
        ("x86_64", (), "unknown", "unknown"),
        ("aarch64", (), "arm-fixed-point", "exact"),
        ("riscv64", (), "unknown", "unknown"),
    ],
)
def test_a_machine_s_variant_follows_from_its_flags(
    machine: str, flags: tuple[str, ...], adds: str, u8s8: str
) -> None:
    variant = host_variant(machine, flags)

    assert (variant.add, variant.u8s8) == (adds, u8s8)


def test_flags_are_read_as_linux_writes_them(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "processor\t: 0\nflags\t\t: fpu avx2 fma\n\nprocessor\t: 1\nflags\t\t: sse\n"
    )

    assert cpu_flags(cpuinfo) == {"fpu", "avx2", "fma"}
    assert cpu_flags(tmp_path / "absent") == frozenset()


def test_the_registry_names_the_claimed_variant_of_the_sum() -> None:
    entry = catalogue().choose(OpSpec, "com.microsoft.QLinearAdd")

    assert entry is not None and entry.spec.arithmetic == CLAIMED.add


def test_a_claimed_machine_has_nothing_to_say() -> None:
    weight = np.full((4, 3, 3, 3), 127, np.int8)
    calls = [contraction("onnx.QLinearConv", "uint8", weight), add()]

    assert unclaimed(calls, host_variant("x86_64", VNNI)) == ()


def test_avx2_without_vnni_saturates_only_pairs_of_large_weights() -> None:
    weight = np.full((4, 3, 3, 3), 64, np.int8)  # 64 + 64 = 128: 255 * 128 still fits 16 bits
    assert unclaimed([contraction("onnx.QLinearConv", "uint8", weight)], HASWELL) == ()
    weight[1, 2, 0, 0] = 65  # follows channel 1 and precedes the next tap's channel 0

    (reason,) = unclaimed([contraction("onnx.QLinearConv", "uint8", weight)], HASWELL)

    assert reason == (
        "layer1.conv (onnx.QLinearConv): uint8 x int8 on x86-64 with AVX2, no VNNI can saturate at "
        "16 bits; pairs of weights for which it does: 1; int8 activations avoid it"
    )


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (contraction("onnx.QLinearConv", "int8", np.full((4, 3, 1, 1), 127, np.int8)), False),
        (contraction("onnx.QLinearConv", "uint8", np.full((4, 3, 1, 1), 200, np.uint8)), False),
        (
            contraction("onnx.QLinearConv", "uint8", np.full((4, 1, 3, 3), 127, np.int8), group=4),
            False,
        ),
        (
            contraction("onnx.QLinearConv", "uint8", np.full((8, 1, 3, 3), 127, np.int8), group=4),
            True,
        ),
        (contraction("onnx.QLinearConv", "uint8", None), True),
        (contraction("onnx.QLinearMatMul", "uint8", np.full((4, 2), 127, np.int8)), True),
        (contraction("com.microsoft.QGemm", "uint8", np.full((1, 4), 127, np.int8)), False),
        (
            contraction("com.microsoft.QGemm", "uint8", np.full((1, 4), 127, np.int8), transB=1),
            True,
        ),
        (add(), False),
    ],
)
def test_which_nodes_saturate_without_vnni(call: OpCall, says: bool) -> None:
    assert bool(unclaimed([call], HASWELL)) is says


def test_sums_are_rounded_otherwise_elsewhere() -> None:
    (arm,) = unclaimed([add()], GRAVITON)
    (sse,) = unclaimed([add()], SANDY_BRIDGE)
    (other,) = unclaimed([add()], host_variant("riscv64"))

    assert arm == (
        "layer1.add (com.microsoft.QLinearAdd): 64-bit Arm rounds near ties otherwise "
        "(arm-fixed-point): outputs may differ by 1"
    )
    assert "x86-64 without AVX2 rounds near ties otherwise (x86-sse)" in sse
    assert "what QLinearAdd computes on riscv64 is unknown" in other


def test_pairs_run_over_channels_first_and_an_odd_last_weight_has_no_partner() -> None:
    # Order of the 6 weights: tap 0 channels 0 1 2, tap 1 channels 0 1 2; pairs (01)(20)(12).
    weight = np.zeros((1, 3, 2), np.int8)
    weight[0, 2, 0] = weight[0, 0, 1] = 100
    assert saturating_pairs(weight, (2, 1)) == 1
    assert saturating_pairs(weight, (1, 2)) == 0
    assert saturating_pairs(np.array([[127], [127], [127]], np.int8), (0,)) == 1
    assert saturating_pairs(np.array([[-64, -65]], np.int8), (1,)) == 1


def test_this_machine_s_onnx_runtime_saturates_exactly_where_its_variant_says() -> None:
    x, w = np.full((1, 16, 4, 4), 255, np.uint8), np.full((16, 16, 1, 1), 127, np.int8)
    one, zero = np.float32(1), np.int8(0)
    inputs = (x, one, np.uint8(0), w, one, zero, np.float32(255 * 127 * 16 / 200), np.uint8(0))
    case = Case("onnx.QLinearConv", inputs)

    agree = bool((by_runtime(case) == by_reference(case)).all())

    assert by_reference(case)[0, 0, 0, 0] == 200
    if host_variant().u8s8 != "unknown":
        assert agree is (host_variant().u8s8 == "exact")
