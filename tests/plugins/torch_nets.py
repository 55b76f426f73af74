"""Modules that a tracer of PyTorch's dispatcher gets wrong where it is careless.

Each takes its tensors by name and gives tensors that differ from one another.
"""

from collections.abc import Mapping
from typing import Any

import torch
import zoo_sequences as sequences
import zoo_vision as vision
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize


class InPlace(nn.Module):
    """Arithmetic and activations that overwrite their operands, one of them twice."""

    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        y += x
        y.relu_()
        y.mul_(0.5).add_(1)
        return F.hardtanh(y, inplace=True) + x


class Tied(nn.Module):
    """One tensor under three names: two parameters that share storage, and a module twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.head = nn.Linear(6, 11, bias=False)
        self.head.weight = self.embed.weight
        self.again = nn.Linear(6, 11, bias=False)
        self.again.weight = nn.Parameter(self.embed.weight.data)
        self.mix = nn.Linear(6, 6)
        self.mix_too = self.mix

    def forward(self, ids: Tensor) -> Tensor:
        x = self.mix_too(torch.tanh(self.mix(self.embed(ids))))
        return self.head(x) + 2 * self.again(x)


class Folded(nn.Module):
    """Views, casts and parts of parameters; numbers of no axis; a constant of the code."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(4, 6))
        self.packed = nn.Parameter(torch.randn(12, 4))
        self.short = nn.Parameter(torch.randn(4, dtype=torch.bfloat16))
        self.scale = nn.Parameter(torch.tensor(1.5))
        self.plain = torch.tensor([0.5, -0.5, 2.0, 1.0])

    def forward(self, x: Tensor) -> Tensor:
        y = x @ self.w.t().reshape(6, 4)
        q, k, v = self.packed.chunk(3)
        y = F.linear(y, q) + F.linear(y, k) * F.linear(y, v[:, :4])
        y = y * self.scale + self.short.float() * self.plain.view(1, 4)
        return y + torch.tensor(3.0) - self.packed[2] / torch.arange(1, 5)


class OwnWeights(nn.Module):
    """Weights that forward computes: quantised to levels, normalised, masked, mixed."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(8, 6))
        self.v = nn.Parameter(torch.randn(5, 3, 4))
        self.u = nn.Parameter(torch.randn(5, 4, 2))
        self.register_buffer("mask", (torch.arange(48).view(8, 6) % 3 > 0).float())

    def forward(self, x: Tensor) -> Tensor:
        levels = torch.round(self.w.clamp(-1, 1) * 4) / 4
        x = F.linear(x, levels * self.mask)
        x = F.linear(x, F.normalize(self.w.t(), dim=1))
        return x * torch.bmm(self.v, self.u).sum()


class Lists(nn.Module):
    """Lists of tensors in and out: cat, stack, split, unbind, indices with gaps."""

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Any]:
        joined = torch.cat([x, y, x], 1)
        a, b = joined.split([4, joined.shape[1] - 4], 1)
        stacked = torch.stack([a, a * 2])
        rows = torch.tensor([2, 0])
        return {"joined": joined, "pair": (b, stacked.unbind(0)[1]), "rows": joined[:, rows]}


class Gates(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(5, 7, 2, bidirectional=True)
        self.gru = nn.GRU(14, 3, batch_first=True)
        self.rnn = nn.RNN(3, 2)

    def forward(self, x: Tensor) -> list[Tensor]:
        y, (h, c) = self.lstm(x)
        z, state = self.gru(y)
        return [self.rnn(z)[0], h, c, state]


class Norms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            4, 6, (3, 1), stride=(2, 1), padding=(1, 0), groups=2, dilation=(2, 1)
        )
        self.batch = nn.BatchNorm2d(6)
        self.group = nn.GroupNorm(3, 6)
        self.instance = nn.InstanceNorm2d(6, affine=True)
        self.layer = nn.LayerNorm([6, 3, 5])
        self.rms = nn.RMSNorm(5)
        self.up = nn.ConvTranspose2d(6, 4, 3, stride=2, output_padding=1, groups=2)
        for tensor in (self.batch.running_mean, self.batch.bias, self.group.weight):
            nn.init.normal_(tensor)

    def forward(self, image: Tensor) -> Tensor:
        x = self.instance(self.group(self.batch(self.conv(image))))
        x = F.dropout(
            F.max_pool2d(self.rms(self.layer(x)), 2, ceil_mode=True, padding=1), 0.5, False
        )
        return F.avg_pool2d(F.log_softmax(self.up(x), 1), (2, 3), ceil_mode=True)


class Written(nn.Module):
    """Writes into parts of fresh tensors and of its input, and reads only what it wrote."""

    def forward(self, x: Tensor) -> Tensor:
        out = torch.zeros_like(x)
        part = out[:, ::2]
        part.copy_(x[:, ::2] * 3)
        return part + torch.full_like(part, 2).masked_fill_(part > 0, 1)


class Attends(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True, kdim=6, vdim=6)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x: Tensor, y: Tensor) -> list[Tensor]:
        seen, weights = self.attention(x, y, y)
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).tril()
        z = F.scaled_dot_product_attention(seen, x, x, attn_mask=mask)
        return [self.encoder(z), weights]


class Half(nn.Module):
    """A quantiser of three levels, as a parametrisation."""

    def forward(self, weight: Tensor) -> Tensor:
        return torch.sign(weight) * (weight.abs() > 0.2)


class Parametrised(nn.Module):
    """One weight quantised, one normalised, one shared by two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 4, 3)
        self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 6)
        self.b.weight = self.a.weight
        quantizer = Half()
        for layer in (self.conv, self.a, self.b):
            parametrize.register_parametrization(layer, "weight", quantizer, unsafe=True)
        self.last = nn.utils.parametrizations.weight_norm(nn.Linear(6, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.b(torch.relu(self.a(self.conv(x)))))


class Looks(nn.Module):
    """Its code reads numbers, but only such as no input changes."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(2.5))

    def forward(self, x: Tensor) -> Tensor:
        steps = torch.arange(3)
        if steps.sum() > 2:
            x = x * self.gain.item()
        return x + float(steps[-1])


def _encoder(packed: bool) -> nn.Module:
    class One(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = sequences.Encoder(16, 4, 32, packed)

        def forward(self, x: Tensor) -> Tensor:
            return self.encoder(x)

    return One()


class Tiny(nn.Module):
    """Two decoder layers of Llama: rotated positions, shared keys, gated MLP."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(sequences.LlamaLayer(16, 4, 2, 24) for _ in range(2))
        self.register_buffer("frequency", 10.0 ** (-torch.arange(2) / 2), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        at = torch.arange(x.shape[1], device=x.device)[:, None] * self.frequency
        at = torch.cat((at, at), -1)
        for layer in self.layers:
            x = layer(x, at.cos(), at.sin())
        return x


def _x(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


_TABLE: dict[str, tuple[Any, Mapping[str, Tensor]]] = {
    "in_place": (InPlace, {"x": _x(3, 4)}),
    "tied": (Tied, {"ids": torch.tensor([[1, 5, 0, 10]])}),
    "folded": (Folded, {"x": _x(2, 6)}),
    "own_weights": (OwnWeights, {"x": _x(3, 6)}),
    "lists": (Lists, {"x": _x(3, 2), "y": _x(3, 5, seed=2)}),
    "gates": (Gates, {"x": _x(6, 2, 5)}),
    "norms": (Norms, {"image": _x(2, 4, 7, 5)}),
    "written": (Written, {"x": _x(3, 6)}),
    "attends": (Attends, {"x": _x(2, 5, 8), "y": _x(2, 4, 6)}),
    "parametrised": (Parametrised, {"x": _x(2, 3, 8)}),
    "looks": (Looks, {"x": _x(3)}),
    "conv_kinds": (vision.ConvKinds, {"x": _x(1, 3, 8, 6)}),
    "resnet_a": (lambda: vision.CifarResNet((1, 1, 1)), {"x": _x(2, 3, 16, 16)}),
    "resnet_b": (lambda: vision.CifarResNet((1, 1, 1), "B"), {"x": _x(1, 3, 16, 16)}),
    "mbconv": (lambda: vision.MBConv(8, 8, 5, 1, 4), {"x": _x(2, 8, 9, 7)}),
    "encoder_module": (lambda: _encoder(False), {"x": _x(2, 5, 16)}),
    "encoder": (lambda: _encoder(True), {"x": _x(2, 5, 16)}),
    "gpt": (lambda: sequences.GptLayer(16, 4), {"x": _x(2, 5, 16)}),
    "llama": (Tiny, {"x": _x(2, 5, 16)}),
}
NAMES = list(_TABLE)
CASES = list(_TABLE.values())
