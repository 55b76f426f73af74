"""What attention costs in ONNX and in ONNX Runtime's contrib ops.

A cache whose buffer is longer than what it holds is counted in full: how much it holds is data.
"""

from math import prod

from qreg.records import Contraction, Cost, OpCall, Tensor, Weight
from qreg_attention.cost import around, attention, masked_pairs
from qreg_linear.cost import NOWHERE

ROTATION = 3  # of an element by its angle: two products and a sum


def attend(call: OpCall) -> Cost:
    """Attention of (batch, heads, tokens, size) or (batch, tokens, heads * size), with a cache.

    Source: ONNX Attention-25; query i has position i behind the cache.
    """
    query, key, value = (call.input(i).shape for i in range(3))
    flat = len(query) == 3
    heads = call.attribute("q_num_heads") if flat else query[1]
    shared = call.attribute("kv_num_heads") if flat else 1
    past = call.optional(4)
    before = past.shape[2] if past is not None else 0
    queries, keys = query[-2], before + key[-2]
    start = keys - queries if call.optional(6) is not None else before
    right = [0] if call.attribute("is_causal", 0) else []
    right += [n for n in [call.attribute("right_window_size", -1)] if n >= 0]
    left = call.attribute("left_window_size", -1)
    masked = masked_pairs(
        queries, keys,
        right=start + min(right) if right else None,
        left=start - left if left >= 0 else None,
    )  # fmt: skip
    products = attention(
        query[0] * heads, queries, keys, query[-1] // (heads if flat else 1), value[-1] // shared,
        masked,
    )  # fmt: skip
    capped = call.attribute("softcap", 0.0) != 0
    scores = query[0] * heads * queries * keys
    return Cost(products, around(scores, call.optional(3) is not None, capped))


def projected(call: OpCall) -> Cost:
    """Attention, QAttention, DecoderMaskedSelfAttention: one weight for query, key and value.

    Source: ONNX Runtime Attention-1, QAttention-1, DecoderMaskedSelfAttention-1.
    """
    quantised = call.op == "QAttention"
    batch, queries, width = call.input(0).shape
    past = call.optional(8 if quantised else 4)
    keys = _with_cache(call, past, queries, axis=3)
    weight = Weight(
        input=1, in_axis=0, out_axis=1, zero_point=7 if quantised else None, data_axis=-1,
        output_axis=NOWHERE,
    )  # fmt: skip
    columns = call.input(1).shape[1]
    rows = Contraction(m=batch * queries, n=columns, k=width, weight=weight)
    masks = (5,) if quantised else (3, 5)
    own = call.attribute("qkv_hidden_sizes") or (columns // 3,) * 3
    found = _heads(call, batch, queries, keys, own[0], own[2], masks)
    bias = batch * queries * columns if call.optional(2) is not None else 0
    turned = ROTATION * batch * queries * (own[0] + own[1]) if call.attribute("do_rotary", 0) else 0
    return Cost((rows, *found.contractions), found.elementwise_flops + bias + turned)


def packed_projected(call: OpCall) -> Cost:
    """PackedAttention: only real tokens are projected; scores are counted as if unpacked, since
    the lengths are data. Source: ONNX Runtime PackedAttention-1.
    """
    (tokens, width), columns = call.input(0).shape, call.input(1).shape[1]
    batch, length = call.input(3).shape
    weight = Weight(input=1, in_axis=0, out_axis=1, data_axis=-1, output_axis=NOWHERE)
    own = call.attribute("qkv_hidden_sizes") or (columns // 3,) * 3
    found = _heads(call, batch, length, length, own[0], own[2], (5,))
    rows = Contraction(m=tokens, n=columns, k=width, weight=weight)
    return Cost((rows, *found.contractions), found.elementwise_flops + tokens * columns)


def ordered(call: OpCall) -> Cost:
    """QOrderedAttention: a weight and a bias each for query, key and value, all in int8.

    Source: ONNX Runtime QOrderedAttention-1; it takes no cache.
    """
    batch, tokens, width = call.input(0).shape
    sizes = [call.input(i).shape[1] for i in (5, 6, 7)]
    rows = tuple(
        Contraction(m=batch * tokens, n=n, k=width, weight=Weight(
            input=i, in_axis=0, out_axis=1, data_axis=-1, output_axis=NOWHERE))
        for i, n in zip((5, 6, 7), sizes, strict=True)
    )  # fmt: skip
    found = _heads(call, batch, tokens, tokens, sizes[0], sizes[2], (17, 19))
    biases = batch * tokens * sum(sizes)
    return Cost((*rows, *found.contractions), found.elementwise_flops + biases)


def multi_head(call: OpCall) -> Cost:
    """MultiHeadAttention: query, key and value apart, packed in pairs, or all three in one.

    Source: ONNX Runtime MultiHeadAttention-1.
    """
    query, key = call.input(0), call.optional(1)
    heads, width = call.attribute("num_heads"), call.output.shape[-1]
    whole = len(query.shape) == 5
    fresh = query.shape[1] if whole or key is None else key.shape[2 if len(key.shape) == 4 else 1]
    keys = _with_cache(call, call.optional(6), fresh, axis=2, shared=call.optional(8) is not None)
    hidden_size = heads * query.shape[-1] if whole else query.shape[2]
    found = _heads(call, query.shape[0], query.shape[1], keys, hidden_size, width, (4, 5))
    return Cost(found.contractions, found.elementwise_flops + _biases(call, 3))


def decoder(call: OpCall) -> Cost:
    """DecoderMaskedMultiHeadAttention: one query for each of the batch, over a cache.

    Source: ONNX Runtime DecoderMaskedMultiHeadAttention-1.
    """
    query, key = call.input(0), call.optional(1)
    width = call.output.shape[-1]
    if key is not None and len(key.shape) == 4:  # of another sequence
        keys = key.shape[2]
    else:
        keys = _with_cache(call, call.optional(5), 1, axis=2)
    hidden_size = query.shape[2] if key is not None else (query.shape[2] - width) // 2
    found = _heads(call, query.shape[0], 1, keys, hidden_size, width, (3, 4))
    return Cost(found.contractions, found.elementwise_flops + _biases(call, 10))


def packed_multi_head(call: OpCall) -> Cost:
    """PackedMultiHeadAttention, counted as if unpacked: the lengths are data.

    Source: ONNX Runtime PackedMultiHeadAttention-1.
    """
    query = call.input(0)
    batch, length = call.input(4).shape
    whole = len(query.shape) == 4
    hidden_size = query.shape[1] * query.shape[3] if whole else query.shape[1]
    found = _heads(call, batch, length, length, hidden_size, call.output.shape[-1], (6,))
    return Cost(found.contractions, found.elementwise_flops + _biases(call, 3))


def grouped(call: OpCall) -> Cost:
    """GroupQueryAttention: fewer key heads, a cache, causal unless it says otherwise.

    The mask ends at the last key; a window of n sees n keys, the query's own among them.

    Source: ONNX Runtime GroupQueryAttention-1.
    """
    query, past = call.input(0).shape, call.optional(3)
    heads, shared = call.attribute("num_heads"), call.attribute("kv_num_heads")
    batch, queries = query[:2]
    parts = heads if call.optional(1) is not None else heads + 2 * shared
    size = query[2] // parts
    present = call.outputs[1] if len(call.outputs) > 1 and call.outputs[1].name else None
    fresh = queries if call.optional(1) is None else call.input(1).shape[1]
    before = past.shape[2] if past is not None else 0
    keys = present.shape[2] if present is not None else before + fresh
    start, window = keys - queries, call.attribute("local_window_size", -1)
    masked = masked_pairs(
        queries, keys,
        right=start if call.attribute("causal", 1) else None,
        left=start - window + 1 if window > 0 else None,
    )  # fmt: skip
    products = attention(batch * heads, queries, keys, size, call.output.shape[-1] // heads, masked)
    scores = batch * heads * queries * keys
    capped = call.attribute("softcap", 0.0) != 0
    turned = ROTATION * batch * size * (queries * heads + fresh * shared)
    return Cost(
        products,
        around(scores, call.optional(10) is not None, capped)
        + (turned if call.attribute("do_rotary", 0) else 0),
    )


def _heads(
    call: OpCall,
    batch: int,
    queries: int,
    keys: int,
    width: int,
    value_width: int,
    masks: tuple[int, ...],
) -> Cost:
    """Attention of ``num_heads`` equal parts; ``unidirectional`` ends at the last key."""  # fmt: skip
    heads = call.attribute("num_heads")
    causal = call.attribute("unidirectional", 0)
    masked = masked_pairs(queries, keys, right=keys - queries) if causal else 0
    products = attention(
        batch * heads, queries, keys, width // heads, value_width // heads, masked
    )  # fmt: skip
    added = sum(call.optional(i) is not None for i in masks)
    return Cost(products, around(batch * heads * queries * keys, added))


def _with_cache(
    call: OpCall, past: Tensor | None, fresh: int, axis: int, shared: bool = False
) -> int:
    """Keys of the cache and new ones; a shared buffer has room for both."""
    if past is None:
        return fresh
    shared = shared or bool(call.attribute("past_present_share_buffer", 0))
    return past.shape[axis] if shared else past.shape[axis] + fresh


def _biases(call: OpCall, index: int) -> int:
    """One addition for every element of query, key and value where there is a bias."""
    if call.optional(index) is None:
        return 0
    given = [call.optional(i) for i in range(3)]
    return sum(prod(t.shape) for t in given if t is not None)
