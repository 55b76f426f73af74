"""Rules for PyTorch's ops against brute force, with PyTorch to compute them."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

pytest.importorskip("torch")

from numpy.typing import NDArray
from test_channel_needs import assert_minimal, filled
from test_channel_rules import RNG, by_rows, call_of, fillings, numbers, partly

from qreg import api
from qreg.specs import ShortcutHandlerSpec
from qreg_channels.state import State
from qreg_onnx.evaluate import Evaluator

Array = NDArray[np.generic]
Case = tuple[str, Callable[[], Sequence[State | Array | None]], Mapping[str, object]]

CONV = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}
EXACT: dict[str, Case] = {
    "convolution": ("aten.conv2d.default", lambda: (
        partly(numbers(2, 4, 6, 7)), numbers(6, 2, 3, 2, zeros=0.7), numbers(6)), CONV),
    "convolution of one image": ("aten.conv2d.default", lambda: (
        by_rows(numbers(4, 6, 5)), numbers(3, 4, 3, 3, zeros=0.8), None), {}),
    "convolution of the same size": ("aten.conv2d.padding", lambda: (
        partly(numbers(1, 3, 5, 6)), numbers(4, 3, 2, 4, zeros=0.6), None),
        {"padding": "same", "dilation": (1, 2)}),
    "convolution in training": ("aten.convolution.default", lambda: (
        partly(numbers(1, 4, 9)), numbers(3, 4, 3, zeros=0.9), numbers(3)),
        {"stride": (2,), "padding": (1,), "dilation": (1,), "transposed": False,
         "output_padding": (0,), "groups": 1}),
    "transposed convolution": ("aten.conv_transpose2d.input", lambda: (
        partly(numbers(2, 4, 4, 3)), numbers(4, 3, 3, 2, zeros=0.7), numbers(6)),
        {"stride": (2, 1), "padding": (1, 0), "output_padding": (1, 0), "groups": 2,
         "dilation": (1, 2)}),
    "transposed convolution in training": ("aten.convolution.default", lambda: (
        partly(numbers(1, 4, 5)), numbers(4, 3, 3, zeros=0.6), None),
        {"stride": (2,), "padding": (1,), "dilation": (1,), "transposed": True,
         "output_padding": (1,), "groups": 1}),
    "linear over tokens": ("aten.linear.default", lambda: (
        partly(numbers(2, 5, 8)), numbers(6, 8, zeros=0.7), numbers(6)), {}),
    "bias added first": ("aten.addmm.default", lambda: (
        numbers(5), partly(numbers(3, 8)), numbers(8, 5, zeros=0.7)), {"beta": 2, "alpha": -0.5}),
    "computed bias added first": ("aten.addmm.default", lambda: (
        partly(numbers(3, 5)), partly(numbers(3, 8)), numbers(8, 5, zeros=0.7)), {}),
    "stored left side": ("aten.mm.default", lambda: (
        numbers(4, 7, zeros=0.6), partly(numbers(7, 3))), {}),
    "two activations": ("aten.bmm.default", lambda: (
        partly(numbers(2, 4, 6, zeros=0.6), 0.8), partly(numbers(2, 6, 5, zeros=0.6), 0.8)), {}),
    "batches added": ("aten.baddbmm.default", lambda: (
        partly(numbers(2, 4, 5)), partly(numbers(2, 4, 6, zeros=0.6)),
        partly(numbers(2, 6, 5, zeros=0.6))), {}),
    "matrix and vector": ("aten.mv.default", lambda: (
        partly(numbers(4, 6, zeros=0.5)), numbers(6, zeros=0.5)), {}),
    "sum over named axes": ("aten.einsum.default", lambda: (
        partly(numbers(2, 4, 5, zeros=0.5)), partly(numbers(5, 4, 3, zeros=0.5))),
        {"equation": "bij,jik->bk", "tensors": 2}),
    "batch norm": ("aten.batch_norm.default", lambda: (
        partly(numbers(2, 4, 3)), np.array([1.5, 0, -2, 0], np.float32), numbers(4), numbers(4),
        np.abs(numbers(4))), {"training": False, "momentum": 0.1, "eps": 1e-3,
                              "cudnn_enabled": False}),
    "average pool": ("aten.avg_pool2d.default", lambda: (partly(numbers(1, 4, 6, 7), 0.8),),
        {"kernel_size": (2, 3), "stride": (2, 2), "padding": (1, 0), "ceil_mode": True}),
    "average of all places": ("aten.adaptive_avg_pool2d.default", lambda: (
        partly(numbers(2, 4, 3, 5)),), {"output_size": (1, 1)}),
    "mean": ("aten.mean.dim", lambda: (partly(numbers(2, 4, 3)),),
        {"dim": (-1,), "keepdim": False}),
    "product with a gate": ("aten.mul.Tensor", lambda: (
        partly(numbers(2, 4, 3, 3)), partly(numbers(2, 4, 1, 1, zeros=0.5))), {}),
    "choice of numbers": ("aten.where.ScalarSelf", lambda: (
        RNG.random((2, 4, 3)) < 0.5, partly(numbers(2, 4, 3))), {"self": 2.5}),
    "masked away": ("aten.masked_fill.Scalar", lambda: (
        partly(numbers(2, 4, 3)), RNG.random((4, 3)) < 0.5), {"value": -1.0}),
    "slice": ("aten.slice.Tensor", lambda: (partly(numbers(2, 6, 5)),),
        {"dim": 1, "start": 1, "end": 6, "step": 2}),
    "padding": ("aten.constant_pad_nd.default", lambda: (partly(numbers(1, 4, 3)),),
        {"pad": (1, 2, 0, -1), "value": 1.5}),
    "reflection": ("aten.reflection_pad1d.default", lambda: (partly(numbers(1, 4, 5)),),
        {"padding": (2, 1)}),
    "concatenation": ("aten.cat.default", lambda: (
        partly(numbers(2, 4, 3)), numbers(2, 1, 3), partly(numbers(2, 2, 3))),
        {"tensors": 3, "dim": 1}),
    "stack": ("aten.stack.default", lambda: (
        partly(numbers(2, 4)), partly(numbers(2, 4))), {"tensors": 2, "dim": 1}),
    "pixel shuffle": ("aten.pixel_shuffle.default", lambda: (partly(numbers(1, 8, 2, 3)),),
        {"upscale_factor": 2}),
    "permuted": ("aten.permute.default", lambda: (partly(numbers(2, 4, 3)),), {"dims": (1, 2, 0)}),
    "rows": ("aten.index_select.default", lambda: (
        partly(numbers(3, 5, 2)), np.array([4, 1, 1])), {"dim": 1}),
}  # fmt: skip
LOOSE: dict[str, Case] = {
    "maximum of windows": ("aten.max_pool2d.default", lambda: (partly(numbers(1, 4, 6, 6), 0.8),),
        {"kernel_size": (2, 2), "stride": (), "padding": (1, 1), "dilation": (1, 2)}),
    "windows of different sizes": ("aten.adaptive_avg_pool2d.default", lambda: (
        partly(numbers(2, 4, 3, 5), 0.9),), {"output_size": (2, 2)}),
    "softmax": ("aten.softmax.int", lambda: (partly(numbers(2, 4, 3), 0.8),), {"dim": -1}),
    "layer norm": ("aten.layer_norm.default", lambda: (
        partly(numbers(4, 3, 2), 0.9), numbers(2), numbers(2)), {"normalized_shape": (2,)}),
    "group norm": ("aten.group_norm.default", lambda: (
        partly(numbers(2, 4, 2), 0.9), numbers(4), numbers(4)), {"num_groups": 2}),
    "interpolation": ("aten.upsample_bilinear2d.default", lambda: (
        partly(numbers(1, 4, 3, 3), 0.8),), {"output_size": (5, 6), "align_corners": False}),
    "gate of halves": ("aten.glu.default", lambda: (partly(numbers(2, 6, 3), 0.8),), {"dim": 1}),
    "attention": ("aten.scaled_dot_product_attention.default", lambda: (
        partly(numbers(2, 4, 5, 3)), partly(numbers(2, 4, 6, 3)), partly(numbers(2, 4, 6, 2)),
        None), {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def evaluate() -> Evaluator:
    return Evaluator(api.catalogue())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", [*EXACT, *LOOSE])
def test_what_is_known_stays_and_what_is_not_needed_changes_nothing(
    case: str, seed: int, evaluate: Evaluator
) -> None:
    RNG.bit_generator.state = np.random.default_rng(seed).bit_generator.state
    target, operands, attributes = (EXACT | LOOSE)[case]
    call, states = call_of(target, operands(), attributes, 1, evaluate)
    entry = api.catalogue().choose(ShortcutHandlerSpec, target, 1)
    assert entry is not None and entry.spec.needed is not None

    claimed = entry.spec.propagate.load()(call, states, evaluate)[0]

    results = fillings(call, states, evaluate)
    assert np.allclose(
        results[:, claimed.known], claimed.value[claimed.known], rtol=1e-4, atol=1e-5
    )
    assert np.all((results == 0)[:, claimed.zeros])
    wanted = RNG.random(call.output.shape) < 0.15
    wanted[0] = True
    wanted &= ~claimed.known
    needed = entry.spec.needed.load()(call, states, (wanted,), evaluate)
    for scale in (0.1, 1.0, 10.0):
        before, other = filled(states, scale), filled(states, scale)
        after = [
            b if b is None or o is None or n is None else np.where(n, b, o)
            for b, o, n in zip(before, other, needed, strict=True)
        ]
        one, two = (evaluate(call, inputs)[0][wanted] for inputs in (before, after))
        assert np.array_equal(one, two)
    if case in EXACT:
        assert_minimal(call, states, needed, wanted, evaluate)
