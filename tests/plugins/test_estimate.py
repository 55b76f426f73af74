"""The estimate step: ResNet8 on three devices, what is unknown, and what people read."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from small_nets import Net

import qreg
from qreg.api import catalogue
from qreg.catalogue import Entry
from qreg.cli import main
from qreg.errors import QregError
from qreg.specs import HardwareModelSpec, HardwareProfileSpec
from qreg_estimate.estimate import estimation
from qreg_estimate.profile import load_profile
from qreg_estimate.records import Estimate, Profile
from qreg_estimate.results import DeviceEstimate, Estimation
from qreg_estimate.tables import devices, verdict
from qreg_fusion.fuse import fuse_model
from qreg_fusion.records import FusedOp

DEVICES = ("cortex-m4", "epyc-core", "h200")
DEFAULT_MODEL = catalogue().find(HardwareModelSpec, "roofline")


@pytest.fixture(scope="module")
def network() -> Path:
    return Path(__file__).parents[2] / "examples" / "resnet8.onnx"


@pytest.fixture(scope="module")
def found(network: Path) -> Estimation:
    return qreg.estimate(network, hardware=list(DEVICES))  # type: ignore[no-any-return]


def profile(name: str) -> Profile:
    return load_profile(catalogue().find(HardwareProfileSpec, name))


def single_op(op: str, dtype: int, inputs: int = 1) -> onnx.ModelProto:
    names = ["a", "b"][:inputs]
    node = helper.make_node(op, names, ["y"], name="the-op")
    edges = [helper.make_tensor_value_info(n, dtype, [1, 64]) for n in (*names, "y")]
    graph = helper.make_graph([node], "g", edges[:-1], edges[-1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_resnet8_runs_as_twelve_ops_on_every_device(found: Estimation) -> None:
    # 9 convolutions (each with its Relu or Add + Relu), pool, flatten, linear
    for device in found.devices:
        assert len(device.layers) == 12
        assert sum(layer.macs or 0 for layer in device.layers) == 12_501_632
        assert sum(device.bound_by.values()) == 12
        assert device.unknown == ()


@pytest.mark.parametrize("index", range(3), ids=DEVICES)
def test_every_row_is_its_formula(found: Estimation, index: int) -> None:
    device = found.devices[index]
    figures = profile(DEVICES[index])
    rates = figures.utilisation
    rate = rates.get("conv.float32", rates.get("conv", rates["default"])).value
    row = next(layer for layer in device.layers if layer.name == "layer1.0.conv1")
    # 3x3, 16 channels in and out, 32x32 pixels; one addition (bias) and one comparison (Relu) each
    assert row.macs == 9 * 16 * 16 * 32 * 32
    assert row.elementwise_flops == 2 * 16 * 32 * 32
    operations = 2 * 9 * 16 * 16 * 32 * 32 + 2 * 16 * 32 * 32
    assert row.estimate.compute_s == pytest.approx(
        operations / (figures.peak_ops_per_s["float32"].value * rate)
    )
    # input and output of 16x32x32 float32, and 16*16*9 weights with 16 biases
    assert sum(row.estimate.bytes.values()) == 2 * 4 * 16 * 32 * 32 + 4 * (16 * 16 * 9 + 16)
    assert row.estimate.latency_s == pytest.approx(
        max(row.estimate.compute_s or 0, sum(row.estimate.memory_s.values()))
        + figures.overhead_s.value
    )


def test_totals_are_the_sums_of_the_rows(found: Estimation) -> None:
    for device in found.devices:
        rows = [layer.estimate for layer in device.layers]
        assert device.latency_s == sum(row.latency_s or 0 for row in rows) == device.known_latency_s
        assert device.energy_j is not None
        assert device.total_energy_j == sum(e or 0 for e in device.energy_j.values())
        for term, joules in device.energy_j.items():
            assert joules == sum((row.energy_j or {})[term] or 0 for row in rows)


def test_speed_ups_are_over_the_first_device(found: Estimation) -> None:
    first = found.devices[0].latency_s
    assert first is not None
    assert [d.speedup for d in found.devices] == [first / (d.latency_s or 1) for d in found.devices]
    assert found.devices[0].speedup == 1.0


def test_the_board_holds_the_weights_in_flash_and_the_activations_in_sram(
    found: Estimation,
) -> None:
    sram, flash = found.devices[0].memory
    # layer1.0.conv2 reads its input and the skip tensor and writes as much: 3 * 16*32*32 float32
    assert (sram.memory, sram.needed_bytes, sram.size_bytes) == (
        "SRAM",
        3 * 4 * 16 * 32 * 32,
        640 * 1024,
    )
    weights = sum(
        k * k * i * o + o
        for k, i, o in [(3, 3, 16), (3, 16, 16), (3, 16, 16), (3, 16, 32), (3, 32, 32), (1, 16, 32),
                        (3, 32, 64), (3, 64, 64), (1, 32, 64), (1, 64, 10)]
    )  # fmt: skip
    assert (flash.memory, flash.needed_bytes) == ("flash", 4 * weights)
    assert sram.fits and flash.fits
    (dram,) = found.devices[1].memory
    assert (dram.size_bytes, dram.fits) == (None, None)


def test_int8_is_faster_where_arithmetic_limits_and_pays_the_same_overhead(
    network: Path, found: Estimation, tmp_path: Path
) -> None:
    calibration = network.parent / "digits_calibration.npz"
    qreg.calibrate(network, data=str(calibration), samples=8, out=tmp_path)
    qreg.quantize(network, ranges=str(tmp_path / "ranges.toml"), out=tmp_path)
    (quantized,) = tmp_path.glob("*.onnx")
    narrow = qreg.estimate(quantized, hardware=list(DEVICES))
    for wide_device, device in zip(found.devices, narrow.devices, strict=True):
        rows = {layer.name: layer for layer in device.layers}
        for wide in wide_device.layers:
            if wide.op.startswith("Conv"):
                row = rows[wide.name]
                assert row.dtype == "int8"
                assert row.macs == wide.macs
                assert row.estimate.overhead_s == wide.estimate.overhead_s
                assert row.estimate.compute_s is not None
                assert row.estimate.compute_s < (wide.estimate.compute_s or 0)
                assert sum(row.estimate.bytes.values()) < sum(wide.estimate.bytes.values())
    board = narrow.devices[0]
    # MLPerf Tiny v1.2 measured this network at 165.1 ms; its rate is the profile's (see there)
    assert board.latency_s == pytest.approx(0.1651, rel=0.03)
    assert board.total_energy_j == pytest.approx(6919e-6, rel=0.03)


def test_an_op_without_a_peak_for_its_type_leaves_the_total_unknown() -> None:
    (device,) = qreg.estimate(
        single_op("Add", TensorProto.INT32, 2), hardware=["cortex-m4"]
    ).devices
    assert device.latency_s is device.speedup is device.total_energy_j is None
    assert device.known_latency_s == 0
    assert device.unknown == ("the-op (Add): the profile has no peak_ops_per_s.int32",)


def test_what_is_unknown_is_printed_as_such_and_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(single_op("Add", TensorProto.INT32, 2).SerializeToString())
    assert main(["estimate", str(path), "--hardware", "cortex-m4,h200"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["the-op", "Add", "?", "?"] for line in lines)
    assert any(line.split() == ["cortex-m4", "?", "?", "?", "0", "0", "0", "1"] for line in lines)
    assert "h200: 1 of 1 ops are unknown; the others take 0 s:" in lines
    assert "  the-op (Add): the profile has no peak_ops_per_s.int32" in lines
    assert "estimate: cortex-m4 ? s, h200 ? s (roofline, uncalibrated)" in lines


def test_an_op_nobody_can_count_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = qreg.load(single_op("Erf", TensorProto.FLOAT))
    found = fuse_model(model, catalogue().__class__())  # nothing installed
    hardware = catalogue().find(HardwareProfileSpec, "h200")
    (device,) = estimation("g", found, ("y",), DEFAULT_MODEL, [hardware]).devices
    assert device.unknown == ("the-op (Erf): no plugin has a layer estimator for it",)
    assert device.layers[0].macs is None


def a_second_per_op(op: FusedOp, profile: Profile) -> Estimate:
    del op, profile
    return Estimate(1.0, {}, 0.0, 1.0, "compute", 1.0, 1, {}, None, accuracy="made up; quite wrong")


def test_any_hardware_model_serves_and_says_its_own_state(network: Path) -> None:
    spec = HardwareModelSpec(name="second", estimate=f"{__name__}:a_second_per_op")
    fusion = fuse_model(qreg.load(network), catalogue())
    hardware = catalogue().find(HardwareProfileSpec, "h200")
    result = estimation("net", fusion, ("output",), Entry("t", "t", "1", "t", spec), [hardware])
    assert result.hardware_model == "t/second"
    assert result.devices[0].latency_s == len(fusion.ops)
    assert result.devices[0].energy_j is result.devices[0].total_energy_j is None
    assert verdict(result) == f"estimate: h200 {len(fusion.ops)} s (second, made up)"
    assert "accuracy: made up; quite wrong" in devices(result).notes


def no_estimate(op: FusedOp, profile: Profile) -> float:
    del op, profile
    return 1.0


def test_a_hardware_model_that_gives_no_estimate_is_blamed(network: Path) -> None:
    spec = HardwareModelSpec(name="second", estimate=f"{__name__}:no_estimate")
    fusion = fuse_model(qreg.load(network), catalogue())
    hardware = catalogue().find(HardwareProfileSpec, "h200")

    with pytest.raises(QregError, match=(
        r"layer 'conv1' \(Conv\+Relu\): hardware_models t/second \(t 1\) gave float; its contract "
        r"is \(FusedOp, Profile\) -> Estimate")):  # fmt: skip
        estimation("net", fusion, (), Entry("t", "t", "1", "t", spec), [hardware])


def test_what_a_branch_of_an_if_reads_does_not_disappear_into_a_group() -> None:
    net = Net()
    y = net.conv(net.input(1, 3, 8, 8), np.ones((4, 3, 3, 3), np.float32), "a")
    r = net.op("Relu", y, name="r")
    branches = {}
    for name, op in (("then_branch", "Relu"), ("else_branch", "Neg")):
        out = helper.make_tensor_value_info(f"{op}.z", TensorProto.FLOAT, [1, 4, 6, 6])
        inner = helper.make_node(op, [y], [out.name])
        branches[name] = helper.make_graph([inner], name, [], [out])
    z = net.op("If", net.input(name="cond", kind=TensorProto.BOOL), name="if", **branches)
    model = net.model(net.op("Add", z, r, name="add"))

    (device,) = qreg.estimate(model, hardware=["cortex-m4"]).devices

    assert device.latency_s is None
    rows = {layer.name: layer.op for layer in device.layers}
    assert (rows["a"], rows["r"]) == ("Conv", "Relu")
    assert [text.partition(":")[0] for text in device.unknown][:1] == ["if (If)"]


def test_nodes_of_unknown_size_are_listed_and_leave_the_totals_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = Net()
    y = net.conv(net.input(1, 3, 8, 8), np.ones((4, 3, 3, 3), np.float32), "a")
    odd = net.op("Foo", y, domain="com.example", name="odd")
    words = net.op("Identity", net.input(3, name="s", kind=TensorProto.STRING), name="same")
    path = tmp_path / "net.onnx"
    onnx.save(net.model(odd, words), path)

    (device,) = qreg.estimate(path, hardware=["cortex-m4"]).devices

    assert [layer.name for layer in device.layers] == ["a"]
    assert device.latency_s is device.total_energy_j is device.speedup is None
    assert device.known_latency_s == device.layers[0].estimate.latency_s
    assert device.unknown == (
        "odd (Foo): a tensor of unknown size", "same (Identity): a tensor of unknown size"
    )  # fmt: skip
    assert [part.needed_bytes for part in device.memory] == [None, None]
    assert [part.fits for part in device.memory] == [None, None]
    assert main(["estimate", str(path), "--hardware", "cortex-m4"]) == 0
    assert "cortex-m4: 2 of 3 ops are unknown; the others take" in capsys.readouterr().out


def test_what_does_not_fit_is_in_the_verdict(found: Estimation) -> None:
    from attrs import evolve

    board: DeviceEstimate = found.devices[0]
    small = evolve(board, memory=(evolve(board.memory[0], fits=False), board.memory[1]))
    assert "cortex-m4 605 ms (does not fit)" in verdict(evolve(found, devices=(small,)))


def test_tables_of_three_devices_fit_80_columns(
    network: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["estimate", str(network), "--hardware", ",".join(DEVICES)]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines()[:-3] if len(line) > 80] == []
    assert out.count("layer1.0.conv1") == 1  # one block
    assert "accuracy: uncalibrated; such rooflines were 17-63 % off" in out


def test_json_has_the_figures_unrounded(
    network: Path, found: Estimation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["estimate", str(network), "--hardware", "h200", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["model"] == "resnet8"
    assert printed["hardware_model"] == "estimate/roofline"
    device = printed["devices"][0]
    assert device["hardware"] == "hardware/h200"
    assert device["latency_s"] == found.devices[2].latency_s
    assert device["layers"][0]["estimate"]["bytes"] == {
        "HBM": 4 * (3 * 32 * 32 + 16 * 32 * 32 + 27 * 16 + 16)
    }


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (("--hardware", "h20"), "--hardware[0]: no hardware profile 'h20'; did you mean 'h200'?"),
        (("--hardware", ""),
         "'hardware' is empty; 'qreg list hardware_profiles' shows the devices"),
        (("--hardware", "h200", "--hardware-model", "rooflin"),
         "--hardware-model: no hardware model 'rooflin'; did you mean 'roofline'?"),
    ],
)  # fmt: skip
def test_a_wrong_name_is_told_with_the_nearest(
    network: Path, capsys: pytest.CaptureFixture[str], option: tuple[str, ...], text: str
) -> None:
    assert main(["estimate", str(network), *option]) == 1
    assert text in capsys.readouterr().err
