"""TensorFlow Lite files as models."""

from qreg.hooks import hookimpl
from qreg.specs import FrontendSpec, Spec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        FrontendSpec(
            name="tflite",
            targets=("*.tflite",),
            summary="a TensorFlow Lite file, float or quantised",
            load="qreg_tflite.frontend:load",
            needs="pip install 'qreg[tflite]'",
        ),
    )
