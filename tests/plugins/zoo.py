"""Networks whose multiply-accumulates are known by hand: what counters are measured against.

They are written out here, so that no test needs a model library. ``zoo_vision`` and
``zoo_sequences`` hold the published architectures, this module the ways of computing that counters
get wrong: functional calls, bare parameters, data-dependent loops, modules called more than once.
"""

from collections.abc import Callable

import torch
import zoo_sequences as sequences
import zoo_vision as vision
from attrs import frozen
from torch import Tensor, nn
from torch.nn import functional as F


@frozen
class ZooModel:
    """``build()`` makes the module, ``inputs()`` what it is called with, ``truth()`` its MACs."""

    build: Callable[[], nn.Module]
    inputs: Callable[[], tuple[Tensor, ...]]
    truth: Callable[[], int]


class Functional(nn.Module):
    """Contractions that no module stands for."""

    def __init__(self) -> None:
        super().__init__()

        def parameter(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape))

        self.kernel, self.tall, self.square = (
            parameter(16, 3, 3, 3), parameter(64, 16 * 1024), parameter(64, 64)
        )  # fmt: skip
        self.p, self.q = parameter(5, 7, 11), parameter(5, 11, 13)
        self.r, self.t = parameter(2, 8, 10, 3), parameter(2, 8, 3, 12)
        self.tokens, self.vector = parameter(2, 2, 16, 8), parameter(64)

    def forward(self, x: Tensor) -> Tensor:
        y = F.conv2d(x, self.kernel, padding=1)
        y = F.linear(y.flatten(1), self.tall) @ self.square
        products = torch.bmm(self.p, self.q)
        sums = torch.einsum("bijk,bikl->bijl", self.r, self.t)
        mixed = F.scaled_dot_product_attention(self.tokens, self.tokens, self.tokens)
        column = torch.mv(self.square, self.vector)
        return y.sum() + products.sum() + sums.sum() + mixed.sum() + column.sum()


def functional_macs() -> int:
    y = 2 * (vision.conv_macs(3, 16, 3, 32) + 16 * 1024 * 64 + 64 * 64)
    products = 5 * 7 * 11 * 13
    sums = 2 * 8 * 10 * 3 * 12
    mixed = 2 * 2 * (2 * 16 * 16 * 8)
    column = 64 * 64
    return y + products + sums + mixed + column


class Loop(nn.Module):
    """Runs as often as its data say: three times, and never into ``big``."""

    def __init__(self) -> None:
        super().__init__()
        self.step, self.out, self.big = nn.Linear(64, 64), nn.Linear(64, 10), nn.Linear(64, 4096)

    def forward(self, x: Tensor) -> Tensor:
        trips = 0
        while x.abs().sum() > -1 and trips < 3:
            x = torch.tanh(self.step(x))
            trips += 1
        return self.big(x)[:, :10] if x.sum() > 1e9 else self.out(x)


def loop_macs() -> int:
    return 2 * (3 * 64 * 64 + 64 * 10)


class Shared(nn.Module):
    """One convolution on three levels of a pyramid, one linear layer three times."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(16, 32, 3, padding=1), nn.Linear(64, 64)

    def forward(self, x: Tensor) -> Tensor:
        levels = [self.conv(x), self.conv(F.max_pool2d(x, 2)), self.conv(F.max_pool2d(x, 4))]
        v = x[:, :4, :4, :4].flatten(1)
        for _ in range(3):
            v = self.linear(v)
        return sum((level.mean() for level in levels), v.mean())


def shared_macs() -> int:
    return sum(vision.conv_macs(16, 32, 3, side) for side in (32, 16, 8)) + 3 * 64 * 64


class ParametersOnly(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.randn(64, 128)), nn.Parameter(torch.randn(128, 10))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x @ self.a) @ self.b


def parameters_only_macs() -> int:
    return 4 * 64 * 128 + 4 * 128 * 10


def _image(side: int) -> Callable[[], tuple[Tensor, ...]]:
    return lambda: (torch.zeros(1, 3, side, side),)


def _ids(tokens: int) -> Callable[[], tuple[Tensor, ...]]:
    return lambda: (torch.zeros(1, tokens, dtype=torch.int64),)


def _zeros(*shape: int) -> Callable[[], tuple[Tensor, ...]]:
    return lambda: (torch.zeros(shape),)


ZOO: dict[str, ZooModel] = {
    "resnet18": ZooModel(
        lambda: vision.ResNet(vision.Basic, (2, 2, 2, 2)),
        _image(224),
        lambda: vision.resnet_macs((2, 2, 2, 2), bottleneck=False),
    ),
    "resnet50": ZooModel(
        lambda: vision.ResNet(vision.Bottleneck, (3, 4, 6, 3)),
        _image(224),
        lambda: vision.resnet_macs((3, 4, 6, 3), bottleneck=True),
    ),
    "mobilenet_v2": ZooModel(vision.MobileNetV2, _image(224), vision.mobilenet_v2_macs),
    "efficientnet_b0": ZooModel(vision.EfficientNetB0, _image(224), vision.efficientnet_b0_macs),
    "vit_b16_module": ZooModel(lambda: sequences.ViT(False), _image(224), sequences.vit_macs),
    "vit_b16": ZooModel(lambda: sequences.ViT(True), _image(224), sequences.vit_macs),
    "bert_base": ZooModel(sequences.Bert, _ids(128), sequences.bert_macs),
    "gpt2": ZooModel(sequences.Gpt2, _ids(128), sequences.gpt2_macs),
    "llama_gqa": ZooModel(sequences.Llama, _ids(256), sequences.llama_macs),
    "conv_kinds": ZooModel(vision.ConvKinds, _image(32), vision.conv_kinds_macs),
    "lstm": ZooModel(sequences.Lstm, _zeros(4, 50, 256), sequences.lstm_macs),
    "functional": ZooModel(Functional, _zeros(2, 3, 32, 32), functional_macs),
    "loop": ZooModel(Loop, _zeros(2, 64), loop_macs),
    "shared": ZooModel(Shared, _zeros(1, 16, 32, 32), shared_macs),
    "parameters_only": ZooModel(ParametersOnly, _zeros(4, 64), parameters_only_macs),
    "resnet20_a": ZooModel(vision.CifarResNet, _image(32), vision.cifar_resnet_macs),
}
