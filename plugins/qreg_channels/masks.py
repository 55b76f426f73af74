"""The float op that masks go through: the same geometry, whatever the types of the data."""

from collections.abc import Collection

import numpy as np
from attrs import evolve

from qreg.records import Array, OpCall

OPSET = 20  # of the float forms of quantised ops
FACTORS = ("alpha", "beta")  # they scale products and bias, and change no mask


def float_form(call: OpCall, target: str = "", without: Collection[str] = ()) -> OpCall:
    """``call`` computing its first output in float32, as ``target`` where one is given."""
    kept = {k: v for k, v in call.attributes.items() if k not in without}
    return evolve(
        call,
        target=target or call.target,
        attributes={k: 1.0 if k in FACTORS else v for k, v in kept.items()},
        opset=OPSET if target else call.opset,
        outputs=(evolve(call.output, dtype="float32"),),
    )


def as_float(mask: Array) -> Array:
    return mask.astype(np.float32)
