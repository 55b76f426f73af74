"""What stands between a trained network and a chip: cost, fusion, quantisation, hardware, C."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> "Any":
    """``qreg.load`` and one function per step (``qreg.count``, ``qreg.quantize``, ...)."""
    if name.startswith("_") or find_spec(f"qreg.{name}"):
        raise AttributeError(name)
    from qreg.api import function  # noqa: PLC0415  importing qreg must stay quick

    return function(name)
