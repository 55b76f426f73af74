"""The roofline by hand: a device of round figures, ops whose time can be worked out on paper."""

from pathlib import Path

import pytest
from attrs import evolve

from qreg.records import Contraction, Cost, OpCall, Tensor
from qreg_estimate.kinds import kind_of
from qreg_estimate.placement import peak_activation_bytes, placements, weight_bytes
from qreg_estimate.records import Memory, Number, Profile
from qreg_estimate.roofline import estimate
from qreg_fusion.records import FusedOp


def number(value: float) -> Number:
    return Number(value=value, source="by hand", kind="estimate")


DEVICE = Profile(
    title="round figures",
    device="npu",
    software="none",
    peak_ops_per_s={"int8": number(8e9), "float32": number(1e9)},
    executes={"uint8": "int8"},
    memory=(
        Memory(name="SRAM", bytes=number(1000), bytes_per_s=number(4e9), holds=("activations",)),
        Memory(name="flash", bytes_per_s=number(1e9), utilisation=number(0.5), holds=("weights",)),
    ),
    overhead_s=number(1e-6),
    utilisation={"conv": number(0.5), "conv.int8": number(0.25), "default": number(1.0)},
    static_w=number(2.0),
    joules_per_op={"int8": number(1e-12), "float32": number(4e-12)},
    joules_per_byte=number(1e-10),
)


class Stored:
    """A constant nobody reads."""

    def numpy(self) -> object:
        raise AssertionError


def tensor(name: str, *shape: int, dtype: str = "float32", stored: bool = False) -> Tensor:
    return Tensor(name, dtype, shape, Stored() if stored else None)


def conv(
    dtype: str = "float32",
    macs: int = 100_000,
    flops: int = 0,
    moved: tuple[int, int, int] = (400, 500, 200),
) -> FusedOp:
    """A convolution with the counts given; (inputs, weights, outputs) are bytes."""
    x, w, y = tensor("x", 1, 4, 8, 8), tensor("w", 8, 4, 3, 3, stored=True), tensor("y", 1, 8, 8, 8)
    call = OpCall("onnx.Conv", "conv", (x, w), (y,))
    cost = Cost((Contraction(1, 1, macs),), flops)
    return FusedOp("conv", "", (call,), cost, dtype, *moved)


def test_a_compute_bound_op_takes_its_operations_over_the_peak_its_kind_reaches() -> None:
    found = estimate(conv(), DEVICE)
    # 2 * 100,000 operations at half of 1e9/s
    assert found.compute_s == pytest.approx(4e-4)
    # 400 + 200 bytes at 4e9 B/s, 500 at half of 1e9 B/s
    assert found.memory_s == pytest.approx({"SRAM": 1.5e-7, "flash": 1e-6})
    assert found.bytes == {"SRAM": 600, "flash": 500}
    assert found.latency_s == pytest.approx(4e-4 + 1e-6)
    assert found.bound == "compute"
    assert found.utilisation == pytest.approx(2e5 / (1e9 * 4.01e-4))


def test_a_memory_bound_op_takes_the_sum_over_its_levels() -> None:
    found = estimate(conv(macs=10, moved=(40_000, 10_000, 0)), DEVICE)
    assert found.latency_s == pytest.approx(1e-5 + 2e-5 + 1e-6)
    assert found.bound == "memory"


def test_a_tiny_op_is_bound_by_overhead() -> None:
    found = estimate(conv(macs=10, moved=(4, 4, 4)), DEVICE)
    assert found.bound == "overhead"
    assert found.latency_s == pytest.approx(40e-9 + 1e-6)


def test_elementwise_operations_of_the_group_count_once() -> None:
    assert estimate(conv(flops=50_000), DEVICE).compute_s == pytest.approx(250_000 / 5e8)


def test_precision_changes_peak_and_bytes_but_not_overhead() -> None:
    wide, narrow = estimate(conv(), DEVICE), estimate(conv("int8", moved=(100, 125, 50)), DEVICE)
    assert narrow.compute_s == pytest.approx(2e5 / (8e9 * 0.25))
    assert sum(wide.bytes.values()) == 4 * sum(narrow.bytes.values())
    assert wide.overhead_s == narrow.overhead_s == 1e-6


def test_a_type_that_runs_as_another_takes_its_rate_and_its_energy() -> None:
    assert estimate(conv("uint8"), DEVICE) == estimate(conv("int8"), DEVICE)


def test_a_type_without_a_peak_is_unknown_and_not_zero() -> None:
    found = estimate(conv("int4"), DEVICE)
    assert found.compute_s is found.latency_s is found.utilisation is None
    assert found.bound == ""
    assert found.unknown == "the profile has no peak_ops_per_s.int4"
    assert found.bytes == {"SRAM": 600, "flash": 500}  # what is known is still told
    assert found.energy_j == {"static": None, "op": None, "byte": pytest.approx(1.1e-7)}


def test_an_op_nobody_can_count_is_unknown() -> None:
    found = estimate(evolve(conv(), cost=None), DEVICE)
    assert found.latency_s is None
    assert found.unknown == "no plugin has a layer estimator for it"


def test_moving_data_needs_no_peak() -> None:
    found = estimate(evolve(conv("int64"), cost=Cost()), DEVICE)
    assert found.compute_s == 0.0
    assert found.latency_s == pytest.approx(1.15e-6 + 1e-6)
    assert found.energy_j is not None and found.energy_j["op"] == 0.0


def test_energy_is_static_power_operations_and_bytes() -> None:
    found = estimate(conv(), DEVICE)
    assert found.energy_j == pytest.approx(
        {"static": 2.0 * 4.01e-4, "op": 2e5 * 4e-12, "byte": 1100 * 1e-10}
    )


def test_an_unknown_coefficient_leaves_its_term_unknown() -> None:
    found = estimate(conv(), evolve(DEVICE, joules_per_byte=None))
    assert found.energy_j is not None
    assert found.energy_j["byte"] is None
    assert found.energy_j["static"] is not None


def test_terms_contained_in_others_are_left_out() -> None:
    found = estimate(conv(), evolve(DEVICE, energy_terms=("static",), joules_per_byte=None))
    assert found.energy_j == {"static": pytest.approx(2.0 * 4.01e-4)}


def test_a_group_is_cut_to_fit_the_nearest_memory() -> None:
    assert estimate(conv(moved=(400, 500, 100)), DEVICE).tiles == 1
    assert estimate(conv(moved=(400, 500, 101)), DEVICE).tiles == 2
    unknown = evolve(DEVICE, memory=(evolve(DEVICE.memory[0], bytes=None), DEVICE.memory[1]))
    assert estimate(conv(), unknown).tiles is None


def test_every_estimate_says_how_far_to_trust_it() -> None:
    assert estimate(conv(), DEVICE).accuracy.startswith("uncalibrated; such rooflines were 17-63 %")


@pytest.mark.parametrize(
    ("targets", "group", "kind"),
    [
        (("onnx.Conv", "onnx.Relu"), 1, "conv"),
        (("onnx.Conv",), 4, "depthwise"),
        (("onnx.Conv",), 2, "conv"),
        (("onnx.QLinearConv", "com.microsoft.QLinearAdd"), 1, "conv"),
        (("com.microsoft.QGemm",), 1, "gemm"),
        (("onnx.QLinearMatMul",), 1, "gemm"),
        (("onnx.Add", "onnx.MatMul"), 1, "gemm"),
        (("com.microsoft.QLinearGlobalAveragePool",), 1, "pool"),
        (("com.microsoft.QLinearSoftmax",), 1, "softmax"),
        (("onnx.BatchNormalization",), 1, "norm"),
        (("com.microsoft.QLinearAdd",), 1, "elementwise"),
        (("com.example.Mish2",), 1, "elementwise"),
    ],
)
def test_the_kind_of_a_group_is_that_of_its_contraction(
    targets: tuple[str, ...], group: int, kind: str
) -> None:
    x, y = tensor("x", 1, 4, 8, 8), tensor("y", 1, 4, 8, 8)
    calls = tuple(OpCall(t, t, (x,), (y,), {"group": group}) for t in targets)
    assert kind_of(FusedOp("n", "", calls, Cost((), 4), "float32", 1, 1, 1)) == kind


def test_an_unnamed_op_that_multiplies_and_accumulates_is_a_gemm() -> None:
    call = OpCall("com.example.Mystery", "n", (tensor("x", 4),), (tensor("y", 4),))
    cost = Cost((Contraction(4, 4, 4),))
    assert kind_of(FusedOp("n", "", (call,), cost, "float32", 1, 1, 1)) == "gemm"


def residual() -> tuple[FusedOp, ...]:
    """x -a-> p -b-> q, then q + p (inside: r, clamped) -> y; x 100, p 200, q 300, y 50 bytes."""
    x, p, q = tensor("x", 25), tensor("p", 50), tensor("q", 75)
    r, y, w = tensor("r", 1000), tensor("y", 25, dtype="int16"), tensor("w", 10, stored=True)
    steps = (
        (OpCall("onnx.Relu", "a", (x, w), (p,)),),
        (OpCall("onnx.Conv", "b", (p, w), (q,)),),
        (OpCall("onnx.Add", "c", (q, p), (r,)), OpCall("onnx.Clip", "d", (r,), (y,))),
    )
    return tuple(FusedOp(s[0].name, "", s, Cost(), "float32", 0, 0, 0) for s in steps)


def test_peak_activations_keep_the_skip_tensor_and_not_what_stays_inside() -> None:
    # a: x + p = 300; b: p + q = 500; c, d: p + q + y = 550
    assert peak_activation_bytes(residual(), ("y",)) == 550
    # an output that is made early lives to the end
    assert peak_activation_bytes(residual()[:2], ("p", "q")) == 500
    assert peak_activation_bytes((), ()) == 0


def test_weights_used_twice_are_stored_once() -> None:
    assert weight_bytes(residual()) == 40


def test_what_does_not_fit_is_said_and_what_is_unknown_stays_so(tmp_path: Path) -> None:
    sram, flash = placements(residual(), ("y",), DEVICE)
    assert (sram.memory, sram.holds, sram.needed_bytes, sram.fits) == (
        "SRAM",
        ("activations",),
        550,
        True,
    )
    assert (flash.memory, flash.holds, flash.size_bytes, flash.fits) == (
        "flash",
        ("weights",),
        None,
        None,
    )
    small = evolve(DEVICE, memory=(evolve(DEVICE.memory[0], bytes=number(549)), DEVICE.memory[1]))
    assert placements(residual(), ("y",), small)[0].fits is False


def test_one_memory_holds_weights_and_activations_together() -> None:
    level = Memory(name="DRAM", bytes=number(589), bytes_per_s=number(1e9))
    (dram,) = placements(residual(), ("y",), evolve(DEVICE, memory=(level,)))
    assert (dram.needed_bytes, dram.fits) == (590, False)
