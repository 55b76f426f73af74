"""What Fourier transforms and windows cost.

``5 * N * log2 N`` operations for a complex transform of N numbers, half of that where one side is
real: the count by which transforms are compared, whatever algorithm runs. Scaling is part of it. It
needs sizes that are numbers, and is rounded.

Source: Frigo, Johnson, "The Design and Implementation of FFTW3", Proc. IEEE 93(2), 2005, section
II, and fftw.org/speed.
"""

from collections.abc import Sequence
from math import log2, prod

from qreg.records import Cost, OpCall
from qreg_elementwise.operations import each_output

hann_window = each_output("mul cos mul sub")
blackman_window = each_output("mul cos mul sub mul cos mul add")
bartlett_window = each_output("mul sub abs sub")
kaiser_window = each_output("mul sub square sub sqrt mul bessel div")
mel_weights = each_output("sub div sub div min max")  # rising and falling side of a triangle


def transform(sizes: Sequence[int], batch: int, real: bool) -> int:
    """Operations of ``batch`` transforms over axes of these sizes."""
    length = prod(sizes)
    if length < 2:
        return 0
    nominal = 5 * length * log2(length) * batch
    return round(nominal / 2 if real else nominal)


def frames(count: int, length: int, windowed: bool, real: bool) -> int:
    """Operations of ``count`` windows over ``length`` numbers each, and of their transforms."""
    return (count * length if windowed else 0) + transform((length,), count, real)


def dft(call: OpCall) -> Cost:
    """Over the signal (..., n, 1 or 2), the transform's length, the axis.

    Source: ONNX DFT-20; onesided and inverse together give a real signal.
    """
    signal, shape = call.input(0), call.output.shape
    axis = call.attribute("axis", 1) if call.opset < 20 else _number(call, 2, -2)
    onesided, inverse = call.attribute("onesided", 0), call.attribute("inverse", 0)
    half = onesided and not inverse
    length = _number(call, 1, signal.shape[axis]) if half else shape[axis]
    batch = prod(shape[:-1]) // shape[axis]
    real = signal.shape[-1] == 1 or shape[-1] == 1
    return Cost(elementwise_flops=transform((length,), batch, real))


def stft(call: OpCall) -> Cost:
    """Per frame the product with the window, and a transform; (batch, frames, bins, 2) comes out.

    Source: ONNX STFT-17.
    """
    signal, window = call.input(0), call.optional(2)
    batch, count, bins = call.output.shape[:3]
    length = 2 * (bins - 1) if call.attribute("onesided", 1) else bins
    if window is not None:
        length = window.shape[0]
    real = len(signal.shape) < 3 or signal.shape[-1] == 1
    length = _number(call, 3, length)
    return Cost(elementwise_flops=frames(batch * count, length, window is not None, real))


def real_transform(call: OpCall) -> Cost:
    """Over the last ``signal_ndim`` axes, those of the real side. Source: com.microsoft Rfft-1."""
    axes = call.attribute("signal_ndim", 1)
    real = call.input(0).shape if call.op == "Rfft" else call.output.shape
    return Cost(elementwise_flops=transform(real[-axes:], prod(real[:-axes]), True))


def _number(call: OpCall, index: int, default: int) -> int:
    """The value of a constant input, else ``default``."""
    given = call.optional(index)
    return default if given is None or given.value is None else int(given.numpy())
