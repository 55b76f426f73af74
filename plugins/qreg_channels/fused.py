"""States across ops that are several in one, as their parts cross them one after the other.

Source: ONNX Runtime contrib operators, com.microsoft; PyTorch, aten/src/ATen/native/transformers.
"""

from collections.abc import Mapping

import numpy as np
from attrs import evolve

from qreg.records import Array, OpCall
from qreg_channels import absorbing, attention, contraction, elementwise
from qreg_channels.absorbing import exact_zeros
from qreg_channels.elementwise import reach, whole
from qreg_channels.state import EXACT, Evaluate, State, States, all_live, live, state

OPSET = 20  # of the parts
CLIP_BY_ATTRIBUTES = 6
# How an activation's parameters are called, in order. Source: com.microsoft FusedConv-1.
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "LeakyRelu": ("alpha",), "HardSigmoid": ("alpha", "beta"), "Clip": ("min", "max"),
}  # fmt: skip
SMOOTH = ("Tanh", "Sigmoid", "HardSigmoid")


def convolution(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """A convolution, what is added to it, an activation."""
    part = _part(call, "onnx.Conv", 3)
    (found,) = contraction.propagate(part, states[:3], evaluate)
    added = states[3] if len(states) > 3 else None
    if added is not None:
        both = evolve(part, target="onnx.Add", inputs=(call.output, call.inputs[3]), attributes={})
        (found,) = absorbing.addition(both, (found, added), evaluate)
    return _activated(call, found, evaluate)


def linear(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """A linear layer and an activation."""
    (found,) = contraction.propagate(_part(call, "onnx.Gemm", 3), states, evaluate)
    return _activated(call, found, evaluate)


def multi_head(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Attention with heads side by side; with a cache or hidden keys nothing is known.

    Source: com.microsoft MultiHeadAttention-1.
    """
    query, _, value, bias, hidden, mask, *cache = (*states, *(None,) * 6)
    if query is None or value is None or value.value.ndim != 3 or query.value.ndim != 3:
        return all_live(call)
    if hidden is not None or any(s is not None for s in cache):
        return all_live(call)
    if bias is not None:
        value = _added(value, bias)
    heads = call.attribute("num_heads")
    causal = bool(call.attribute("unidirectional", 0))
    return attention.side_by_side(call, query.value.shape, value, (heads, heads), mask, causal)


def projected(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Attention and a last layer: where a row of its weight is zero, its bias.

    Source: PyTorch, _native_multi_head_attention.
    """
    weight, bias = states[5], states[6]
    if weight is None or bias is None:
        return all_live(call)
    known = exact_zeros(weight).all(1) & bias.known
    return (_columns(call, known, bias), *(live(t) for t in call.outputs[1:]))


def encoder(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """A whole encoder layer: where its last norm has no scale, the norm's shift.

    With the norms first: zero where the data is and both halves add nothing.
    Source: PyTorch, _transformer_encoder_layer_fwd.
    """
    if len(states) < 13 or any(s is None for s in states[:13]):
        return all_live(call)
    given = [s for s in states[:13] if s is not None]
    data, (projection, added), (scale, shift), (down, bias) = (
        given[0], given[3:5], given[7:9], given[11:13])  # fmt: skip
    if not call.attribute("norm_first"):
        known = np.broadcast_to(exact_zeros(scale), scale.value.shape) & shift.known
        return (_columns(call, known, shift),)
    adds = [
        ~np.broadcast_to(exact_zeros(s), s.value.shape) for s in (projection, added, down, bias)
    ]
    none = ~np.logical_or.reduce([a.any(1) if a.ndim == 2 else a for a in adds])
    zero = np.zeros((1,) * len(call.output.shape), call.output.dtype)
    return (whole(call.output.shape, zero, np.asarray(exact_zeros(data) & none), EXACT, 0),)


def _part(call: OpCall, target: str, inputs: int) -> OpCall:
    own = {k: v for k, v in call.attributes.items() if not k.startswith("activation")}
    return evolve(call, target=target, inputs=call.inputs[:inputs], attributes=own, opset=OPSET)


def _activated(call: OpCall, found: State, evaluate: Evaluate) -> tuple[State, ...]:
    name = call.attribute("activation")
    if not name or found.is_live:
        return (found,)
    given = call.attribute("activation_params") or tuple(
        call.attribute(f"activation_{letter}") for letter in ("alpha", "beta")
    )
    numbers = zip(PARAMETERS.get(name, ()), given, strict=False)
    attributes = {key: number for key, number in numbers if number is not None}
    opset = CLIP_BY_ATTRIBUTES if name == "Clip" else OPSET
    part = evolve(call, target=f"onnx.{name}", inputs=(call.output,), attributes=attributes,
                  opset=opset)  # fmt: skip
    rule = elementwise.smooth if name in SMOOTH else elementwise.propagate
    return rule(part, (found,), evaluate)


def _added(value: State, bias: State) -> State:
    """The values and their share of a bias of query, key and value."""
    size = value.value.shape[-1]
    off, total = np.broadcast_to(reach(bias), bias.value.shape), value.value + bias.value[-size:]
    return state(total, value.known & bias.known[-size:], error=reach(value) + off[-size:])


def _columns(call: OpCall, known: Array, values: State) -> State:
    """A state that is known in some of its last axis, wherever the others."""
    return whole(call.output.shape, values.value, known, reach(values), 0)
