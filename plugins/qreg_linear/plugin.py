"""Matrix products: cost, dead channels and C."""

from qreg.hooks import hookimpl
from qreg.specs import CEmitterSpec, LayerEstimatorSpec, ShortcutHandlerSpec, Spec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="gemm",
            targets=("onnx.Gemm", "com.microsoft.QGemm"),
            summary="a linear layer",
            source="ONNX Gemm-13; com.microsoft QGemm-1",
            estimate="qreg_linear.cost:gemm",
        ),
        LayerEstimatorSpec(
            name="matmul",
            targets=("onnx.MatMul", "onnx.QLinearMatMul"),
            summary="a batched matrix product",
            source="ONNX MatMul-13, QLinearMatMul-21",
            estimate="qreg_linear.cost:matmul",
        ),
        ShortcutHandlerSpec(
            name="product",
            targets=("onnx.Gemm", "onnx.MatMul"),
            summary="an output is known where every live input meets a zero weight",
            propagate="qreg_channels.contraction:propagate",
        ),
        ShortcutHandlerSpec(
            name="qlinear_product",
            targets=("com.microsoft.QGemm", "onnx.QLinearMatMul"),
            summary="as the float op, through the dequantised operands",
            propagate="qreg_channels.quantized:propagate",
        ),
        CEmitterSpec(
            name="gemm_float",
            targets=("onnx.Gemm",),
            dtypes=("float32",),
            summary="float linear layer",
            template="qreg_c:gemm_float.c.j2",
            context="qreg_linear.emit:gemm_float",
        ),
        CEmitterSpec(
            name="matmul_float",
            targets=("onnx.MatMul",),
            dtypes=("float32",),
            summary="float batched matrix product",
            template="qreg_c:matmul_float.c.j2",
            context="qreg_linear.emit:matmul_float",
        ),
        CEmitterSpec(
            name="gemm_int8",
            targets=("com.microsoft.QGemm",),
            dtypes=("int8", "uint8"),
            summary="8-bit linear layer, exact",
            template="qreg_c:gemm_int8.c.j2",
            context="qreg_linear.emit:gemm_int8",
        ),
        CEmitterSpec(
            name="matmul_int8",
            targets=("onnx.QLinearMatMul",),
            dtypes=("int8", "uint8"),
            summary="8-bit batched matrix product, exact",
            template="qreg_c:matmul_int8.c.j2",
            context="qreg_linear.emit:matmul_int8",
        ),
    )
