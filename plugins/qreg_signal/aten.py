"""What PyTorch's Fourier transforms cost: the formulas of ``cost`` under the names of its ops."""

from math import prod

from qreg.records import Cost, OpCall
from qreg_signal.cost import frames, transform

REAL_SIDE_IN = ("fft_rfft", "fft_rfft2", "fft_rfftn", "fft_ihfft", "fft_ihfft2", "fft_ihfftn")
REAL_SIDE_OUT = ("fft_irfft", "fft_irfft2", "fft_irfftn", "fft_hfft", "fft_hfft2", "fft_hfftn")


def kernel(call: OpCall) -> Cost:
    """Of complex numbers, to real ones, or from them: the sizes are those of the longer side.

    Source: PyTorch ``aten::_fft_c2c``, ``aten::_fft_r2c``, ``aten::_fft_c2r``.
    """
    shape = call.output.shape if call.op == "_fft_c2r" else call.input(0).shape
    sizes = [shape[axis] for axis in call.attribute("dim")]
    batch = prod(shape) // prod(sizes)
    return Cost(elementwise_flops=transform(sizes, batch, call.op != "_fft_c2c"))


def fft(call: OpCall) -> Cost:
    """Over one axis, or several, with the sizes asked for. Source: PyTorch ``aten::fft_fftn``."""
    signal, shape = call.input(0), call.output.shape
    wanted = _tuple(call.attribute("n", call.attribute("s")))
    axes = _tuple(call.attribute("dim")) or tuple(range(-len(wanted or shape), 0))
    sizes = [shape[axis] for axis in axes]
    batch = prod(shape) // prod(sizes)
    if call.op in REAL_SIDE_IN:
        sizes[-1] = wanted[-1] if wanted else signal.shape[axes[-1]]
    real = call.op in REAL_SIDE_OUT or not signal.dtype.startswith("complex")
    return Cost(elementwise_flops=transform(sizes, batch, real))


def stft(call: OpCall) -> Cost:
    """Per frame the product with the window, and a transform: (..., bins, frames) comes out.

    Source: PyTorch ``aten::stft``.
    """
    signal, result = call.input(0), call.output
    shape = result.shape if result.dtype.startswith("complex") else result.shape[:-1]
    count = prod(shape) // shape[-2]
    real = not signal.dtype.startswith("complex")
    flops = frames(count, call.attribute("n_fft"), call.optional(1) is not None, real)
    return Cost(elementwise_flops=flops)


def istft(call: OpCall) -> Cost:
    """Per frame a transform, the product with the window, the sums of frames and of the window's
    squares where they overlap; per number a division.

    Source: PyTorch ``aten::istft``.
    """
    shape, length = call.input(0).shape, call.attribute("n_fft")
    count = prod(shape) // shape[-2]
    real = not call.attribute("return_complex", False)
    flops = frames(count, length, call.optional(1) is not None, real)
    return Cost(elementwise_flops=flops + 2 * count * length + call.output.elements)


def _tuple(value: int | tuple[int, ...] | None) -> tuple[int, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, int) else tuple(value)
