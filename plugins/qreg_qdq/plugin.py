"""The boundary between real and quantised numbers: cost, dead channels and C."""

from qreg.hooks import hookimpl
from qreg.specs import CEmitterSpec, LayerEstimatorSpec, ShortcutHandlerSpec, Spec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="boundary",
            targets=("onnx.QuantizeLinear", "onnx.DequantizeLinear"),
            summary="two operations per element",
            source="ONNX QuantizeLinear-21, DequantizeLinear-21",
            estimate="qreg_qdq.cost:boundary",
        ),
        ShortcutHandlerSpec(
            name="boundary",
            targets=("onnx.QuantizeLinear", "onnx.DequantizeLinear"),
            summary="known where the input is known",
            propagate="qreg_channels.elementwise:boundary",
        ),
        CEmitterSpec(
            name="quantize",
            targets=("onnx.QuantizeLinear",),
            dtypes=("float32",),
            summary="float to 8 bits, exact",
            template="qreg_c:quantize.c.j2",
            context="qreg_qdq.emit:quantize",
        ),
        CEmitterSpec(
            name="dequantize",
            targets=("onnx.DequantizeLinear",),
            dtypes=("int8", "uint8"),
            summary="8 bits to float, exact",
            template="qreg_c:dequantize.c.j2",
            context="qreg_qdq.emit:dequantize",
        ),
    )
