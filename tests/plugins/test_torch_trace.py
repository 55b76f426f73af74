"""What a module runs, watched through PyTorch's dispatcher: every trace is computed again."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from qreg.records import Array, Trace

torch = pytest.importorskip("torch", reason="needs the torch extra")

import torch_nets as nets
import zoo_vision as vision
from torch.nn import functional as F

import qreg
from qreg_onnx.graph import op_calls
from qreg_torch.arrays import to_array
from qreg_torch.capture import capture
from qreg_torch.evaluate import evaluate
from qreg_torch.observe import ON_META

nn = torch.nn
Inputs = tuple[Any, ...]


def replayed(trace: Trace, inputs: Mapping[str, Any]) -> dict[str, Array]:
    """Every tensor of the trace by name, from the inputs and the constants' numbers."""
    found = {name: to_array(tensor) for name, tensor in inputs.items()}
    for call in trace.calls:
        arrays = tuple(
            None if t is None else found[t.name] if t.name in found else t.numpy()
            for t in call.inputs
        )
        made = evaluate(call, arrays)
        for tensor, array in zip(call.outputs, made, strict=True):
            assert (tensor.shape, tensor.dtype) == (array.shape, array.dtype.name), call
            found[tensor.name] = array
    return found


def tensors(result: Any) -> list[Any]:
    if isinstance(result, torch.Tensor):
        return [result]
    parts = result.values() if isinstance(result, dict) else result
    return [t for part in parts for t in tensors(part)]


@pytest.mark.parametrize(("net", "inputs"), nets.CASES, ids=nets.NAMES)
def test_a_trace_computed_op_by_op_gives_what_the_module_gives(
    net: Callable[[], Any], inputs: Mapping[str, Any]
) -> None:
    torch.manual_seed(0)
    module = net().eval()
    with torch.no_grad():
        expected = [t.clone() for t in tensors(module(**{k: v.clone() for k, v in inputs.items()}))]

    trace = capture(module, dict(inputs)).trace()

    assert trace.source == ON_META
    found = replayed(trace, inputs)
    for name, tensor in zip(trace.outputs, expected, strict=False):
        np.testing.assert_allclose(found[name], to_array(tensor), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("option", ["A", "B"])
def test_layers_have_the_names_of_the_onnx_path(option: str) -> None:
    module = vision.CifarResNet((1, 2, 1), option)

    trace = capture(module, shapes={"x": [1, 3, 32, 32]}).trace()

    from_graph = [c.name for c in op_calls(qreg.load(module, shape={"x": [1, 3, 32, 32]}))]
    batch_norms = {c.name for c in trace.calls if c.op == "batch_norm"}  # the exporter folds them
    assert [c.name for c in trace.calls if c.name not in batch_norms] == from_graph
    assert "layer2.0.bn1" in batch_norms


class Twice(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 2, 1)
        self.act, self.pool = nn.ReLU(), nn.AvgPool1d(2)

    def forward(self, x: Any) -> Any:
        return self.pool(self.act(self.conv(self.act(self.conv(x)) + 1.0)))


def test_a_module_called_twice_has_two_layers() -> None:
    trace = capture(Twice(), shapes={"x": [1, 2, 4]}).trace()

    names = ["conv", "act.relu", "add", "conv#2", "act.relu_1", "pool"]
    assert [c.name for c in trace.calls] == names


def test_a_number_stays_among_the_attributes() -> None:
    add = capture(Twice(), shapes={"x": [1, 2, 4]}).trace().calls[2]

    assert add.target == "aten.add.Tensor"
    assert add.inputs[1] is None
    assert add.attributes == {"other": 1.0, "alpha": 1}


def test_attributes_have_every_argument_of_the_schema_with_its_default() -> None:
    conv = capture(Twice(), shapes={"x": [1, 2, 4]}).trace().calls[0]

    assert conv.attributes == {"stride": (1,), "padding": (0,), "dilation": (1,), "groups": 1}
    assert [t.name for t in conv.inputs if t] == ["x", "conv.weight", "conv.bias"]


def test_types_go_by_their_names_and_nothing_says_where_it_ran() -> None:
    class Cast(nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x: Any) -> Any:
            return x.to(torch.float16) + torch.zeros(2, dtype=torch.float16, device=x.device)

    calls = capture(Cast(), shapes={"x": [2]}).trace().calls

    assert calls[0].attributes["dtype"] == "float16"
    assert calls[1].attributes["device"] is None
    assert calls[2].output.dtype == "float16"


def test_a_list_of_tensors_is_written_out_and_its_length_kept() -> None:
    net, inputs = nets.CASES[nets.NAMES.index("lists")]
    calls = {c.op: c for c in capture(net(), dict(inputs)).trace().calls}

    cat, index = calls["cat"], calls["index"]
    assert [t and t.name for t in cat.inputs] == ["x", "y", "x"]
    assert cat.attributes == {"tensors": 3, "dim": 1}
    assert index.inputs[1] is None  # joined[:, rows] has no indices for the first axis
    assert index.attributes == {"indices": 2}
    assert [o.shape for o in calls["split_with_sizes"].outputs] == [(3, 4), (3, 5)]


def test_an_lstm_stays_whole_with_its_parameters_by_name() -> None:
    trace = capture(nets.Gates(), shapes={"x": [6, 2, 5]}).trace()

    (lstm,) = (c for c in trace.calls if c.op == "lstm")
    assert lstm.name == "lstm"
    assert (lstm.attributes["hx"], lstm.attributes["params"]) == (2, 16)
    assert lstm.inputs[3].name == "lstm.weight_ih_l0"
    assert [o.shape for o in lstm.outputs] == [(6, 2, 14), (4, 2, 7), (4, 2, 7)]


def test_tied_tensors_have_one_name() -> None:
    trace = capture(nets.Tied(), {"ids": torch.tensor([[1, 2]])}).trace()

    weights = [t.name for c in trace.calls for t in c.parameters if t.shape == (11, 6)]
    assert weights == ["embed.weight"] * 3
    assert [c.name for c in trace.calls if c.op == "linear"] == ["mix", "mix#2", "head", "again"]


def test_views_and_casts_of_a_parameter_are_no_ops_and_keep_its_name() -> None:
    trace = capture(nets.Folded(), shapes={"x": [2, 6]}).trace()

    held = {t.name: t for c in trace.calls for t in c.parameters}
    parts = [n for n in held if n.startswith("packed.")]
    assert held["w"].shape == (6, 4)
    assert (held["short"].dtype, held["plain"].shape) == ("float32", (1, 4))
    assert parts == ["packed.chunk", "packed.chunk_1", "packed.chunk_2", "packed.select"]
    assert not {"t", "chunk", "to"} & {c.op for c in trace.calls}


def test_ops_on_parameters_alone_run_every_time_and_their_results_are_known() -> None:
    module = nets.OwnWeights()
    trace = capture(module, shapes={"x": [3, 6]}).trace()

    (bmm,) = (c for c in trace.calls if c.op == "bmm")
    expected = torch.bmm(module.v, module.u).detach().numpy()
    np.testing.assert_array_equal(bmm.output.numpy(), expected)
    first, second = (c for c in trace.calls if c.op == "linear")
    np.testing.assert_array_equal(
        first.input(1).numpy() == 0,
        ((module.w.clamp(-1, 1) * 4).round() * module.mask == 0).numpy(),
    )
    assert (first.name, second.name) == ("linear", "linear_1")


def test_results_of_ops_without_inputs_are_known_but_not_stored() -> None:
    trace = capture(nets.Folded(), shapes={"x": [2, 6]}).trace()

    (arange,) = (c for c in trace.calls if c.op == "arange")
    assert arange.inputs == ()
    np.testing.assert_array_equal(arange.output.numpy(), [1, 2, 3, 4])


def test_ops_of_a_parametrisation_are_not_noted_and_its_result_is_the_weight() -> None:
    module = nets.Parametrised()
    trace = capture(module, shapes={"x": [2, 3, 8]}).trace()

    assert [(c.name, c.op) for c in trace.calls] == [
        ("conv", "conv1d"), ("a", "linear"), ("relu", "relu"), ("b", "linear"), ("last", "linear"),
    ]  # fmt: skip
    with torch.no_grad():
        np.testing.assert_array_equal(trace.calls[0].input(1).numpy(), module.conv.weight.numpy())
        np.testing.assert_array_equal(trace.calls[-1].input(1).numpy(), module.last.weight.numpy())
    assert [t.name for t in trace.calls[3].parameters] == ["a.weight", "b.bias"]


def test_a_batch_norm_in_training_is_traced_as_it_is_used() -> None:
    module = nets.Norms().train()

    trace = capture(module, shapes={"image": [2, 4, 7, 5]}).trace()

    (batch_norm,) = (c for c in trace.calls if c.op == "batch_norm")
    assert batch_norm.attributes["training"] is False


class Statistics(nn.Module):  # type: ignore[misc,name-defined]
    """Updates what it holds, and computes with it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("last", torch.zeros(3))
        self.register_buffer("fixed", torch.ones(3))

    def forward(self, x: Any) -> Any:
        mean, var = self.norm.running_mean, self.norm.running_var
        y = F.batch_norm(x, mean, var, training=True)
        self.count += 1
        y = y / self.count + self.last + self.fixed + self.norm.running_mean
        self.last = y.mean(0)
        return y


def test_what_the_module_overwrites_is_no_constant_and_counts_as_read() -> None:
    trace = capture(Statistics(), shapes={"x": [4, 3]}).trace()

    constants = {t.name for c in trace.calls for t in c.inputs if t and t.value is not None}
    assert constants == {"fixed"}
    mean = trace.calls[-1].output
    assert mean.shape == (3,)
    assert mean.name in trace.outputs


class Overlap(nn.Module):  # type: ignore[misc,name-defined]
    def forward(self, x: Any) -> Any:
        out = torch.zeros_like(x)
        out[:, 0] = x[:, 1] * 2
        return out + 1


def test_nothing_is_known_of_a_tensor_after_a_write_to_a_part_of_it() -> None:
    trace = capture(Overlap(), shapes={"x": [2, 3]}).trace()

    zeros, write, add = (
        next(c for c in trace.calls if c.op == op) for op in ("zeros_like", "copy", "add")
    )
    made = {t.name for c in trace.calls for t in c.outputs}
    assert add.input(0).value is None
    assert add.input(0).name not in made | {"x"}
    assert {zeros.output.name, write.output.name, add.output.name} <= set(trace.outputs)


class Aliases(nn.Module):  # type: ignore[misc,name-defined]
    """Tensors made without an op: ``.data``, and parameters around tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 3))

    def forward(self, x: Any) -> Any:
        y = F.linear(x, self.weight.data)
        z = (y * 2).data + 1
        return nn.Parameter(z) + F.linear(x, self.weight)


def test_a_tensor_made_without_an_op_is_the_one_it_was_made_of() -> None:
    trace = capture(Aliases(), shapes={"x": [2, 3]}).trace()

    names = {t.name for c in trace.calls for t in c.outputs}
    read = {t.name for c in trace.calls for t in c.inputs if t}
    assert [c.input(1).name for c in trace.calls if c.op == "linear"] == ["weight", "weight"]
    assert read == names - set(trace.outputs) | {"x", "weight"}


def test_ops_on_lists_in_place_and_into_given_tensors_have_the_tensors_they_make() -> None:
    class Lists(nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x: Any) -> Any:
            parts = [x * 1, x * 2]
            torch._foreach_add_(parts, 1.0)
            out = torch.empty_like(x)
            return torch.add(*parts, out=out)

    calls = capture(Lists(), shapes={"x": [2]}).trace().calls

    each, add = (next(c for c in calls if c.op == op) for op in ("_foreach_add", "add"))
    assert [t.name for t in each.outputs] == [t.name for t in add.inputs if t]
    assert add.attributes == {"alpha": 1}


def test_outputs_are_the_tensors_of_whatever_forward_returns() -> None:
    from attrs import make_class

    answer = make_class("Answer", ["first", "rest"])

    class Returns(nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x: Any) -> Any:
            y = torch.relu(x)
            return answer(y, {"view": y.view(-1), "more": [x, (y + 1, 2.0)]})

    trace = capture(Returns(), shapes={"x": [2, 3]}).trace()

    relu, view, add = trace.calls
    names = (relu.output.name, view.output.name, "x", add.output.name)
    assert trace.outputs == names


def test_where_nobody_can_look_into_the_result_all_that_is_unread_is_an_output() -> None:
    class Opaque(nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x: Any) -> Any:
            y = torch.relu(x) + 1
            return iter([y])

    trace = capture(Opaque(), shapes={"x": [2]}).trace()

    assert trace.outputs == (trace.calls[-1].output.name,)


def test_huge_modules_cost_nothing() -> None:
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(1 << 16, 1 << 18), nn.ReLU(), nn.Linear(1 << 18, 1 << 16))

    trace = capture(module, shapes={"input": [64, 1 << 16]}).trace()

    assert [c.output.shape for c in trace.calls][-1] == (64, 1 << 16)
    with pytest.raises(
        qreg.errors.QregError, match=re.escape("0.weight: has a size but no numbers")
    ):
        trace.calls[0].input(1).numpy()
