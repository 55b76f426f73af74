"""Another opinion of what a convolution costs."""

from qreg.hooks import hookimpl
from qreg.specs import LayerEstimatorSpec, Spec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="winograd", targets=("onnx.Conv",), estimate="qreg_rival.cost:winograd"
        ),
    )
