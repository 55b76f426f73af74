"""Element-by-element ops: cost, dead channels and C."""

from qreg.hooks import hookimpl
from qreg.specs import CEmitterSpec, LayerEstimatorSpec, ShortcutHandlerSpec, Spec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="add",
            targets=("onnx.Add", "com.microsoft.QLinearAdd"),
            summary="one addition per output element",
            source="ONNX Add-14; com.microsoft QLinearAdd-1",
            estimate="qreg_elementwise.cost:one_per_output",
        ),
        LayerEstimatorSpec(
            name="clamp",
            targets=("onnx.Relu", "onnx.Clip"),
            summary="one comparison per output element",
            source="ONNX Relu-14, Clip-13",
            estimate="qreg_elementwise.cost:one_per_output",
        ),
        ShortcutHandlerSpec(
            name="elementwise",
            targets=("onnx.Add", "onnx.Relu", "onnx.Clip"),
            summary="known where every operand is known",
            propagate="qreg_channels.elementwise:propagate",
        ),
        ShortcutHandlerSpec(
            name="qlinear_add",
            targets=("com.microsoft.QLinearAdd",),
            summary="known where both operands are known",
            propagate="qreg_channels.elementwise:propagate",
        ),
        CEmitterSpec(
            name="add_float",
            targets=("onnx.Add",),
            dtypes=("float32",),
            summary="float addition with broadcasting",
            template="qreg_c:add_float.c.j2",
            context="qreg_elementwise.emit:add_float",
        ),
        CEmitterSpec(
            name="add_int8",
            targets=("com.microsoft.QLinearAdd",),
            dtypes=("int8", "uint8"),
            summary="8-bit addition of two scales, exact (x86 AVX2 arithmetic)",
            template="qreg_c:add_int8.c.j2",
            context="qreg_elementwise.emit:add_int8",
        ),
        CEmitterSpec(
            name="relu_float",
            targets=("onnx.Relu",),
            dtypes=("float32",),
            summary="float ReLU",
            template="qreg_c:relu_float.c.j2",
            context="qreg_elementwise.emit:relu",
        ),
        CEmitterSpec(
            name="clip",
            targets=("onnx.Clip",),
            dtypes=("float32", "int8", "uint8"),
            summary="clamp to constant limits",
            template="qreg_c:clip.c.j2",
            context="qreg_elementwise.emit:clip",
        ),
    )
