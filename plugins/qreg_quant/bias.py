"""The bias of a contraction in steps of its accumulator."""

import numpy as np
from attrs import evolve

from qreg.records import Array, OpCall
from qreg_quant.affine import quantized_bias, refuse_not_finite, widened
from qreg_quant.forms import FORMS
from qreg_quant.records import NodePlan


def with_room_for_bias(call: OpCall, plan: NodePlan) -> NodePlan:
    """The plan with weight scales large enough for the bias to fit into int32; mostly the same."""
    bias = _real_bias(call)
    if plan.weight is None or bias is None:
        return plan
    sizes = np.abs(bias)
    if plan.weight.axis is not None:  # the largest bias of each channel
        rows = sizes.reshape(-1, bias.shape[-1] if bias.ndim else 1)
        sizes = np.broadcast_to(rows.max(0), plan.weight.scale.shape)
    wide = widened(plan.weight, _input_step(call, plan), sizes)
    return plan if wide is plan.weight else evolve(plan, weight=wide)


def bias_steps(call: OpCall, plan: NodePlan) -> Array | None:
    """int32: one per channel, or one per output element where a Gemm's rows differ."""
    bias = _real_bias(call)
    if bias is None or plan.weight is None:
        return None
    by_row = bias.ndim == 2 and bias.shape[0] > 1
    shape = call.output.shape if by_row else (call.output.shape[1],)
    full = np.broadcast_to(bias if by_row else bias.reshape(-1), shape)
    return quantized_bias(full, np.asarray(_input_step(call, plan) * plan.weight.scale))


def _real_bias(call: OpCall) -> Array | None:
    """What is added to the product: Gemm multiplies its bias by beta."""
    given = call.optional(2) if FORMS[call.target].bias else None
    if given is None:
        return None
    refuse_not_finite(given.numpy(), given.name)
    return np.asarray(given.numpy().astype(np.float64) * call.attribute("beta", 1.0))


def _input_step(call: OpCall, plan: NodePlan) -> Array:
    """The input's scale; Gemm multiplies it by alpha."""
    source = plan.inputs[0]
    assert source is not None
    return np.asarray(np.float32(call.attribute("alpha", 1.0)) * source.scale)
