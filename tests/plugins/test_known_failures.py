"""What users of other counters complain about, one test each; the numbers are derived here.

Failures that concern single ops (attention counted 0, grouped transposed convolutions, in-place changes
of hooks) have tests beside the estimators and the tracer; these are the ones of a whole count.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from small_nets import Net

import qreg
from qreg.cli import main

torch = pytest.importorskip("torch")
nn = torch.nn

from zoo_sequences import ViT
from zoo_vision import CifarResNet

F32 = np.float32


class Twice(nn.Module):  # type: ignore[misc,name-defined]
    """One linear layer, called twice and also reachable under a second name."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8, bias=False)
        self.second = self.first

    def forward(self, x):  # type: ignore[no-untyped-def]
        return self.second(self.first(x))


def test_macs_and_flops_are_two_columns_and_neither_is_called_flops_alone() -> None:
    totals = qreg.count(nn.Linear(4, 8, bias=False), shape=(1, 4)).totals

    assert (totals["macs"], totals["flops"], totals["total_flops"]) == (32, 64, 64)


def test_a_module_under_two_names_has_its_parameters_once_and_its_calls_each() -> None:
    totals = qreg.count(Twice(), shape=(1, 8)).totals

    assert (totals["macs"], totals["params"]) == (2 * 64, 64)


def test_counting_again_gives_the_same_and_adds_nothing_up() -> None:
    net = CifarResNet()

    first, again = (qreg.count(net, shape=(1, 3, 32, 32)) for _ in range(2))

    assert first == again


def test_a_network_in_training_is_counted_as_it_predicts_and_stays_in_training() -> None:
    net = CifarResNet().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}

    assert qreg.count(net, shape=(1, 3, 32, 32)).totals["macs"] == 40_551_040

    assert all(part.training for part in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_vision_transformers_are_not_linear_in_tokens() -> None:
    """Twice the pixels on a side: four times the patches, sixteen times the attention."""

    def attention(side: int) -> int:
        tokens = (side // 16) ** 2 + 1
        return 12 * 2 * tokens * tokens * 768

    net = ViT(False)
    small = qreg.count(net, shape=(1, 3, 224, 224), metrics=["macs"])

    scores = [row["macs"] for row in small.layers if row["op"] == "scaled_dot_product_attention"]
    assert sum(scores) == attention(224)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_zero_weights_are_discounted_wherever_they_lie(share: float) -> None:
    layer = nn.Conv2d(8, 16, 3, padding=1, bias=False)
    keep = torch.rand(layer.weight.shape, generator=torch.Generator().manual_seed(0)) >= share
    with torch.no_grad():
        layer.weight.copy_(torch.where(keep, 1.0, 0.0))

    totals = qreg.count(layer, shape=(1, 8, 5, 7)).totals

    assert totals["macs"] == 8 * 16 * 9 * 5 * 7
    assert totals["macs_nonzero"] == int(keep.sum()) * 5 * 7
    assert totals["bops_paper"] == totals["macs_nonzero"] * 32 * 32


def test_a_residual_sum_without_requantising_does_not_widen_what_was_not_multiplied() -> None:
    """BOPs come from products; an addition has none, whatever its operands' widths."""
    rng = np.random.default_rng(0)
    net = Net()
    x = net.input(1, 4, 6, 6)
    y = net.conv(x, rng.normal(size=(4, 4, 3, 3)).astype(F32), "a", pads=[1, 1, 1, 1])
    net.op("Add", x, y, name="sum")

    rows = {row["name"]: row for row in qreg.count(net.model("sum.out")).layers}

    assert rows["a"]["bops_dense"] == 4 * 4 * 9 * 36 * 32 * 32
    assert rows["sum"]["bops_dense"] == 0


def test_an_open_batch_size_asks_for_a_size_and_takes_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weight = onnx.numpy_helper.from_array(np.ones((3, 4), F32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "product")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("batch", 4))],
        [weight],
    )
    path = tmp_path / "open.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)

    assert main(["count", str(path)]) == 1
    assert "'x'" in capsys.readouterr().err
    assert main(["count", str(path), "--input-shape", "5,3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["macs"] == 5 * 3 * 4


def test_a_dynamically_quantised_input_is_counted_not_dropped() -> None:
    rng = np.random.default_rng(0)
    weight = rng.integers(-128, 128, (6, 4)).astype(np.int8)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"], "quantise"),
        helper.make_node("MatMulInteger", ["q", "w", "z"], ["y"], "product"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (3, 6))],
        [helper.make_tensor_value_info("y", TensorProto.INT32, (3, 4))],
        [onnx.numpy_helper.from_array(weight, "w")],
    )

    record = qreg.count(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]))

    rows = {row["name"]: row for row in record.layers}
    assert record.unknown == ()
    assert rows["product"]["macs"] == 3 * 6 * 4
    assert (rows["product"]["weight_bits"], rows["product"]["activation_bits"]) == (8, 8)
    assert rows["quantise"]["elementwise_flops"] > 0


def test_a_model_too_large_for_memory_is_counted_on_meta() -> None:
    """70 billion parameters: nothing is allocated, nothing is computed."""
    with torch.device("meta"):
        net = nn.Sequential(*(nn.Linear(65_536, 65_536, bias=False) for _ in range(16)))

    totals = qreg.count(net, shape=(1, 65_536), metrics=["macs", "params"]).totals

    assert totals == {"macs": 16 * 65_536**2, "params": 16 * 65_536**2}
