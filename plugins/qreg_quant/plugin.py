"""Quantisation by rules: calibrate writes ranges, quantize reads them."""

from qreg.hooks import hookimpl
from qreg.specs import QuantRuleSpec, Spec, StepSpec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        StepSpec(
            name="calibrate",
            summary="measure the range of every activation on data",
            params="qreg_quant.params:Calibrate",
            run="qreg_quant.calibrate:run",
            writes=True,
        ),
        StepSpec(
            name="quantize",
            summary="make an integer network from ranges and rules",
            params="qreg_quant.params:Quantize",
            run="qreg_quant.quantize:run",
            writes=True,
        ),
        QuantRuleSpec(
            name="static",
            targets=("*",),
            summary="8-bit weights and activations with fixed scales",
            source="ONNX Runtime, quantize_static, QOperator format",
            params="qreg_quant.params:Static",
            apply="qreg_quant.static:apply",
        ),
    )
