"""Ranges measured on data, the file they are written to, and how it is read."""

import tomllib
from pathlib import Path

import numpy as np
import onnx
import pytest
from attrs import evolve
from onnx import TensorProto, helper
from quant_models import Array, Bench, bench, network, node, outputs, values, with_entries

from qreg.catalogue import Entry
from qreg.errors import Mistakes, QregError
from qreg.records import OpCall
from qreg.specs import OpSpec
from qreg_quant.ranges import ranges_text, read_ranges
from qreg_quant.records import Range

WEIGHT = values(4, 3, 3, 3)


def small(batch: int = 1) -> onnx.ModelProto:
    return network(
        [node("Conv", "x a.weight", "a"), node("Relu", "a", "y")], (batch, 3, 5, 4), "a y",
        a_weight=WEIGHT,
    )  # fmt: skip


def extremes(arrays: dict[str, Array]) -> dict[str, tuple[np.float32, np.float32]]:
    return {name: (a.min(), a.max()) for name, a in arrays.items()}


def measured(floats: Bench) -> dict[str, tuple[np.float32, np.float32]]:
    """Through the file and back."""
    found = read_ranges(floats.ranges, floats.installed)
    return {n: (np.float32(r.min), np.float32(r.max)) for n, r in found.items()}


@pytest.mark.parametrize(("batch", "samples"), [(1, 7), (4, 8), (4, 10)])
def test_ranges_are_the_extremes_over_all_samples_to_the_last_bit(
    tmp_path: Path, batch: int, samples: int
) -> None:
    floats = bench(tmp_path, small(batch), samples)
    single = evolve(floats, folder=tmp_path / "single", model=bench(tmp_path, small()).model)

    floats.calibrate()

    a, y = outputs(single.model, floats.data)
    assert measured(floats) == extremes({"x": floats.data["x"], "a": a, "y": y})


def test_the_first_samples_are_used_where_their_number_is_given(tmp_path: Path) -> None:
    floats = bench(tmp_path, small(), 9)

    record = floats.calibrate(samples=2, output="few.toml").record

    assert (record.samples, record.file.name) == (2, "few.toml")
    (found, *_) = record.tensors
    first = floats.data["x"][:2]
    assert (np.float32(found.min), np.float32(found.max)) == (first.min(), first.max())


def test_the_file_is_a_table_per_tensor_with_its_layer(tmp_path: Path) -> None:
    floats = bench(tmp_path, small())
    floats.calibrate()

    text = floats.ranges.read_text()

    assert text.startswith("# Ranges of the activations of m, measured by min-max on 12 samples")
    table = tomllib.loads(text)["tensor"]
    assert list(table) == ["x", "a", "y"]
    assert [t["layer"] for t in table.values()] == ["model input", "a", "y"]
    assert list(table["a"]) == ["layer", "min", "max"]


def test_names_and_numbers_of_every_kind_survive_the_file(tmp_path: Path, resnet8: Path) -> None:
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 2**32, 2000, dtype=np.uint32).view(np.float32)
    pairs = np.sort(bits[np.isfinite(bits)][:1500].reshape(-1, 2))
    names = ['quo"te', "back\\slash", "/a/b:0", "новый", "tab\t", "\x7f\x01", "😀", "a.b", ""]
    names += [f"t{i}" for i in range(len(pairs) - len(names))]
    floats = bench(tmp_path, resnet8)
    tensors = tuple(
        Range(tensor=n, layer=n, min=float(str(low)), max=float(str(high)))
        for n, (low, high) in zip(names, pairs, strict=True)
    )

    floats.ranges.write_text(ranges_text(tensors, model="m", method="x", samples=1, data="d"))

    assert measured(floats) == {n: (low, high) for n, (low, high) in zip(names, pairs, strict=True)}


def test_a_file_is_read_strictly_and_every_fault_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "ranges.toml"
    path.write_text(
        """\
[tensor.image]
min = 0
max = nan
[tensor.relu]
mim = 0
max = 1
[tensor.above]
min = 3
max = 1
[tensor.flat]
scale = 0.0
zero_point = 0
[tensor.half]
scale = 1
[tensor.empty]
layer = "q"
[tensor.text]
min = "0"
max = 1
[tensor.huge]
min = -1e39
max = 1
[tensor.part]
max = 1
[tensor.zero]
scale = 1
zero_point = 1.5
"""
    )

    with pytest.raises(Mistakes) as told:
        read_ranges(path, bench(tmp_path, small()).installed)

    assert (
        str(told.value).replace(f"{path}:", "")
        == """\
3: tensor.image.max: nan is no finite float32; give a finite number
5: tensor.relu.mim: unknown key; did you mean 'min'?
8: tensor.above.min: 3.0 is above max = 1.0; exchange them
11: tensor.flat.scale: 0.0 must be above zero
13: tensor.half.zero_point: required key is missing: scale and zero_point come together
15: tensor.empty.min: required key is missing: give min and max, or scale and zero_point
18: tensor.text.min: expected a number, found '0'
21: tensor.huge.min: -1e+39 is no finite float32; give a finite number
23: tensor.part.min: required key is missing: give min and max, or scale and zero_point
27: tensor.zero.zero_point: expected a whole number, found 1.5"""
    )


def test_a_tensor_given_twice_and_broken_toml_are_told_with_their_line(tmp_path: Path) -> None:
    installed = bench(tmp_path, small()).installed
    path = tmp_path / "ranges.toml"
    path.write_text("[tensor.a]\nmin = 0\nmax = 1\n[tensor.a]\n")
    with pytest.raises(QregError, match=r"ranges.toml:4: .*this is not valid TOML"):
        read_ranges(path, installed)
    path.write_text("[tensor.a]\nmin = \nmax = 1\n")
    with pytest.raises(QregError, match=r"ranges.toml:2: .*this is not valid TOML"):
        read_ranges(path, installed)
    path.write_text("")
    with pytest.raises(QregError, match=r"ranges.toml:1: tensor: required key is missing"):
        read_ranges(path, installed)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_data_that_is_not_finite_is_refused_by_sample(tmp_path: Path, value: float) -> None:
    floats = bench(tmp_path, small(4), 12)
    floats.data["x"][6, 1, 2, 3] = value

    with pytest.raises(
        QregError, match=rf"data.npz, sample 6: input 'x' holds {value}; remove the"
    ):
        floats.calibrate()


def test_a_network_that_overflows_is_told_by_tensor_layer_and_sample(tmp_path: Path) -> None:
    floats = bench(tmp_path, small(), 5)
    floats.data["x"][3] = np.copysign(3e38, WEIGHT[0, :, :1, :1])

    with pytest.raises(
        QregError, match=r"sample 3: tensor 'a', made by layer 'a', becomes -?inf; the"
    ):
        floats.calibrate()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"y": np.zeros((2, 3, 5, 4), np.float32)},
            "has no array for model input 'x'; did you|known",
        ),
        (
            {"x": np.zeros((2, 3, 4, 5), np.float32)},
            r"'x' is \[2, 3, 4, 5\]; input 'x' needs \[samples",
        ),
        ({"x": np.zeros((0, 3, 5, 4), np.float32)}, r"'x' is \[0, 3, 5, 4\]; input 'x' needs"),
        ({"x": np.zeros((2, 3, 5, 4), np.uint8)}, "'x' is uint8; the model reads float32: prepare"),
        ({"x": np.array([{}, {}])}, "is no .npz of plain arrays"),
    ],
)
def test_data_that_does_not_fit_is_refused(
    tmp_path: Path, data: dict[str, Array], message: str
) -> None:
    with pytest.raises(QregError, match=message):
        evolve(bench(tmp_path, small()), data=data).calibrate()


def test_fewer_samples_than_a_batch_are_refused(tmp_path: Path) -> None:
    with pytest.raises(QregError, match="3 samples are fewer than the model's batch of 4"):
        bench(tmp_path, small(4), 3).calibrate()


def test_files_that_are_no_data_are_refused(tmp_path: Path) -> None:
    floats = bench(tmp_path, small())
    for name, content in (("a.npz", b"PK\x03\x04 torn"), ("b.npz", b""), ("c.npz", b"text")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(QregError, match=rf"{name}: is no .npz of plain arrays"):
            floats.run("calibrate", data=str(tmp_path / name))
    np.save(tmp_path / "d.npy", np.zeros(3))
    with pytest.raises(QregError, match=r"d.npy: is one array; save with numpy.savez\(x=...\)"):
        floats.run("calibrate", data=str(tmp_path / "d.npy"))
    with pytest.raises(QregError, match=r"data: no such file: .*no\.npz"):
        floats.run("calibrate", data=str(tmp_path / "no.npz"))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"output": "../ranges.toml"}, "output: 'output' must be a file name without folders"),
        ({"samples": -1}, "samples: 'samples' must not be negative, found -1"),
    ],
)
def test_parameters_are_checked(tmp_path: Path, params: dict[str, object], message: str) -> None:
    with pytest.raises(QregError, match=message):
        bench(tmp_path, small()).calibrate(**params)


def mish(call: OpCall, inputs: tuple[Array, ...]) -> tuple[Array]:
    (x,) = inputs
    return ((x * np.tanh(np.log1p(np.exp(x)))).astype(np.float32),)


def like_input(call: OpCall) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return ((call.input(0).dtype, call.input(0).shape),)


def test_an_op_that_only_a_plugin_can_compute_is_calibrated_by_its_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = OpSpec(
        name="mish2", targets=("com.example.Mish2",), shape=f"{__name__}:like_input",
        reference=f"{__name__}:mish",
    )  # fmt: skip
    proto = network(
        [helper.make_node("Mish2", ["x"], ["m"], "m", domain="com.example"), node("Relu", "m", "y")],
        (1, 2, 3), "y",
    )  # fmt: skip
    proto.graph.value_info.append(helper.make_tensor_value_info("m", TensorProto.FLOAT, (1, 2, 3)))
    proto.opset_import.append(helper.make_opsetid("com.example", 1))
    floats = with_entries(bench(tmp_path, proto), Entry("mish", "dist", "1", __name__, spec))

    floats.calibrate()

    (m,) = mish(None, (floats.data["x"],))  # type: ignore[arg-type]
    assert measured(floats)["m"] == (m.min(), m.max())
