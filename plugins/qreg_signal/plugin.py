"""Fourier transforms and windows: cost."""

from qreg.hooks import hookimpl
from qreg.specs import LayerEstimatorSpec, Spec

QREG_API = 1

FFT = (
    "aten.fft_fft", "aten.fft_ifft", "aten.fft_rfft", "aten.fft_irfft", "aten.fft_hfft",
    "aten.fft_ihfft", "aten.fft_fft2", "aten.fft_ifft2", "aten.fft_rfft2", "aten.fft_irfft2",
    "aten.fft_hfft2", "aten.fft_ihfft2", "aten.fft_fftn", "aten.fft_ifftn", "aten.fft_rfftn",
    "aten.fft_irfftn", "aten.fft_hfftn", "aten.fft_ihfftn",
)  # fmt: skip
HANN_WINDOW = (
    "onnx.HannWindow", "onnx.HammingWindow", "aten.hann_window", "aten.hamming_window",
)  # fmt: skip


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="dft",
            targets=("onnx.DFT",),
            summary="5 N log2 N operations per transform, half for real signals",
            source="ONNX DFT-20; Frigo, Johnson, FFTW3, 2005",
            estimate="qreg_signal.cost:dft",
        ),
        LayerEstimatorSpec(
            name="stft",
            targets=("onnx.STFT",),
            summary="a window and a transform per frame",
            source="ONNX STFT-17; Frigo, Johnson, FFTW3, 2005",
            estimate="qreg_signal.cost:stft",
        ),
        LayerEstimatorSpec(
            name="real_transform",
            targets=("com.microsoft.Rfft", "com.microsoft.Irfft"),
            summary="2.5 N log2 N operations per transform",
            source="com.microsoft Rfft-1, Irfft-1",
            estimate="qreg_signal.cost:real_transform",
        ),
        LayerEstimatorSpec(
            name="fft_kernel",
            targets=("aten._fft_c2c", "aten._fft_r2c", "aten._fft_c2r"),
            summary="5 N log2 N operations per transform, half for real signals",
            source="PyTorch aten::_fft_c2c; Frigo, Johnson, FFTW3, 2005",
            estimate="qreg_signal.aten:kernel",
        ),
        LayerEstimatorSpec(
            name="fft",
            targets=FFT,
            summary="5 N log2 N operations per transform, half for real signals",
            source="PyTorch aten::fft_fft; Frigo, Johnson, FFTW3, 2005",
            estimate="qreg_signal.aten:fft",
        ),
        LayerEstimatorSpec(
            name="stft_aten",
            targets=("aten.stft",),
            summary="a window and a transform per frame",
            source="PyTorch aten::stft",
            estimate="qreg_signal.aten:stft",
        ),
        LayerEstimatorSpec(
            name="istft",
            targets=("aten.istft",),
            summary="a transform, window and overlapping sums per frame",
            source="PyTorch aten::istft",
            estimate="qreg_signal.aten:istft",
        ),
        LayerEstimatorSpec(
            name="hann_window",
            targets=HANN_WINDOW,
            summary="a cosine and three operations per element",
            source="ONNX HannWindow-17; PyTorch aten::hann_window",
            estimate="qreg_signal.cost:hann_window",
        ),
        LayerEstimatorSpec(
            name="blackman_window",
            targets=("onnx.BlackmanWindow", "aten.blackman_window"),
            summary="two cosines and six operations per element",
            source="ONNX BlackmanWindow-17; PyTorch aten::blackman_window",
            estimate="qreg_signal.cost:blackman_window",
        ),
        LayerEstimatorSpec(
            name="bartlett_window",
            targets=("aten.bartlett_window",),
            summary="four operations per element",
            source="PyTorch aten::bartlett_window",
            estimate="qreg_signal.cost:bartlett_window",
        ),
        LayerEstimatorSpec(
            name="kaiser_window",
            targets=("aten.kaiser_window",),
            summary="a Bessel function and seven operations per element",
            source="PyTorch aten::kaiser_window",
            estimate="qreg_signal.cost:kaiser_window",
        ),
        LayerEstimatorSpec(
            name="mel_weights",
            targets=("onnx.MelWeightMatrix",),
            summary="six operations per output element",
            source="ONNX MelWeightMatrix-17",
            estimate="qreg_signal.cost:mel_weights",
        ),
    )
