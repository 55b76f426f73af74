"""Which elements are in the windows of a pool, however it is spelled."""

from typing import Any

from qreg.records import OpCall
from qreg_channels.geometry import Geometry


def window(call: OpCall) -> Geometry | None:
    """None for pools over all places, or whose windows are of different sizes."""
    aten = call.target.startswith("aten.")
    size = call.attribute("kernel_size" if aten else "kernel_shape")
    if size is None:
        return None
    digits = [int(c) for c in call.op if c.isdigit()]
    rank = digits[0] if aten and digits else len(size)
    kernel = _each(size, rank)
    if aten:  # Source: PyTorch, torch.nn.functional.max_pool2d, avg_pool2d
        strides = _each(call.attribute("stride") or kernel, rank)
        pads = _each(call.attribute("padding", 0), rank)
        dilations = _each(call.attribute("dilation", 1), rank)
    else:
        strides = _each(call.attribute("strides", 1), rank)
        dilations = _each(call.attribute("dilations", 1), rank)
        pads = _pads(call, kernel, strides, dilations)
    return Geometry(kernel=kernel, strides=strides, pads=pads, dilations=dilations)


def _pads(
    call: OpCall, kernel: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...]
) -> tuple[int, ...]:
    """Before the first element. Source: ONNX MaxPool-22."""
    mode = call.attribute("auto_pad", "NOTSET")
    if not mode.startswith("SAME"):
        given = call.attribute("pads", 0) if mode == "NOTSET" else 0
        return _each(given, 2 * len(kernel))[: len(kernel)]
    sizes = zip(call.input(0).shape[2:], call.output.shape[2:], strict=True)
    totals = [
        max(0, (size_out - 1) * s + (k - 1) * d + 1 - size_in)
        for (size_in, size_out), k, s, d in zip(sizes, kernel, strides, dilations, strict=True)
    ]
    return tuple(t - t // 2 if mode == "SAME_LOWER" else t // 2 for t in totals)


def _each(value: Any, count: int) -> tuple[int, ...]:
    """One number per axis, from one for all or one for each."""
    numbers = (value,) if isinstance(value, int) else tuple(value)
    return numbers * count if len(numbers) == 1 else numbers
