"""Ops that run on 8-bit data as they are, under the parameters of their input.

They move values or compare them, so on integers they compute exactly what the float op computes
on the real values those integers stand for. That is why they follow their input without a rule.
"""

from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir
from attrs import frozen

from qreg.records import Array, OpCall, Tensor
from qreg_onnx.graph import target_of
from qreg_quant.affine import quantized
from qreg_quant.records import QParams, limits

CLIP_8BIT = MAX_POOL_8BIT = 12  # operator sets from which the op takes 8-bit data
PAD_8BIT = 11
ROUNDING = 1e-6  # a few units in the last place of float32


@frozen
class Following:
    """What the node becomes: the op, and constants in place of inputs of its own.

    ``absorbed`` where the 8-bit input is the result already; ``note`` is for the report.
    """

    op: str
    constants: tuple[tuple[int, str, Array], ...] = ()  # (input, what it is, value)
    absorbed: bool = False
    note: str = ""


Follow = Callable[[OpCall, QParams, bool], Following | str]


def follower(call: OpCall) -> Follow | None:
    """How the op follows an 8-bit input: (call, parameters, exact) -> what it becomes, or why not.

    ``exact`` asks that no limit is rounded.
    """
    return FOLLOWERS.get(call.target)


def behind_clamps(model: ir.Model) -> dict[str, str]:
    """For tensors that only a Relu or Clip reads, directly or moved: the tensor behind it.

    What lies outside the clamp's range is cut anyway, so the tensor before it needs no integers for
    it. Source: ONNX Runtime, base_quantizer.adjust_tensor_ranges.
    """
    tensors = [v for n in model.graph for v in n.outputs]
    found = {str(v.name): _behind(v) for v in tensors}
    return {name: behind for name, behind in found.items() if behind}


def _behind(value: ir.Value) -> str:
    found = ""
    while len(value.uses()) == 1 and not value.is_graph_output():
        (node, index), *_ = value.uses()
        if index != 0 or target_of(node) not in (*CLAMPS, *MONOTONE):
            break
        value = node.outputs[0]
        found = str(value.name) if target_of(node) in CLAMPS else found
    return found


def _move(call: OpCall, params: QParams, exact: bool) -> Following | str:
    return Following(call.op)


def _max_pool(call: OpCall, params: QParams, exact: bool) -> Following | str:
    if call.opset < MAX_POOL_8BIT:
        return _old(call, MAX_POOL_8BIT)
    if any(t.name for t in call.outputs[1:]):
        return "gives indices too"
    return Following(call.op)


def _pad(call: OpCall, params: QParams, exact: bool) -> Following | str:
    if call.opset < PAD_8BIT:
        return _old(call, PAD_8BIT)
    if call.attribute("mode", "constant") != "constant":
        return Following(call.op)
    given = call.optional(2)
    if given is not None and given.value is None:
        return "its padding value is computed at run time"
    value = np.float32(0) if given is None else np.float32(given.numpy().item())
    integer, held = _on_grid(value, params)
    if not held:
        return f"pads with {value}, which is no value of its input's 8-bit type"
    return Following(call.op, ((2, "value", _typed(integer, params)),))


def _clamp(call: OpCall, params: QParams, exact: bool) -> Following | str:
    """Relu and Clip: nothing where the integers end there anyway, else an integer Clip."""
    bounds = _bounds(call)
    if bounds is None:
        return "its limits are computed at run time"
    least, most = bounds
    if np.isnan(least) or np.isnan(most):
        return "one of its limits is NaN"
    (low, low_held), (high, high_held) = _on_grid(least, params), _on_grid(most, params)
    first, last = (_real(end, params) for end in limits(params.dtype))
    if least > last or most < first:
        return "its limits lie outside its input's range"
    rounded = not ((low_held or least <= first) and (high_held or most >= last))
    if exact and rounded:
        return "its limits are no values of its input's 8-bit type"
    note = f"limits rounded to {low}..{high}" if rounded else ""
    if (low, high) == limits(params.dtype):
        return Following(call.op, absorbed=True, note=note)
    if call.opset < CLIP_8BIT:
        return _old(call, CLIP_8BIT)
    ends = ((1, "min", _typed(low, params)), (2, "max", _typed(high, params)))
    return Following("Clip", ends, note=note)


def _bounds(call: OpCall) -> tuple[np.float32, np.float32] | None:
    """Source: ONNX Relu-14, Clip-13; Clip-6 has its limits as attributes."""
    infinite = np.float32(np.inf)
    if call.op == "Relu":
        return np.float32(0), infinite
    bounds = []
    for index, name, default in ((1, "min", -infinite), (2, "max", infinite)):
        given: Tensor | None = call.optional(index)
        if given is not None and given.value is None:
            return None
        value = call.attribute(name, default) if given is None else given.numpy().item()
        bounds.append(np.float32(value))
    return bounds[0], bounds[1]


def _on_grid(value: np.float32, params: QParams) -> tuple[int, bool]:
    """The integer nearest to a real, and whether it stands for just that real.

    Within the rounding of the scale: 255 steps of 6/255 are seldom 6 to the last bit.
    """
    integer = int(quantized(np.array(value), params))
    error = abs(_real(integer, params) - value)
    return integer, bool(error <= ROUNDING * abs(value))


def _real(integer: int, params: QParams) -> np.float32:
    return np.float32(np.float32(integer - int(params.zero_point)) * np.float32(params.scale))


def _typed(integer: int, params: QParams) -> Array:
    return np.array(integer, params.dtype)


def _old(call: OpCall, wanted: int) -> str:
    return (
        f"{call.op} takes 8-bit data from operator set {wanted} on and the model has {call.opset}; "
        "export it anew, or use onnx.version_converter"
    )


CLAMPS: Mapping[str, Follow] = {"onnx.Relu": _clamp, "onnx.Clip": _clamp}
# Ops that a clamp may be moved across.
MONOTONE: Mapping[str, Follow] = {
    **{
        f"onnx.{op}": _move
        for op in ("Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
    },
    "onnx.MaxPool": _max_pool,
}
FOLLOWERS: Mapping[str, Follow] = {**CLAMPS, **MONOTONE, "onnx.Pad": _pad}
