"""The dead-zone quantiser, as far as counting needs to know of it."""

from qreg.hooks import hookimpl
from qreg.specs import Spec
from qreg_torch.specs import BitReaderSpec

QREG_API = 1


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        BitReaderSpec(
            name="dead-zone",
            targets=("object qreg_codeq.quantizer.DeadZoneQuantizer",),
            summary="the width a dead-zone quantiser has learned, or was given",
            source="CoDeQ, arXiv 2512.12981, eq. 9-19",
            read="qreg_codeq.bits:learned",
            needs="pip install 'qreg[torch]'",
        ),
    )
