"""What moving data costs: no arithmetic. The bytes moved are counted for every op alike."""

from qreg.records import Cost, OpCall
from qreg_elementwise.operations import each_input


def move(call: OpCall) -> Cost:
    """Nothing but the bytes: the elements go elsewhere, are repeated, written anew or converted."""
    del call
    return Cost()


def view(call: OpCall) -> Cost:
    """Nothing at all: the same elements in the same place, under another shape."""
    del call
    return Cost(moves=False)


def convert(call: OpCall) -> Cost:
    """The bytes, unless the op gives what it was given: it had the type and place asked for.

    Source: PyTorch ``aten::to``, ``aten::contiguous``.
    """
    given = call.optional(0)
    return Cost(moves=given is None or given.name != call.output.name)


overlap = each_input("add")  # every element of a column or window is added to its place
