"""ConvNeXt and attention in windows as torchvision lays them out, written from their papers."""

from collections.abc import Sequence
from math import log

import torch
import zoo_sequences as sequences
from torch import Tensor, nn
from torch.nn import functional as F
from zoo_torchvision_blocks import Excited, Normed


class ViTB32(sequences.ViT):
    """ViT-B with patches of 32 × 32 pixels: 7 · 7 of them and the class token."""

    def __init__(self) -> None:
        super().__init__(packed=False)
        self.conv_proj = nn.Conv2d(3, 768, 32, 32)
        self.positions = nn.Parameter(torch.zeros(1, 50, 768))


class ChannelNorm(nn.LayerNorm):
    """A layer norm over the channels of an image."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    """Liu et al. 2022, arXiv:2201.03545, figure 4."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.scale = nn.Parameter(torch.full((width, 1, 1), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        y = self.mlp(self.norm(self.depthwise(x).permute(0, 2, 3, 1)))
        return x + self.scale * y.permute(0, 3, 1, 2)


def convnext_tiny(blocks: Sequence[int] = (3, 3, 9, 3)) -> nn.Module:
    parts: list[nn.Module] = [nn.Conv2d(3, 96, 4, 4), ChannelNorm(96, eps=1e-6)]
    for stage, count in enumerate(blocks):
        width = 96 << stage
        if stage:
            parts += [ChannelNorm(width // 2, eps=1e-6), nn.Conv2d(width // 2, width, 2, 2)]
        parts += [ConvNeXtBlock(width) for _ in range(count)]
    head = [nn.AdaptiveAvgPool2d(1), ChannelNorm(768, eps=1e-6), nn.Flatten(), nn.Linear(768, 1000)]
    return nn.Sequential(*parts, *head)


def relative_index(side: int) -> Tensor:
    """For each pair of places in a window, the row of their distance: (side², side²)."""
    places = torch.cartesian_prod(torch.arange(side), torch.arange(side))
    apart = places[:, None] - places[None] + side - 1
    return apart[..., 0] * (2 * side - 1) + apart[..., 1]


def windows(x: Tensor, side: int) -> Tensor:
    """(N, H, W, C) as (N · windows, side², C)."""
    b, h, w, c = x.shape
    x = x.view(b, h // side, side, w // side, side, c).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(-1, side * side, c)


def joined(x: Tensor, side: int, shape: torch.Size) -> Tensor:
    """``windows`` undone."""
    b, h, w, c = shape
    x = x.view(b, h // side, w // side, side, side, c).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(b, h, w, c)


def shift_mask(x: Tensor, side: int, shift: int) -> Tensor:
    """(windows, side², side²): −100 where a rolled window holds two places that were far apart."""
    regions = x.new_zeros(x.shape[1:3])
    cuts = ((0, -side), (-side, -shift), (-shift, None))
    for row, (top, bottom) in enumerate(cuts):
        for column, (left, right) in enumerate(cuts):
            regions[top:bottom, left:right] = 3 * row + column
    regions = windows(regions[None, :, :, None], side).squeeze(-1)
    apart = regions.unsqueeze(1) - regions.unsqueeze(2)
    return apart.masked_fill(apart != 0, -100.0).masked_fill(apart == 0, 0.0)


class WindowAttention(nn.Module):
    """Attention within windows with a bias by distance; Liu et al. 2021, arXiv:2103.14030."""

    def __init__(self, width: int, heads: int, side: int, shift: int) -> None:
        super().__init__()
        self.heads, self.side, self.shift = heads, side, shift
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.register_buffer("index", relative_index(side).flatten())
        self._add_bias_parameters()

    def _add_bias_parameters(self) -> None:
        self.table = nn.Parameter(torch.zeros((2 * self.side - 1) ** 2, self.heads))

    def bias(self) -> Tensor:
        """(heads, side², side²)"""
        area = self.side**2
        return self.table[self.index].view(area, area, -1).permute(2, 0, 1).contiguous()

    def projected(self, x: Tensor) -> Tensor:
        return self.qkv(x)

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        return (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)

    def forward(self, x: Tensor) -> Tensor:
        shift = self.shift if min(x.shape[1:3]) > self.side else 0
        rolled = torch.roll(x, (-shift, -shift), (1, 2)) if shift else x
        y = windows(rolled, self.side)
        n, area, c = y.shape
        qkv = self.projected(y).reshape(n, area, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        scores = self.scores(q, k) + self.bias().unsqueeze(0)
        if shift:
            mask = shift_mask(rolled, self.side, shift)
            scores = scores.view(-1, len(mask), self.heads, area, area)
            scores = (scores + mask.unsqueeze(1)).view(-1, self.heads, area, area)
        y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, area, c)
        y = joined(self.proj(y), self.side, rolled.shape)
        return torch.roll(y, (shift, shift), (1, 2)) if shift else y


class CosineAttention(WindowAttention):
    """Scores are cosines, a small network gives the bias; Liu et al. 2022, arXiv:2111.09883."""

    def _add_bias_parameters(self) -> None:
        reach = torch.arange(1 - self.side, self.side, dtype=torch.float32) * 8 / (self.side - 1)
        places = torch.cartesian_prod(reach, reach)
        places = torch.sign(places) * torch.log2(places.abs() + 1) / 3
        self.register_buffer("places", places)
        self.near = nn.Sequential(
            nn.Linear(2, 512), nn.ReLU(inplace=True), nn.Linear(512, self.heads, bias=False)
        )
        self.logit_scale = nn.Parameter(torch.full((self.heads, 1, 1), log(10.0)))

    def bias(self) -> Tensor:
        area = self.side**2
        near = self.near(self.places)[self.index].view(area, area, -1)
        return 16 * torch.sigmoid(near.permute(2, 0, 1).contiguous())

    def projected(self, x: Tensor) -> Tensor:
        """Keys have no bias."""
        bias = self.qkv.bias.clone()
        third = bias.numel() // 3
        bias[third : 2 * third].zero_()
        return F.linear(x, self.qkv.weight, bias)

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        cosines = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        return cosines * self.logit_scale.clamp(max=log(100.0)).exp()


class SwinBlock(nn.Module):
    """Norms before attention and MLP; in version 2 behind them."""

    def __init__(self, width: int, heads: int, side: int, shift: int, v2: bool) -> None:
        super().__init__()
        self.v2 = v2
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = (CosineAttention if v2 else WindowAttention)(width, heads, side, shift)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.v2:
            x = x + self.norm1(self.attention(x))
            return x + self.norm2(self.mlp(x))
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Merged(nn.Module):
    """Four neighbours side by side, projected to twice the channels."""

    def __init__(self, width: int, v2: bool) -> None:
        super().__init__()
        self.v2 = v2
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm((2 if v2 else 4) * width)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = torch.cat([x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], -1)
        return self.norm(self.reduction(x)) if self.v2 else self.reduction(self.norm(x))


class Swin(nn.Module):
    """The tiny network, version 1 or 2."""

    def __init__(self, v2: bool = False, blocks: Sequence[int] = (2, 2, 6, 2)) -> None:
        super().__init__()
        side = 8 if v2 else 7
        self.patches, self.norm = nn.Conv2d(3, 96, 4, 4), nn.LayerNorm(96)
        parts: list[nn.Module] = []
        for stage, count in enumerate(blocks):
            parts += [Merged(48 << stage, v2)] if stage else []
            for index in range(count):
                shift = side // 2 if index % 2 else 0
                parts.append(SwinBlock(96 << stage, 3 << stage, side, shift, v2))
        self.features, self.last = nn.Sequential(*parts), nn.LayerNorm(768)
        self.head = nn.Linear(768, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(self.norm(self.patches(x).permute(0, 2, 3, 1)))
        x = F.adaptive_avg_pool2d(self.last(x).permute(0, 3, 1, 2), 1)
        return self.head(x.flatten(1))


class PartitionAttention(nn.Module):
    """Attention within windows, or within a grid of places far apart, then an MLP.

    Tu et al. 2022, arXiv:2204.01697, section 3.2.
    """

    def __init__(self, width: int, side: int, grid: bool) -> None:
        super().__init__()
        self.heads, self.side, self.grid = width // 32, side, grid
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.merge = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.table = nn.Parameter(torch.zeros((2 * side - 1) ** 2, self.heads))
        self.register_buffer("index", relative_index(side))
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        inner = h // self.side if self.grid else self.side
        y = x.view(b, c, h // inner, inner, w // inner, inner)
        y = y.permute(0, 2, 4, 3, 5, 1).reshape(b, (h // inner) * (w // inner), inner * inner, c)
        y = y.swapaxes(1, 2) if self.grid else y
        y = y + self.attended(self.norm1(y))
        y = y + self.mlp(self.norm2(y))
        y = y.swapaxes(1, 2) if self.grid else y
        y = y.reshape(b, h // inner, w // inner, inner, inner, c)
        return y.permute(0, 5, 1, 3, 2, 4).reshape(b, c, h, w)

    def attended(self, x: Tensor) -> Tensor:
        b, parts, area, c = x.shape
        shape = (b, parts, area, self.heads, 32)
        q, k, v = (
            t.reshape(shape).permute(0, 1, 3, 2, 4) for t in torch.chunk(self.qkv(x), 3, dim=-1)
        )
        scores = torch.einsum("bghid,bghjd->bghij", q, k * 32**-0.5)
        bias = self.table[self.index.view(-1)].view(area, area, -1).permute(2, 0, 1)
        mixed = torch.einsum("bghij,bghjd->bghid", F.softmax(scores + bias, -1), v)
        return self.merge(mixed.permute(0, 1, 3, 2, 4).reshape(b, parts, area, c))


class MaxViTConv(nn.Module):
    """An inverted residual with a norm before it and a pooled shortcut."""

    def __init__(self, i: int, o: int, stride: int) -> None:
        super().__init__()
        hidden = 4 * o
        self.body = nn.Sequential(
            nn.BatchNorm2d(i), Normed(i, hidden, activation=nn.GELU),
            Normed(hidden, hidden, 3, stride, hidden, activation=nn.GELU),
            Excited(hidden, o // 4, nn.SiLU), nn.Conv2d(hidden, o, 1),
        )  # fmt: skip
        pool = [nn.AvgPool2d(3, stride, 1)] if stride == 2 else []
        same = stride == 1 and i == o
        self.short = nn.Sequential() if same else nn.Sequential(*pool, nn.Conv2d(i, o, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.short(x) + self.body(x)


def maxvit_tiny(blocks: Sequence[int] = (2, 2, 5, 2)) -> nn.Module:
    """MaxViT-T at 224 × 224 pixels; table 8."""
    parts: list[nn.Module] = [
        Normed(3, 64, 3, 2, activation=nn.GELU), nn.Conv2d(64, 64, 3, padding=1)
    ]  # fmt: skip
    i = 64
    for stage, count in enumerate(blocks):
        for index in range(count):
            o = 64 << stage
            attentions = (PartitionAttention(o, 7, grid) for grid in (False, True))
            parts += [MaxViTConv(i, o, 1 if index else 2), *attentions]
            i = o
    head = [nn.LayerNorm(512), nn.Linear(512, 512), nn.Tanh(), nn.Linear(512, 1000, bias=False)]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *head)
