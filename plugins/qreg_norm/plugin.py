"""Normalisation: cost, dead channels and C."""

from qreg.hooks import hookimpl
from qreg.specs import CEmitterSpec, LayerEstimatorSpec, ShortcutHandlerSpec, Spec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="batch_norm",
            targets=("onnx.BatchNormalization",),
            summary="one multiply and one add per element",
            source="ONNX BatchNormalization-15, inference",
            estimate="qreg_norm.cost:batch_norm",
        ),
        LayerEstimatorSpec(
            name="softmax",
            targets=("onnx.Softmax", "com.microsoft.QLinearSoftmax"),
            summary="five operations per element",
            source="ONNX Softmax-13; com.microsoft QLinearSoftmax-1",
            estimate="qreg_norm.cost:softmax",
        ),
        ShortcutHandlerSpec(
            name="batch_norm",
            targets=("onnx.BatchNormalization",),
            summary="known where the input is, or where the scale is zero",
            propagate="qreg_channels.scaling:propagate",
        ),
        ShortcutHandlerSpec(
            name="softmax",
            targets=("onnx.Softmax", "com.microsoft.QLinearSoftmax"),
            summary="known where the whole axis is known",
            propagate="qreg_channels.whole_axis:propagate",
        ),
        CEmitterSpec(
            name="batch_norm_float",
            targets=("onnx.BatchNormalization",),
            dtypes=("float32",),
            summary="float batch normalisation",
            template="qreg_c:batch_norm_float.c.j2",
            context="qreg_norm.emit:batch_norm_float",
        ),
        CEmitterSpec(
            name="softmax_float",
            targets=("onnx.Softmax",),
            dtypes=("float32",),
            summary="float softmax on any axis",
            template="qreg_c:softmax_float.c.j2",
            context="qreg_norm.emit:softmax_float",
        ),
        CEmitterSpec(
            name="softmax_int8",
            targets=("com.microsoft.QLinearSoftmax",),
            dtypes=("int8", "uint8"),
            summary="8-bit softmax, exact",
            template="qreg_c:softmax_int8.c.j2",
            context="qreg_norm.emit:softmax_int8",
        ),
    )
