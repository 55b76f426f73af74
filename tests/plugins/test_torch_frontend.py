"""PyTorch modules as models."""

from pathlib import Path

import pytest

import qreg
from qreg.errors import QregError
from qreg_onnx.graph import op_calls

torch = pytest.importorskip("torch", reason="needs the torch extra")
nn = torch.nn


class Net(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU()
        self.head = nn.Linear(4, 2)

    def forward(self, image: "torch.Tensor") -> "torch.Tensor":
        x = self.act(self.norm(self.stem(image)))
        return self.head(x.mean((2, 3)) + 1.0)


def test_layers_carry_module_paths_also_where_a_batch_norm_was_folded() -> None:
    calls = op_calls(qreg.load(Net().eval(), shape={"image": [1, 3, 6, 6]}))

    assert [(c.op, c.name) for c in calls] == [
        ("Conv", "stem"), ("Relu", "act"), ("ReduceMean", "mean"), ("Add", "add"), ("Gemm", "head"),
    ]  # fmt: skip
    assert calls[0].input(0).name == "image"


def test_loading_leaves_the_module_as_it_was() -> None:
    net = Net().train()
    before = {k: v.clone() for k, v in net.state_dict().items()}

    qreg.load(net, shape={"image": [1, 3, 6, 6]})

    assert net.training
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert not net._forward_hooks


def test_loading_leaves_frozen_parts_frozen() -> None:
    net = Net().train()
    net.norm.eval()

    qreg.load(net, shape={"image": [1, 3, 6, 6]})

    assert [name for name, part in net.named_modules() if not part.training] == ["norm"]


class Pair(nn.Module):  # type: ignore[misc,name-defined]
    def forward(self, a: "torch.Tensor", b: "torch.Tensor", *, c: float = 1.0) -> "torch.Tensor":
        return a.sum() * c + b


def test_sizes_are_bound_to_forwards_parameters_by_name() -> None:
    model = qreg.load(Pair(), shape={"b": [2, 5], "a": [3]})

    assert {v.name: tuple(v.shape) for v in model.graph.inputs} == {"a": (3,), "b": (2, 5)}


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ({"x": [3], "b": [2]}, "forward has no parameter 'x'; it takes 'a', 'b', 'c'"),
        ({"a": [3]}, "forward takes 'a', 'b', 'c': 'b' has no size; give it one"),
    ],
)
def test_sizes_for_other_names_are_refused(shape: dict[str, list[int]], text: str) -> None:
    with pytest.raises(QregError) as caught:
        qreg.load(Pair(), shape=shape)

    assert text in str(caught.value)


def test_nothing_of_the_exporting_machine_is_kept() -> None:
    import onnx_ir as ir

    model = qreg.load(Net().eval(), shape={"image": [1, 3, 6, 6]})

    assert b"test_torch_frontend" not in ir.to_proto(model).SerializeToString()


def test_an_exported_program_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(Net().eval(), (torch.zeros(1, 3, 6, 6),)), path)

    assert [c.name for c in op_calls(qreg.load(path))][:2] == ["stem", "act"]


def test_a_callable_gives_a_module_with_its_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    examples = Path(__file__).parents[2] / "examples"
    monkeypatch.syspath_prepend(str(examples))

    calls = op_calls(qreg.load("resnet8:untrained"))

    assert [c.name for c in calls if c.op == "Conv"][-1] == "layer3.0.shortcut"


def test_the_trained_file_and_the_module_have_the_same_layers(
    monkeypatch: pytest.MonkeyPatch, resnet8: Path
) -> None:
    monkeypatch.syspath_prepend(str(resnet8.parent))

    from_file = [(c.name, c.op, c.output.shape) for c in op_calls(qreg.load(resnet8))]
    from_module = [(c.name, c.op, c.output.shape) for c in op_calls(qreg.load("resnet8:untrained"))]

    assert from_file == from_module


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "no_such_package:net",
            "no_such_package:net: cannot be called: ModuleNotFoundError: No module named 'no_such_package'; run ",
        ),
        ("math:pi", "math:pi: cannot be called: TypeError"),
        ("builtins:dict", "builtins:dict: gave dict, not a torch.nn.Module"),
    ],
)
def test_a_source_that_gives_no_module_is_refused(source: str, text: str) -> None:
    with pytest.raises(QregError) as caught:
        qreg.load(source)

    assert text in str(caught.value)


def test_a_module_without_sizes_is_refused_with_the_cure() -> None:
    with pytest.raises(
        QregError, match=r"give the sizes of forward's parameters.*--shape x=1,3,32,32"
    ):
        qreg.load(Net())


def test_a_forward_that_fails_is_told_in_one_line() -> None:
    with pytest.raises(QregError) as caught:
        qreg.load(Net(), shape={"image": [1, 5, 6, 6]})

    assert str(caught.value).startswith("torch.export cannot trace the module: ")
    assert "\n" not in str(caught.value)


def test_a_damaged_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.pt2"
    path.write_bytes(b"not a zip")

    with pytest.raises(QregError, match=r"bad.pt2: is not a program saved by torch.export"):
        qreg.load(path)
