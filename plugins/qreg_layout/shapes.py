"""Types and shapes of com.microsoft operators, which ONNX's own inference does not know."""

from qreg.records import OpCall


def qlinear_concat(call: OpCall) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The parts (inputs 2, 5, ...) side by side; the type of the result's zero-point, input 1.

    Source: ONNX Runtime contrib operators, com.microsoft QLinearConcat-1.
    """
    parts = [call.input(i).shape for i in range(2, len(call.inputs), 3)]
    axis = call.attribute("axis") % len(parts[0])
    shape = list(parts[0])
    shape[axis] = sum(part[axis] for part in parts)
    return ((call.input(1).dtype, tuple(shape)),)
