"""Attention costs the products of its definition, whoever computes it.

Oracles: PyTorch's mathematical form, whose bmm its own counter knows, forward and backward; masks
drawn pair by pair.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from cost_calls import aten, macs, onnx_call, priced

from qreg.records import OpCall
from qreg_attention.cost import masked_pairs
from qreg_onnx.runtime import session

torch = pytest.importorskip("torch")
flop_counter = pytest.importorskip("torch.utils.flop_counter")
nn = torch.nn
F = nn.functional
aten_ops = torch.ops.aten


def meta(*shape: int, grad: bool = False) -> Any:
    return torch.empty(shape, device="meta", requires_grad=grad)


def products_of(run: Callable[[], Any]) -> int:
    with flop_counter.FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops()) // 2


def kept(call: OpCall) -> int:
    """The products that no mask throws away."""
    return sum(c.macs - c.masked for c in priced(call).contractions)


# PyTorch ----------------------------------------------------------------------------------------

SHAPES = [
    ((2, 4, 64, 32), (2, 4, 64, 32), 32),
    ((2, 4, 64, 32), (2, 2, 64, 32), 32),  # two query heads share a key head
    ((2, 8, 5, 6), (2, 1, 9, 6), 6),
    ((2, 4, 5, 6), (2, 4, 9, 6), 3),  # values of another size
    ((3, 7, 8), (3, 4, 8), 8),  # no heads
]


@pytest.mark.parametrize(("query", "key", "value_size"), SHAPES)
def test_attention_is_the_products_of_its_mathematical_form(
    query: tuple[int, ...], key: tuple[int, ...], value_size: int
) -> None:
    """On a CPU PyTorch's counter gives 0 for it; the half that a causal mask keeps is told apart."""
    q, k, v = meta(*query), meta(*key), meta(*key[:-1], value_size)
    shared = {"enable_gqa": True} if query[:-2] != key[:-2] else {}
    form = aten_ops._scaled_dot_product_attention_math
    with torch.no_grad():
        whole = products_of(lambda: form(q, k, v, **shared))

    assert macs(aten("scaled_dot_product_attention", q, k, v, **shared)) == whole
    assert macs(aten("scaled_dot_product_attention", q, k, v, None, 0.0, True, **shared)) == whole


@pytest.mark.parametrize("keys", [64, 48])
@pytest.mark.parametrize("causal", [True, False])
def test_every_kernel_costs_what_the_definition_does(keys: int, causal: bool) -> None:
    q, k, v = meta(2, 4, 64, 32), meta(2, 4, keys, 32), meta(2, 4, keys, 32)
    expected = priced(aten("scaled_dot_product_attention", q, k, v, None, 0.0, causal))

    calls = [
        aten("_scaled_dot_product_flash_attention", q, k, v, 0.0, causal),
        aten("_scaled_dot_product_efficient_attention", q, k, v, None, True, 0.0, causal),
        aten("_scaled_dot_product_cudnn_attention", q, k, v, None, True, 0.0, causal),
        aten("_scaled_dot_product_flash_attention_for_cpu", q, k, v, 0.0, causal),
        aten("_scaled_dot_product_attention_math", q, k, v, None, 0.0, causal),
    ]

    assert [priced(call) for call in calls] == [expected] * len(calls)


@pytest.mark.parametrize(("query", "key", "value_size"), SHAPES[:1] + SHAPES[3:4])
def test_the_gradients_of_attention_are_four_products(
    query: tuple[int, ...], key: tuple[int, ...], value_size: int
) -> None:
    """PyTorch's counter says five for its kernels, which compute the scores a second time."""
    shapes = (query, key, (*key[:-1], value_size))
    q, k, v = (meta(*s, grad=True) for s in shapes)
    y = aten_ops._scaled_dot_product_attention_math(q, k, v)[0]
    backward = products_of(lambda: y.sum().backward())
    like = onnx_call("MatMul", [y.shape, *shapes], shapes)

    call = OpCall("aten._scaled_dot_product_flash_attention_for_cpu_backward.default", "node",
                  like.inputs, like.outputs, {"is_causal": False})  # fmt: skip

    assert macs(call) == backward == 2 * macs(aten("scaled_dot_product_attention", q, k, v))


@pytest.mark.parametrize("asked", [(1, 1, 1, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0)])
def test_only_the_gradients_that_are_asked_for_are_counted(asked: tuple[int, ...]) -> None:
    shapes = ((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6))
    tensors = [meta(*s, grad=bool(a)) for s, a in zip(shapes, asked, strict=False)]
    y = aten_ops._scaled_dot_product_attention_math(*tensors)[0]
    backward = products_of(lambda: y.sum().backward())
    like = onnx_call("MatMul", [y.shape, *shapes], shapes)

    call = OpCall("aten._scaled_dot_product_efficient_attention_backward.default", "node",
                  like.inputs, like.outputs,
                  {"is_causal": True, "grad_input_mask": tuple(map(bool, asked))})  # fmt: skip

    assert macs(call) == backward
    share = (7 * 5 - (1 + 2 + 3 + 4 + 5)) / (7 * 5)
    assert macs(call) - kept(call) == pytest.approx(backward * share)


def test_the_causal_half_of_square_attention() -> None:
    """PyTorch's counter gives the full square: 64 * 65 / 2 of 64 * 64 pairs are kept."""
    q = meta(2, 4, 64, 32)
    call = aten("scaled_dot_product_attention", q, q, q, None, 0.0, True)

    assert macs(call) == 2 * 2 * 4 * 64 * 64 * 32
    assert kept(call) == 2 * 4 * 32 * 64 * 65


def test_softmax_a_factor_and_a_mask_are_apart_from_the_products() -> None:
    q, mask = meta(2, 4, 5, 8), meta(5, 5)

    plain = priced(aten("scaled_dot_product_attention", q, q, q))
    masked = priced(aten("scaled_dot_product_attention", q, q, q, mask))

    scores = 2 * 4 * 5 * 5
    assert plain.elementwise_flops == scores * (5 + 1)
    assert masked.elementwise_flops == scores * (5 + 1 + 1)


@pytest.mark.parametrize("queries", [1, 4, 7])
@pytest.mark.parametrize("keys", [1, 4, 9])
@pytest.mark.parametrize("right", [None, 0, 3, -2, 20])
@pytest.mark.parametrize("left", [None, 0, 2, -3])
def test_masked_pairs_drawn_one_by_one(
    queries: int, keys: int, right: int | None, left: int | None
) -> None:
    i, j = np.indices((queries, keys))
    seen = np.ones((queries, keys), bool)
    seen &= True if right is None else j <= i + right
    seen &= True if left is None else j >= i + left

    assert masked_pairs(queries, keys, right, left) == np.count_nonzero(~seen)


def heads_in_one_op(batch: int, tokens: int, width: int) -> int:
    """Four projections, and each head's scores and values."""
    return batch * tokens * 4 * width * width + 2 * batch * tokens * tokens * width


def test_the_fused_multi_head_op_counts_as_its_parts() -> None:
    """PyTorch's counter gives 0 for nn.MultiheadAttention in eval without gradients."""
    x, qkv, proj = torch.zeros(2, 10, 64), torch.zeros(192, 64), torch.zeros(64, 64)

    call = aten("_native_multi_head_attention", x, x, x, 64, 4, qkv, torch.zeros(192), proj,
                torch.zeros(64), None, False)  # fmt: skip
    itself = OpCall(call.target, "node", (*[call.inputs[0]] * 3, *call.inputs[3:]), call.outputs,
                    call.attributes)  # fmt: skip

    assert macs(call) == macs(itself) == heads_in_one_op(2, 10, 64)
    scores = 2 * 4 * 10 * 10
    assert priced(itself).elementwise_flops == 20 * (192 + 64) + scores * 6


@pytest.mark.parametrize("gelu", [True, False])
def test_the_fused_encoder_layer_counts_as_its_parts(gelu: bool) -> None:
    """PyTorch's counter gives 0 for nn.TransformerEncoderLayer in eval without gradients."""
    w = torch.zeros
    call = aten("_transformer_encoder_layer_fwd", w(2, 10, 64), 64, 4, w(192, 64), w(192), w(64, 64),
                w(64), gelu, False, 1e-5, w(64), w(64), w(64), w(64), w(128, 64), w(128), w(64, 128),
                w(64))  # fmt: skip

    assert macs(call) == heads_in_one_op(2, 10, 64) + 2 * 10 * 2 * 64 * 128
    biases = 192 + 64 + 128 + 64
    norms, sums, activation = 2 * 64 * (5 + 2), 2 * 64, 128 * (5 if gelu else 1)
    scores = 2 * 4 * 10 * 10 * (5 + 1)
    assert priced(call).elementwise_flops == 20 * (biases + norms + sums + activation) + scores


# ONNX and ONNX Runtime --------------------------------------------------------------------------


def definition(heads: int, queries: int, keys: int, size: int, value_size: int) -> int:
    return heads * queries * keys * (size + value_size)


@pytest.mark.parametrize("flat", [True, False])
def test_onnx_attention_with_a_cache_and_shared_heads(flat: bool) -> None:
    """6 query heads on 2 key heads, 5 queries, 4 old and 7 new keys, sizes 8 and 3."""
    past = ((2, 2, 4, 8), (2, 2, 4, 3))
    if flat:
        shapes, out = ((2, 5, 48), (2, 7, 16), (2, 7, 6)), (2, 5, 18)
    else:
        shapes, out = ((2, 6, 5, 8), (2, 2, 7, 8), (2, 2, 7, 3)), (2, 6, 5, 3)
    heads = {"q_num_heads": 6, "kv_num_heads": 2} if flat else {}

    call = onnx_call("Attention", [*shapes, (5, 11), *past], [out], softcap=2.0, **heads)

    assert macs(call) == definition(12, 5, 11, 8, 3)
    assert priced(call).elementwise_flops == 12 * 5 * 11 * (5 + 1 + 1 + 3)


@pytest.mark.parametrize(
    ("past", "settings"),
    [(0, {"is_causal": 1}), (4, {"is_causal": 1}), (4, {"left_window_size": 2}),
     (4, {"is_causal": 1, "left_window_size": 2, "right_window_size": 1}),
     (0, {"left_window_size": 1, "right_window_size": 1})],
)  # fmt: skip
def test_onnx_attention_keeps_the_pairs_that_its_standard_shows(
    past: int, settings: dict[str, int]
) -> None:
    """The reference implementation's mask, seen through what one-hot values let through."""
    reference = pytest.importorskip("onnx.reference.ops.op_attention")
    q, k = np.zeros((1, 1, 5, 2), np.float32), np.zeros((1, 1, 6, 2), np.float32)
    before = [np.zeros((1, 1, past, n), np.float32) for n in (2, past + 6)] if past else [None] * 2
    one_hot = np.eye(past + 6, dtype=np.float32)
    if past:
        before[1] = one_hot[None, None, :past]
    try:
        result = reference._compute_attention(
            q, k, one_hot[None, None, past:], past_key=before[0], past_value=before[1],
            is_causal=settings.get("is_causal", 0),
            left_window_size=settings.get("left_window_size", -1),
            right_window_size=settings.get("right_window_size", -1),
        )  # fmt: skip
    except (TypeError, AttributeError):
        pytest.skip("this onnx has an older Attention")
    seen = np.count_nonzero(result[0])
    caches = [(1, 1, past, 2), (1, 1, past, past + 6)] if past else [None, None]

    call = onnx_call("Attention", [q.shape, k.shape, (1, 1, 6, past + 6), None, *caches],
                     [(1, 1, 5, past + 6)], **settings)  # fmt: skip

    assert kept(call) == seen * (2 + past + 6)
    assert macs(call) == definition(1, 5, past + 6, 2, past + 6)


X, W = (2, 5, 16), (16, 24)  # batch 2, 5 tokens, width 16; query, key and value of 8 in 2 heads


@pytest.mark.parametrize(
    ("call", "keys"),
    [
        (onnx_call("com.microsoft.Attention", [X, W, (24,)], [(2, 5, 8)], num_heads=2), 5),
        (onnx_call("com.microsoft.Attention", [X, W, (24,), None, (2, 2, 2, 3, 4)], [(2, 5, 8)],
                   num_heads=2), 3 + 5),
        (onnx_call("com.microsoft.Attention", [X, W, (24,), None, (2, 2, 2, 9, 4)], [(2, 5, 8)],
                   num_heads=2, past_present_share_buffer=1), 9),
        (onnx_call("com.microsoft.QAttention", [X, W, (24,), (), (), None, (), (), (2, 2, 2, 3, 4)],
                   [(2, 5, 8)], num_heads=2), 3 + 5),
        (onnx_call("com.microsoft.QOrderedAttention",
                   [X, (), (), (), (), (16, 8), (16, 8), (16, 8), (), (), (), (8,), (8,), (8,),
                    None, None, ()], [(2, 5, 8)], num_heads=2), 5),
    ],
    ids=lambda value: value.target if isinstance(value, OpCall) else "",
)  # fmt: skip
def test_ops_that_project_first(call: OpCall, keys: int) -> None:
    assert macs(call) == 2 * 5 * 16 * 24 + definition(2 * 2, 5, keys, 4, 4)
    assert priced(call).elementwise_flops == 2 * 5 * 24 + 2 * 2 * 5 * keys * 6


def test_values_of_another_size_than_keys() -> None:
    call = onnx_call("com.microsoft.Attention", [X, (16, 8 + 8 + 12), (28,)], [(2, 5, 12)],
                     num_heads=2, qkv_hidden_sizes=(8, 8, 12), unidirectional=1)  # fmt: skip

    assert macs(call) == 2 * 5 * 16 * 28 + definition(4, 5, 5, 4, 6)
    assert kept(call) == 2 * 5 * 16 * 28 + 4 * 15 * (4 + 6)


@pytest.mark.parametrize(
    ("inputs", "keys", "biases"),
    [
        ([(2, 5, 8), (2, 7, 8), (2, 7, 12), (28,)], 7, 2 * (5 * 8 + 7 * 20)),
        ([(2, 5, 8), (2, 2, 7, 4), (2, 2, 7, 6)], 7, 0),
        ([(2, 5, 8), (2, 7, 8), (2, 7, 12), None, None, None, (2, 2, 3, 4), (2, 2, 3, 6)], 10, 0),
    ],
)
def test_heads_side_by_side(inputs: list[Any], keys: int, biases: int) -> None:
    call = onnx_call("com.microsoft.MultiHeadAttention", inputs, [(2, 5, 12)], num_heads=2)

    assert macs(call) == definition(4, 5, keys, 4, 6)
    assert priced(call).elementwise_flops == biases + 4 * 5 * keys * 6


@pytest.mark.parametrize(
    ("inputs", "keys"),
    [([(2, 5, 2, 3, 4)], 5), ([(2, 5, 8), (2, 7, 2, 2, 4)], 7)],
)
def test_packed_heads(inputs: list[Any], keys: int) -> None:
    call = onnx_call("com.microsoft.MultiHeadAttention", inputs, [(2, 5, 8)], num_heads=2)

    assert macs(call) == definition(4, 5, keys, 4, 4)


def test_sequences_without_their_padding() -> None:
    """9 tokens of two sequences of at most 5: projections see 9, scores are counted as of 5."""
    packed = onnx_call("com.microsoft.PackedAttention", [(9, 16), W, (24,), (2, 5), (3,)], [(9, 8)],
                       num_heads=2)  # fmt: skip
    heads = onnx_call("com.microsoft.PackedMultiHeadAttention",
                      [(9, 2, 3, 4), None, None, None, (2, 5), (3,)], [(9, 8)], num_heads=2)  # fmt: skip

    assert macs(heads) == definition(4, 5, 5, 4, 4)
    assert macs(packed) == 9 * 16 * 24 + macs(heads)


@pytest.mark.parametrize(
    ("inputs", "shared", "keys"),
    [
        ([(2, 1, 8), (2, 1, 8), (2, 1, 8), None, None, (2, 2, 6, 4), (2, 2, 6, 4)], 0, 7),
        ([(2, 1, 8), (2, 1, 8), (2, 1, 8), None, None, (2, 2, 9, 4), (2, 2, 9, 4)], 1, 9),
        ([(2, 1, 24), None, None, None, None, (2, 2, 6, 4), (2, 2, 6, 4)], 0, 7),
        ([(2, 1, 8), (2, 2, 7, 4), (2, 2, 7, 4)], 0, 7),
    ],
)
def test_one_query_over_a_cache(inputs: list[Any], shared: int, keys: int) -> None:
    call = onnx_call("com.microsoft.DecoderMaskedMultiHeadAttention", inputs, [(2, 1, 8)],
                     num_heads=2, past_present_share_buffer=shared)  # fmt: skip

    assert macs(call) == definition(4, 1, keys, 4, 4)


def test_grouped_queries_over_a_cache() -> None:
    """4 query heads on 2 key heads of size 8, 5 new tokens behind 6 cached ones, turned by angles."""
    cache = [(2, 2, 6, 8), (2, 2, 6, 8), (2,), ()]
    heads = {"num_heads": 4, "kv_num_heads": 2, "do_rotary": 1}
    outputs = [(2, 5, 32), (2, 2, 11, 8), (2, 2, 11, 8)]
    apart = onnx_call("com.microsoft.GroupQueryAttention", [(2, 5, 32), (2, 5, 16), (2, 5, 16), *cache],
                      outputs, **heads)  # fmt: skip
    packed = onnx_call("com.microsoft.GroupQueryAttention", [(2, 5, 64), None, None, *cache], outputs,
                       **heads)  # fmt: skip

    assert macs(apart) == macs(packed) == definition(8, 5, 11, 8, 8)
    assert kept(apart) == 8 * (7 + 8 + 9 + 10 + 11) * 16
    turned = 2 * 5 * (4 + 2) * 8 * 3
    assert priced(apart).elementwise_flops == turned + 8 * 5 * 11 * 6
    assert priced(apart) == priced(packed)


@pytest.mark.parametrize("window", [-1, 1, 3])
def test_grouped_queries_keep_the_window_that_onnx_runtime_keeps(window: int) -> None:
    """Its kernel on one-hot values lets through just the keys that a query sees."""
    tokens, size = 6, 8
    sizes = {"query": (1, tokens, size), "key": (1, tokens, size), "value": (1, tokens, size)}
    infos = [onnx.helper.make_tensor_value_info(n, 1, s) for n, s in sizes.items()]
    infos += [onnx.helper.make_tensor_value_info("past_key", 1, (1, 1, 0, size)),
              onnx.helper.make_tensor_value_info("past_value", 1, (1, 1, 0, size)),
              onnx.helper.make_tensor_value_info("seqlens", 6, (1,)),
              onnx.helper.make_tensor_value_info("total", 6, (1,))]  # fmt: skip
    names = [i.name for i in infos]
    node = onnx.helper.make_node("GroupQueryAttention", names, ["y", "pk", "pv"],
                                 domain="com.microsoft", num_heads=1, kv_num_heads=1,
                                 local_window_size=window)  # fmt: skip
    made = [onnx.helper.make_tensor_value_info(n, 1, None) for n in ("y", "pk", "pv")]
    opsets = [onnx.helper.make_opsetid("com.microsoft", 1), onnx.helper.make_opsetid("", 20)]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", infos, made),
                                   opset_imports=opsets, ir_version=10)  # fmt: skip
    empty = np.zeros((1, 1, 0, size), np.float32)
    feed = {n: np.zeros(s, np.float32) for n, s in sizes.items()}
    feed["value"] = np.eye(tokens, size, dtype=np.float32)[None]
    feed |= {"past_key": empty, "past_value": empty, "seqlens": np.array([tokens - 1], np.int32),
             "total": np.array([tokens], np.int32)}  # fmt: skip
    seen = np.count_nonzero(session(model).run(None, feed)[0])

    shapes = [*sizes.values(), empty.shape, empty.shape, (1,), (1,)]
    call = onnx_call("com.microsoft.GroupQueryAttention", shapes,
                     [(1, tokens, size), (1, 1, tokens, size), (1, 1, tokens, size)], num_heads=1,
                     kv_num_heads=1, local_window_size=window)  # fmt: skip

    assert kept(call) == seen * 2 * size
