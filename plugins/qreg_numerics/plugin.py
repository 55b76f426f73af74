"""Reference arithmetic of quantised ops, bit-exact with ONNX Runtime."""

from qreg.hooks import hookimpl
from qreg.specs import OpSpec, Spec

QREG_API = 1
CONTRIB = "ONNX Runtime contrib operators, com.microsoft domain"


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        OpSpec(
            name="quantize_linear",
            targets=("onnx.QuantizeLinear",),
            summary="real numbers to integers, rounded half to even",
            source="ONNX QuantizeLinear-21",
            reference="qreg_numerics.boundary:quantize_linear",
        ),
        OpSpec(
            name="dequantize_linear",
            targets=("onnx.DequantizeLinear",),
            summary="integers to real numbers",
            source="ONNX DequantizeLinear-21",
            reference="qreg_numerics.boundary:dequantize_linear",
        ),
        OpSpec(
            name="qlinear_conv",
            targets=("onnx.QLinearConv",),
            summary="8-bit convolution",
            source="ONNX QLinearConv-10",
            reference="qreg_numerics.contraction:qlinear_conv",
        ),
        OpSpec(
            name="qlinear_matmul",
            targets=("onnx.QLinearMatMul",),
            summary="8-bit matrix product",
            source="ONNX QLinearMatMul-21",
            reference="qreg_numerics.contraction:qlinear_matmul",
        ),
        OpSpec(
            name="qgemm",
            targets=("com.microsoft.QGemm",),
            summary="8-bit linear layer",
            source=CONTRIB,
            shape="qreg_numerics.shapes:qgemm",
            reference="qreg_numerics.contraction:qgemm",
        ),
        OpSpec(
            name="qlinear_add",
            targets=("com.microsoft.QLinearAdd",),
            summary="sum of two tensors with different scales",
            source=CONTRIB,
            arithmetic="x86-avx2",
            shape="qreg_numerics.shapes:broadcast",
            reference="qreg_numerics.elementwise:qlinear_add",
        ),
        OpSpec(
            name="qlinear_average_pool",
            targets=("com.microsoft.QLinearAveragePool",),
            summary="8-bit average pooling",
            source=CONTRIB,
            shape="qreg_numerics.shapes:average_pool",
            reference="qreg_numerics.pool:qlinear_average_pool",
        ),
        OpSpec(
            name="qlinear_global_average_pool",
            targets=("com.microsoft.QLinearGlobalAveragePool",),
            summary="8-bit average over all positions",
            source=CONTRIB,
            shape="qreg_numerics.shapes:global_average_pool",
            reference="qreg_numerics.pool:qlinear_global_average_pool",
        ),
        OpSpec(
            name="qlinear_softmax",
            targets=("com.microsoft.QLinearSoftmax",),
            summary="8-bit softmax by table",
            source=CONTRIB,
            shape="qreg_numerics.shapes:first_input",
            reference="qreg_numerics.softmax:qlinear_softmax",
        ),
    )
