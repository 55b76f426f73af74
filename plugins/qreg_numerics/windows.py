"""Where a kernel lies on its input: strides, dilations and pads of every spatial axis."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import frozen

from qreg.records import Array, OpCall
from qreg_numerics.operands import refusal


@frozen
class Window:
    """One entry per spatial axis; ``outputs`` counts the kernel's positions."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    outputs: tuple[int, ...]


def window_of(call: OpCall, spatial: Sequence[int], kernel: Sequence[int]) -> Window:
    """The kernel's positions by the node's attributes.

    ``out = floor((in + pads - reach) / stride) + 1`` with ``reach = dilation * (kernel - 1) + 1``;
    ``ceil_mode`` rounds up unless the last window would start beyond the input and its first pad.

    Source: ONNX Conv-11, AveragePool-22; ONNX Runtime PoolAttributes::ComputeOutputSize.
    """
    rank = len(kernel)
    strides = _sizes(call, "strides", rank, 1)
    dilations = _sizes(call, "dilations", rank, 1)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    before, after = _pads(call, spatial, reach, strides)
    outputs = []
    for size, span, stride, first, last in zip(spatial, reach, strides, before, after, strict=True):
        room = size + first + last - span
        steps = room // stride
        if call.attribute("ceil_mode", 0) and room % stride and (steps + 1) * stride < size + first:
            steps += 1
        if steps < 0:
            raise refusal(call, f"a kernel that reaches over {span} does not fit {size} + pads")
        outputs.append(steps + 1)
    return Window(tuple(kernel), strides, dilations, before, after, tuple(outputs))


def patches(x: Array, window: Window) -> Array:
    """Every kernel position's taps of a padded ``(..., spatial)`` array, as a view.

    The shape is ``(..., outputs, kernel)``.
    """
    rank = len(window.kernel)
    axes = tuple(range(x.ndim - rank, x.ndim))
    reach = tuple(d * (k - 1) + 1 for k, d in zip(window.kernel, window.dilations, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(x, reach, axes)
    steps = tuple(
        slice(0, s * (n - 1) + 1, s) for s, n in zip(window.strides, window.outputs, strict=True)
    )
    taps = tuple(slice(None, None, d) for d in window.dilations)
    index: tuple[Any, ...] = (..., *steps, *taps)
    taken: Array = view[index]
    return taken


def _pads(
    call: OpCall, spatial: Sequence[int], reach: Sequence[int], strides: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    mode = call.attribute("auto_pad", "NOTSET") or "NOTSET"
    rank = len(reach)
    if mode == "NOTSET":
        pads = _sizes(call, "pads", 2 * rank, 0)
        return pads[:rank], pads[rank:]
    if mode == "VALID":
        return (0,) * rank, (0,) * rank
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise refusal(
            call, f"auto_pad is {mode!r}; NOTSET, VALID, SAME_UPPER, SAME_LOWER are known"
        )
    needs = [(-(-n // s) - 1) * s + r - n for n, r, s in zip(spatial, reach, strides, strict=True)]
    if min(needs) < -1:
        raise refusal(
            call,
            f"auto_pad {mode} needs negative pads (the stride exceeds the kernel), on which ONNX "
            "Runtime's own operators disagree; write the pads out",
        )
    # A need of -1 crops behind only, so that the first window starts at 0.
    before = tuple(max(need + (mode == "SAME_LOWER"), 0) // 2 for need in needs)
    return before, tuple(need - first for need, first in zip(needs, before, strict=True))


def _sizes(call: OpCall, name: str, count: int, default: int) -> tuple[int, ...]:
    given = call.attribute(name) or (default,) * count
    if len(given) != count:
        raise refusal(call, f"{name} has {len(given)} entries where the kernel asks for {count}")
    return tuple(int(n) for n in given)
