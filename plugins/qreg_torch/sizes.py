"""Results of the commonest ops on meta tensors, without torch's own kernels for them.

Those are Python; the first of them imports the symbolic machinery of torch.compile, which takes over
a second, and batch and layer norm take a millisecond each. A rule here either knows the result or
answers None: torch's kernel then decides, and complains where sizes do not fit. Where that kernel
is known to look away, the rule complains.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

Shape = Sequence[int]
Rule = Callable[..., Any]  # (arguments in the schema's order) -> tensors on meta, or None

# One number in, one number out, of the same type where that is a real number.
POINTWISE = (
    "relu", "relu6", "hardtanh", "gelu", "silu", "sigmoid", "tanh", "leaky_relu", "elu", "selu", "celu",
    "hardswish", "hardsigmoid", "softplus", "mish", "log_sigmoid", "neg", "abs", "sqrt",
    "rsqrt", "exp", "log", "sin", "cos", "erf", "floor", "round", "reciprocal", "square", "sign",
    "tril", "triu", "roll", "flip",
)  # fmt: skip


def made(shape: Shape, dtype: torch.dtype) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def similar(x: torch.Tensor) -> torch.Tensor:
    """As large and of the same type, its elements in the same order where they leave no gaps."""
    if not x.is_contiguous():
        pairs = zip(x.shape, x.stride(), strict=True)
        if x.numel() == 1 + sum((size - 1) * stride for size, stride in pairs):
            return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta")
    return made(x.shape, x.dtype)


def like(x: torch.Tensor, *_: Any) -> torch.Tensor | None:
    """The same for an op that keeps the type of real numbers."""
    return similar(x) if x.dtype.is_floating_point else None


def constant(x: torch.Tensor, *arguments: Any) -> torch.Tensor | None:
    """Of ``zeros_like`` and its kin, whose last arguments are type, layout, device and so on."""
    dtype = arguments[-5]
    return similar(x) if dtype in (None, x.dtype) else None


def broadcast(*shapes: Shape) -> tuple[int, ...] | None:
    """The size that all of them are repeated to; None where they do not fit."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(s)) + tuple(s) for s in shapes]
    found = []
    for sizes in zip(*padded, strict=True):
        wide = {s for s in sizes if s != 1}
        if len(wide) > 1:
            return None
        found.append(wide.pop() if wide else 1)
    return tuple(found)


def paired(a: Any, b: Any, *_: Any) -> torch.Tensor | None:
    """Of arithmetic between tensors of one type, of reals and integers, or with a number."""
    if not isinstance(a, torch.Tensor):
        return None
    if not isinstance(b, torch.Tensor):
        kept = a.dtype.is_floating_point or (a.dtype == torch.int64 and isinstance(b, int))
        return similar(a) if kept and isinstance(b, (int, float)) else None
    if a.dtype == b.dtype and a.dtype in (torch.bool, torch.uint8):
        return None
    reals = {t.dtype for t in (a, b) if t.dtype.is_floating_point} or {a.dtype, b.dtype}
    if len(reals) > 1 or any(t.dtype.is_complex for t in (a, b)):
        return None
    return _sized(broadcast(a.shape, b.shape), reals.pop(), a, b)


def quotient(a: Any, b: Any, *_: Any) -> torch.Tensor | None:
    real = isinstance(a, torch.Tensor) and a.dtype.is_floating_point
    return paired(a, b) if real else None


def compared(a: Any, b: Any) -> torch.Tensor | None:
    shapes = [t.shape for t in (a, b) if isinstance(t, torch.Tensor)]
    shape = broadcast(*shapes)
    return None if shape is None else made(shape, torch.bool)


def filled(x: torch.Tensor, mask: torch.Tensor, *_: Any) -> torch.Tensor | None:
    return similar(x) if broadcast(x.shape, mask.shape) == tuple(x.shape) else None


def normed(x: torch.Tensor, sizes: Shape, weight: Any = None, *_: Any) -> torch.Tensor | None:
    """Of a layer or RMS norm over the last axes."""
    tail = tuple(x.shape[x.ndim - len(sizes) :])
    fits = tail == tuple(sizes) and (weight is None or weight.dtype == x.dtype)
    return _plain(x) if fits else None


def channelwise(x: torch.Tensor, *parameters: Any) -> torch.Tensor | None:
    """Of a batch or instance norm, whose parameters have an entry per channel."""
    sizes = {tuple(p.shape) for p in parameters if isinstance(p, torch.Tensor)}
    return like(x) if x.ndim > 1 and sizes <= {(x.shape[1],)} else None


def grouped(x: torch.Tensor, groups: int, *_: Any) -> torch.Tensor | None:
    return _plain(x) if x.ndim > 1 and x.shape[1] % groups == 0 else None


def softmax(x: torch.Tensor, dim: int, dtype: Any = None) -> torch.Tensor | None:
    if not -max(x.ndim, 1) <= dim < max(x.ndim, 1):
        raise IndexError(f"Dimension out of range: {dim} of {x.ndim}")
    return _plain(x) if dtype is None else None


def linear(x: torch.Tensor, weight: torch.Tensor, bias: Any = None) -> torch.Tensor | None:
    if weight.ndim != 2 or not x.ndim or x.shape[-1] != weight.shape[1] or x.dtype != weight.dtype:
        return None
    return made((*x.shape[:-1], weight.shape[0]), x.dtype)


def matmul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor | None:
    """Of matrices, stacks of them and vectors; a vector is a row in front and a column behind."""
    if not a.ndim or not b.ndim or a.dtype != b.dtype:
        return None
    left = a.shape if a.ndim > 1 else (1, *a.shape)
    right = b.shape if b.ndim > 1 else (*b.shape, 1)
    batch = broadcast(left[:-2], right[:-2])
    if batch is None or left[-1] != right[-2]:
        return None
    rows, columns = left[-2:-1] if a.ndim > 1 else (), right[-1:] if b.ndim > 1 else ()
    return made((*batch, *rows, *columns), a.dtype)


def einsum(equation: str, tensors: Sequence[torch.Tensor], *_: Any) -> torch.Tensor | None:
    """Where every axis has a letter and the result is written out."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if not arrow or "." in equation or [len(t) for t in terms] != [t.ndim for t in tensors]:
        return None
    sizes: dict[str, int] = {}
    for letters, tensor in zip(terms, tensors, strict=True):
        for letter, size in zip(letters, tensor.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                return None
    if len({t.dtype for t in tensors}) > 1 or not set(output) <= set(sizes):
        return None
    return made([sizes[letter] for letter in output], tensors[0].dtype)


def addmm(x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, *_: Any) -> torch.Tensor | None:
    found = matmul(a, b)
    fits = found is not None and broadcast(x.shape, found.shape) == tuple(found.shape)
    return found if fits else None


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Any = None, *rest: Any
) -> Any:
    """Of scaled dot-product attention. ``rest`` ends with ``enable_gqa``."""
    same = (
        q.ndim == k.ndim == v.ndim > 2 and q.shape[-1] == k.shape[-1] and k.shape[-2] == v.shape[-2]
    )
    if not same or len({q.dtype, k.dtype, v.dtype}) > 1:
        return None
    heads = {t.shape[-3] for t in (k, v)}
    shared = bool(rest and rest[-1]) and len(heads) == 1 and not q.shape[-3] % min(heads)
    if not shared and heads != {q.shape[-3]}:
        return None
    batch = q.shape[:-3] if shared else q.shape[:-2]
    if any(t.shape[: len(batch)] != batch for t in (k, v)):
        return None
    scores = (*q.shape[:-1], k.shape[-2])
    if mask is not None and broadcast(mask.shape, scores) != scores:
        return None
    return made((*q.shape[:-1], v.shape[-1]), q.dtype)


def embedding(weight: torch.Tensor, indices: torch.Tensor, *_: Any) -> torch.Tensor | None:
    if weight.ndim != 2 or indices.dtype not in (torch.int64, torch.int32):
        return None
    return made((*indices.shape, weight.shape[1]), weight.dtype)


def joined(tensors: Sequence[torch.Tensor], dim: int = 0) -> torch.Tensor | None:
    """Of ``cat``."""
    first = tensors[0]
    if not first.ndim or any(t.dtype != first.dtype or t.ndim != first.ndim for t in tensors):
        return None
    dim %= first.ndim
    sizes = [[s for axis, s in enumerate(t.shape) if axis != dim] for t in tensors]
    if any(s != sizes[0] for s in sizes):
        return None
    total = sum(t.shape[dim] for t in tensors)
    return made((*first.shape[:dim], total, *first.shape[dim + 1 :]), first.dtype)


def stacked(tensors: Sequence[torch.Tensor], dim: int = 0) -> torch.Tensor | None:
    first = tensors[0]
    if any(t.dtype != first.dtype or t.shape != first.shape for t in tensors):
        return None
    dim %= first.ndim + 1
    return made((*first.shape[:dim], len(tensors), *first.shape[dim:]), first.dtype)


def total(x: torch.Tensor, dtype: Any = None) -> torch.Tensor | None:
    """Of a mean or sum over everything."""
    return reduced(x, None, dtype=dtype)


def counted(*arguments: Any) -> torch.Tensor | None:
    """Of ``arange`` on integers; the type, layout, device and pinning come last."""
    *bounds, dtype, _, _, _ = arguments
    if any(type(b) is not int for b in bounds):
        return None
    steps = range(*bounds) if len(bounds) < 3 or bounds[2] else ()
    return made((len(steps),), dtype or torch.int64)


def reduced(
    x: torch.Tensor, dims: Any, keep: bool = False, dtype: Any = None
) -> torch.Tensor | None:
    """Of a mean or sum over some axes, or all of them."""
    if not x.dtype.is_floating_point or dtype is not None:
        return None
    axes = {d % x.ndim for d in dims} if dims else set(range(x.ndim))
    kept = [1 if axis in axes else s for axis, s in enumerate(x.shape) if keep or axis not in axes]
    return made(kept, x.dtype)


def _plain(x: torch.Tensor) -> torch.Tensor | None:
    """As large, of the same type, elements in the order of their indices."""
    return made(x.shape, x.dtype) if x.dtype.is_floating_point else None


def _sized(shape: Shape | None, dtype: torch.dtype, *tensors: torch.Tensor) -> torch.Tensor | None:
    """Of that size, its elements in the order of a tensor that has it already."""
    if shape is None:
        return None
    whole = next((t for t in tensors if t.shape == shape and t.dtype == dtype), None)
    return made(shape, dtype) if whole is None else similar(whole)
