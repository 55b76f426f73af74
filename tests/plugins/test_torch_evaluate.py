"""Single ops: the sizes a tracer tells without running them, and their values by PyTorch."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the torch extra")

from torch.nn import functional as F

from qreg.catalogue import discover
from qreg.errors import QregError
from qreg.records import OpCall, Tensor
from qreg_onnx.evaluate import Evaluator
from qreg_torch.arrays import to_array, to_tensor
from qreg_torch.capture import capture
from qreg_torch.evaluate import evaluate
from qreg_torch.observe import ON_META
from qreg_torch.rules import RULES
from qreg_torch.sizes import POINTWISE


@cache  # so that a traced function finds numbers and does not draw them
def _x(*shape: int, seed: int = 3) -> Any:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


IMAGE, TOKENS, MATRIX, VECTOR = _x(2, 4, 7, 5), _x(2, 6, 8), _x(5, 8), _x(8)
MASK = torch.arange(36).view(6, 6) % 5 > 0
KERNEL = _x(6, 2, 3, 2)
CASES: dict[str, Callable[[], Any]] = {
    "conv2d": lambda: F.conv2d(IMAGE, KERNEL, _x(6), (2, 1), (1, 2), (1, 2), 2),
    "conv2d same": lambda: F.conv2d(IMAGE, KERNEL, padding="same", groups=2, dilation=2),
    "conv1d": lambda: F.conv1d(TOKENS, _x(3, 6, 3), None, 2, 1),
    "conv3d": lambda: F.conv3d(_x(1, 2, 4, 5, 6), _x(3, 2, 2, 3, 1), padding=1),
    "conv without batch": lambda: F.conv2d(IMAGE[0], KERNEL, groups=2),
    "channels last": lambda: F.relu(F.conv2d(IMAGE.to(memory_format=torch.channels_last), KERNEL,
                                             groups=2)),
    "conv_transpose": lambda: F.conv_transpose2d(IMAGE, _x(4, 3, 3, 2), None, (2, 3), 1, (1, 0), 2,
                                                 (2, 1)),
    "max_pool": lambda: F.max_pool2d(IMAGE, (3, 2), (2, 1), (1, 0), ceil_mode=True),
    "max_pool dilated": lambda: F.max_pool2d(IMAGE, 2, 2, 1, 2),
    "max_pool indices": lambda: F.max_pool2d(IMAGE, 2, return_indices=True),
    "avg_pool": lambda: F.avg_pool2d(IMAGE, 3, 2, 1, True, False, 5),
    "adaptive": lambda: F.adaptive_avg_pool2d(IMAGE, (3, 2)),
    "adaptive max": lambda: F.adaptive_max_pool2d(IMAGE, 2),
    "linear": lambda: F.linear(TOKENS, MATRIX, _x(5)),
    "linear of a vector": lambda: F.linear(VECTOR, MATRIX),
    "matmul": lambda: TOKENS @ MATRIX.t(),
    "matmul stacks": lambda: _x(3, 1, 2, 4) @ _x(5, 4, 2),
    "matrix by vector": lambda: TOKENS @ VECTOR,
    "vector by matrix": lambda: VECTOR @ MATRIX.t(),
    "dot": lambda: VECTOR @ VECTOR + torch.dot(VECTOR, VECTOR),
    "mm": lambda: torch.mm(MATRIX, MATRIX.t()),
    "bmm": lambda: torch.bmm(TOKENS, TOKENS.transpose(1, 2)),
    "mv": lambda: torch.mv(MATRIX, VECTOR),
    "addmm": lambda: torch.addmm(_x(5), MATRIX, _x(8, 5), beta=0.5, alpha=2),
    "baddbmm": lambda: torch.baddbmm(_x(2, 1, 3), _x(2, 4, 5), _x(2, 5, 3)),
    "einsum": lambda: torch.einsum("bij, kj -> bki", TOKENS, MATRIX),
    "einsum dots": lambda: torch.einsum("...j,kj->...k", TOKENS, MATRIX),
    "attention": lambda: F.scaled_dot_product_attention(*_heads(4, 4), is_causal=True),
    "attention gqa": lambda: F.scaled_dot_product_attention(*_heads(4, 2), enable_gqa=True),
    "attention mask": lambda: F.scaled_dot_product_attention(*_heads(4, 4), attn_mask=MASK, scale=2.0),
    "embedding": lambda: F.embedding(torch.tensor([[0, 4], [2, 2]]), MATRIX),
    "index": lambda: TOKENS[:, torch.tensor([1, 0]), 2:],
    "gather": lambda: MATRIX.gather(1, torch.tensor([[0, 7]] * 5)),
    "index_put": lambda: MATRIX.index_put((torch.tensor([0, 1]),), VECTOR),
    "scatter": lambda: MATRIX.scatter(1, torch.tensor([[0, 7]] * 5), 9.0),
    "batch_norm": lambda: F.batch_norm(IMAGE, _x(4), _x(4).abs(), _x(4), None),
    "layer_norm": lambda: F.layer_norm(TOKENS.transpose(1, 2), (8, 6), _x(8, 6)),
    "group_norm": lambda: F.group_norm(IMAGE, 2, _x(4)),
    "rms_norm": lambda: F.rms_norm(TOKENS, (8,), VECTOR),
    "softmax": lambda: TOKENS.transpose(1, 2).softmax(1),
    "softmax half": lambda: TOKENS.softmax(-1, dtype=torch.float16),
    "log_softmax": lambda: F.log_softmax(TOKENS, 2),
    "add": lambda: torch.add(TOKENS, TOKENS[:1], alpha=3),
    "integers": lambda: torch.arange(6) * 2 + torch.arange(3)[:, None],
    "reals and integers": lambda: torch.arange(8) * VECTOR + torch.arange(8).to(torch.int32),
    "half and float": lambda: VECTOR.half() * VECTOR + VECTOR.half() * torch.tensor(2.0),
    "number first": lambda: 1 - VECTOR / 2,
    "bool": lambda: (VECTOR > 0) & (VECTOR < 1) | (torch.tensor(0.5) == VECTOR),
    "true division": lambda: torch.arange(4) / 2,
    "whole division": lambda: torch.div(TOKENS, 0.3, rounding_mode="floor"),
    "maximum": lambda: torch.maximum(TOKENS, VECTOR),
    "where": lambda: torch.where(TOKENS > 0, TOKENS, 0.25),
    "masked_fill": lambda: TOKENS.masked_fill(TOKENS > 0, float("-inf")).clamp(min=-1),
    "pow": lambda: TOKENS.pow(2) + 2**TOKENS,
    "permuted": lambda: F.gelu(IMAGE.permute(3, 0, 2, 1), approximate="tanh") + 1,
    "gaps": lambda: F.silu(IMAGE[:, ::2, 1:]),
    "mean": lambda: IMAGE.mean((2, 3), keepdim=True),
    "mean of all": lambda: IMAGE.mean() + IMAGE.sum(),
    "sum": lambda: IMAGE.sum((-1, 0)),
    "count": lambda: (IMAGE > 0).sum(1),
    "max": lambda: IMAGE.max(1),
    "topk": lambda: TOKENS.topk(3, 1),
    "var": lambda: torch.var_mean(TOKENS, 1),
    "cat": lambda: torch.cat([TOKENS, TOKENS[:, :2]], -2),
    "stack": lambda: torch.stack([VECTOR, VECTOR + 1], -1),
    "split": lambda: TOKENS.split([1, 5], 1),
    "chunk": lambda: TOKENS.chunk(3, 2),
    "unbind": lambda: TOKENS.unbind(1),
    "pad": lambda: F.pad(IMAGE, (1, 0, 0, 2), value=3.0),
    "reflect": lambda: F.pad(IMAGE, (1, 2, 2, 1), mode="reflect"),
    "nearest": lambda: F.interpolate(IMAGE, scale_factor=(2, 3)),
    "bilinear": lambda: F.interpolate(IMAGE, (4, 9), mode="bilinear", align_corners=False),
    "pixel_shuffle": lambda: F.pixel_shuffle(IMAGE, 2),
    "unfold": lambda: F.unfold(IMAGE, (3, 2), padding=1),
    "roll": lambda: IMAGE.roll((1, -1), (2, 3)).flip(1),
    "repeat": lambda: IMAGE.repeat(1, 2, 1, 1).repeat_interleave(2, 3),
    "tril": lambda: MATRIX.tril(-1) + MATRIX.triu(2),
    "arange": lambda: torch.arange(7, 0, -3) + torch.arange(3.0) + torch.arange(2, 5),
    "full": lambda: torch.full((2, 3), 7) + torch.zeros(3, dtype=torch.int64),
    "like": lambda: torch.ones_like(TOKENS, dtype=torch.float64) * torch.full_like(TOKENS, 2),
    "one_hot": lambda: F.one_hot(torch.tensor([0, 2]), 4),
    "cast": lambda: TOKENS.to(torch.bfloat16) * 2,
    "complex": lambda: torch.fft.rfft(TOKENS).abs(),
    "cumsum": lambda: TOKENS.cumsum(1),
    "glu": lambda: F.glu(TOKENS, 2) + F.prelu(TOKENS[..., :4], torch.tensor([0.1])),
    "fake_quantize": lambda: torch.fake_quantize_per_tensor_affine(TOKENS, 0.1, 3, 0, 15),
    "cosine": lambda: F.cosine_similarity(TOKENS, TOKENS + 1, dim=1),
    "bilinear form": lambda: F.bilinear(MATRIX, MATRIX, _x(3, 8, 8)),
    "cdist": lambda: torch.cdist(MATRIX, MATRIX * 2),
    **{name: lambda name=name: getattr(torch.ops.aten, name)(_positive(name)) for name in POINTWISE
       if name not in ("roll", "flip")},
}  # fmt: skip


def _positive(name: str) -> Any:
    return TOKENS.abs() + 0.1 if name in ("log", "sqrt", "rsqrt") else TOKENS


def _heads(q: int, k: int) -> tuple[Any, Any, Any]:
    return _x(2, q, 6, 8), _x(2, k, 6, 8, seed=4), _x(2, k, 6, 8, seed=5)


class Calls(torch.nn.Module):  # type: ignore[misc,name-defined]
    """Whatever is computed from the tensors above; they are buffers, so that twins stand for them."""

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(), x


@pytest.mark.parametrize("case", CASES)
def test_an_op_has_the_sizes_and_the_values_that_pytorch_gives(case: str) -> None:
    with torch.no_grad():
        expected = CASES[case]()
    expected = expected if isinstance(expected, tuple | list) else [expected]

    trace = capture(Calls(CASES[case]), _x(2)).trace()

    assert trace.source == ON_META
    found: dict[str, Any] = {}
    for call in trace.calls:
        arrays = tuple(None if t is None else found.get(t.name, _numbers(t)) for t in call.inputs)
        for tensor, array in zip(call.outputs, evaluate(call, arrays), strict=True):
            assert (tensor.shape, tensor.dtype) == (array.shape, array.dtype.name), call
            np.testing.assert_array_equal(tensor.numpy(), array)  # the constant, computed lazily
            found[tensor.name] = array
    for name, tensor in zip(trace.outputs, expected, strict=False):
        if name not in found:
            continue  # a view of what is stored: no op
        np.testing.assert_allclose(found[name], to_array(tensor), rtol=1e-5, atol=1e-5)


def _numbers(tensor: Tensor) -> Any:
    return None if tensor.value is None else tensor.numpy()


def test_every_rule_for_sizes_is_tried() -> None:
    tried = set()
    for function in CASES.values():
        tried |= {c.target for c in capture(Calls(function), _x(2)).trace().calls}

    elsewhere = {"lstm", "gru", "rnn_tanh", "rnn_relu", "fake_quantize_per_channel_affine",
                 "fused_moving_avg_obs_fake_quant", "conv_transpose1d", "conv_transpose3d"}  # fmt: skip
    missing = {t for t in RULES if t not in tried and t.split(".")[1] not in elsewhere}
    assert missing <= {f"aten.{c}.{o}" for c in ("ne", "le", "ge", "gt", "lt", "eq", "sub", "minimum")
                       for o in ("Tensor", "Scalar", "default")} | {
        "aten.fake_quantize_per_tensor_affine.tensor_qparams", "aten.zeros_like.default",
    }  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: F.conv2d(x, _x(6, 3, 3, 2), groups=2),
        lambda x: F.conv2d(x, KERNEL, _x(5), groups=2),
        lambda x: F.conv2d(x, _x(6, 4, 9, 2)),
        lambda x: F.conv2d(x, _x(6, 4, 1, 1).double()),
        lambda x: F.linear(x, MATRIX),
        lambda x: F.max_pool2d(x, 2, padding=2),
        lambda x: F.batch_norm(x, _x(3), _x(3).abs()),
        lambda x: F.layer_norm(x, (7,)),
        lambda x: F.group_norm(x, 3),
        lambda x: x + _x(3),
        lambda x: x.add_(_x(3, 2, 4, 7, 5)),
        lambda x: x @ _x(4, 5),
        lambda x: torch.cat([x, _x(2, 4, 7, 4)]),
        lambda x: torch.einsum("abcd,dd->ab", x, _x(5, 4)),
        lambda x: F.scaled_dot_product_attention(x, _x(2, 4, 3, 6), _x(2, 4, 3, 6)),
        lambda x: F.softmax(x, 4),
        lambda x: x.masked_fill(MASK, 0),
    ],
)
def test_sizes_that_do_not_fit_are_refused_as_by_pytorch(wrong: Callable[[Any], Any]) -> None:
    class Wrong(torch.nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x: Any) -> Any:
            return wrong(x)

    with pytest.raises(Exception) as expected:
        wrong(IMAGE.clone())
    with pytest.raises(QregError) as caught:
        capture(Wrong(), IMAGE)

    first = " ".join(str(expected.value).split())[:40]
    assert (
        f"the module cannot run on x [2, 4, 7, 5]: {type(expected.value).__name__}: {first}"
        in str(caught.value)
    )


def conv(dtype: str = "float32") -> OpCall:
    tensors = [
        Tensor("x", dtype, (1, 2, 3)),
        Tensor("w", dtype, (2, 2, 2)),
        Tensor("b", dtype, (2,)),
    ]
    options = {"stride": (1,), "padding": (0,), "dilation": (1,), "groups": 1}
    return OpCall(
        "aten.conv1d.default", "conv", tuple(tensors), (Tensor("y", dtype, (1, 2, 2)),), options
    )


def test_masks_of_another_type_than_the_call_are_computed_with() -> None:
    x, w = np.ones((1, 2, 3), np.float32), np.eye(2, dtype=np.float32)[:, :, None].repeat(2, 2)

    (found,) = evaluate(conv("bfloat16"), (x, w, np.zeros(2, np.float32)))
    (mixed,) = evaluate(conv(), (x, w.astype(np.float64), np.zeros(2, np.float16)))

    assert found.dtype == np.float32
    assert found.tolist() == [[[2, 2], [2, 2]]]
    assert mixed.dtype == np.float64


def test_lookups_take_real_numbers_for_indices() -> None:
    class Rows(torch.nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, table: Any, ids: Any) -> Any:
            return F.embedding(ids, table)

    inputs = {"table": MATRIX, "ids": torch.tensor([3, 1])}
    (call,) = capture(Rows(), inputs).trace().calls

    (found,) = evaluate(call, (MATRIX.numpy(), np.array([3, 1], np.float32)))

    np.testing.assert_array_equal(found, MATRIX[[3, 1]].numpy())


def test_inputs_are_not_written_to_nor_copied_where_they_need_not() -> None:
    frozen = np.arange(6, dtype=np.float32)
    frozen.flags.writeable = False
    reverse = np.arange(6, dtype=">f4")[::-1]
    own = np.arange(3, dtype=np.float32)

    assert to_tensor(frozen).tolist() == list(range(6))
    assert to_tensor(reverse).tolist() == [5, 4, 3, 2, 1, 0]
    assert np.shares_memory(to_array(to_tensor(own)), own)
    assert to_array(torch.tensor([1.5], dtype=torch.bfloat16)).dtype.name == "bfloat16"
    assert to_tensor(to_array(torch.tensor([1.5], dtype=torch.float8_e4m3fn))).tolist() == [1.5]


def test_the_registry_computes_aten_ops() -> None:
    x = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    w, b = np.ones((2, 2, 2), np.float32), np.zeros(2, np.float32)

    (found,) = Evaluator(discover())(conv(), (x, w, b))

    assert found.tolist() == [[[12 - 4, 12 + 0]] * 2]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("aten.no_such_op.default", "has no op aten.no_such_op.default"),
        ("aten.relu.no_overload", "has no op aten.relu.no_overload"),
    ],
)
def test_an_op_that_pytorch_has_not_is_told(target: str, text: str) -> None:
    with pytest.raises(QregError, match=text):
        evaluate(OpCall(target, "x", (Tensor("x", "float32", (1,)),), ()), (np.ones(1),))


def test_an_op_that_fails_is_told_with_its_layer() -> None:
    bad = np.ones((1, 3, 3), np.float32)

    with pytest.raises(
        QregError, match=r"conv: aten\.conv1d\.default cannot be computed by PyTorch"
    ):
        evaluate(conv(), (bad, np.ones((2, 2, 2), np.float32), None))
