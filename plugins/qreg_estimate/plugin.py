"""Time and energy on a device: the estimate step and its hardware models."""

from qreg.hooks import hookimpl
from qreg.specs import HardwareModelSpec, Spec, StepSpec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        StepSpec(
            name="estimate",
            summary="latency and energy of the fused network on devices",
            params="qreg_estimate.params:EstimateParams",
            run="qreg_estimate.estimate:run",
        ),
        HardwareModelSpec(
            name="roofline",
            summary="the slower of arithmetic and memory, plus overhead per op",
            source="Williams, Waterman, Patterson, CACM 52(4), 2009",
            estimate="qreg_estimate.roofline:estimate",
        ),
    )
