"""What attention costs: scores, softmax and weighted values, forward and backward."""

from collections.abc import Collection

from qreg.records import Contraction
from qreg_norm.cost import SOFTMAX

GRADIENTS = ("query", "key", "value")


def attention(
    heads: int, queries: int, keys: int, size: int, value_size: int, masked: int = 0
) -> tuple[Contraction, Contraction]:
    """The two products: every query with every key, every row of scores with the values.

    ``heads`` are those of the queries, of the whole batch: heads that share keys and values still
    multiply by them. ``masked`` pairs of a query and a key are thrown away; they are counted.

    Source: Vaswani et al., "Attention Is All You Need", 2017, eq. 1; Ainslie et al., 2023 (GQA).
    """
    return (
        Contraction(m=queries, n=keys, k=size, count=heads, masked=heads * masked * size),
        Contraction(
            m=queries, n=value_size, k=keys, count=heads, masked=heads * masked * value_size
        ),
    )


def gradients(
    heads: int,
    queries: int,
    keys: int,
    size: int,
    value_size: int,
    masked: int = 0,
    asked: Collection[str] = GRADIENTS,
) -> tuple[Contraction, ...]:
    """The products of the backward pass: four where every gradient is asked for, twice forward.

    With P the scores after softmax and D the gradient of the result: dV = P^T D, dP = D V^T, and
    from dP through softmax dQ = dS K, dK = dS^T Q. A kernel that did not keep P computes it anew;
    that fifth product belongs to the kernel, not to the gradient, and is not counted.

    Source: Dao et al., "FlashAttention", 2022, appendix B.2.
    """  # fmt: skip

    def product(m: int, n: int, k: int, channels: int) -> Contraction:
        return Contraction(m=m, n=n, k=k, count=heads, masked=heads * masked * channels)

    found = [product(keys, value_size, queries, value_size)] if "value" in asked else []
    if {"query", "key"} & set(asked):
        found.append(product(queries, keys, value_size, value_size))
    found += [product(queries, size, keys, size)] if "query" in asked else []
    found += [product(keys, size, queries, size)] if "key" in asked else []
    return tuple(found)


def around(scores: int, added: int = 0, capped: bool = False) -> int:
    """FLOPs on the scores: their factor, softmax, what is added to them, and a soft cap.

    Source: ONNX Attention-25; softmax as ``qreg_norm.cost`` counts it.
    """
    return scores * (1 + len(SOFTMAX.split()) + added + (3 if capped else 0))


def masked_pairs(queries: int, keys: int, right: int | None = None, left: int | None = None) -> int:
    """Pairs outside the band: query i sees keys j with ``i + left <= j <= i + right``.

    ``right`` 0 is the causal mask that starts at the first key; ``keys - queries`` the one that
    ends at the last. None leaves a side open.
    """  # fmt: skip
    seen = queries * keys if right is None else up_to(queries, keys, right)
    if left is not None:
        seen = max(seen - up_to(queries, keys, left - 1), 0)
    return queries * keys - seen


def up_to(queries: int, keys: int, offset: int) -> int:
    """Pairs with ``j <= i + offset``: the sum over i of i + 1 + offset, at least 0, at most keys."""
    return (
        _triangle(queries + offset)
        - _triangle(offset)
        - _triangle(queries + offset - keys)
        + _triangle(offset - keys)
    )


def _triangle(side: int) -> int:
    return max(side, 0) * (max(side, 0) + 1) // 2
