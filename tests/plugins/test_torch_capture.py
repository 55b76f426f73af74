"""Real runs where numbers are needed, example inputs, exported programs, and counting again."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the torch extra")

import torch_nets as nets
import zoo
from torch.nn.utils import parametrize

import qreg
from qreg.catalogue import Catalogue
from qreg.errors import QregError
from qreg_torch.capture import capture
from qreg_torch.trace import trace_module, trace_program

nn = torch.nn
NOTHING = Catalogue()


def test_what_depends_on_numbers_runs_for_real_and_says_so() -> None:
    trace = capture(zoo.Loop(), torch.ones(2, 64)).trace()

    assert trace.source == (
        "the dispatcher on a real run, because: RuntimeError: Tensor.item() cannot be called on meta "
        "tensors"
    )
    assert [c.name for c in trace.calls if c.op == "linear"] == ["step", "step#2", "step#3", "out"]


def test_what_decides_the_way_through_the_code_counts_as_read() -> None:
    trace = capture(zoo.Loop(), torch.ones(2, 64)).trace()

    compared = [c.output.name for c in trace.calls if c.op == "gt"]
    assert set(compared) < set(trace.outputs)


def test_in_a_real_run_only_what_the_module_holds_is_known() -> None:
    class Scaled(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, x: Any) -> Any:
            return x * torch.full((3,), x.max().item()) * self.weight

    trace = capture(Scaled(), torch.arange(3.0)).trace()

    known = [[t.name for t in c.inputs if t and t.value is not None] for c in trace.calls]
    assert known == [[], [], [], ["weight"]]


def test_a_real_run_reads_the_numbers_of_the_module_itself() -> None:
    module = zoo.Loop()
    trace = capture(module, torch.ones(2, 64)).trace()
    with torch.no_grad():
        module.out.weight.fill_(7)

    out = trace.calls[-1]
    assert (out.name, out.input(1).name) == ("out", "out.weight")
    assert (out.input(1).numpy() == 7).all()


class Rows(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 3)

    def forward(self, ids: Any, gain: Any) -> Any:
        return self.embed(ids.reshape(-1)) * gain


@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
def test_sparse_tensors_run_for_real() -> None:
    class Sparse(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("rows", torch.eye(4).to_sparse_csr())
            self.register_buffer("pairs", torch.eye(4).to_sparse())

        def forward(self, x: Any) -> Any:
            return self.rows @ x + torch.sparse.mm(self.pairs, x)

    trace = capture(Sparse(), shapes={"x": [4, 2]}).trace()

    known = {t.name: t for c in trace.calls for t in c.parameters}
    assert trace.source.startswith(
        "the dispatcher on a real run, because: NotImplementedError: tensors of"
    )
    assert sorted(known) == ["pairs", "rows"]
    assert known["rows"].numpy().tolist() == np.eye(4).tolist()


def test_an_input_used_as_indices_is_made_of_integers() -> None:
    calls = capture(Rows(), shapes={"ids": [2, 2], "gain": [3]}).trace().calls

    assert [(t.name, t.dtype) for c in calls for t in c.activations if t.name in ("ids", "gain")] == [
        ("ids", "int64"), ("gain", "float32"),
    ]  # fmt: skip


def test_the_onnx_path_makes_the_same_input_of_integers() -> None:
    model = qreg.load(Rows(), shape={"ids": [2, 2], "gain": [3]})

    assert {v.name: str(v.dtype) for v in model.graph.inputs} == {"ids": "INT64", "gain": "FLOAT"}


def test_example_inputs_are_taken_as_they_are() -> None:
    with pytest.raises(QregError) as caught:
        capture(Rows(), {"ids": torch.zeros(2), "gain": torch.ones(3)})

    assert str(caught.value) == (
        "input 'ids' is used as indices, and its example holds real numbers; give integers"
    )


@pytest.mark.parametrize(
    ("module", "shapes", "text"),
    [
        (nn.Linear(4, 2), {"input": [3, 5]},
         "the module cannot run on input [3, 5]: RuntimeError: mat1 and mat2 shapes cannot be mult"),
        (nn.LazyLinear(2), {"input": [3, 4]}, "weight has no size yet: run the module once before"),
        (nn.Linear(4, 2), {}, "an nn.Module does not say what it takes"),
        (nn.Linear(4, 2), {"x": [3, 4]}, "forward has no parameter 'x'; it takes 'input'"),
        (zoo.Loop().to("meta"), {"x": [2, 64]},
         "the module lies on the meta device and cannot run there: RuntimeError: Tensor.item()"),
    ],
)  # fmt: skip
def test_a_module_that_cannot_run_is_told_in_one_line(
    module: Any, shapes: dict[str, list[int]], text: str
) -> None:
    with pytest.raises(QregError) as caught:
        capture(module, shapes=shapes)

    assert str(caught.value).startswith(text)
    assert "\n" not in str(caught.value)


def test_a_callable_may_give_inputs_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "own_net.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def forward(self, a, *, b): return a + b\n"
        "def named(): return Net(), {'b': torch.ones(3), 'a': torch.ones(2, 3)}\n"
        "def odd(): return Net(), 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    (add,) = trace_module("own_net:named", {}, NOTHING).calls

    assert [t.name for t in add.inputs if t] == ["a", "b"]
    with pytest.raises(QregError, match=r"own_net:odd: example inputs are a tuple.*, not int"):
        trace_module("own_net:odd", {}, NOTHING)


def test_sizes_that_are_asked_for_replace_those_of_the_examples() -> None:
    calls = capture(Rows(), {"ids": torch.ones(2, 2).long(), "gain": torch.ones(3)}, {"ids": [7]})

    assert calls.trace().calls[-1].output.shape == (7, 3)


class Block(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.act = nn.Linear(4, 4), nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        return self.act(self.linear(x)) * 0.5


class Program(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Block(), Block()

    def forward(self, x: Any, *, shift: Any) -> Any:
        return {"y": self.second(self.first(x)) + shift}


def test_an_exported_program_has_the_layers_of_its_module(tmp_path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=9)
    dynamic = {"x": {0: batch}, "shift": None}
    inputs = {"x": torch.ones(2, 4), "shift": torch.ones(4)}
    program = torch.export.export(Program(), (), inputs, dynamic_shapes=dynamic)
    torch.export.save(program, tmp_path / "net.pt2")

    live = capture(Program(), inputs).trace()
    loaded = trace_program(tmp_path / "net.pt2", {"x": [5, 4]}, NOTHING)

    shown = [(c.name, c.op) for c in loaded.calls]
    assert shown == [(c.name, c.op) for c in live.calls]
    assert shown[:3] == [("first.linear", "linear"), ("first.act", "relu"), ("first", "mul")]
    assert loaded.calls[0].output.shape == (5, 4)
    with pytest.raises(QregError, match="there is no input 'z'; known: shift, x"):
        trace_program(program, {"z": [1]}, NOTHING)


def test_counting_again_reads_the_weights_as_they_are_then() -> None:
    module = nets.Parametrised()
    captured = capture(module, shapes={"x": [2, 3, 8]})
    first = captured.trace().calls[0].input(1).numpy().copy()
    seen = captured.observed

    with torch.no_grad():
        module.conv.parametrizations.weight.original.zero_()
    again = captured.trace()

    assert first.any()
    assert not again.calls[0].input(1).numpy().any()
    assert captured.observed is seen


def test_a_trace_computes_a_weight_once() -> None:
    runs = []

    class Counts(nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, weight: Any) -> Any:
            runs.append(1)
            return weight * 2

    module = nn.Linear(3, 3)
    parametrize.register_parametrization(module, "weight", Counts())
    del runs[:]

    trace = capture(module, shapes={"input": [1, 3]}).trace()
    assert len(runs) == 1
    numbers = [trace.calls[0].input(1).numpy() for _ in range(2)]

    assert len(runs) == 2
    np.testing.assert_array_equal(numbers[0], numbers[1])


@pytest.mark.parametrize("change", ["replaced", "grown", "quantised", "number"])
def test_counting_again_watches_again_where_the_module_may_run_otherwise(change: str) -> None:
    module = nn.Sequential(nn.Linear(4, 4), nets.Looks())
    captured = capture(module, shapes={"input": [1, 4]})
    captured.trace()

    if change == "replaced":
        module[0] = nn.Linear(4, 6)
    elif change == "grown":
        module.append(nn.ReLU())
    elif change == "quantised":
        parametrize.register_parametrization(module[0], "weight", nets.Half())
    else:
        with torch.no_grad():
            module[1].gain.fill_(9)
    trace = captured.trace()

    fresh = capture(module, shapes={"input": [1, 4]}).trace()
    assert [(c.name, c.output.shape, c.attributes) for c in trace.calls] == [
        (c.name, c.output.shape, c.attributes) for c in fresh.calls
    ]
    (mul,) = (c for c in trace.calls if c.op == "mul")
    assert mul.attributes["other"] == (9.0 if change == "number" else 2.5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # importing the compiler
def test_a_compiled_module_is_watched_without_being_compiled() -> None:
    module = torch.compile(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))

    assert [c.name for c in capture(module, shapes={"input": [1, 4]}).trace().calls] == ["0", "1"]


def test_forward_may_use_gradients() -> None:
    class Slope(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 1)

        def forward(self, x: Any) -> Any:
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                return torch.autograd.grad(self.linear(x).sum(), x)[0]

    calls = capture(Slope(), shapes={"x": [3, 4]}).trace().calls

    assert [c.op for c in calls if c.op in ("addmm", "mm")] == ["addmm", "mm"]


def test_a_higher_order_op_is_refused_by_name() -> None:
    class Chooses(nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x: Any) -> Any:
            return torch.ops.higher_order.cond(x.sum() > 0, torch.relu, torch.neg, (x,))

    with pytest.raises(QregError, match=re.escape("cond takes functions: what they run cannot")):
        capture(Chooses(), shapes={"x": [3]})


def test_a_mark_for_the_profiler_is_no_op() -> None:
    class Marked(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            with torch.profiler.record_function("head"):
                return self.head(x)

    trace = capture(Marked(), torch.ones(4, 3)).trace()

    assert [c.op for c in trace.calls] == ["linear"]
    assert trace.source == "the dispatcher on meta tensors"


class DrawnFromData(nn.Module):  # type: ignore[misc,name-defined]
    """Between two layers it multiplies by a number that it reads from its input."""

    def __init__(self, read: Any) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)
        self.read = read
        with torch.no_grad():
            for tensor in (self.first.weight, self.first.bias):
                tensor[1:] = 0

    def forward(self, x: Any) -> Any:
        number = float(self.read(torch.relu(self.first(x))))
        return self.last(torch.zeros(1, 4, 1, 1) + number + 0 * x[:, :1])


@pytest.mark.parametrize(
    "read",
    [lambda x: x.max().item(), lambda x: x.numpy().max(), lambda x: x.tolist()[0][0][0][0]],
    ids=["item", "numpy", "tolist"],
)
def test_nothing_is_known_of_what_is_computed_with_numbers_of_the_input(read: Any) -> None:
    """What ran before the first of them is known all the same."""
    found = qreg.count(DrawnFromData(read), shape=(1, 3, 5, 5), prove=True)

    first, last = (x for x in found.layers if x["op"] == "conv2d")

    assert (first["name"], first["null_out"], first["macs_needed"]) == ("first", [1, 2, 3], 75)
    assert (last["name"], last["null_in"], last["macs_needed"]) == ("last", [], last["macs"])
