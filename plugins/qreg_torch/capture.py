"""A module watched once; its constants are read anew as often as one likes."""

from functools import cached_property
from typing import Any

import torch
from attrs import define, field
from torch import nn

from qreg.catalogue import Catalogue
from qreg.errors import QregError
from qreg.records import OpCall, Tensor, Trace
from qreg_torch.bits import BitsOf
from qreg_torch.constants import Edge, Lazy, Part, Values
from qreg_torch.held import Held, held_by, watches_ranges
from qreg_torch.observe import ON_META, Observed, Run, as_called, observed
from qreg_torch.places import layer_names
from qreg_torch.recorder import WantsIntegers
from qreg_torch.sources import Arguments, Shapes, arguments_of, examples_of


@define(eq=False)
class Captured:
    """A module, and what it runs for inputs of these sizes.

    ``trace()`` has weights, bits and parametrised weights as they are when it is called. The module
    runs again only where that may change what it runs: where it holds other tensors than before, or
    its code looks at numbers.
    """

    module: nn.Module
    arguments: Arguments
    catalogue: Catalogue
    run: Run
    observed: Observed

    def trace(self) -> Trace:
        """The ops that run now."""
        if self._may_differ():
            self.observed = observed(self.module, self.arguments, self.run)
        return Records(self.observed, BitsOf(self.observed.held, self.catalogue)).trace()

    def _may_differ(self) -> bool:
        if self.observed.source != ON_META:
            return True
        if _contents(held_by(self.module, self.module)) != _contents(self.observed.held):
            return True
        values = Values()
        baked = self.observed.record.baked
        with torch.no_grad():
            return any(values.result(computation) != number for computation, number in baked)


def capture(
    module: nn.Module,
    inputs: object = None,
    shapes: Shapes | None = None,
    catalogue: Catalogue | None = None,
) -> Captured:
    """Runs the module once, on tensors without numbers where it lets itself.

    ``inputs`` are forward's arguments: a tuple, one tensor or a dictionary by name. Else ``shapes``
    has the size of each, and they are float32; one that the module uses as indices is int64.
    """
    examples = None if inputs is None else examples_of(inputs, "capture")
    return captured(module, examples, shapes or {}, catalogue or Catalogue())


def captured(
    module: nn.Module, examples: Arguments | None, shapes: Shapes, catalogue: Catalogue
) -> Captured:
    """As ``capture``, from what a callable gave."""
    module = unwrapped(module)
    integers: set[str] = set()
    while True:
        arguments = arguments_of(module, examples, shapes, integers)
        try:
            found = observed(module, arguments)
        except WantsIntegers as exc:
            if not arguments.made or exc.name in integers:
                raise QregError(
                    f"input {exc.name!r} is used as indices, and its example holds real numbers; "
                    "give integers"
                ) from exc
            integers.add(exc.name)
        else:
            return Captured(module, arguments, catalogue, as_called, found)


def unwrapped(module: nn.Module) -> nn.Module:
    """The module inside those that run it compiled or on several devices."""
    wrappers = {"OptimizedModule": "_orig_mod", "DataParallel": "module",
                "DistributedDataParallel": "module"}  # fmt: skip
    while type(module).__name__ in wrappers:
        inner = getattr(module, wrappers[type(module).__name__], None)
        if not isinstance(inner, nn.Module):
            break
        module = inner
    return module


@define(eq=False, slots=False)
class Records:
    """What was observed as records, with constants as they are now."""

    observed: Observed
    bits: BitsOf
    _values: Values = field(factory=Values)
    _tensors: dict[int, Tensor] = field(factory=dict)

    def trace(self) -> Trace:
        record = self.observed.record
        names = layer_names(record.calls, self.observed.held)
        calls = [
            OpCall(
                call.op.target,
                name,
                tuple([None if e is None else self.tensor(e) for e in call.inputs]),
                tuple([ABSENT if e is None else self.tensor(e) for e in call.outputs]),
                call.attributes,
            )
            for call, name in zip(record.calls, names, strict=True)
        ]
        unseen = [e for e in (*self.observed.kept, *record.read) if not e.stored]
        read = (*self.observed.outputs, *unseen)
        outputs = tuple(dict.fromkeys(e.name for e in read))
        return Trace(
            tuple(calls), outputs, source=self.observed.source, varying=frozenset(self._varying)
        )

    def tensor(self, edge: Edge) -> Tensor:
        found = self._tensors.get(id(edge))
        if found is None:
            value = Lazy(edge, self._values) if self._is_constant(edge) else None
            bits = self.bits(edge) if value is not None else None
            learned = edge.label not in self.observed.held.unlearned
            found = Tensor(edge.name, edge.dtype, edge.shape, value, bits, learned)
            self._tensors[id(edge)] = found
        return found

    def _is_constant(self, edge: Edge) -> bool:
        """Whether it is the same at every run: the module may write to what it holds."""
        if edge.source is None or edge.name in self._varying:
            return False
        if isinstance(edge.source, Part):
            return all(self._is_constant(e) for e in _edges(edge.source.computation.values))
        return edge.label not in self._overwritten

    @cached_property
    def _varying(self) -> set[str]:
        """Tensors that another input may make otherwise."""
        calls = self.observed.record.calls[self.observed.settled :]
        return {e.name for c in calls for e in c.outputs if e is not None}

    @cached_property
    def _overwritten(self) -> set[str]:
        """Labels of what has other numbers at the next run.

        What watches the range of a weight writes too, and finds the same every time.
        """
        slots = self.observed.held.slots
        found = self.observed.record.overwritten
        return {n for n, live in found.items() if live or not watches_ranges(slots[n].owner)}


ABSENT = Tensor("", "uint8", (0,))  # an output that is not computed


def _edges(values: Any) -> list[Edge]:
    if isinstance(values, Edge):
        return [values]
    return [e for v in values for e in _edges(v)] if isinstance(values, (list, tuple)) else []


def _contents(held: Held) -> dict[str, tuple[object, ...]]:
    """What decides whether a module can still run the same ops."""
    stored = {s.label: (tuple(t.shape), t.dtype) for t, s in held.tensors.values()}
    return {
        **stored,
        **{s.label: () for s in held.parametrized.values()},
        "": tuple(held.paths.values()),
    }
