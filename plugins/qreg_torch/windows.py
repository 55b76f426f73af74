"""Results of convolutions, pools and recurrent layers on meta tensors; see ``sizes``."""

from collections.abc import Sequence
from typing import Any

import torch

from qreg_torch.sizes import Shape, made, similar


def pooled(size: int, kernel: int, stride: int, pad: int, dilation: int, ceil: bool = False) -> int:
    """Windows along an axis.

    Source: torch.nn.MaxPool2d, shape; with ``ceil`` a last window must begin inside the padded input.
    """
    reach = size + 2 * pad - dilation * (kernel - 1) - 1
    if not ceil:
        return reach // stride + 1
    count = -(-reach // stride) + 1
    return count - 1 if (count - 1) * stride >= size + pad else count


def conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: Any,
    stride: Shape,
    padding: Any,
    dilation: Shape,
    groups: int,
) -> torch.Tensor | None:
    rank = weight.ndim - 2
    channels = x.ndim == weight.ndim and x.shape[1] == weight.shape[1] * groups
    if not channels or isinstance(padding, str) or not _fit(x, weight, bias, weight.shape[0]):
        return None
    each = [_repeated(v, rank) for v in (stride, padding, dilation)]
    sizes = zip(x.shape[2:], weight.shape[2:], *each, strict=True)
    return _windows(x, weight.shape[0], [pooled(*s) for s in sizes])


def conv_transpose(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: Any,
    stride: Shape,
    padding: Shape,
    output_padding: Shape,
    groups: int,
    dilation: Shape,
) -> torch.Tensor | None:
    """Source: torch.nn.ConvTranspose2d, shape."""
    rank, outputs = weight.ndim - 2, weight.shape[1] * groups
    if x.ndim != weight.ndim or x.shape[1] != weight.shape[0] or not _fit(x, weight, bias, outputs):
        return None
    each = [_repeated(v, rank) for v in (stride, padding, output_padding, dilation)]
    sizes = zip(x.shape[2:], weight.shape[2:], *each, strict=True)
    found = [(n - 1) * s - 2 * p + d * (k - 1) + more + 1 for n, k, s, p, more, d in sizes]
    return _windows(x, outputs, found)


def max_pool(
    x: torch.Tensor,
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    ceil: bool,
) -> torch.Tensor | None:
    rank = len(kernel)
    each = [_repeated(v, rank) for v in (kernel, stride or kernel, padding, dilation)]
    if rank != 2 or x.ndim != 4 or not x.dtype.is_floating_point:
        return None
    return _pools(x, each, ceil)


def average_pool(
    x: torch.Tensor, kernel: Shape, stride: Shape, padding: Shape, ceil: bool, *_: Any
) -> torch.Tensor | None:
    each = [_repeated(v, 2) for v in (kernel, stride or kernel, padding)]
    if x.ndim != 4 or not x.dtype.is_floating_point:
        return None
    return _pools(x, [*each, (1, 1)], ceil)


def adaptive_pool(x: torch.Tensor, sizes: Shape) -> torch.Tensor | None:
    wanted = _repeated(sizes, 2)
    return made((*x.shape[:-2], *wanted), x.dtype) if x.ndim == 4 else None


def recurrent(cells: int) -> Any:
    """Of ``cells`` 2 an LSTM, which keeps a cell state beside its hidden one; else a GRU or RNN."""

    def rule(x: torch.Tensor, states: Any, parameters: Any, biases: bool, layers: int, dropout: float,
             train: bool, both_ways: bool, batch_first: bool) -> Any:  # fmt: skip
        given = list(states) if cells == 2 else [states]
        ways = 2 if both_ways else 1
        weights = [p for p in parameters if p.ndim == 2]
        batch = x.shape[:-1][0 if batch_first else 1] if x.ndim == 3 else None
        fits = (
            all(s.ndim == 3 and s.shape[:2] == (layers * ways, batch) for s in given)
            and len(weights) == 2 * layers * ways  # no projection
            and x.shape[-1] == weights[0].shape[1]
            and x.dtype == weights[0].dtype
        )
        if not fits:
            return None
        hidden = given[0].shape[-1]
        found = [made((*x.shape[:-1], ways * hidden), x.dtype)]
        return (*found, *(similar(s) for s in given))

    return rule


def _fit(x: torch.Tensor, weight: torch.Tensor, bias: Any, outputs: int) -> bool:
    if any(t is not None and t.dtype != x.dtype for t in (weight, bias)):
        raise RuntimeError(f"Input is {x.dtype}, weight {weight.dtype}: they should be the same")
    if bias is not None and tuple(bias.shape) != (outputs,):
        raise RuntimeError(f"Bias of size {list(bias.shape)} for {outputs} output channels")
    return x.is_contiguous()


def _windows(x: torch.Tensor, channels: int, sizes: Sequence[int]) -> torch.Tensor | None:
    return made((x.shape[0], channels, *sizes), x.dtype) if min(sizes) > 0 else None


def _pools(x: torch.Tensor, each: Sequence[Shape], ceil: bool) -> torch.Tensor | None:
    kernel, stride, padding, dilation = each
    if not x.is_contiguous() or any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        return None
    axes = zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    return _windows(x, x.shape[1], [pooled(*a, ceil) for a in axes])


def _repeated(sizes: Shape | int, rank: int) -> Shape:
    """One entry per axis."""
    entries = (sizes,) if isinstance(sizes, int) else tuple(sizes)
    return entries * rank if len(entries) == 1 else entries
