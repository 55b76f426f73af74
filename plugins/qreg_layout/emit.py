"""C that moves data."""

import numpy as np

from qreg.records import OpCall
from qreg_emit.loops import fused, index, row_major
from qreg_emit.operands import one_number, optional_constant, refuse

PADS_ARE_INPUTS = 11  # the operator set from which Pad's pads are an input


def reshape(call: OpCall) -> dict[str, object]:
    """The same elements in the same order: no code where memory can be shared.

    Source: ONNX Reshape-21, Flatten-21, Squeeze-21, Unsqueeze-21, Identity-21.
    """
    return {
        "bytes": call.output.bytes,
        "shares": "in0",
        "headers": ("string.h",),
        "exact": True,
    }


def transpose(call: OpCall) -> dict[str, object]:
    """Source: ONNX Transpose-21."""
    shape = call.input(0).shape
    order = call.attribute("perm") or tuple(reversed(range(len(shape))))
    steps = [row_major(shape)[axis] for axis in order]
    counts, (x, y) = fused(call.output.shape, steps, row_major(call.output.shape))
    shares = {"shares": "in0"} if x == y else {}
    return {"counts": counts, "x": index(x), "y": index(y), "exact": True, **shares}


def pad(call: OpCall) -> dict[str, object]:
    """The value everywhere, then the input over it; negative pads crop.

    Source: ONNX Pad-21, mode constant.
    """
    mode = call.attribute("mode", "constant")
    if mode != "constant":
        raise refuse(call, f"mode is {mode!r}; constant is known")
    x, y = call.input(0), call.output
    before, after, value = _pads(call)
    first_x = [max(-b, 0) for b in before]
    first_y = [max(b, 0) for b in before]
    kept = (n - max(-b, 0) - max(-a, 0) for n, b, a in zip(x.shape, before, after, strict=True))
    steps_x, steps_y = row_major(x.shape), row_major(y.shape)
    loops, (moved_x, moved_y) = fused([max(n, 0) for n in kept], steps_x, steps_y)
    return {
        "elements": y.elements,
        "value": value,
        "counts": loops,
        "x": index(moved_x, sum(f * s for f, s in zip(first_x, steps_x, strict=True))),
        "y": index(moved_y, sum(f * s for f, s in zip(first_y, steps_y, strict=True))),
        "exact": True,
    }


def _pads(call: OpCall) -> tuple[list[int], list[int], np.generic]:
    """Pads before and after every axis, and the value they hold."""
    rank, kind = len(call.input(0).shape), np.dtype(call.input(0).dtype).type
    if call.opset < PADS_ARE_INPUTS:
        given, value = call.attribute("pads"), call.attribute("value", 0.0)
        axes = list(range(rank))
    else:
        stored = optional_constant(call, 1, "pads")
        given = [] if stored is None else stored.tolist()
        constant = optional_constant(call, 2, "constant_value")
        value = 0 if constant is None else one_number(call, constant, "constant_value")
        chosen = optional_constant(call, 3, "axes")
        axes = list(range(rank)) if chosen is None else [int(a) % rank for a in chosen]
    if len(given) != 2 * len(axes):
        raise refuse(call, f"{len(given)} pads for {len(axes)} axes")
    before, after = [0] * rank, [0] * rank
    for place, axis in enumerate(axes):
        before[axis], after[axis] = int(given[place]), int(given[place + len(axes)])
    return before, after, kind(value)
