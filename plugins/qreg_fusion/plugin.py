"""Ops that run as one, matched on data flow."""

from qreg.hooks import hookimpl
from qreg.specs import FusionPatternSpec, Spec, StepSpec

QREG_API = 1
CONV = ("onnx.Conv", "onnx.QLinearConv")
GEMM = ("onnx.Gemm", "com.microsoft.QGemm")
ADD = ("onnx.Add", "com.microsoft.QLinearAdd")
NORM = ("onnx.BatchNormalization",)
RELU = ("onnx.Relu", "onnx.Clip")


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        StepSpec(
            name="fuse",
            summary="which ops run as one, and why others do not",
            params="qreg_fusion.params:Fuse",
            run="qreg_fusion.fuse:run",
        ),
        FusionPatternSpec(name="conv_norm_relu", chain=(CONV, NORM, RELU)),
        FusionPatternSpec(name="conv_norm", chain=(CONV, NORM)),
        FusionPatternSpec(name="conv_relu", chain=(CONV, RELU)),
        FusionPatternSpec(name="conv_add_relu", chain=(CONV, ADD, RELU)),
        FusionPatternSpec(name="conv_add", chain=(CONV, ADD)),
        FusionPatternSpec(name="gemm_relu", chain=(GEMM, RELU)),
    )
