"""Torchvision's architectures cost what torchvision publishes, and no op of theirs is left out.

Source: torchvision weight metadata, see ``zoo_torchvision``.
"""

from collections.abc import Callable
from functools import cache

import pytest

torch = pytest.importorskip("torch")

import zoo_torchvision_blocks as blocks
import zoo_torchvision_convs as convs
import zoo_torchvision_dense as dense
import zoo_torchvision_windows as windows
import zoo_vision as vision
from torch import nn
from zoo_torchvision import TORCHVISION

import qreg
from qreg_cost.records import Counted

ROUNDED = 500_000  # half of the last decimal that is published

# A bias that is cloned and written to in part counts as the part that stays.
WRITTEN = "of a bias that is written to, only what stays counts"
PARAMETERS = [
    pytest.param(n, marks=[pytest.mark.xfail(strict=True, reason=WRITTEN)] * (n == "swin_v2_t"))
    for n in TORCHVISION
]


@cache
def counted(name: str) -> tuple[nn.Module, Counted]:
    """A network without numbers, and what it costs."""
    published = TORCHVISION[name]
    with torch.device("meta"):
        module = published.build()
    return module, qreg.count(module, shape=published.shape, metrics=["macs", "params"])


@pytest.mark.parametrize("name", TORCHVISION)
def test_multiply_accumulates_are_those_published(name: str) -> None:
    _, record = counted(name)

    assert abs(record.totals["macs"] - 1e9 * TORCHVISION[name].gmacs) <= ROUNDED
    assert record.unknown == ()
    assert record.source == "the dispatcher on meta tensors"


@pytest.mark.parametrize("name", TORCHVISION)
def test_the_definition_has_the_published_parameters(name: str) -> None:
    module, _ = counted(name)

    assert sum(p.numel() for p in module.parameters()) == TORCHVISION[name].params


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_those_published(name: str) -> None:
    """But for those that only training reads."""
    _, record = counted(name)

    assert record.totals["params"] == TORCHVISION[name].params - TORCHVISION[name].unread


# With numbers: a block or two of each kind -------------------------------------------------------

SMALLER: dict[str, Callable[[], nn.Module]] = {
    "squeezenet": lambda: convs.squeezenet((64, 3), convs.SQUEEZENET_1_1[:5], 10),
    "densenet": lambda: convs.densenet((2, 2)),
    "googlenet": convs.googlenet,
    "resnext": lambda: nn.Sequential(blocks.ResNet50(32, 4).layer2, nn.Flatten()),
    "regnet_y": lambda: blocks.regnet(4, 48, 55.78, 2.09, 8, True),
    "shufflenet_v2": lambda: blocks.shufflenet_v2((2, 1, 1)),
    "mobilenet_v2": lambda: nn.Sequential(*vision.MobileNetV2().features[:6]),
    "mobilenet_v3": lambda: blocks.mobilenet_v3(blocks.MOBILENET_V3_LARGE[2:8:2], 64),
    "convnext": lambda: windows.convnext_tiny((1, 1, 1, 1)),
    "swin": lambda: windows.Swin().features[1:3],
    "swin_v2": lambda: windows.Swin(v2=True).features[2:5],
    "maxvit": lambda: windows.maxvit_tiny()[:5],
    "lraspp": dense.LiteSegmentation,
    "r2plus1d": lambda: dense.video_resnet(*[dense.factored] * 4),
}
SHAPES = {
    "resnext": (1, 256, 16, 16),
    "swin": (1, 28, 28, 96),
    "swin_v2": (1, 32, 32, 96),
    "maxvit": (1, 3, 56, 56),
    "r2plus1d": (1, 3, 4, 32, 32),
}
CONTRACTIONS = (nn.Conv2d, nn.Conv3d, nn.Linear)
EXPORTED = ("shufflenet_v2", "mobilenet_v3", "swin")


def shape_of(name: str) -> tuple[int, ...]:
    return SHAPES.get(name, (1, 3, 64, 64))


@pytest.mark.parametrize("name", EXPORTED)
def test_the_exported_graph_has_the_same_multiply_accumulates(name: str) -> None:
    module, shape = SMALLER[name]().eval(), shape_of(name)

    watched = qreg.count(module, shape=shape, metrics=["macs"])
    exported = qreg.count(module, shape=shape, metrics=["macs"], graph=True)

    assert exported.totals == watched.totals
    assert exported.unknown == ()
    assert exported.source == "the ONNX graph"


def pruned(module: nn.Module, share: float = 0.3) -> nn.Module:
    """Filters and their biases zero; batch norms are fresh, so that these channels are null."""
    for part in module.modules():
        if isinstance(part, CONTRACTIONS):
            zero = torch.rand(len(part.weight)) < share
            part.weight.data[zero] = 0
            if part.bias is not None:
                part.bias.data[zero] = 0
    return module.eval()


@pytest.mark.parametrize("name", SMALLER)
def test_channels_are_followed_through_every_op(name: str) -> None:
    torch.manual_seed(0)
    module = pruned(SMALLER[name]())
    first = next(m for m in module.modules() if isinstance(m, CONTRACTIONS))
    zero = [c for c, weight in enumerate(first.weight) if not weight.any()]

    record = qreg.count(module, shape=shape_of(name))

    assert record.unhandled == ()
    assert record.unknown == ()
    stem = next(row for row in record.layers if row["macs"])
    assert zero
    assert stem["null_out"] == zero
    totals = record.totals
    assert totals["macs"] > totals["macs_nonzero"] > totals["macs_zero_in"] >= totals["macs_needed"]
