"""Which scale and zero point each quantised tensor of a graph has, by the nodes around it."""

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import field, frozen

from qreg.records import Array, OpCall, Tensor
from qreg_emit.operands import EIGHT_BITS, Grid


@frozen
class Layout:
    """Where a node keeps scales: quantised tensor -> position of its scale; zero point follows."""

    inputs: Mapping[int, int] = field(factory=dict)
    outputs: Mapping[int, int] = field(factory=dict)


# Source: ONNX QuantizeLinear-21, QLinearConv-10, QLinearMatMul-21; ONNX Runtime contrib operators.
LAYOUTS = {
    "onnx.QuantizeLinear": Layout(outputs={0: 1}),
    "onnx.DequantizeLinear": Layout(inputs={0: 1}),
    "onnx.QLinearConv": Layout({0: 1, 3: 4}, {0: 6}),
    "onnx.QLinearMatMul": Layout({0: 1, 3: 4}, {0: 6}),
    "com.microsoft.QGemm": Layout({0: 1, 3: 4}, {0: 7}),
    "com.microsoft.QLinearAdd": Layout({0: 1, 3: 4}, {0: 6}),
    "com.microsoft.QLinearAveragePool": Layout({0: 1}, {0: 3}),
    "com.microsoft.QLinearGlobalAveragePool": Layout({0: 1}, {0: 3}),
    "com.microsoft.QLinearSoftmax": Layout({0: 1}, {0: 3}),
}
UNCHANGED = (
    "onnx.Clip", "onnx.Flatten", "onnx.Identity", "onnx.MaxPool", "onnx.Pad", "onnx.Relu",
    "onnx.Reshape", "onnx.Squeeze", "onnx.Transpose", "onnx.Unsqueeze",
)  # fmt: skip


def grids(calls: Sequence[OpCall]) -> dict[str, Grid]:
    """Tensor name -> its one scale and zero point, where a node states them as constants."""
    found: dict[str, Grid] = {}
    for call in calls:
        layout = LAYOUTS.get(call.target, Layout())
        for edges, scales in ((call.inputs, layout.inputs), (call.outputs, layout.outputs)):
            for index, scale in scales.items():
                tensor = edges[index] if index < len(edges) else None
                if tensor is not None and (grid := _stated(call, tensor, scale)):
                    found.setdefault(tensor.name, grid)
    for order in (calls, reversed(calls)):
        for call in order:
            _carry(call, found)
    return found


def _stated(call: OpCall, tensor: Tensor, index: int) -> Grid | None:
    scale, zero_point = call.optional(index), call.optional(index + 1)
    if (
        tensor.dtype not in EIGHT_BITS
        or scale is None
        or scale.value is None
        or scale.elements != 1
    ):
        return None
    if zero_point is None:
        return Grid(_scalar(scale), 0, tensor.dtype)
    if zero_point.value is None or zero_point.elements != 1:
        return None
    return Grid(_scalar(scale), int(_scalar(zero_point)), tensor.dtype)


def _scalar(tensor: Tensor) -> Array:
    return np.asarray(tensor.numpy()).reshape(())


def _carry(call: OpCall, found: dict[str, Grid]) -> None:
    """An op that moves or compares elements leaves their meaning, forwards and backwards."""
    if call.target not in UNCHANGED or not call.inputs or call.inputs[0] is None:
        return
    before, after = call.inputs[0].name, call.output.name
    if before in found:
        found.setdefault(after, found[before])
    elif after in found:
        found[before] = found[after]
