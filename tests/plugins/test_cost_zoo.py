"""Sixteen networks whose multiply-accumulates are known by hand, counted without an error.

Every other counter errs on some: as PyTorch's dispatcher shows them on meta tensors, in a real run,
taken apart for gradients, and as exported to ONNX.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable

import pytest
from cost_calls import dispatched, installed

from qreg.records import OpCall
from qreg_cost.estimate_cost import cost_of
from qreg_onnx.graph import op_calls

torch = pytest.importorskip("torch")

import zoo_sequences as sequences
import zoo_vision as vision
from zoo import ZOO, Functional

import qreg
from qreg_torch.capture import capture

LARGE = {"resnet50", "vit_b16", "vit_b16_module", "bert_base", "gpt2"}  # seconds for a real run


def counted(calls: Iterable[OpCall]) -> tuple[int, Counter[str]]:
    """The sum of what is known, and which ops are not."""
    macs, unknown = 0, Counter[str]()
    for call in calls:
        cost = cost_of(call, installed())
        if cost is None:
            unknown[call.target] += 1
        else:
            macs += cost.macs
    return macs, unknown


@pytest.mark.parametrize("name", ZOO)
def test_watched_on_meta_tensors(name: str) -> None:
    """Only the loop that looks at its data runs for real."""
    model = ZOO[name]

    trace = capture(model.build(), model.inputs(), catalogue=installed()).trace()

    assert counted(trace.calls) == (model.truth(), {})
    assert trace.source.startswith("the dispatcher on meta") == (name != "loop")


@pytest.mark.parametrize("name", ZOO)
def test_taken_apart_for_gradients(name: str) -> None:
    """What training and ``no_grad`` show: linear layers and attention as mm and bmm."""
    model = ZOO[name]
    with torch.device("cpu" if name == "loop" else "meta"), torch.no_grad():
        module, inputs = model.build().eval(), model.inputs()
        calls = dispatched(lambda: module(*inputs))

    assert counted(calls)[0] == model.truth()


@pytest.mark.parametrize("name", [n for n in ZOO if n not in LARGE])
def test_in_a_real_run(name: str) -> None:
    """On a CPU: its attention kernel, oneDNN's LSTM, the fused op of nn.MultiheadAttention."""
    model = ZOO[name]
    module = model.build().eval()
    with torch.no_grad():
        calls = dispatched(lambda: module(*model.inputs()))

    assert counted(calls)[0] == model.truth()


@pytest.mark.parametrize(
    ("packed", "op"),
    [(True, "aten._scaled_dot_product_flash_attention_for_cpu.default"),
     (False, "aten._native_multi_head_attention.default")],
)  # fmt: skip
def test_one_layer_of_a_vision_transformer_in_a_real_run(packed: bool, op: str) -> None:
    layer, x = sequences.Encoder(768, 12, 3072, packed).eval(), torch.zeros(1, 197, 768)
    with torch.no_grad():
        calls = dispatched(lambda: layer(x))

    assert op in {call.target for call in calls}
    assert counted(calls)[0] == vit_layer_macs()


def vit_layer_macs() -> int:
    return 4 * 768 * 768 * 197 + 2 * 768 * 3072 * 197 + sequences.attention_macs(197, 768)


@pytest.mark.parametrize(
    ("name", "first_layer"),
    [("resnet18", vision.conv_macs(3, 64, 7, 112)), ("mobilenet_v2", vision.conv_macs(3, 32, 3, 112)),
     ("conv_kinds", vision.conv_macs(3, 32, 3, 32)), ("parameters_only", 4 * 64 * 128),
     ("resnet20_a", vision.conv_macs(3, 16, 3, 32)), ("vit_b16", vision.conv_macs(3, 768, 16, 14)),
     ("gpt2", 0), ("llama_gqa", 0), ("lstm", 0)],
)  # fmt: skip
def test_a_training_step_costs_three_forward_passes_but_for_the_first_gradient(
    name: str, first_layer: int
) -> None:
    """Nobody needs the gradient of the input; oneDNN's LSTM computes it all the same."""
    model = ZOO[name]
    with torch.device("cpu" if name == "lstm" else "meta"):
        module, inputs = model.build().train(), model.inputs()
        calls = dispatched(lambda: module(*inputs).sum().backward())

    assert counted(calls)[0] == 3 * model.truth() - first_layer


# Exported to ONNX -------------------------------------------------------------------------------


def one_layer(name: str) -> tuple[torch.nn.Module, int]:
    """A vision transformer with the first of its twelve layers."""
    model = ZOO[name].build()
    model.layers = model.layers[:1]
    return model, ZOO[name].truth() - 11 * vit_layer_macs()


def functional() -> tuple[torch.nn.Module, int]:
    """What does not depend on the input is a constant in the graph: nothing is left to multiply."""
    constant = 5 * 7 * 11 * 13 + 2 * 8 * 10 * 3 * 12 + 2 * 2 * (2 * 16 * 16 * 8) + 64 * 64
    return Functional(), ZOO["functional"].truth() - constant


SMALLER: dict[str, Callable[[], tuple[torch.nn.Module, int]]] = {
    "resnet18": lambda: (
        vision.ResNet(vision.Basic, (1, 1, 1, 1)), vision.resnet_macs((1, 1, 1, 1), False)
    ),
    "resnet50": lambda: (
        vision.ResNet(vision.Bottleneck, (1, 1, 1, 1)), vision.resnet_macs((1, 1, 1, 1), True)
    ),
    "mobilenet_v2": lambda: (vision.MobileNetV2(), vision.mobilenet_v2_macs()),
    "efficientnet_b0": lambda: (vision.EfficientNetB0(), vision.efficientnet_b0_macs()),
    "vit_b16": lambda: one_layer("vit_b16"),
    "vit_b16_module": lambda: one_layer("vit_b16_module"),
    "bert_base": lambda: (sequences.Bert(1), sequences.bert_macs(128, 1)),
    "gpt2": lambda: (sequences.Gpt2(1), sequences.gpt2_macs(128, 1)),
    "functional": functional,
}  # fmt: skip


@pytest.mark.parametrize("name", [n for n in ZOO if n != "loop"])  # torch.export refuses the loop
def test_exported_to_onnx(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The large networks with one block or layer of each kind, by the same formulas."""
    for table, count in (("MOBILENET_V2", 2), ("EFFICIENTNET_B0", 4)):
        rows = [(*row[:count], 1, *row[count + 1 :]) for row in getattr(vision, table)]
        monkeypatch.setattr(vision, table, tuple(rows))
    model = ZOO[name]
    make = SMALLER.get(name, lambda: (model.build(), model.truth()))
    module, truth = make()
    (x,) = model.inputs()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.export has something to say of an LSTM
        program = torch.export.export(module.eval(), (x,))

    graph = qreg.load(program)

    assert counted(op_calls(graph)) == (truth, {})
