"""What cut rules say: which places of an op's tensors leave together, and what then changes.

A *port* is one tensor of a call: input ``i`` is ``i``, output ``o`` is ``~o``.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import field, frozen

from qreg.records import Array, OpCall, Tensor

OUT = ~0  # the first output


@frozen(eq=False)
class End:
    """Places along one axis of one tensor. ``index[i]``, one or several, stand for entry i."""

    port: int
    axis: int
    index: Array | None = None  # (n,) or (n, k); None: all, in order


@frozen(eq=False)
class Tie:
    """Entry i of every end leaves, or none does.

    ``into`` marks ends that the op multiplies and sums over, data first, weight second: entries
    leave with what they contribute, which the output's channels along axis ``into`` receive.
    """

    ends: tuple[End, ...]
    into: int | None = None


@frozen(eq=False)
class Groups:
    """A grouped sum over channels: whole groups leave, or equally many channels of each.

    Axis 1 of input ``data`` and of the output, each cut into ``groups`` blocks. The weight is
    (outputs, inputs of a group, ...), with ``inputs_first`` (inputs, outputs of a group, ...); its
    first axis has a tie of its own.
    """

    groups: int
    data: int
    weight: int
    inputs_first: bool = False


@frozen(eq=False)
class Regroup:
    """Input 0 and the output hold the same elements in the same order, in other shapes."""


Coupling: TypeAlias = Tie | Groups | Regroup


@frozen(eq=False)
class Kept:
    """The places that stay, by port and axis."""

    places: Mapping[int, tuple[Array, ...]]

    def shape(self, port: int) -> tuple[int, ...]:
        return tuple(len(p) for p in self.places[port])


@frozen(eq=False)
class Change:
    """What becomes of a node: new constants by input, new attributes by name."""

    constants: Mapping[int, Array] = field(factory=dict)
    attributes: Mapping[str, Any] = field(factory=dict)


def tensor_at(call: OpCall, port: int) -> Tensor | None:
    """The tensor at a port; None where it is absent."""
    tensor = call.optional(port) if port >= 0 else call.outputs[~port]
    return tensor if tensor is not None and tensor.name else None


def ports(call: OpCall) -> tuple[int, ...]:
    """The ports of all tensors a call has."""
    every = (*range(len(call.inputs)), *(~o for o in range(len(call.outputs))))
    return tuple(p for p in every if tensor_at(call, p) is not None)
