"""Pooling: cost, dead channels and C."""

from qreg.hooks import hookimpl
from qreg.specs import CEmitterSpec, LayerEstimatorSpec, ShortcutHandlerSpec, Spec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="pool",
            targets=("onnx.AveragePool", "onnx.MaxPool", "com.microsoft.QLinearAveragePool"),
            summary="one operation per tap",
            source="ONNX AveragePool-22, MaxPool-22; com.microsoft QLinearAveragePool-1",
            estimate="qreg_pool.cost:window",
        ),
        LayerEstimatorSpec(
            name="global_pool",
            targets=("onnx.GlobalAveragePool", "com.microsoft.QLinearGlobalAveragePool"),
            summary="one addition per input element",
            source="ONNX GlobalAveragePool-22; com.microsoft QLinearGlobalAveragePool-1",
            estimate="qreg_pool.cost:whole",
        ),
        ShortcutHandlerSpec(
            name="pool",
            targets=(
                "onnx.AveragePool",
                "onnx.MaxPool",
                "onnx.GlobalAveragePool",
                "com.microsoft.QLinearAveragePool",
                "com.microsoft.QLinearGlobalAveragePool",
            ),
            summary="known where the whole window is known",
            propagate="qreg_channels.window:propagate",
        ),
        CEmitterSpec(
            name="average_pool_float",
            targets=("onnx.AveragePool", "onnx.GlobalAveragePool"),
            dtypes=("float32",),
            summary="float average pooling",
            template="qreg_c:average_pool_float.c.j2",
            context="qreg_pool.emit:average_pool_float",
        ),
        CEmitterSpec(
            name="average_pool_int8",
            targets=("com.microsoft.QLinearAveragePool", "com.microsoft.QLinearGlobalAveragePool"),
            dtypes=("int8", "uint8"),
            summary="8-bit average pooling, exact",
            template="qreg_c:average_pool_int8.c.j2",
            context="qreg_pool.emit:average_pool_int8",
        ),
        CEmitterSpec(
            name="max_pool",
            targets=("onnx.MaxPool",),
            dtypes=("float32", "int8", "uint8"),
            summary="max pooling",
            template="qreg_c:max_pool.c.j2",
            context="qreg_pool.emit:max_pool",
        ),
    )
