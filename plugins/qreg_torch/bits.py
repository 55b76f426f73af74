"""Bits of a module's weights, from whatever quantises them: registry ``bit_readers``."""

from collections.abc import Iterator
from math import prod

import torch
from attrs import define, field
from torch import nn

from qreg.catalogue import Catalogue, Entry
from qreg.errors import QregError
from qreg_torch.constants import Edge
from qreg_torch.held import Held, Slot, chain_of, held_by
from qreg_torch.specs import BitReaderSpec


@define(eq=False)
class BitsOf:
    """Called with a constant: the bits of the weight it holds, None where nothing says."""

    held: Held
    catalogue: Catalogue
    _readers: dict[type, list[Entry[BitReaderSpec]]] = field(factory=dict)
    _known: dict[str, tuple[int | None, int]] = field(factory=dict)

    def __call__(self, edge: Edge) -> int | None:
        slot = self.held.slots.get(edge.label)
        if slot is None:
            return None
        if edge.label not in self._known:
            weight = _weight(slot)
            self._known[edge.label] = self.of(slot, weight), weight.numel()
        bits, elements = self._known[edge.label]
        # A part of a weight has its bits; of what is computed from it, that which is as large.
        return bits if edge.stored or prod(edge.shape) == elements else None

    def of(self, slot: Slot, weight: torch.Tensor) -> int | None:
        """What its parametrisations say, the last of them first; else its module, else its class."""
        for holder in _holders(slot, weight):
            for entry in self._of_class(type(holder)):
                bits = entry.call("read", holder, weight, about=slot.label)
                if bits is not None:
                    return _checked(bits, entry, slot.label)
        return None

    def _of_class(self, kind: type) -> list[Entry[BitReaderSpec]]:
        """The readers for a class and those it is derived from, the nearest first."""
        if kind not in self._readers:
            names = [f"object {c.__module__}.{c.__qualname__}" for c in kind.__mro__]
            entries = [self.catalogue.choose(BitReaderSpec, name) for name in names]
            found = {e.id: e for e in entries if e is not None}
            self._readers[kind] = list(found.values())
        return self._readers[kind]


def weight_bits(module: nn.Module, catalogue: Catalogue) -> dict[str, int]:
    """Bits by qualified name of everything a module holds that a reader knows."""
    held = held_by(module, module)
    bits = BitsOf(held, catalogue)
    found = {label: bits.of(slot, _weight(slot)) for label, slot in held.slots.items()}
    return {label: n for label, n in found.items() if n is not None}


def _weight(slot: Slot) -> torch.Tensor:
    """The tensor as it is stored: of a parametrised one the original."""
    if not slot.parametrized:
        tensor: torch.Tensor = getattr(slot.owner, slot.attribute)
        return tensor
    return next(chain_of(slot.owner, slot.attribute).parameters(recurse=False))


def _holders(slot: Slot, weight: torch.Tensor) -> Iterator[object]:
    if slot.parametrized:
        yield from reversed(list(chain_of(slot.owner, slot.attribute)))
    if "parametrizations" not in slot.label.split("."):  # whose tensors are settings of their own
        yield slot.owner
    yield weight


def _checked(bits: object, entry: Entry[BitReaderSpec], label: str) -> int:
    if isinstance(bits, int) and not isinstance(bits, bool) and bits > 0:
        return bits
    raise QregError(
        f"{label}: bit_readers {entry.id} ({entry.distribution} {entry.version}) gave {bits!r}; its "
        "contract is (object, weight) -> int | None; that is a fault of the plugin"
    )
