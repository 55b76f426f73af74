"""Convolutional networks as torchvision lays them out, written from their papers.

Straight chains, branches and concatenations; ``zoo_torchvision`` has the published figures.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# channels after each convolution of a stage; Simonyan and Zisserman 2015, arXiv:1409.1556, table 1
VGG_11 = ((64,), (128,), (256, 256), (512, 512), (512, 512))
VGG_16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# squeezed and expanded channels, None a pooling; Iandola et al. 2016, arXiv:1602.07360, table 1
SQUEEZENET_1_0 = (
    None, (16, 64), (16, 64), (32, 128), None, (32, 128), (48, 192), (48, 192), (64, 256), None,
    (64, 256),
)  # fmt: skip
SQUEEZENET_1_1 = (
    None, (16, 64), (16, 64), None, (32, 128), (32, 128), None, (48, 192), (48, 192), (64, 256),
    (64, 256),
)  # fmt: skip
# pointwise, 3 by 3 reduced and full, 5 by 5 reduced and full, pooled; a number is the window of a
# pooling. Szegedy et al. 2015, arXiv:1409.4842, table 1
GOOGLENET = (
    (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), 3, (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128), 2, (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
)  # fmt: skip
Kernel = int | tuple[int, int]


class Normed(nn.Sequential):
    """A convolution without bias, its batch norm and a ReLU; it keeps the size unless told."""

    def __init__(
        self, i: int, o: int, kernel: Kernel = 1, stride: int = 1, pad: Kernel | None = None
    ) -> None:
        if pad is None:
            pad = kernel // 2 if isinstance(kernel, int) else (kernel[0] // 2, kernel[1] // 2)
        convolution = nn.Conv2d(i, o, kernel, stride, pad, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(o, eps=0.001), nn.ReLU(inplace=True))


class Side(nn.Module):
    """What its branches give, side by side."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def _linear_head(features: int) -> list[nn.Module]:
    return [
        nn.Dropout(), nn.Linear(features, 4096), nn.ReLU(inplace=True),
        nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Linear(4096, 1000),
    ]  # fmt: skip


def alexnet() -> nn.Module:
    """One column; Krizhevsky 2014, arXiv:1404.5997."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
        nn.AdaptiveAvgPool2d(6), nn.Flatten(), *_linear_head(256 * 6 * 6),
    )  # fmt: skip


def vgg(stages: tuple[tuple[int, ...], ...], normed: bool = False) -> nn.Module:
    parts: list[nn.Module] = []
    i = 3
    for stage in stages:
        for o in stage:
            norm = [nn.BatchNorm2d(o)] if normed else []
            parts += [nn.Conv2d(i, o, 3, padding=1), *norm, nn.ReLU(inplace=True)]
            i = o
        parts.append(nn.MaxPool2d(2))
    return nn.Sequential(
        *parts, nn.AdaptiveAvgPool2d(7), nn.Flatten(), *_linear_head(512 * 7 * 7)
    )  # fmt: skip


def squeezenet(
    stem: tuple[int, int], fires: tuple[tuple[int, int] | None, ...], classes: int = 1000
) -> nn.Module:
    """``stem`` are the channels and the kernel of the first convolution."""
    i, kernel = stem
    parts: list[nn.Module] = [nn.Conv2d(3, i, kernel, 2), nn.ReLU(inplace=True)]
    for fire in fires:
        if fire is None:
            parts.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            continue
        squeezed, o = fire
        expand = Side(nn.Conv2d(squeezed, o, 1), nn.Conv2d(squeezed, o, 3, padding=1))
        parts += [nn.Conv2d(i, squeezed, 1), nn.ReLU(inplace=True), expand, nn.ReLU(inplace=True)]
        i = 2 * o
    parts += [nn.Dropout(), nn.Conv2d(i, classes, 1), nn.ReLU(inplace=True)]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class DenseLayer(nn.Module):
    """Norm, ReLU, 1 × 1, norm, ReLU, 3 × 3, behind everything before it."""

    def __init__(self, i: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(i), nn.BatchNorm2d(4 * growth)
        self.conv1 = nn.Conv2d(i, 4 * growth, 1, bias=False)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.norm1(x), inplace=True))
        return torch.cat([x, self.conv2(F.relu(self.norm2(y), inplace=True))], 1)


def densenet(blocks: tuple[int, ...] = (6, 12, 24, 16), growth: int = 32) -> nn.Module:
    """DenseNet-121; Huang et al. 2017, arXiv:1608.06993, table 1."""
    i = 2 * growth
    parts: list[nn.Module] = [
        nn.Conv2d(3, i, 7, 2, 3, bias=False), nn.BatchNorm2d(i), nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    ]  # fmt: skip
    for index, layers in enumerate(blocks):
        if index:
            parts += [nn.Conv2d(i, i // 2, 1, bias=False), nn.AvgPool2d(2)]
            i //= 2
        parts += [DenseLayer(i + growth * layer, growth) for layer in range(layers)]
        i += growth * layers
        parts += [nn.BatchNorm2d(i), nn.ReLU(inplace=True)]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(i, 1000))


class Rescaled(nn.Module):
    """The image as ported weights of the Inception family take it: each channel moved and scaled."""

    def forward(self, x: Tensor) -> Tensor:
        spread, middle = (0.229, 0.224, 0.225), (0.485, 0.456, 0.406)
        channels = [
            torch.unsqueeze(x[:, c], 1) * (spread[c] / 0.5) + (middle[c] - 0.5) / 0.5
            for c in range(3)
        ]
        return torch.cat(channels, 1)


def googlenet() -> nn.Module:
    """With batch norms, and 3 × 3 where the paper has 5 × 5: so the published weights are."""
    parts: list[nn.Module] = [
        Rescaled(), Normed(3, 64, 7, 2), nn.MaxPool2d(3, 2, ceil_mode=True), Normed(64, 64),
        Normed(64, 192, 3), nn.MaxPool2d(3, 2, ceil_mode=True),
    ]  # fmt: skip
    i = 192
    for row in GOOGLENET:
        if isinstance(row, int):
            parts.append(nn.MaxPool2d(row, 2, ceil_mode=True))
            continue
        single, reduced3, full3, reduced5, full5, pooled = row
        parts.append(
            Side(
                Normed(i, single),
                nn.Sequential(Normed(i, reduced3), Normed(reduced3, full3, 3)),
                nn.Sequential(Normed(i, reduced5), Normed(reduced5, full5, 3)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), Normed(i, pooled)),
            )
        )
        i = single + full3 + full5 + pooled
    return nn.Sequential(
        *parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(i, 1000)
    )  # fmt: skip


class InceptionV3(nn.Module):
    """Szegedy et al. 2016, arXiv:1512.00567, table 1; the auxiliary head works in training only."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            Rescaled(), Normed(3, 32, 3, 2, 0), Normed(32, 32, 3, 1, 0), Normed(32, 64, 3),
            nn.MaxPool2d(3, 2), Normed(64, 80), Normed(80, 192, 3, 1, 0), nn.MaxPool2d(3, 2),
            _figure5(192, 32), _figure5(256, 64), _figure5(288, 64), _smaller17(),
            *(_figure6(width) for width in (128, 160, 160, 192)),
        )  # fmt: skip
        self.aux = nn.Sequential(
            nn.AvgPool2d(5, 3), Normed(768, 128), Normed(128, 768, 5, 1, 0),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(768, 1000),
        )  # fmt: skip
        self.top = nn.Sequential(
            _smaller8(), _figure7(1280), _figure7(2048), nn.AdaptiveAvgPool2d(1), nn.Dropout(),
            nn.Flatten(), nn.Linear(2048, 1000),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.features(x)
        return (self.top(x), self.aux(x)) if self.training else self.top(x)


def _figure5(i: int, pooled: int) -> Side:
    return Side(
        Normed(i, 64),
        nn.Sequential(Normed(i, 48), Normed(48, 64, 5)),
        nn.Sequential(Normed(i, 64), Normed(64, 96, 3), Normed(96, 96, 3)),
        nn.Sequential(nn.AvgPool2d(3, 1, 1), Normed(i, pooled)),
    )


def _smaller17() -> Side:
    return Side(
        Normed(288, 384, 3, 2, 0),
        nn.Sequential(Normed(288, 64), Normed(64, 96, 3), Normed(96, 96, 3, 2, 0)),
        nn.MaxPool2d(3, 2),
    )


def _figure6(width: int) -> Side:
    row, column = (1, 7), (7, 1)
    return Side(
        Normed(768, 192),
        nn.Sequential(Normed(768, width), Normed(width, width, row), Normed(width, 192, column)),
        nn.Sequential(
            Normed(768, width), Normed(width, width, column), Normed(width, width, row),
            Normed(width, width, column), Normed(width, 192, row),
        ),
        nn.Sequential(nn.AvgPool2d(3, 1, 1), Normed(768, 192)),
    )  # fmt: skip


def _smaller8() -> Side:
    return Side(
        nn.Sequential(Normed(768, 192), Normed(192, 320, 3, 2, 0)),
        nn.Sequential(
            Normed(768, 192), Normed(192, 192, (1, 7)), Normed(192, 192, (7, 1)),
            Normed(192, 192, 3, 2, 0),
        ),
        nn.MaxPool2d(3, 2),
    )  # fmt: skip


def _figure7(i: int) -> Side:
    def both() -> Side:
        return Side(Normed(384, 384, (1, 3)), Normed(384, 384, (3, 1)))

    return Side(
        Normed(i, 320),
        nn.Sequential(Normed(i, 384), both()),
        nn.Sequential(Normed(i, 448), Normed(448, 384, 3), both()),
        nn.Sequential(nn.AvgPool2d(3, 1, 1), Normed(i, 192)),
    )
