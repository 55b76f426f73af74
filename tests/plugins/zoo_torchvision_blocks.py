"""Residual and mobile networks as torchvision lays them out, written from their papers."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Callable[[], nn.Module]


def _relu() -> nn.Module:
    return nn.ReLU(inplace=True)


class Normed(nn.Sequential):
    """A convolution without bias that keeps the size but for its stride, its norm, an activation."""

    def __init__(
        self, i: int, o: int, kernel: int = 1, stride: int = 1, groups: int = 1,
        dilation: int = 1, activation: Activation | None = _relu,
    ) -> None:  # fmt: skip
        pad = kernel // 2 * dilation
        convolution = nn.Conv2d(i, o, kernel, stride, pad, dilation, groups, bias=False)
        parts = [convolution, nn.BatchNorm2d(o)]
        super().__init__(*parts, *([activation()] if activation else []))


class Excited(nn.Module):
    """Squeeze and excitation; Hu et al. 2018, arXiv:1709.01507."""

    def __init__(
        self, channels: int, squeezed: int, inner: Activation = nn.ReLU,
        gate: Activation = nn.Sigmoid,
    ) -> None:  # fmt: skip
        super().__init__()
        self.squeeze, self.excite = (
            nn.Conv2d(channels, squeezed, 1),
            nn.Conv2d(squeezed, channels, 1),
        )
        self.inner, self.gate = inner(), gate()

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(self.squeeze(F.adaptive_avg_pool2d(x, 1)))
        return self.gate(self.excite(y)) * x


class Residual(nn.Module):
    """``body(x) + x``, or a projection of ``x`` where the shape changes."""

    def __init__(self, body: nn.Module, i: int, o: int, stride: int, dilation: int = 1) -> None:
        super().__init__()
        self.body, self.short = body, nn.Sequential()
        if stride != 1 or i != o:
            self.short = Normed(i, o, 1, stride, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.short(x), inplace=True)


class ResNet50(nn.Module):
    """Bottlenecks 3, 4, 6, 3, whose 3 × 3 may be grouped or wider, and dilated instead of strided.

    Xie et al. 2017, arXiv:1611.05431, table 1; Zagoruyko and Komodakis 2016, arXiv:1605.07146.
    """

    def __init__(self, groups: int = 1, width: int = 64, dilated: bool = False) -> None:
        super().__init__()
        self.stem = nn.Sequential(Normed(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1))
        i, dilation, stages = 64, 1, []
        for stage, blocks in enumerate((3, 4, 6, 3)):
            o, inner, parts = 256 << stage, (width << stage) * groups, []
            for index in range(blocks):
                stride = 1 if index or not stage or (dilated and stage > 1) else 2
                body = nn.Sequential(
                    Normed(i, inner),
                    Normed(inner, inner, 3, stride, groups, dilation),
                    Normed(inner, o, activation=None),
                )
                parts.append(Residual(body, i, o, stride))
                i, dilation = o, 1 << (stage - 1) if dilated and stage > 1 else 1
            stages.append(nn.Sequential(*parts))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nn.Linear(i, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


def regnet_widths(depth: int, first: int, slope: float, factor: float, group: int) -> list[int]:
    """Channels of each block; Radosavovic et al. 2020, arXiv:2003.13678, equations 2 to 4."""
    powers = (round(log((first + slope * j) / first) / log(factor)) for j in range(depth))
    quantised = (8 * round(first * factor**power / 8) for power in powers)
    return [group * max(1, int(w + group / 2) // group) for w in quantised]


def regnet(
    depth: int, first: int, slope: float, factor: float, group: int, excited: bool
) -> nn.Module:
    """RegNetY is RegNetX with squeeze and excitation after the grouped convolution."""
    parts: list[nn.Module] = [Normed(3, 32, 3, 2)]
    i = 32
    for o, stage in groupby(regnet_widths(depth, first, slope, factor, group)):
        for index, _ in enumerate(stage):
            stride = 1 if index else 2
            gate = [Excited(o, round(i / 4))] if excited else []
            body = nn.Sequential(
                Normed(i, o), Normed(o, o, 3, stride, o // group), *gate,
                Normed(o, o, activation=None),
            )  # fmt: skip
            parts.append(Residual(body, i, o, stride))
            i = o
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(i, 1000))


class Shuffled(nn.Module):
    """Half of the channels pass through, or all take both ways down; then the halves interleave.

    Ma et al. 2018, arXiv:1807.11164, figure 3 c and d.
    """

    def __init__(self, i: int, o: int, stride: int) -> None:
        super().__init__()
        half = o // 2
        self.short: nn.Module | None = None
        if stride == 2:
            self.short = nn.Sequential(Normed(i, i, 3, 2, i, activation=None), Normed(i, half))
        self.body = nn.Sequential(
            Normed(i if stride == 2 else half, half),
            Normed(half, half, 3, stride, half, activation=None),
            Normed(half, half),
        )

    def forward(self, x: Tensor) -> Tensor:
        passed, worked = x.chunk(2, 1) if self.short is None else (self.short(x), x)
        x = torch.cat((passed, self.body(worked)), 1)
        b, c, h, w = x.shape
        return x.view(b, 2, c // 2, h, w).transpose(1, 2).contiguous().view(b, c, h, w)


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def shufflenet_v2(stages: Sequence[int] = (4, 8, 4)) -> nn.Module:
    """The network of width 1.0; table 5."""
    parts: list[nn.Module] = [Normed(3, 24, 3, 2), nn.MaxPool2d(3, 2, 1)]
    i = 24
    for o, blocks in zip((116, 232, 464), stages, strict=True):
        for index in range(blocks):
            parts.append(Shuffled(i, o, 1 if index else 2))
            i = o
    return nn.Sequential(*parts, Normed(i, 1024), Mean(), nn.Linear(1024, 1000))


class Added(nn.Module):
    """``body(x) + x`` where both have one shape, else ``body(x)``."""

    def __init__(self, body: nn.Module, adds: bool) -> None:
        super().__init__()
        self.body, self.adds = body, adds

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + x if self.adds else self.body(x)


def mnasnet() -> nn.Module:
    """Tan et al. 2019, arXiv:1807.11626, figure 7, without its squeezes."""
    parts: list[nn.Module] = [
        Normed(3, 32, 3, 2), Normed(32, 32, 3, groups=32), Normed(32, 16, activation=None),
    ]  # fmt: skip
    i = 16
    for o, kernel, stride, expansion, blocks in (
        (24, 3, 2, 3, 3), (40, 5, 2, 3, 3), (80, 5, 2, 6, 3), (96, 3, 1, 6, 2), (192, 5, 2, 6, 4),
        (320, 3, 1, 6, 1),
    ):  # fmt: skip
        for index in range(blocks):
            hidden = i * expansion
            body = nn.Sequential(
                Normed(i, hidden), Normed(hidden, hidden, kernel, 1 if index else stride, hidden),
                Normed(hidden, o, activation=None),
            )  # fmt: skip
            parts.append(Added(body, bool(index)))
            i = o
    parts.append(Normed(i, 1280))
    return nn.Sequential(*parts, Mean(), nn.Dropout(0.2), nn.Linear(1280, 1000))


# kernel, expanded and output channels, squeezed, hard swish, stride;
# Howard et al. 2019, arXiv:1905.02244, tables 1 and 2
Row = tuple[int, int, int, bool, bool, int]
MOBILENET_V3_LARGE: tuple[Row, ...] = (
    (3, 16, 16, False, False, 1), (3, 64, 24, False, False, 2), (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2), (5, 120, 40, True, False, 1), (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2), (3, 200, 80, False, True, 1), (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1), (3, 480, 112, True, True, 1), (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2), (5, 960, 160, True, True, 1), (5, 960, 160, True, True, 1),
)  # fmt: skip
MOBILENET_V3_SMALL: tuple[Row, ...] = (
    (3, 16, 16, True, False, 2), (3, 72, 24, False, False, 2), (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2), (5, 240, 40, True, True, 1), (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1), (5, 144, 48, True, True, 1), (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1), (5, 576, 96, True, True, 1),
)  # fmt: skip


def eighths(channels: float) -> int:
    """The nearest multiple of 8 that is at most a tenth below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _mobilenet_v3_blocks(rows: Sequence[Row], dilated: int = 99) -> Iterator[nn.Module]:
    """From row ``dilated`` on, the depthwise convolutions are dilated instead of strided."""
    i = 16
    for index, (kernel, hidden, o, squeezed, hard, stride) in enumerate(rows):
        activation = nn.Hardswish if hard else _relu
        dilation = 2 if index >= dilated else 1
        expand = [Normed(i, hidden, activation=activation)] if hidden != i else []
        step = 1 if dilation > 1 else stride
        depthwise = Normed(hidden, hidden, kernel, step, hidden, dilation, activation)
        gate = [Excited(hidden, eighths(hidden // 4), nn.ReLU, nn.Hardsigmoid)] if squeezed else []
        body = nn.Sequential(*expand, depthwise, *gate, Normed(hidden, o, activation=None))
        yield Added(body, stride == 1 and i == o)
        i = o


def mobilenet_v3_features(rows: Sequence[Row], dilated: int = 99) -> nn.Sequential:
    last = rows[-1][2]
    return nn.Sequential(
        Normed(3, 16, 3, 2, activation=nn.Hardswish),
        *_mobilenet_v3_blocks(rows, dilated),
        Normed(last, 6 * last, activation=nn.Hardswish),
    )


def mobilenet_v3(rows: Sequence[Row], hidden: int) -> nn.Module:
    return nn.Sequential(
        mobilenet_v3_features(rows), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(6 * rows[-1][2], hidden), nn.Hardswish(inplace=True), nn.Dropout(0.2),
        nn.Linear(hidden, 1000),
    )  # fmt: skip
