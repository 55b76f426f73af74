"""What counting asks of the quantiser."""

from torch import Tensor

from qreg_codeq.quantizer import DeadZoneQuantizer


def learned(quantizer: DeadZoneQuantizer, weight: Tensor) -> int | None:
    """Bits of the weight; None for the float of a quantiser that is switched off, and for a theta."""
    own = any(weight is theta for theta in quantizer.parameters())
    return quantizer.bits if quantizer.enabled and not own else None
