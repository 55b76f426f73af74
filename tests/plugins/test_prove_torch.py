"""Claims put to the test on what PyTorch runs: batch norms unfolded, ops as the dispatcher sees them."""

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

import zoo_vision as vision
from torch import Tensor, nn
from torch.nn import functional as F

from qreg import api
from qreg_channels.propagate import analyse
from qreg_channels.prove import prove
from qreg_torch.trace import trace_module


def normed(i: int, o: int, kernel: int = 3, **more: int) -> nn.Sequential:
    conv = nn.Conv2d(i, o, kernel, padding=kernel // 2, bias=False, **more)
    return nn.Sequential(conv, nn.BatchNorm2d(o), nn.ReLU())


class Mobile(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = normed(3, 8, stride=2)
        self.blocks = nn.Sequential(
            vision.InvertedResidual(8, 8, 1, 4), vision.InvertedResidual(8, 12, 2, 4)
        )
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class Dense(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(normed(3 + 4 * i, 4) for i in range(4))
        self.head = nn.Conv2d(19, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return self.head(F.max_pool2d(x, 2))


class Squeezed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block = normed(3, 8), vision.MBConv(8, 8, 5, 1, 2)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(self.stem(x)).mean((2, 3)))


class Shuffled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = normed(3, 12), normed(12, 24, 1, groups=3)
        self.third, self.head = normed(12, 12, groups=12), nn.Conv2d(24, 5, 1, groups=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.channel_shuffle(self.second(self.first(x)), 3)
        left, right = x.chunk(2, 1)
        return self.head(torch.cat((self.third(left), right), 1)).flatten(2)


class Transposed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = normed(3, 8, stride=2)
        self.up = nn.ConvTranspose2d(8, 8, 4, 2, 1, groups=2)
        self.wide, self.last = normed(8, 12), nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.pixel_shuffle(self.wide(F.relu(self.up(self.down(x)))), 2)
        return self.last(F.interpolate(y, scale_factor=2, mode="nearest")[:, :, 1:-3, ::2])


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Conv2d(3, 12, 4, 4), nn.LayerNorm(12)
        self.qkv, self.out = nn.Linear(12, 36), nn.Linear(12, 12)
        self.up, self.down, self.head = nn.Linear(12, 24), nn.Linear(24, 12), nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        b, t, c = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(b, t, 3, 3, c // 3).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, c)
        x = x + self.out(mixed)
        x = x + self.down(F.gelu(self.up(x)))
        scores = torch.softmax(x @ x.transpose(1, 2), -1)
        return self.head((scores @ x).amax(1))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet A": lambda: vision.CifarResNet((1, 1, 1), "A"),
    "resnet B": lambda: vision.CifarResNet((1, 1, 1), "B"),
    "mobilenet": Mobile,
    "densenet": Dense,
    "squeeze and excitation": Squeezed,
    "grouped, shuffled": Shuffled,
    "transposed": Transposed,
    "attention": Attending,
}


def pruned(module: nn.Module, share: float) -> nn.Module:
    """Zero filters, zero columns, and norms as training leaves them, some of their scales zero."""
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            part.weight.data[torch.rand(len(part.weight)) < share] = 0
            part.weight.data[:, torch.rand(part.weight.shape[1]) < share / 2] = 0
            if part.bias is not None:
                part.bias.data[torch.rand(len(part.bias)) < 0.5] = 0
        if isinstance(part, nn.BatchNorm2d):
            part.weight.data.uniform_(0.5, 1.5)[torch.rand(len(part.weight)) < share / 4] = 0
            part.bias.data.normal_(0, 0.3)
            part.running_mean.normal_(0, 0.2)  # type: ignore[union-attr]
            part.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    return module.eval()


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_is_claimed_wrongly_of_a_pruned_module(name: str, share: float) -> None:
    torch.manual_seed(list(NETWORKS).index(name))
    found = trace_module(pruned(NETWORKS[name](), share), {"x": (1, 3, 12, 12)}, api.catalogue())
    analysis = analyse(found, api.catalogue())

    proof = prove(found, analysis, api.catalogue(), runs=3)

    assert proof.failure == ""
    assert analysis.unhandled == ()
    assert share < 0.5 or (proof.zeros + proof.constants > 0 and proof.unneeded > 0)
