"""What of an op's inputs is stored in the model: numbers it computes with, and parameters."""

from collections.abc import Iterable

import numpy as np

from qreg.errors import QregError
from qreg.records import OpCall, Tensor, item_bits

DESCRIPTIVE = ("int64", "bool", "string")  # shapes, axes and indices, not numbers to compute with
# Inputs that say how an op works: limits, fill values, ratios. Older operator sets had attributes.
# Source: ONNX Clip-11, Pad-11, Resize-10 and -11, Upsample-9, Dropout-12, OneHot-11, Range-11,
# NonMaxSuppression-10.
ARGUMENTS = {
    "onnx.Clip": (1, 2),
    "onnx.Pad": (2,),
    "onnx.Resize": (1, 2),
    "onnx.Upsample": (1,),
    "onnx.Dropout": (1,),
    "onnx.OneHot": (1, 2),
    "onnx.Range": (0, 1, 2),
    "onnx.NonMaxSuppression": (3, 4),
    # The statistics of a normalisation are counted, not learned.
    "onnx.BatchNormalization": (3, 4),
    "aten.batch_norm.default": (3, 4),
    "aten.native_batch_norm.default": (3, 4),
    "aten._native_batch_norm_legit_no_training.default": (3, 4),
    "aten.cudnn_batch_norm.default": (3, 4),
    "aten.instance_norm.default": (3, 4),
}
# Where a recurrence starts: zeros unless somebody gives a state. Source: ONNX LSTM-14, GRU-14,
# RNN-14; ATen native_functions.yaml.
INITIAL = {
    "onnx.LSTM": (5, 6),
    "onnx.GRU": (5,),
    "onnx.RNN": (5,),
    "aten.lstm.input": (1, 2),
    "aten.lstm.data": (2, 3),
    "aten.lstm_cell.default": (1, 2),
    **{f"aten.{kind}.input": (1,) for kind in ("gru", "rnn_relu", "rnn_tanh")},
    **{f"aten.{kind}.data": (2,) for kind in ("gru", "rnn_relu", "rnn_tanh")},
    **{f"aten.{kind}_cell.default": (1,) for kind in ("gru", "rnn_relu", "rnn_tanh")},
}
FLOATS = ("float16", "float32", "float64", "bfloat16")
QUANTISED = ("int2", "uint2", "int4", "uint4", "int8", "uint8", "int16", "uint16")


def stored_tensors(call: OpCall) -> tuple[Tensor, ...]:
    """The distinct constants that the op computes with: weights, biases, scales, zero-points."""
    found = {t.name: t for t in call.parameters if t.dtype not in DESCRIPTIVE}
    return tuple(found.values())


def learned_tensors(call: OpCall) -> tuple[Tensor, ...]:
    """The distinct constants that count as parameters: all that are stored but for arguments,
    states of zeros, scales and zero-points, so that a network has as many parameters quantised as
    before.

    In a quantised op every stored real number is a scale, and the integers after it are its
    zero-point. Source: ONNX QLinearConv-10; ONNX Runtime contrib operators, com.microsoft.
    """
    starts = [i for i in INITIAL.get(call.target, ()) if _is_zero(call.optional(i))]
    arguments = (*ARGUMENTS.get(call.target, ()), *starts)
    operands = [t for i, t in enumerate(call.inputs) if t is not None and i not in arguments]
    found = {t.name: t for t in stored_tensors(call) if t in operands and t.learned}
    if not _is_quantised(call):
        return tuple(found.values())
    for index, tensor in enumerate(call.inputs):
        if tensor is None or tensor.name not in found or not _is_real(tensor):
            continue
        follower = call.optional(index + 1)
        for part in (tensor, follower):
            if part is not None:
                found.pop(part.name, None)
    return tuple(found.values())


def sized(calls: Iterable[OpCall]) -> tuple[tuple[OpCall, ...], tuple[OpCall, ...]]:
    """The calls whose tensors all have a size in bytes, and the others: those on strings."""
    known: list[OpCall] = []
    others: list[OpCall] = []
    for call in calls:
        tensors = (*call.inputs, *call.outputs)
        (known if all(t is None or _has_size(t) for t in tensors) else others).append(call)
    return tuple(known), tuple(others)


def activation_bytes(call: OpCall) -> int:
    """Bytes of the distinct inputs made at run time, and of the outputs."""
    return sum(t.bytes for t in {t.name: t for t in (*call.activations, *call.outputs)}.values())


def stored_bytes(call: OpCall) -> int:
    return sum(t.bytes for t in stored_tensors(call))


def without_number(calls: Iterable[OpCall]) -> dict[str, int]:
    """How many NaN each stored tensor has, by name; only those that have any.

    Infinities are no fault: masks are made of them.
    """
    stored = {t.name: t for call in calls for t in stored_tensors(call) if t.dtype in FLOATS}
    found = {name: int(np.isnan(tensor.numpy()).sum()) for name, tensor in stored.items()}
    return {name: count for name, count in found.items() if count}


def _has_size(tensor: Tensor) -> bool:
    try:
        return item_bits(tensor.dtype) > 0
    except QregError:
        return False


def _is_quantised(call: OpCall) -> bool:
    if call.target == "onnx.DequantizeLinear":  # of an int32 bias, for example
        return True
    return any(t is not None and t.dtype in QUANTISED for t in (*call.inputs, *call.outputs))


def _is_zero(tensor: Tensor | None) -> bool:
    """Whether it is known to hold zeros only: a state that was learned may have no numbers yet."""
    if tensor is None or tensor.value is None:
        return False
    try:
        return not tensor.numpy().any()
    except QregError:
        return False


def _is_real(tensor: Tensor) -> bool:
    return tensor.dtype.startswith(("float", "bfloat"))
