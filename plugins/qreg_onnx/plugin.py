"""ONNX files and objects as models; the walls every other plugin stands in."""

from qreg.hooks import hookimpl
from qreg.specs import FrontendSpec, Spec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        FrontendSpec(
            name="onnx",
            targets=("*.onnx",),
            summary="an ONNX file",
            load="qreg_onnx.onnx_file:load",
        ),
        FrontendSpec(
            name="onnx_object",
            targets=("object onnx.onnx_ml_pb2.ModelProto",),
            summary="an onnx.ModelProto in memory",
            load="qreg_onnx.onnx_file:load_object",
        ),
        FrontendSpec(
            name="onnx_ir",
            targets=("object onnx_ir.Model",),
            summary="an onnx_ir.Model in memory; it stays as it is",
            load="qreg_onnx.onnx_file:load_model",
        ),
    )
