"""How every spelling of a convolution reads its input."""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from qreg.records import OpCall
from qreg_channels.geometry import Geometry


@frozen
class Inputs:
    """Where an op keeps its weight and its bias; the data come first."""

    weight: int
    bias: int | None


INPUTS: Mapping[str, Inputs] = {
    "Conv": Inputs(1, 2),
    "ConvTranspose": Inputs(1, 2),
    "QLinearConv": Inputs(3, 8),
    "ConvInteger": Inputs(1, None),
}
ATEN = Inputs(1, 2)
AXES = {"conv1d": 1, "conv2d": 2, "conv3d": 3, "conv_transpose1d": 1, "conv_transpose2d": 2,
        "conv_transpose3d": 3}  # fmt: skip


def convolution(call: OpCall) -> Geometry | None:
    """None where the standard leaves open, or we do not know, where padding goes."""
    if call.target.startswith("aten."):
        return _aten(call)
    transposed = call.op == "ConvTranspose"
    where = INPUTS[call.op]
    kernel = call.input(where.weight).shape[2:]
    strides = _each(call.attribute("strides", 1), len(kernel))
    dilations = _each(call.attribute("dilations", 1), len(kernel))
    pads = _pads(call, kernel, strides, dilations)
    if pads is None:
        return None
    return Geometry(
        weight=where.weight, bias=where.bias, kernel=kernel, strides=strides, pads=pads,
        dilations=dilations, groups=call.attribute("group", 1), transposed=transposed,
    )  # fmt: skip


def _pads(
    call: OpCall, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[int, ...] | None:
    """Before the first element. Source: ONNX Conv-22, ConvTranspose-22."""
    mode = call.attribute("auto_pad", "NOTSET")
    if mode == "VALID":
        return (0,) * len(kernel)
    if mode == "NOTSET" and not call.attribute("output_shape"):
        return _each(call.attribute("pads", 0), 2 * len(kernel))[: len(kernel)]
    if call.op == "ConvTranspose":
        return _transposed_pads(call, kernel, strides, dilations)
    sizes = zip(call.input(0).shape[2:], call.output.shape[2:], strict=True)
    totals = [
        max(0, (size_out - 1) * s + (k - 1) * d + 1 - size_in)
        for (size_in, size_out), k, s, d in zip(sizes, kernel, strides, dilations, strict=True)
    ]
    return tuple(t - t // 2 if mode == "SAME_LOWER" else t // 2 for t in totals)


def _transposed_pads(
    call: OpCall, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[int, ...] | None:
    """Where the total is odd, the standard and ONNX Runtime disagree on who gets the odd one."""
    added = _each(call.attribute("output_padding", 0), len(kernel))
    sizes = zip(call.input(0).shape[2:], call.output.shape[2:], strict=True)
    totals = [
        (size_in - 1) * s + a + (k - 1) * d + 1 - size_out
        for (size_in, size_out), k, s, d, a in zip(
            sizes, kernel, strides, dilations, added, strict=True
        )
    ]
    return None if any(t < 0 or t % 2 for t in totals) else tuple(t // 2 for t in totals)


def _aten(call: OpCall) -> Geometry | None:
    """Source: PyTorch, torch.nn.functional.conv2d, conv_transpose2d; native_functions.yaml."""
    data, weight = call.input(0).shape, call.input(1).shape
    size = len(weight) - 2
    if AXES.get(call.op, size) != size or len(data) not in (size + 1, size + 2):
        return None
    kernel, transposed = weight[2:], bool(call.attribute("transposed", "transpose" in call.op))
    strides = _each(call.attribute("stride", 1), size)
    dilations = _each(call.attribute("dilation", 1), size)
    padding = call.attribute("padding", 0)
    if padding == "valid":
        padding = 0
    if padding == "same":  # PyTorch puts the odd one at the end
        padding = tuple(d * (k - 1) // 2 for d, k in zip(dilations, kernel, strict=True))
    depthwise = data[-size - 1] // weight[1]  # of ops that do not say: conv_depthwise3d
    groups = call.attribute("groups", 1 if transposed else depthwise)
    return Geometry(
        weight=ATEN.weight, bias=ATEN.bias, kernel=kernel, strides=strides,
        pads=_each(padding, size), dilations=dilations, groups=groups, transposed=transposed,
    )  # fmt: skip


def _each(value: Any, count: int) -> tuple[int, ...]:
    """One number per axis, from one for all or one for each."""
    numbers = (value,) if isinstance(value, int) else tuple(value)
    return numbers * count if len(numbers) == 1 else numbers
