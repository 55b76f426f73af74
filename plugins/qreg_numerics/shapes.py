"""Types and shapes of com.microsoft operators, which ONNX's own inference does not know."""

from qreg.records import OpCall
from qreg_numerics.operands import refusal
from qreg_numerics.windows import window_of

Types = tuple[tuple[str, tuple[int, ...]], ...]


def qgemm(call: OpCall) -> Types:
    """(M, N), of the output zero point's type; float32 where there is no ``y_scale``."""
    a, b = call.input(0), call.input(3)
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise refusal(call, f"A {list(a.shape)} and B {list(b.shape)} must be matrices")
    rows, inner = reversed(a.shape) if call.attribute("transA", 0) else a.shape
    depth, columns = reversed(b.shape) if call.attribute("transB", 0) else b.shape
    if inner != depth:
        raise refusal(call, f"A {list(a.shape)} and B {list(b.shape)} do not fit")
    zero_point = call.optional(8)
    quantized = zero_point.dtype if zero_point else a.dtype
    return ((quantized if call.optional(7) else "float32", (rows, columns)),)


def broadcast(call: OpCall) -> Types:
    """A and B (inputs 0 and 3) broadcast against each other; A's type.

    Source: ONNX, Broadcasting in ONNX (multidirectional).
    """
    a, b = call.input(0), call.input(3)
    rank = max(len(a.shape), len(b.shape))
    left, right = ((1,) * (rank - len(t.shape)) + t.shape for t in (a, b))
    if any(m != n and 1 not in (m, n) for m, n in zip(left, right, strict=True)):
        raise refusal(call, f"A {list(a.shape)} and B {list(b.shape)} do not broadcast")
    shape = tuple(n if m == 1 else m for m, n in zip(left, right, strict=True))
    return ((a.dtype, shape),)


def average_pool(call: OpCall) -> Types:
    """(N, C, outputs) of NCHW, (N, outputs, C) with ``channels_last``; X's type."""
    x = call.input(0)
    kernel = tuple(int(k) for k in call.attribute("kernel_shape", ()))
    last = bool(call.attribute("channels_last", 0))
    spatial = x.shape[1:-1] if last else x.shape[2:]
    if len(kernel) != len(spatial) or not kernel:
        raise refusal(call, f"kernel_shape {list(kernel)} does not fit X {list(x.shape)}")
    outputs = window_of(call, spatial, kernel).outputs
    shape = (x.shape[0], *outputs, x.shape[-1]) if last else (*x.shape[:2], *outputs)
    return ((x.dtype, shape),)


def global_average_pool(call: OpCall) -> Types:
    """X with every spatial axis 1; X's type."""
    x = call.input(0)
    ones = (1,) * (len(x.shape) - 2)
    last = bool(call.attribute("channels_last", 0))
    shape = (x.shape[0], *ones, x.shape[-1]) if last else (*x.shape[:2], *ones)
    return ((x.dtype, shape),)


def first_input(call: OpCall) -> Types:
    """The first input's type and shape."""
    x = call.input(0)
    return ((x.dtype, x.shape),)
