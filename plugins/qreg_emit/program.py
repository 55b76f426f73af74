"""One C program as data: functions in order, their constants, and where every tensor lies."""

from collections.abc import Mapping

import numpy as np
from attrs import field, frozen

from qreg.records import Array, Tensor
from qreg_emit.contract import NodeCode
from qreg_emit.literals import has_special
from qreg_emit.operands import Grid
from qreg_emit.storage import Need


@frozen
class Port:
    """An input or output of the program. Scale and zero point are None where none is stated."""

    name: str
    identifier: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None = None
    zero_point: int | None = None

    @property
    def elements(self) -> int:
        return Tensor(self.name, self.dtype, self.shape).elements

    @property
    def bytes(self) -> int:
        return Tensor(self.name, self.dtype, self.shape).bytes


@frozen(eq=False)
class Data:
    """A ``static const`` array; nodes with equal numbers read the same one."""

    identifier: str
    array: Array


@frozen
class Buffer:
    """A tensor or scratch in the arena."""

    identifier: str
    need: Need
    offset: int


@frozen
class Arena:
    """The program's working memory; no arrangement of these buffers needs less than the bound."""

    buffers: tuple[Buffer, ...]
    bytes: int
    lower_bound_bytes: int
    alignment: int


@frozen(eq=False)
class Function:
    """One node's function, and the C expressions it is called with."""

    index: int  # of the node
    identifier: str
    code: NodeCode
    data: Mapping[str, str]  # name in the template -> identifier
    arguments: tuple[str, ...]


@frozen
class Copy:
    """An output that is an input, a constant, or another output under a second name."""

    source: str  # C expression
    port: Port


@frozen(eq=False, kw_only=True)
class Program:
    """``codes`` are all nodes; a node without a function shares its input's memory."""

    name: str
    target: str
    codes: tuple[NodeCode, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    functions: tuple[Function, ...]
    copies: tuple[Copy, ...]
    data: tuple[Data, ...]
    arena: Arena
    grids: Mapping[str, Grid] = field(factory=dict)

    @property
    def ports(self) -> tuple[Port, ...]:
        """Inputs, then outputs: the order of the run function's parameters."""
        return (*self.inputs, *self.outputs)

    @property
    def weight_bytes(self) -> int:
        return sum(d.array.nbytes for d in self.data)

    @property
    def helpers(self) -> tuple[str, ...]:
        """Templates of shared functions, each once, what is needed first before the rest."""
        return tuple(dict.fromkeys(h for f in self.functions for h in f.code.helpers))

    @property
    def headers(self) -> tuple[str, ...]:
        found = {"float.h", "stddef.h", *(h for f in self.functions for h in f.code.headers)}
        if self.copies:
            found.add("string.h")
        scalars = [v for f in self.functions for v in f.code.values.values()]
        if any(has_special(d.array) for d in self.data) or any(map(_is_special, scalars)):
            found.add("math.h")
        return tuple(sorted(found))


def _is_special(value: object) -> bool:
    return isinstance(value, (float, np.floating)) and not np.isfinite(value)
