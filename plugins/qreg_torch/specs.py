"""The registry of bit readers: light, for plugins to declare entries with."""

from attrs import field, frozen

from qreg.specs import Ref, Spec, call


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class BitReaderSpec(Spec):
    """How many bits a weight takes, from what quantises it.

    ``targets`` are classes, ``object package.module.Class`` or a glob on that: of a weight's
    parametrisation, of the module that holds it, or of the weight itself; base classes count.
    """

    registry = "bit_readers"
    read: Ref = field(converter=Ref, metadata=call(2, "(object, weight) -> int | None"))
