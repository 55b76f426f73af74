"""Which integer stands for the real number 0, read from the quantised ops' own inputs.

Quantised ops of ONNX and ONNX Runtime spell an operand as three inputs in a row (tensor, scale,
zero-point) and their result as two (scale, zero-point), the last such pair.
Source: ONNX QLinearConv-10, QuantizeLinear-21; ONNX Runtime contrib operators, com.microsoft.
"""

import numpy as np

from qreg.records import OpCall
from qreg_channels.state import Number, State, States


def input_zero(call: OpCall, states: States, index: int) -> Number | None:
    """The zero-point of input ``index``; else what the input's own state says."""
    data = _at(states, index)
    assert data is not None
    if _is_small_integer(call, index) and _is_real(call, index + 1):
        return _single(states, index + 2)
    return data.zero


def output_zero(call: OpCall, states: States) -> Number | None:
    """The zero-point of the first output; else the one that its whole-number operands agree on."""
    if not call.output.dtype.startswith(("int", "uint")):
        return 0
    named = call.attribute("zero_point")  # PyTorch's quantize_per_tensor
    if named is not None:
        return int(named)
    scales = [i for i in range(len(states)) if _is_real(call, i)]
    if scales:
        return _single(states, scales[-1] + 1)
    whole = [s for s in states if s is not None and s.value.dtype != np.bool_]
    zeros = {s.zero for s in whole} - {None}
    return zeros.pop() if len(zeros) == 1 else None


def _at(states: States, index: int) -> State | None:
    return states[index] if index < len(states) else None


def _is_real(call: OpCall, index: int) -> bool:
    tensor = call.optional(index)
    return tensor is not None and tensor.dtype.startswith(("float", "bfloat"))


def _is_small_integer(call: OpCall, index: int) -> bool:
    return call.input(index).dtype in ("int8", "uint8", "int16", "uint16", "int4", "uint4")


def _single(states: States, index: int) -> Number | None:
    """The one number of a zero-point input; absent means 0, several are no single zero."""
    found = _at(states, index)
    if found is None:
        return 0
    if not found.is_constant or np.unique(found.value).size != 1:
        return None
    return int(found.value.flat[0])
