"""Tensors that no input of the model changes: where their numbers come from, read when asked for."""

from collections.abc import Callable
from typing import Any

import torch
from attrs import define, field, frozen

from qreg.errors import QregError
from qreg.records import Array
from qreg_torch.arrays import dense, is_own_class, to_array
from qreg_torch.schema import Op


@frozen(eq=False)
class Stored:
    """A tensor that the module holds, or that its code made of numbers. ``read`` gives it as it is now.

    ``label`` is its qualified name; none where only the code knows it.
    """

    read: Callable[[], torch.Tensor]
    label: str = ""
    computed: bool = False  # reading takes time: a parametrised weight


@frozen(eq=False)
class Pattern:
    """In place of a tensor of which an op reads only size and type."""

    shape: tuple[int, ...]
    dtype: torch.dtype


@frozen(eq=False)
class Computation:
    """An op on constants: computed on their real numbers when asked for.

    ``values`` are its arguments in the schema's order, with an ``Edge`` or ``Pattern`` for tensors.
    """

    func: Any
    op: Op
    values: tuple[Any, ...]
    written: tuple[int, ...]


@frozen(eq=False)
class Part:
    """One of the tensors that a computation gives."""

    computation: Computation
    index: int


Source = Stored | Part


@define(eq=False)
class Edge:
    """One version of a tensor: what is known of it, and in which state of its storage."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    source: Source | None = None  # of its numbers, where no input changes them
    stored: bool = False  # what the module holds, or a view or cast of that: no op makes it
    label: str = ""  # the parameter it came from
    version: int = 0  # writes to the storage when it was made
    input: str = ""  # the input of the model that it holds elements of


@define(eq=False)
class Values:
    """The numbers of constants; what has to be computed is computed once."""

    _made: dict[int, Any] = field(factory=dict)

    def tensor(self, edge: Edge) -> torch.Tensor:
        """The real tensor, on the CPU. Raises QregError where the module has no numbers."""
        source = edge.source
        assert source is not None, edge.name
        if isinstance(source, Part):
            found: torch.Tensor = self._parts(source.computation)[source.index]
            return found
        if id(source) in self._made:
            found = self._made[id(source)]
            return found
        found = source.read().detach()
        if found.is_meta:
            raise QregError(
                f"{source.label or edge.name}: has a size but no numbers, since the module lies on "
                "the meta device; load its weights to look at them"
            )
        found = (dense(found) if is_own_class(found) else found).cpu()
        if source.computed:
            self._made[id(source)] = found
        return found

    def array(self, edge: Edge) -> Array:
        """The numbers as numpy has them."""
        return to_array(self.tensor(edge))

    def result(self, computation: Computation) -> Any:
        """What the op gives on the real tensors."""
        op = computation.op
        values = [self._filled(v) for v in computation.values]
        for position in computation.written:
            values[position] = values[position].clone()
        if op.device is not None:
            values[op.device] = torch.device("cpu")
        return op.call(computation.func, values)

    def _parts(self, computation: Computation) -> list[torch.Tensor]:
        key = id(computation)
        if key not in self._made:
            with torch.no_grad():
                self._made[key] = leaves(self.result(computation))
        found: list[torch.Tensor] = self._made[key]
        return found

    def _filled(self, value: Any) -> Any:
        if isinstance(value, Edge):
            return self.tensor(value)
        if isinstance(value, Pattern):
            return torch.empty(value.shape, dtype=value.dtype)
        return [self._filled(v) for v in value] if isinstance(value, (list, tuple)) else value


@frozen(eq=False)
class Lazy:
    """The constant of a record: reads its numbers when asked."""

    edge: Edge
    values: Values

    def numpy(self) -> Array:
        return self.values.array(self.edge)


def leaves(result: Any) -> list[Any]:
    """The tensors among what an op gave, lists written out; None where one was not made."""
    if isinstance(result, torch.Tensor):
        return [result]
    if isinstance(result, (list, tuple)):
        return [leaf for part in result for leaf in leaves(part)]
    return [None] if result is None else []
