"""What qreg needs to know of our two ops."""

from typing import Any

import numpy as np

from qreg.records import Array, Cost, OpCall


def softsign_cost(call: OpCall) -> Cost:
    return Cost(elementwise_flops=3 * call.output.elements)


def mish2_cost(call: OpCall) -> Cost:
    return Cost(elementwise_flops=4 * call.output.elements)


def same_shape(call: OpCall) -> tuple[tuple[str, tuple[int, ...]], ...]:
    x = call.input(0)
    return ((x.dtype, x.shape),)


def mish2(call: OpCall, inputs: tuple[Array | None, ...]) -> tuple[Array, ...]:
    """x * x / (1 + |x|), every step rounded to float32 as the C does."""
    del call
    (x,) = inputs
    assert x is not None
    return ((x * x) / (np.float32(1) + np.abs(x)),)


def softsign_code(call: OpCall) -> dict[str, Any]:
    """Other programs divide otherwise: rounded, not exact."""
    return {"elements": call.output.elements}


def mish2_code(call: OpCall) -> dict[str, Any]:
    """The template rounds after every operation, as our reference does: exact."""
    return {"elements": call.output.elements, "exact": True}
