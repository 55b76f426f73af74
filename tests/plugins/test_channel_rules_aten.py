"""Shortcut handlers on PyTorch's ops: what is known holds however the rest is filled in."""

from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from aten_calls import aten_call, computed
from rule_support import MANY, Maker, claims, fillings, missed, without_doubt, wrong

from qreg_channels.state import State, state

Case = tuple[str, Callable[[Maker], tuple[Any, ...]]]


def images(m: Maker, channels: int = 6) -> State:
    return m.partly(m.numbers(2, channels, 6, 4, zeros=0.3))


def halves(kind: type, name: str, *rest: Any) -> Case:
    """An op on numbers of 16 bits."""

    def operands(m: Maker) -> tuple[Any, ...]:
        data = m.partly(m.numbers(4, 3, zeros=0.3).T.astype(kind), 0.8, axis=0, doubt=0)
        if name == "cat":
            return [data, data], 1
        if name == "linear":
            return data, m.numbers(5, 4, zeros=0.8).astype(kind)
        if name in ("mul.Tensor", "add.Tensor"):
            return data, m.exact(m.numbers(3, 4, zeros=0.3).astype(kind))
        return data, *rest

    return name, operands


def recurrent(name: str, gates: int, content: int) -> Case:
    """Two layers in both directions. Of five units two have content 0, one of them from the other."""

    def operands(m: Maker) -> tuple[Any, ...]:
        data = m.channels(m.numbers(3, 5, 2)).value.swapaxes(1, 2)
        known = np.zeros(data.shape, np.bool_)
        known[..., 0] = True
        stored = []
        for inputs in (5, 10):
            for _ in range(2):
                layer = [m.numbers(gates, 5, inputs), m.numbers(gates, 5, 5), m.numbers(gates, 5),
                         m.numbers(gates, 5)]  # fmt: skip
                for array in layer:
                    array[content, :2] = 0
                layer[0][content, 1, 0] = 1.5  # reads the input that is always zero,
                layer[1][content, 1, 0] = -2.0  # and the other unit
                stored += [a.reshape(gates * 5, *a.shape[2:]) for a in layer]
        start = m.numbers(4, 2, 5)
        start[..., :2] = 0
        states = [start, start.copy()] if name.startswith("lstm") else start
        return state(data, known), states, stored, True, 2, 0.0, False, True, False

    return name, operands


def unary(name: str, *rest: Any) -> Case:
    return name, lambda m: (images(m), *rest)


def binary(name: str, **keywords: Any) -> Case:
    return name, lambda m: (images(m), m.partly(m.numbers(1, 6, 1, 4, zeros=0.4)), keywords)


# Ops that hide nothing of operands in general position: what comes out the same is found.
COMPLETE: dict[str, Case] = {
    **{f"moving: {name} {rest}": unary(name, *rest) for name, *rest in (
        ("view", [2, 6, 24]), ("reshape", [12, -1]), ("permute", [0, 2, 3, 1]),
        ("transpose.int", 1, 3), ("slice.Tensor", 1, 1, 6, 2), ("select.int", 2, 3),
        ("squeeze",), ("unsqueeze", 2), ("expand", [2, 6, 6, 4]), ("flatten.using_ints", 1),
        ("flip", [1, 3]), ("roll", [2], [1]), ("repeat", [1, 2, 1, 1]), ("narrow", 1, 2, 3),
        ("chunk", 3, 1), ("split.Tensor", 4, 1), ("split_with_sizes", [1, 5], 1), ("unbind.int", 1),
        ("pixel_unshuffle", 2), ("channel_shuffle", 3), ("clone",), ("contiguous",), ("detach",),
        ("reflection_pad2d", [1, 2, 2, 1]), ("replication_pad2d", [1, 0, 3, 1]),
        ("upsample_nearest2d", [12, 8]), ("constant_pad_nd", [1, 0, 0, 2], 0.5),
        ("pad", [1, 1, 0, 0, 2, 2]), ("pad", [1, 1, 2, 0], "circular"), ("im2col", [3, 2], [1, 1], [1, 0], [2, 1]),
        ("tril", -1), ("triu", 1), ("unfold", 2, 3, 2), ("diagonal", 0, 2, 3), ("moveaxis.int", 1, 3),
        ("dropout", 0.5, False), ("to.dtype", torch.float64), ("_to_copy",), ("movedim.int", 1, 2),
    )},
    "moving: pixel_shuffle": ("pixel_shuffle", lambda m: (images(m, 8), 2)),
    "moving: t": ("t", lambda m: (m.partly(m.numbers(3, 5)),)),
    "moving: index_select": ("index_select", lambda m: (images(m), 1, np.array([5, 0, 0, 2]))),
    "moving: index": ("index.Tensor", lambda m: (images(m), [None, np.array([4, 1])])),
    "moving: cat": ("cat", lambda m: ([images(m), m.numbers(2, 2, 6, 4), images(m, 3)], 1)),
    "moving: stack": ("stack", lambda m: ([images(m), images(m)], 2)),
    "moving: slice_scatter": ("slice_scatter", lambda m: (
        images(m), m.partly(m.numbers(2, 2, 6, 4)), 1, 1, 3)),
    "moving: scatter": ("scatter.src", lambda m: (
        m.partly(m.numbers(3, 5)), 1, np.array([[4, 0], [1, 2], [3, 1]]), m.partly(m.numbers(3, 2)))),
    "moving: index_put": ("index_put", lambda m: (
        m.partly(m.numbers(3, 5)), [np.array([0, 2])], m.partly(m.numbers(2, 5)))),
    "moving: fold": ("col2im", lambda m: (m.partly(m.numbers(2, 12, 18), 0.8), [5, 4], [2, 2], [1, 1],
                                          [1, 0], [1, 1])),
    **{f"mean: {name} {rest}": (name, lambda m, rest=rest: (m.partly(m.numbers(2, 6, 6, 4), 0.8), *rest))
       for name, *rest in (
        ("avg_pool2d", [2, 3], [2, 1], [1, 1], True, False), ("adaptive_avg_pool2d", [2, 3]),
        ("mean.dim", [2, 3], True), ("mean.dim", [3]), ("sum.dim_IntList", [3]),
        ("upsample_bilinear2d", [9, 5], False), ("upsample_bilinear2d", [11, 7], True), ("cumsum", 2),
        ("linalg_vector_norm", 2, [2, 3]), ("upsample_bicubic2d", [9, 7], False),
        ("prod.dim_int", 3), ("logsumexp", [2]))},
    **{f"activation: {name} {rest}": unary(name, *rest) for name, *rest in (
        ("sigmoid",), ("tanh",), ("silu",), ("gelu",), ("mish",), ("leaky_relu", 0.1), ("elu",),
        ("softplus",), ("exp",), ("neg",), ("add.Scalar", 2.0), ("rsub.Scalar", 1.0), ("sin",),
        ("erf",), ("log_sigmoid",), ("selu",), ("celu",))},
    "prelu": ("prelu", lambda m: (images(m), m.positive(6))),
    "add": binary("add.Tensor", alpha=-2.0),
    "subtract": binary("sub.Tensor"),
    "multiply": binary("mul.Tensor"),
    "divide": ("div.Tensor", lambda m: (images(m), m.partly(m.positive(1, 6, 1, 4)))),
    "divide by a number": unary("div.Tensor", 3.0),
    "gate": ("glu", lambda m: (images(m), 1)),
    "convolution": ("conv2d", lambda m: (images(m), m.numbers(4, 3, 3, 2, zeros=0.7), m.numbers(4),
                                         [2, 1], [1, 0], [1, 2], 2)),
    "convolution without bias": ("convolution", lambda m: (
        images(m), m.numbers(6, 1, 3, 3, zeros=0.6), None, [1, 1], [1, 1], [1, 1], False, [0, 0], 6)),
    "transposed convolution": ("conv_transpose2d.input", lambda m: (
        images(m), m.numbers(6, 2, 3, 2, zeros=0.8), m.numbers(4), [2, 1], [1, 0], [1, 0], 2, [1, 1])),
    "convolution of one dimension": ("conv1d", lambda m: (
        m.partly(m.numbers(1, 4, 9)), m.numbers(3, 4, 3, zeros=0.9), m.numbers(3))),
    "linear": ("linear", lambda m: (m.partly(m.numbers(2, 7, 8), axis=2), m.numbers(5, 8, zeros=0.8),
                                    m.numbers(5))),
    "linear without bias": ("linear", lambda m: (
        m.partly(m.numbers(3, 8)), m.numbers(5, 8, zeros=0.8))),
    "addmm": ("addmm", lambda m: (m.partly(m.numbers(3, 5), 0.9), m.partly(m.numbers(3, 8)),
                                  m.numbers(8, 5, zeros=0.9), {"beta": 2.0, "alpha": -0.5})),
    "mm": ("mm", lambda m: (m.partly(m.numbers(3, 8)), m.numbers(8, 5, zeros=0.8))),
    "bmm of activations": ("bmm", lambda m: (m.partly(m.numbers(2, 4, 6, zeros=0.6), 0.9),
                                             m.partly(m.numbers(2, 6, 5, zeros=0.6), 0.9))),
    "matmul of activations": ("matmul", lambda m: (
        m.partly(m.numbers(2, 1, 4, 6, zeros=0.6), 0.9, 2), m.partly(m.numbers(3, 6, 5, zeros=0.6), 0.9))),
    "baddbmm": ("baddbmm", lambda m: (m.partly(m.numbers(2, 4, 5), 0.9),
        m.partly(m.numbers(2, 4, 6, zeros=0.6), 0.9), m.partly(m.numbers(2, 6, 5, zeros=0.6), 0.9))),
    "addbmm": ("addbmm", lambda m: (m.partly(m.numbers(4, 5), 0.9),
        m.partly(m.numbers(2, 4, 6, zeros=0.6), 0.9), m.partly(m.numbers(2, 6, 5, zeros=0.9), 0.9))),
    "einsum": ("einsum", lambda m: ("bchw,cd->bdhw", [images(m), m.numbers(6, 4, zeros=0.8)])),
    "einsum of three": ("einsum", lambda m: ("ab,bc,cd->ad", [
        m.partly(m.numbers(3, 4, zeros=0.5), 0.9), m.partly(m.numbers(4, 4, zeros=0.7), 0.9),
        m.numbers(4, 3, zeros=0.4)])),
    "bilinear": ("bilinear", lambda m: (
        m.partly(m.numbers(3, 4, zeros=0.5), 0.8), m.partly(m.numbers(3, 5, zeros=0.5), 0.8),
        m.numbers(6, 4, 5, zeros=0.9), m.numbers(6))),
    "batch norm": ("batch_norm", lambda m: (
        images(m, 4), np.array([1.5, 0, -2, 0], np.float32), m.numbers(4), m.numbers(4),
        m.positive(4), False, 0.1, 1e-5, True)),
    "batch norm without scale": ("_native_batch_norm_legit_no_training", lambda m: (
        images(m, 4), None, None, m.numbers(4), m.positive(4), 0.1, 1e-5)),
    "layer norm": ("layer_norm", lambda m: (
        m.partly(m.numbers(4, 5), 0.6, 0), [5], np.array([1, 0, 2, 0, -1], np.float32), m.numbers(5))),
    "layer norm with statistics": ("native_layer_norm", lambda m: (
        m.partly(m.numbers(4, 5), 0.6, 0), [5], np.array([1, 0, 2, 0, -1], np.float32), None, 1e-5)),
    "group norm": ("group_norm", lambda m: (
        grouped(m), 3, np.array([1, 1, 0, 2, 1, 0], np.float32), m.numbers(6))),
    "native group norm": ("native_group_norm", lambda m: (
        grouped(m), np.array([1, 1, 0, 2, 1, 0], np.float32), m.numbers(6), 2, 6, 12, 3, 1e-5)),
    "instance norm": ("instance_norm", lambda m: (
        m.channels(m.numbers(2, 6, 4, 3)), m.numbers(6, zeros=0.3), m.numbers(6), None, None, True, 0.1,
        1e-5, True)),
    "root mean square norm": ("rms_norm", lambda m: (
        m.partly(m.numbers(4, 5), 0.6, 0), [5], np.array([1, 0, 2, 0, -1], np.float32), 1e-5)),
    "softmax": ("softmax.int", lambda m: (m.partly(m.numbers(4, 5), 0.9, 0), -1)),
    "log softmax": ("log_softmax.int", lambda m: (m.partly(m.numbers(4, 5), 0.9, 0), 1)),
    "embedding": ("embedding", lambda m: (columns(m, 7, 6), live_indices(m, 2, 3))),
    "lookup by live indices": ("index_select", lambda m: (columns(m, 7, 6), 0, live_indices(m, 4))),
    "choice": ("where.self", lambda m: (m.partly(m.truths(2, 6, 6, 4)), images(m), images(m))),
    "choice of a number": ("where.ScalarOther", lambda m: (m.partly(m.truths(2, 6, 6, 4)), images(m), 0.0)),
    "masked fill": ("masked_fill.Scalar", lambda m: (images(m), m.partly(m.truths(1, 6, 6, 4)), -2.5)),
    "attention": ("scaled_dot_product_attention", lambda m: (
        m.live(2, 3, 4, 5), m.partly(m.numbers(2, 3, 6, 5)), values(m, 2, 3, 6, 5))),
    "attention with shared heads": ("scaled_dot_product_attention", lambda m: (
        m.live(2, 4, 4, 5), m.partly(m.numbers(2, 2, 6, 5)), values(m, 2, 2, 6, 5),
        {"enable_gqa": True})),
    "logical and": ("logical_and", lambda m: (m.partly(m.truths(3, 5)), m.partly(m.truths(3, 5)))),
    "bitwise or": ("bitwise_or.Tensor", lambda m: (m.partly(m.truths(3, 5)), m.partly(m.truths(3, 5)))),
}  # fmt: skip

# Ops that may hide what they are given, or of which less is found than could be.
SOUND: dict[str, Case] = {
    **{f"hiding: {name} {rest}": unary(name, *rest) for name, *rest in (
        ("relu",), ("relu6",), ("hardtanh", -0.5, 0.5), ("clamp", -0.3, 0.6), ("abs",), ("hardsigmoid",),
        ("hardswish",), ("sqrt",), ("log",), ("rsqrt",), ("reciprocal",), ("pow.Tensor_Scalar", 2.0),
        ("pow.Tensor_Scalar", -1.5), ("floor",), ("round",), ("sign",), ("threshold", 0.1, 5.0),
        ("hardshrink",), ("softshrink",), ("gt.Scalar", 0.2), ("le.Scalar", 0.0), ("eq.Scalar", 0.0),
        ("ne.Scalar", 0.0), ("logical_not",), ("remainder.Scalar", 0.7), ("to.dtype", torch.int8),
        ("to.dtype", torch.bool), ("to.dtype", torch.float16), ("isnan",), ("frac",), ("tan",),
        ("max_pool2d", [2, 2], [1, 2], [1, 0]), ("max_pool2d_with_indices", [3, 2]),
        ("adaptive_max_pool2d", [2, 2]), ("amax", [2, 3]), ("max.dim", 3), ("amin", [1]), ("argmax", 1),
        ("var.correction", [2, 3]), ("std.dim", [2, 3]), ("any.dim", 3), ("min",), ("max",),
        ("sum",), ("mean",), ("sum.dim_IntList", [1]), ("count_nonzero", 2),
        ("fake_quantize_per_tensor_affine", 0.1, 3, -128, 127), ("nan_to_num", ), ("trunc",),
        ("topk", 2, 1), ("pow.Tensor_Scalar", 0.0), ("lt.Scalar", 0.0))},
    "multiply zeros that are not exact": ("mul.Tensor", lambda m: (
        m.partly(m.numbers(3, 6, zeros=0.8)), m.partly(m.numbers(3, 6, zeros=0.8)))),
    "equal tensors": ("eq.Tensor", lambda m: (m.partly(m.numbers(3, 6, zeros=0.8)),
                                              m.partly(m.numbers(3, 6, zeros=0.8)))),
    "divide by what may be zero": ("div.Tensor", lambda m: (
        m.partly(m.numbers(4, 6)), m.partly(m.numbers(4, 6, zeros=0.5)))),
    "whole division": ("div.Tensor_mode", lambda m: (
        m.partly(m.numbers(4, 6)), m.partly(m.numbers(4, 6)), {"rounding_mode": "floor"})),
    "division of whole numbers": ("floor_divide", lambda m: (
        m.partly(m.integers(4, 6)), np.abs(m.integers(4, 6)) // 2 + np.int8(1))),
    "power of tensors": ("pow.Tensor_Tensor", lambda m: (
        m.partly(m.positive(4, 6)), m.partly(m.numbers(4, 6)))),
    "maximum": binary("maximum"),
    "remainder": binary("remainder.Tensor"),
    "logical or of numbers": ("logical_or", lambda m: (m.partly(m.numbers(3, 6, zeros=0.6)),
                                                       m.partly(m.numbers(3, 6, zeros=0.6)))),
    **{f"{op} by weights that are no numbers": (op, lambda m, shape=shape, size=size: (
        m.exact(m.numbers(*shape, zeros=0.6), 0.9), no_numbers(m, *size)))
       for op, shape, size in (("linear", (3, 6), (5, 6)), ("conv2d", (1, 4, 5, 5), (3, 4, 2, 2)))},
    "convolution of rough zeros": ("conv2d", lambda m: (
        m.partly(m.numbers(1, 4, 5, 5, zeros=0.8), 0.9), m.numbers(3, 4, 2, 2, zeros=0.8))),
    "product of rough zeros": ("bmm", lambda m: (m.partly(m.numbers(2, 4, 6, zeros=0.9), 0.95),
                                                 m.partly(m.numbers(2, 6, 5, zeros=0.9), 0.95))),
    "masked softmax": ("softmax.int", lambda m: (m.exact(minus_infinity(m, 4, 5), 0.8, 0), -1)),
    "masked log softmax": ("log_softmax.int", lambda m: (m.exact(minus_infinity(m, 4, 5), 0.8, 0), -1)),
    "masked attention": ("scaled_dot_product_attention", lambda m: (
        m.partly(m.numbers(2, 3, 4, 5)), m.partly(m.numbers(2, 3, 6, 5)), values(m, 2, 3, 6, 5),
        m.exact(m.truths(4, 6), 0.8))),
    "attention with a bias": ("scaled_dot_product_attention", lambda m: (
        m.partly(m.numbers(2, 3, 4, 5)), m.partly(m.numbers(2, 3, 6, 5)), values(m, 2, 3, 6, 5),
        minus_infinity(m, 4, 6))),
    "causal attention": ("scaled_dot_product_attention", lambda m: (
        m.partly(m.numbers(2, 3, 4, 5)), m.partly(m.numbers(2, 3, 6, 5)), values(m, 2, 3, 6, 5),
        {"is_causal": True})),
    "fused attention": ("_native_multi_head_attention", lambda m: (
        *[tokens(m)] * 3, 6, 2, m.numbers(18, 6), m.numbers(18), rows(m, 6, 6), m.numbers(6))),
    **{f"fused encoder layer, norms first: {first}": (
        "_transformer_encoder_layer_fwd", lambda m, first=first: (
        tokens(m), 6, 2, m.numbers(18, 6), m.numbers(18), rows(m, 6, 6), m.numbers(6, zeros=0.6), True, first,
        1e-5, m.numbers(6), m.numbers(6), m.numbers(6, zeros=0.5), m.numbers(6), m.numbers(8, 6), m.numbers(8),
        rows(m, 6, 8), m.numbers(6, zeros=0.6))) for first in (True, False)},
    "sampling": ("grid_sampler", lambda m: (
        m.channels(m.numbers(2, 5, 4, 4)), m.partly(m.numbers(2, 3, 3, 2), axis=3), 0, 0, False)),
    "adding infinities": ("add.Tensor", lambda m: (
        m.exact(minus_infinity(m, 4, 5)), m.exact(minus_infinity(m, 4, 5)))),
    "multiplying infinities": ("mul.Tensor", lambda m: (
        m.exact(minus_infinity(m, 4, 5)), m.exact(m.numbers(4, 5, zeros=0.5)))),
    **{f"recurrent: {name}": recurrent(name, gates, content) for name, gates, content in (
        ("lstm.input", 4, 2), ("gru.input", 3, 2), ("rnn_tanh.input", 1, 0), ("rnn_relu.input", 1, 0))},
    **{f"{kind.__name__}: {name}": halves(kind, name, *rest)
       for kind in (np.float16, ml_dtypes.bfloat16) for name, *rest in (
        ("mul.Tensor",), ("add.Tensor",), ("sigmoid",), ("gelu",), ("sum.dim_IntList", [1]),
        ("softmax.int", 1), ("mean.dim", [1]), ("linear",), ("relu",), ("exp",), ("view", [3, 4]),
        ("constant_pad_nd", [1, 1], 0.5), ("gt.Scalar", 0.1), ("cat",), ("layer_norm", [4]))},
    "wrapping whole numbers": ("mul.Tensor", lambda m: (m.partly(m.integers(3, 6)), m.partly(m.integers(3, 6)))),
}  # fmt: skip


def grouped(m: Maker) -> State:
    """A group of zeros, one known roughly, one with a live channel."""
    value = m.numbers(2, 6, 4, 3)
    value[:, :2] = 0
    known = np.ones(value.shape, np.bool_)
    known[:, 5] = False
    error = np.zeros(value.shape, np.float32)
    error[:, 2:4] = 1e-3
    return state(value, known, 0, error)


def columns(m: Maker, rows: int, size: int) -> np.ndarray:
    """A table with columns of one number, of zeros, and others."""
    table = m.numbers(rows, size)
    table[:, 0], table[:, 3] = 0.75, 0
    return table


def live_indices(m: Maker, *shape: int) -> State:
    return state(np.zeros(shape, np.int64), np.zeros(shape, np.bool_), None)


def values(m: Maker, *shape: int) -> State:
    """Columns over the tokens: zero, one constant, known but uneven, live."""
    value = m.numbers(*shape)
    value[..., 0], value[..., 1] = 0, value[..., :1, 1]
    known = np.zeros(shape, np.bool_)
    known[..., :3] = True
    return state(value, known)


def tokens(m: Maker) -> State:
    return m.partly(m.numbers(2, 4, 6, zeros=0.5), 0.7, axis=2, doubt=0)


def rows(m: Maker, outputs: int, inputs: int) -> np.ndarray:
    """Weights of which many rows are zero."""
    found = m.numbers(outputs, inputs)
    found[m.rng.random(outputs) < 0.6] = 0
    return found


def no_numbers(m: Maker, *shape: int) -> np.ndarray:
    found = m.numbers(*shape, zeros=0.5)
    found.flat[::7], found.flat[3::9] = np.nan, np.inf
    return found


def minus_infinity(m: Maker, *shape: int) -> np.ndarray:
    return np.where(m.truths(*shape), m.numbers(*shape), np.float32(-np.inf))


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Many small ops: threads would wait for each other most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(case: str, seed: int) -> tuple[Maker, Any, Any]:
    m = Maker(np.random.default_rng([seed, *case.encode()]))
    name, operands = (COMPLETE | SOUND)[case]
    *args, last = operands(m)
    args, keywords = (args, last) if isinstance(last, dict) else ([*args, last], {})
    return m, *aten_call(name, *args, **keywords)


def test_whole_numbers_are_not_divided_by_what_stands_for_live_ones() -> None:
    m = Maker(np.random.default_rng(0))
    dividend = m.partly(m.integers(4, 6, zeros=0.5, zero=0))
    call, states = aten_call(
        "floor_divide", dividend, m.positive(4, 6).astype(np.int8) + np.int8(1)
    )
    unknown = state(np.zeros((4, 6), np.int8), np.zeros((4, 6), np.bool_), None)

    (found,) = claims(call, (states[0], unknown), computed)

    zeros = dividend.known & (dividend.value == 0)
    assert np.array_equal(found.known, zeros)
    assert not found.value[zeros].any()


@pytest.mark.parametrize("case", ["lstm.input", "gru.input", "rnn_tanh.input", "rnn_relu.input"])
def test_units_without_content_stay_at_zero(case: str) -> None:
    _, call, states = made(f"recurrent: {case}", 0)

    result, *ends = claims(call, states, computed)

    # In the second layer the input that was zero is unit 0 of the first, which is zero too.
    assert np.flatnonzero(result.zeros.all((0, 1))).tolist() == [0, 1, 5, 6]
    for end in ends:
        assert np.flatnonzero(end.zeros.all((0, 1))).tolist() == [0, 1]


LIMIT = 7  # rows of the tables that live indices look into


@pytest.mark.filterwarnings("ignore:.*named tensors.*", "ignore:.*reshape a tensor.*")
@pytest.mark.parametrize("case", [*COMPLETE, *SOUND])
def test_what_is_claimed_holds_for_every_filling(case: str) -> None:
    for seed in range(3):
        m, call, states = made(case, seed)

        found = claims(call, states, computed)

        results = fillings(m, call, states, computed, LIMIT)
        for claimed, result in zip(found, results, strict=True):
            assert wrong(claimed, result) == [], seed


@pytest.mark.parametrize("case", COMPLETE)
def test_what_comes_out_the_same_is_found(case: str) -> None:
    m, call, states = made(case, 0)
    states = tuple(without_doubt(s) for s in states)

    found = claims(call, states, computed)

    results = fillings(m, call, states, computed, LIMIT, MANY)
    assert any(s.known.any() for s in found)
    assert not missed(found[0], results[0]).any()
