"""Convolutions cost the products they add up, in ONNX's spelling and in PyTorch's.

The oracle is the convolution itself: of ones with ones, without padding, the sum of the result is
the number of products. Padding is made of ones, since its taps are counted.
"""

import warnings
from typing import Any

import numpy as np
import pytest
from cost_calls import aten, macs, onnx_call, priced, sizes, stored

from qreg.records import OpCall

torch = pytest.importorskip("torch")
F = torch.nn.functional

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
TRANSPOSED_NAMES = {1: "conv_transpose1d", 2: "conv_transpose2d.input", 3: "conv_transpose3d.input"}


def geometry(seed: int) -> dict[str, Any]:
    """Sizes of a convolution: odd ones, groups, strides, dilation, pads that differ by axis."""
    rng = np.random.default_rng(seed)
    axes = 1 + seed % 3
    groups = int(rng.choice([1, 1, 2, 3]))
    return {
        "batch": int(rng.integers(1, 4)),
        "channels": (groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))),
        "groups": groups,
        "kernel": tuple(map(int, rng.integers(1, 4, axes))),
        "size": tuple(map(int, rng.integers(7, 10, axes))),
        "stride": tuple(map(int, rng.integers(1, 4, axes))),
        "dilation": tuple(map(int, rng.integers(1, 3, axes))),
        "padding": tuple(map(int, rng.integers(0, 3, axes))),
    }


def ones(*shape: int) -> Any:
    return torch.ones(shape, dtype=torch.float64)


def meta(*shape: int) -> Any:
    return torch.empty(shape, device="meta")


def wider(size: tuple[int, ...], padding: tuple[int, ...]) -> list[int]:
    return [n + 2 * p for n, p in zip(size, padding, strict=True)]


@pytest.mark.parametrize("seed", range(18))
@pytest.mark.parametrize("batched", [True, False])
def test_macs_are_the_products_that_a_convolution_adds_up(seed: int, batched: bool) -> None:
    g = geometry(seed)
    (c_in, c_out), axes, batch = g["channels"], len(g["size"]), g["batch"] if batched else 1
    lead = [batch] if batched else []
    kernel = (c_out, c_in // g["groups"], *g["kernel"])
    settings = (g["stride"], g["padding"], g["dilation"], g["groups"])
    products = CONV[axes](
        ones(*lead, c_in, *wider(g["size"], g["padding"])), ones(*kernel), None, g["stride"], 0,
        g["dilation"], g["groups"],
    ).sum()  # fmt: skip

    call = aten(f"conv{axes}d", meta(*lead, c_in, *g["size"]), meta(*kernel), None, *settings)

    assert macs(call) == products
    assert priced(call).elementwise_flops == 0
    if batched:
        x, out = call.input(0).shape, call.output.shape
        assert priced(onnx_call("Conv", [x, kernel], [out], group=g["groups"])) == priced(call)


@pytest.mark.parametrize("seed", range(18))
@pytest.mark.parametrize("batched", [True, False])
def test_macs_are_the_products_that_a_transposed_convolution_scatters(
    seed: int, batched: bool
) -> None:
    """By input pixels: peers that count by output pixels are wrong by the product of the strides."""
    g = geometry(seed)
    (c_in, c_out), axes, batch = g["channels"], len(g["size"]), g["batch"] if batched else 1
    lead = [batch] if batched else []
    kernel = (c_in, c_out // g["groups"], *g["kernel"])
    products = TRANSPOSED[axes](
        ones(*lead, c_in, *g["size"]), ones(*kernel), None, g["stride"], 0, 0, g["groups"],
        g["dilation"],
    ).sum()  # fmt: skip

    call = aten(
        TRANSPOSED_NAMES[axes], meta(*lead, c_in, *g["size"]), meta(*kernel), meta(c_out),
        g["stride"], g["padding"], [0] * axes, g["groups"], g["dilation"],
    )  # fmt: skip

    assert macs(call) == products
    assert priced(call).elementwise_flops == call.output.elements  # the bias
    if batched:
        same = onnx_call("ConvTranspose", [call.input(0).shape, kernel, (c_out,)],
                         [call.output.shape], group=g["groups"])  # fmt: skip
        assert priced(same) == priced(call)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_each_gradient_of_a_convolution_costs_one_forward_pass(seed: int, transposed: bool) -> None:
    """Of ones the gradients are counts of products too: their sums are the forward one's."""
    g = geometry(seed)
    (c_in, c_out), axes, groups = g["channels"], len(g["size"]), g["groups"]
    kernel = (c_in, c_out // groups) if transposed else (c_out, c_in // groups)
    x, w = ones(g["batch"], c_in, *g["size"]), ones(*kernel, *g["kernel"])
    x, w = x.requires_grad_(), w.requires_grad_()
    settings = (g["stride"], [0] * axes, g["dilation"], transposed, [0] * axes, groups)
    y = torch.convolution(x, w, None, *settings)
    forward = int(y.sum())
    y.sum().backward()

    def back(*mask: bool) -> OpCall:
        return aten("convolution_backward", *(t.detach().to("meta") for t in (y, x, w)), [c_out],
                    *settings, mask)  # fmt: skip

    assert (x.grad.sum(), w.grad.sum()) == (forward, forward)
    assert macs(aten("convolution", x.detach(), w.detach(), None, *settings)) == forward
    assert macs(back(True, True, True)) == 2 * forward
    assert macs(back(True, False, False)) == macs(back(False, True, False)) == forward
    assert macs(back(False, False, True)) == 0
    assert priced(back(False, False, True)).elementwise_flops == y.numel()


@pytest.mark.parametrize(
    ("groups", "transposed", "forward"),
    [(1, False, 2 * 32 * 32 * 9 * 256), (4, False, 2 * 32 * 8 * 9 * 256),
     (32, False, 2 * 32 * 9 * 256), (4, True, 2 * 32 * 8 * 9 * 256)],
)  # fmt: skip
def test_torchs_counter_is_wrong_by_the_groups_in_backward(
    groups: int, transposed: bool, forward: int
) -> None:
    """It gives twice the truth for four groups and eleven times for a depthwise convolution."""
    x, kernel = meta(2, 32, 16, 16), meta(32, 32 // groups, 3, 3)
    settings = ([1, 1], [1, 1], [1, 1], transposed, [0, 0], groups)
    y = aten("convolution", x, kernel, None, *settings)

    back = aten("convolution_backward", meta(*y.output.shape), x, kernel, None, *settings,
                [True, True, False])  # fmt: skip

    assert macs(y) + macs(back) == 3 * forward


def test_a_grouped_transposed_convolution_counts_forward() -> None:
    """DeepSpeed gives 0. Every one of 2 * 256 pixels meets 32 * 4 kernels of 16 taps."""
    call = aten("conv_transpose2d.input", meta(2, 32, 16, 16), meta(32, 4, 4, 4), None, [2, 2],
                [1, 1], [0, 0], 4)  # fmt: skip

    assert call.output.shape == (2, 16, 32, 32)
    assert macs(call) == 2 * 256 * 32 * 4 * 16


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name(padding: str) -> None:
    call = aten("conv2d.padding", meta(2, 4, 9, 8), meta(6, 2, 3, 2), None, [1, 1], padding,
                [2, 1], 2)  # fmt: skip

    assert macs(call) == 2 * 6 * 2 * 6 * (9 * 8 if padding == "same" else 5 * 7)


@pytest.mark.parametrize("name", ["convolution", "_convolution", "_convolution_mode"])
def test_the_spellings_behind_a_convolution_cost_the_same(name: str) -> None:
    x, w, b = meta(2, 4, 9, 8), meta(6, 2, 3, 2), meta(6)
    more = {
        "convolution": ([2, 1], [0, 0], [1, 1], False, [0, 0], 2),
        "_convolution": ([2, 1], [0, 0], [1, 1], False, [0, 0], 2, False, False, True, True),
        "_convolution_mode": ([2, 1], "valid", [1, 1], 2),
    }

    cost = priced(aten(name, x, w, b, *more[name]))

    assert cost.macs == 2 * 4 * 7 * 6 * 2 * 6
    assert cost.elementwise_flops == 2 * 6 * 4 * 7


def test_depthwise_kernels_have_as_many_groups_as_channels() -> None:
    x = meta(2, 5, 6, 7)
    call = OpCall(
        "aten._conv_depthwise2d.default", "node",
        onnx_call("Conv", [x.shape, (10, 1, 3, 3), None], []).inputs,
        onnx_call("Conv", [], [(2, 10, 4, 5)]).outputs, {"kernel_size": (3, 3)},
    )  # fmt: skip

    (product,) = priced(call).contractions

    assert sizes(product) == (2 * 4 * 5, 2, 9, 5)


def test_a_complex_convolution_takes_four_real_products() -> None:
    x, w = torch.zeros(1, 2, 5, 5), torch.zeros(3, 2, 2, 2)
    real = macs(aten("conv2d", x, w))

    assert macs(aten("conv2d", x.to(torch.complex64), w.to(torch.complex64))) == 4 * real


def test_a_convolution_along_time_with_channels_last() -> None:
    """FlopCounterMode gives 0: 6 + 2 - 5 + 1 positions, batch 2, 3 to 4 channels, 5 taps."""
    call = aten("conv_tbc", torch.zeros(6, 2, 3), torch.zeros(5, 3, 4), torch.zeros(4), 1)
    back = aten("conv_tbc_backward", torch.zeros(4, 2, 4), torch.zeros(6, 2, 3),
                torch.zeros(5, 3, 4), torch.zeros(4), 1)  # fmt: skip

    assert call.output.shape == (4, 2, 4)
    assert macs(call) == 4 * 2 * 3 * 4 * 5
    assert macs(back) == 2 * macs(call)
    assert (priced(call).elementwise_flops, priced(back).elementwise_flops) == (32, 32)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_quantised_convolution_costs_what_the_float_one_does(axes: int, transposed: bool) -> None:
    kernel = ((4, 3) if transposed else (6, 2)) + (3, 2, 2)[:axes]
    x, w, b = torch.zeros(2, 4, *(9, 8, 7)[:axes]), torch.zeros(kernel), torch.zeros(6)
    one, none = [1] * axes, [0] * axes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        qx = torch.quantize_per_tensor(x, 0.1, 0, torch.quint8)
        qw = torch.quantize_per_tensor(w, 0.1, 0, torch.qint8)
        if transposed:
            name = TRANSPOSED_NAMES[axes]
            pack = getattr(torch.ops.quantized, f"conv_transpose{axes}d_prepack")
            packed = pack(qw, b, one, none, none, one, 2)
            plain = aten(name, x, w, b, one, none, none, 2, one)
        else:
            packed = getattr(torch.ops.quantized, f"conv{axes}d_prepack")(qw, b, one, none, one, 2)
            plain = aten(f"conv{axes}d", x, w, b, one, none, one, 2)
        overload = "" if axes == 1 or transposed else ".new"
        kind = f"conv_transpose{axes}d" if transposed else f"conv{axes}d"
        call = aten(f"quantized::{kind}{overload}", qx, packed, 0.1, 0)

    assert call.input(1).elements == plain.input(1).elements
    assert macs(call) == macs(plain)
    assert priced(call).elementwise_flops == plain.output.elements


# ONNX's other spellings -------------------------------------------------------------------------

X, W, Y = (2, 6, 9, 8), (4, 3, 3, 2), (2, 4, 7, 7)
X_LAST, Y_LAST = (2, 9, 8, 6), (2, 7, 7, 4)
PRODUCTS, OUTPUTS = 2 * 4 * 49 * 3 * 6, 2 * 4 * 49


@pytest.mark.parametrize(
    ("call", "elementwise"),
    [
        (onnx_call("Conv", [X, W, (4,)], [Y], group=2), 1),
        (onnx_call("ConvInteger", [X, W, (), ()], [Y], group=2), 0),
        (onnx_call("QLinearConv", [X, (), (), W, (), (), (), (), (4,)], [Y], group=2), 1),
        (onnx_call("com.microsoft.QLinearConv", [X, (), (), W, (), (), (), ()], [Y], group=2), 0),
        (onnx_call("com.microsoft.QLinearConv", [X_LAST, (), (), W, (), (), (), ()], [Y_LAST],
                   group=2, channels_last=1), 0),
        (onnx_call("com.microsoft.FusedConv", [X, W, (4,), Y], [Y], group=2, activation="Relu"), 3),
        (onnx_call("com.microsoft.FusedConv", [X, W], [Y], group=2, activation="Sigmoid"), 4),
        (onnx_call("com.microsoft.NhwcConv", [X_LAST, W, (4,)], [Y_LAST], group=2), 1),
        (onnx_call("com.microsoft.NhwcFusedConv", [X_LAST, W, None, Y_LAST], [Y_LAST], group=2), 1),
    ],
    ids=lambda value: value.target if isinstance(value, OpCall) else "",
)  # fmt: skip
def test_every_onnx_spelling_of_a_grouped_convolution(call: OpCall, elementwise: int) -> None:
    """7 * 7 positions twice, 4 channels out of 3 in, 3 * 2 taps; bias, residual, activation."""
    assert macs(call) == PRODUCTS
    assert priced(call).elementwise_flops == elementwise * OUTPUTS


@pytest.mark.parametrize(
    "target", ["onnx.CausalConvWithState", "com.microsoft.CausalConvWithState"]
)
def test_a_causal_convolution_with_a_state_is_depthwise(target: str) -> None:
    call = onnx_call(target, [(2, 5, 7), (5, 1, 4), (5,), (2, 5, 3)], [(2, 5, 7), (2, 5, 3)],
                     activation="silu")  # fmt: skip

    assert macs(call) == 2 * 5 * 7 * 4
    assert priced(call).elementwise_flops == 2 * 5 * 7 * (1 + 5)


def test_pads_as_an_input_change_nothing() -> None:
    call = onnx_call("com.microsoft.ConvTransposeWithDynamicPads",
                     [(2, 6, 5, 4), (6, 2, 3, 3), (4,), (4,)], [(2, 4, 9, 9)], group=2)  # fmt: skip

    assert macs(call) == 2 * 5 * 4 * 6 * 2 * 9
    assert priced(call).elementwise_flops == 2 * 4 * 81


def test_a_deformable_convolution_interpolates_every_tap() -> None:
    """ONNX DeformConv: four neighbours times their shares, three sums, and the mask's product."""
    offset, mask = (1, 2 * 9, 4, 5), (1, 9, 4, 5)
    call = onnx_call("DeformConv", [(1, 4, 6, 7), (6, 2, 3, 3), offset, (6,), mask],
                     [(1, 6, 4, 5)], group=2, offset_group=1)  # fmt: skip

    assert macs(call) == 20 * 6 * 2 * 9
    assert priced(call).elementwise_flops == 20 * 4 * 9 * (7 + 1) + 20 * 6


def test_no_input_channels_cost_nothing() -> None:
    assert macs(onnx_call("Conv", [(1, 0, 5, 5), (4, 0, 3, 3)], [(1, 4, 3, 3)])) == 0


# Which weight meets which channel ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "transposed", "gradient"])
@pytest.mark.parametrize("seed", range(3))
def test_the_weight_of_a_product_joins_the_channels_it_says(kind: str, seed: int) -> None:
    """Each non-zero of a random kernel joins just the channels that a convolution of ones shows."""
    rng = np.random.default_rng(seed)
    kernel = (rng.random((4, 3, 2, 1)) < 0.4).astype(np.float32)  # 2 groups
    w = torch.from_numpy(kernel).double()
    x_shape = {"plain": (1, 6, 5, 5), "transposed": (1, 4, 5, 5), "gradient": (1, 4, 5, 5)}[kind]
    x = onnx_call("Conv", [x_shape], []).inputs
    settings = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 2,
                "output_padding": (0, 0), "transposed": kind == "transposed",
                "output_mask": (True, False, False)}  # fmt: skip
    if kind == "plain":
        out, run = (1, 4, 4, 5), lambda v: F.conv2d(v, w, groups=2)
        call = ("aten.convolution.default", (*x, stored(kernel), None))
    elif kind == "transposed":
        out, run = (1, 6, 6, 5), lambda v: F.conv_transpose2d(v, w, groups=2)
        call = ("aten.convolution.default", (*x, stored(kernel), None))
    else:
        out, run = (1, 6, 6, 5), lambda v: F.conv_transpose2d(v, w, groups=2)
        data = onnx_call("Conv", [out], []).inputs
        call = ("aten.convolution_backward.default", (*x, *data, stored(kernel)))
    outputs = onnx_call("Conv", [], [out]).outputs
    (product,) = priced(OpCall(call[0], "node", call[1], outputs, settings)).contractions

    found = joined(product, kernel, (x_shape[1], out[1]))

    for channel in range(x_shape[1]):
        only = torch.zeros(x_shape, dtype=torch.float64)
        only[:, channel] = 1
        seen = run(only).sum((0, 2, 3)) / (5 * 5 if kind != "plain" else 4 * 5)
        assert found[channel].tolist() == pytest.approx(seen.tolist())


def joined(product: Any, kernel: Any, channels: tuple[int, int]) -> Any:
    """How many non-zero weights join an input with an output channel, by the record's text."""
    use = product.weight
    counts = np.zeros(channels, int)
    per_block = kernel.shape[0] // use.groups
    for at in np.argwhere(kernel):
        block = at[0] // per_block
        i, o = at[use.in_axis], at[use.out_axis]
        if kernel.shape[use.in_axis] < channels[0]:
            i += block * kernel.shape[use.in_axis]
        if kernel.shape[use.out_axis] < channels[1]:
            o += block * kernel.shape[use.out_axis]
        counts[i, o] += 1
    return counts
