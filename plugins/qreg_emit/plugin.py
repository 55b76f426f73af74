"""C99 from a model."""

from qreg.hooks import hookimpl
from qreg.specs import Spec, StepSpec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        StepSpec(
            name="emit",
            summary="C99 that computes the network, without heap or globals",
            params="qreg_emit.params:Emit",
            run="qreg_emit.emit:run",
            writes=True,
        ),
    )
