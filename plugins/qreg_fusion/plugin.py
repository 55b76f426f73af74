"""Ops that run as one, matched on data flow."""

from qreg.hooks import hookimpl
from qreg.specs import FusionPatternSpec, Spec, StepSpec

QREG_API = 1
CONV = ("onnx.Conv", "onnx.QLinearConv")
GEMM = ("onnx.Gemm", "com.microsoft.QGemm")
ADD = ("onnx.Add", "com.microsoft.QLinearAdd")
NORM = ("onnx.BatchNormalization",)
RELU = ("onnx.Relu", "onnx.Clip")
SAME_SIZE = "qreg_fusion.conditions:same_size"


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        StepSpec(
            name="fuse",
            summary="which ops run as one, and why others do not",
            params="qreg_fusion.params:Fuse",
            run="qreg_fusion.fuse:run",
        ),
        # The targets are those of the first op: what a pin may name.
        FusionPatternSpec(name="conv_norm_relu", targets=CONV, chain=(CONV, NORM, RELU)),
        FusionPatternSpec(name="conv_norm", targets=CONV, chain=(CONV, NORM)),
        FusionPatternSpec(name="conv_relu", targets=CONV, chain=(CONV, RELU)),
        FusionPatternSpec(name="conv_add_relu", targets=CONV, chain=(CONV, ADD, RELU),
                          accept=SAME_SIZE),
        FusionPatternSpec(name="conv_add", targets=CONV, chain=(CONV, ADD), accept=SAME_SIZE),
        FusionPatternSpec(name="gemm_relu", targets=GEMM, chain=(GEMM, RELU)),
    )  # fmt: skip
