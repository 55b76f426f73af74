"""Convolution: cost, dead channels and C."""

from qreg.hooks import hookimpl
from qreg.specs import CEmitterSpec, LayerEstimatorSpec, ShortcutHandlerSpec, Spec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="conv",
            targets=("onnx.Conv", "onnx.QLinearConv"),
            summary="dense, grouped, depthwise and dilated convolution",
            source="ONNX Conv-22, QLinearConv-10",
            estimate="qreg_conv.cost:conv",
        ),
        ShortcutHandlerSpec(
            name="conv",
            targets=("onnx.Conv",),
            summary="an output is known where every live input meets a zero weight",
            propagate="qreg_channels.contraction:propagate",
        ),
        ShortcutHandlerSpec(
            name="qlinear_conv",
            targets=("onnx.QLinearConv",),
            summary="as Conv, through the dequantised operands",
            propagate="qreg_channels.quantized:propagate",
        ),
        CEmitterSpec(
            name="conv_float",
            targets=("onnx.Conv",),
            dtypes=("float32",),
            summary="float convolution over one or two spatial axes",
            template="qreg_c:conv_float.c.j2",
            context="qreg_conv.emit:conv_float",
        ),
        CEmitterSpec(
            name="conv_int8",
            targets=("onnx.QLinearConv",),
            dtypes=("int8", "uint8"),
            summary="8-bit convolution, exact",
            template="qreg_c:conv_int8.c.j2",
            context="qreg_conv.emit:conv_int8",
        ),
    )
