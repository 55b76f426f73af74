"""What attention costs as PyTorch's dispatcher spells it."""

from math import prod

from qreg.records import Contraction, Cost, OpCall, Weight
from qreg_activation.cost import GELU
from qreg_attention.cost import GRADIENTS, around, attention, gradients, masked_pairs
from qreg_linear.cost import NOWHERE, hidden
from qreg_norm.cost import standardise

BACKWARD = "mul sum sub mul mul"  # of a score: softmax, then its factor
UNMASKED = ("_scaled_dot_product_flash_attention",)  # their fourth tensor is no mask


def attend(call: OpCall) -> Cost:
    """scaled_dot_product_attention and its kernels: (..., heads, tokens, size), fewer key heads.

    ``is_causal`` starts at the first key, whatever the lengths. Source: PyTorch
    ``torch.nn.functional.scaled_dot_product_attention``.
    """
    query, key, value = (call.input(i).shape for i in range(3))
    heads, queries, keys = prod(call.output.shape[:-2]), query[-2], key[-2]
    masked = masked_pairs(queries, keys, right=0) if call.attribute("is_causal", False) else 0
    added = call.op not in UNMASKED and call.optional(3) is not None
    products = attention(heads, queries, keys, query[-1], value[-1], masked)
    return Cost(products, around(heads * queries * keys, added))


def attend_backward(call: OpCall) -> Cost:
    """The gradients of query, key and value that are asked for, by the mathematics."""
    grad, query, key, value = (call.input(i).shape for i in range(4))
    heads, queries, keys = prod(grad[:-2]), query[-2], key[-2]
    masked = masked_pairs(queries, keys, right=0) if call.attribute("is_causal", False) else 0
    mask = call.attribute("grad_input_mask", (True, True, True, False))
    asked = [name for name, wanted in zip(GRADIENTS, mask, strict=False) if wanted]
    products = gradients(heads, queries, keys, query[-1], value[-1], masked, asked)
    scored = bool({"query", "key"} & set(asked))
    return Cost(products, heads * queries * keys * len(BACKWARD.split()) * scored)


def multi_head(call: OpCall) -> Cost:
    """_native_multi_head_attention: three projections, attention, one projection.

    Source: PyTorch ``aten/src/ATen/native/transformers/attention.cpp``.
    """
    query, key = call.input(0), call.input(1)
    (batch, queries, width), keys = query.shape, key.shape[1]
    heads = call.attribute("num_head")
    rows, other = batch * queries, batch * keys
    if key.name == query.name:
        projected: tuple[Contraction, ...] = (_packed_projection(3, rows, width),)
    else:  # parts of one weight, each for its own data
        sides = (rows, other, other)
        projected = tuple(Contraction(m=m, n=width, k=width) for m in sides)
    products = attention(batch * heads, queries, keys, width // heads, width // heads)
    scores = batch * heads * queries * keys
    mean = call.attribute("need_weights", True) and call.attribute("average_attn_weights", True)
    flops = width * (rows + 2 * other) + rows * width  # biases
    flops += around(scores, call.optional(7) is not None) + (scores if mean else 0)
    return Cost((*projected, *products, _projection(5, rows, width, width)), flops)


def encoder_layer(call: OpCall) -> Cost:
    """_transformer_encoder_layer_fwd: attention and two linear layers, each with a norm and a sum.

    Source: PyTorch ``aten/src/ATen/native/transformers/transformer.cpp``.
    """
    batch, tokens, width = call.input(0).shape
    heads, inner = call.attribute("num_heads"), call.input(9).shape[0]
    rows, scores = batch * tokens, batch * heads * tokens * tokens
    products = (
        _packed_projection(1, rows, width),
        *attention(batch * heads, tokens, tokens, width // heads, width // heads),
        _projection(3, rows, width, width),
        _projection(9, rows, inner, width),
        _projection(11, rows, width, inner),
    )
    activation = len(GELU.split()) if call.attribute("use_gelu") else 1
    biases_and_sums = 3 + 1 + 1 + 2
    per_row = width * biases_and_sums + inner * (1 + activation) + 2 * standardise(width, 2)
    return Cost(products, rows * per_row + around(scores, call.optional(13) is not None))


def _packed_projection(index: int, rows: int, width: int) -> Contraction:
    """Queries, keys and values of the first input at once, by a weight of three parts."""
    weight = Weight(input=index, in_axis=1, out_axis=0, data_axis=-1, output_axis=NOWHERE)
    return Contraction(m=rows, n=3 * width, k=width, weight=weight)


def _projection(index: int, rows: int, outputs: int, inputs: int) -> Contraction:
    return Contraction(m=rows, n=outputs, k=inputs, weight=hidden(index, 1, 0))
