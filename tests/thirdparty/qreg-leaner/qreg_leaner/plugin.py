"""One entry of a registry that another package declares."""

from attrs import field, frozen

from qreg.hooks import hookimpl
from qreg.specs import Ref, Spec

QREG_API = 1


@frozen(kw_only=True)
class ShifterSpec(Spec):
    registry = "shifters"
    shift: Ref = field(converter=Ref)


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (ShifterSpec(name="arithmetic", summary="rounds down", shift="operator:rshift"),)
