"""Proof that the C computes what ONNX Runtime computes."""

from qreg.hooks import hookimpl
from qreg.specs import Spec, StepSpec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        StepSpec(
            name="verify",
            summary="compile the C, run it, compare with ONNX Runtime",
            params="qreg_verify.params:Verify",
            run="qreg_verify.verify:run",
        ),
    )
