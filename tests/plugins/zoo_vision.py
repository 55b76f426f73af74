"""Convolutional networks and vision transformers written out with torch.nn alone.

Each network has a function of the same name with ``_macs`` behind it: the multiply-accumulates of
its contractions, from the sizes in its paper and never from the module.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# width factor, blocks and stride of each stage; Sandler et al. 2018, arXiv:1801.04381, table 2
MOBILENET_V2 = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip
# expansion, kernel, stride, channels, blocks; Tan and Le 2019, arXiv:1905.11946, table 1
EFFICIENTNET_B0 = (
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4), (6, 3, 1, 320, 1),
)  # fmt: skip


def conv_macs(inputs: int, outputs: int, kernel: int, side: int, groups: int = 1) -> int:
    """Of a convolution whose output is ``side`` × ``side``."""
    return outputs * side * side * (inputs // groups) * kernel * kernel


def _normed(i: int, o: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    pad = kernel // 2
    return [nn.Conv2d(i, o, kernel, stride, pad, groups=groups, bias=False), nn.BatchNorm2d(o)]


class Basic(nn.Module):
    """Two 3 × 3 convolutions and a shortcut; He et al. 2016, arXiv:1512.03385, figure 5 left.

    ``option`` A is the shortcut without parameters, every second pixel padded with zero channels.
    """

    expansion = 1

    def __init__(self, i: int, width: int, stride: int, option: str = "B") -> None:
        super().__init__()
        self.conv1, self.bn1 = _normed(i, width, 3, stride)
        self.conv2, self.bn2 = _normed(width, width, 3)
        self.shortcut = nn.Sequential()
        self.added = width - i if option == "A" else 0
        if option == "B" and (stride != 1 or i != width):
            self.shortcut = nn.Sequential(*_normed(i, width, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        short = self.shortcut(x)
        if self.added:
            half = self.added // 2
            short = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, self.added - half))
        return F.relu(self.bn2(self.conv2(y)) + short)


class Bottleneck(nn.Module):
    """1 × 1, 3 × 3 with the stride, 1 × 1; figure 5 right, version 1.5."""

    expansion = 4

    def __init__(self, i: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _normed(i, width, 1)
        self.conv2, self.bn2 = _normed(width, width, 3, stride)
        self.conv3, self.bn3 = _normed(width, 4 * width, 1)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or i != 4 * width:
            self.downsample = nn.Sequential(*_normed(i, 4 * width, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class ResNet(nn.Module):
    """ImageNet ResNets; He et al. 2016, table 1."""

    def __init__(self, block: type[Basic] | type[Bottleneck], blocks: Sequence[int]) -> None:
        super().__init__()
        self.conv1, self.bn1 = _normed(3, 64, 7, 2)
        stages, i = [], 64
        for stage, count in enumerate(blocks):
            width, parts = 64 << stage, []
            for index in range(count):
                parts.append(block(i, width, 2 if stage and not index else 1))
                i = width * block.expansion
            stages.append(nn.Sequential(*parts))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nn.Linear(i, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def resnet_macs(blocks: Sequence[int], bottleneck: bool) -> int:
    side, i = 56, 64
    macs = conv_macs(3, 64, 7, 112)
    for stage, count in enumerate(blocks):
        width = 64 << stage
        for index in range(count):
            before, side = side, side // (2 if stage and not index else 1)
            o = 4 * width if bottleneck else width
            if bottleneck:
                macs += conv_macs(i, width, 1, before) + conv_macs(width, o, 1, side)
            else:
                macs += conv_macs(i, width, 3, side)
            macs += conv_macs(width, width, 3, side)
            macs += conv_macs(i, o, 1, side) if i != o else 0
            i = o
    return macs + i * 1000


class CifarResNet(nn.Module):
    """6n + 2 layers for 32 × 32 pixels; He et al. 2016, section 4.2. ``blocks`` are per stage."""

    def __init__(self, blocks: Sequence[int] = (3, 3, 3), option: str = "A") -> None:
        super().__init__()
        self.conv1, self.bn1 = _normed(3, 16, 3)
        stages, i = [], 16
        for stage, count in enumerate(blocks):
            width, parts = 16 << stage, []
            for index in range(count):
                parts.append(Basic(i, width, 2 if stage and not index else 1, option))
                i = width
            stages.append(nn.Sequential(*parts))
        self.layer1, self.layer2, self.layer3 = stages
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = F.avg_pool2d(x, x.size()[3])
        return self.linear(x.view(x.size(0), -1))


def cifar_resnet_macs(blocks: Sequence[int] = (3, 3, 3), option: str = "A", side: int = 32) -> int:
    macs, i = conv_macs(3, 16, 3, side), 16
    for stage, count in enumerate(blocks):
        width = 16 << stage
        for index in range(count):
            side //= 2 if stage and not index else 1
            macs += conv_macs(i, width, 3, side) + conv_macs(width, width, 3, side)
            macs += conv_macs(i, width, 1, side) if option == "B" and i != width else 0
            i = width
    return macs + 64 * 10


class InvertedResidual(nn.Module):
    def __init__(self, i: int, o: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = i * expansion
        parts = [] if expansion == 1 else [*_normed(i, hidden, 1), nn.ReLU6(inplace=True)]
        parts += [*_normed(hidden, hidden, 3, stride, hidden), nn.ReLU6(inplace=True)]
        self.conv = nn.Sequential(*parts, *_normed(hidden, o, 1))
        self.adds = stride == 1 and i == o

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.adds else self.conv(x)


def _mobilenet_blocks() -> Iterator[tuple[int, int, int, int]]:
    """Input and output channels, stride and expansion of each block."""
    i = 32
    for expansion, o, count, stride in MOBILENET_V2:
        for index in range(count):
            yield i, o, 1 if index else stride, expansion
            i = o


class MobileNetV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        parts: list[nn.Module] = [*_normed(3, 32, 3, 2), nn.ReLU6(inplace=True)]
        parts += [InvertedResidual(*sizes) for sizes in _mobilenet_blocks()]
        self.features = nn.Sequential(*parts, *_normed(320, 1280, 1), nn.ReLU6(inplace=True))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


def mobilenet_v2_macs() -> int:
    side, macs = 112, conv_macs(3, 32, 3, 112)
    for i, o, stride, expansion in _mobilenet_blocks():
        hidden = i * expansion
        macs += conv_macs(i, hidden, 1, side) if expansion != 1 else 0
        side //= stride
        macs += conv_macs(hidden, hidden, 3, side, hidden) + conv_macs(hidden, o, 1, side)
    return macs + conv_macs(320, 1280, 1, 7) + 1280 * 1000


class MBConv(nn.Module):
    """An inverted residual with squeeze and excitation; Hu et al. 2018, arXiv:1709.01507."""

    def __init__(self, i: int, o: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden, squeezed = i * expansion, i // 4
        expand = [] if expansion == 1 else [*_normed(i, hidden, 1), nn.SiLU(inplace=True)]
        self.expand = nn.Sequential(*expand)
        self.depthwise = nn.Sequential(
            *_normed(hidden, hidden, kernel, stride, hidden), nn.SiLU(inplace=True)
        )
        self.squeeze = nn.Conv2d(hidden, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, hidden, 1)
        self.project = nn.Sequential(*_normed(hidden, o, 1))
        self.adds = stride == 1 and i == o

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(self.expand(x))
        y = y * torch.sigmoid(self.excite(F.silu(self.squeeze(F.adaptive_avg_pool2d(y, 1)))))
        return x + self.project(y) if self.adds else self.project(y)


def _efficientnet_blocks() -> Iterator[tuple[int, int, int, int, int]]:
    i = 32
    for expansion, kernel, stride, o, count in EFFICIENTNET_B0:
        for index in range(count):
            yield i, o, kernel, 1 if index else stride, expansion
            i = o


class EfficientNetB0(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        parts: list[nn.Module] = [*_normed(3, 32, 3, 2), nn.SiLU(inplace=True)]
        parts += [MBConv(*sizes) for sizes in _efficientnet_blocks()]
        self.features = nn.Sequential(*parts, *_normed(320, 1280, 1), nn.SiLU(inplace=True))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(F.adaptive_avg_pool2d(self.features(x), 1).flatten(1))


def efficientnet_b0_macs() -> int:
    side, macs = 112, conv_macs(3, 32, 3, 112)
    for i, o, kernel, stride, expansion in _efficientnet_blocks():
        hidden = i * expansion
        macs += conv_macs(i, hidden, 1, side) if expansion != 1 else 0
        side //= stride
        macs += conv_macs(hidden, hidden, kernel, side, hidden) + conv_macs(hidden, o, 1, side)
        macs += 2 * hidden * (i // 4)
    return macs + conv_macs(320, 1280, 1, 7) + 1280 * 1000


class ConvKinds(nn.Module):
    """Plain, depthwise, grouped, dilated, transposed and pointwise convolutions in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 32, 3, padding=1)
        self.b = nn.Conv2d(32, 32, 3, padding=1, groups=32)
        self.c = nn.Conv2d(32, 64, 3, padding=1, groups=4)
        self.d = nn.Conv2d(64, 64, 3, padding=2, dilation=2)
        self.e = nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1)
        self.f = nn.Conv2d(32, 16, 3, padding=1)
        self.g = nn.Conv2d(16, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.g(self.f(self.e(self.d(self.c(self.b(self.a(x)))))))


def conv_kinds_macs() -> int:
    transposed = 64 * 32 * 4 * 4 * 32 * 32  # each input pixel meets the whole kernel
    return (
        conv_macs(3, 32, 3, 32)
        + conv_macs(32, 32, 3, 32, 32)
        + conv_macs(32, 64, 3, 32, 4)
        + conv_macs(64, 64, 3, 32)
        + transposed
        + conv_macs(32, 16, 3, 64)
        + conv_macs(16, 8, 1, 64)
    )
