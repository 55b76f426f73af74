"""Stand-ins for tensors that have numbers."""

from functools import partial
from typing import Any

import torch

from qreg_torch.constants import Edge, Stored
from qreg_torch.held import Held
from qreg_torch.ledger import EDGE, Ledger, geometry, storage_of


class Twins:
    """The same tensors without numbers, on meta; in a real run the tensors themselves.

    What the module does not hold and no op made is a constant of the code. In a real run it may have
    been computed from the inputs behind the dispatcher's back, so that nothing is known of it.
    """

    def __init__(self, held: Held, on_meta: bool) -> None:
        self.ledger = Ledger()
        self.on_meta = on_meta
        self._held = held
        self._twins: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # the first is kept alive
        self._alike: dict[tuple[object, ...], torch.Tensor] = {}  # twins by what they look at
        self._storages: dict[int, torch.UntypedStorage] = {}  # on meta, for each of the module's
        self._packed: dict[int, tuple[Any, list[Edge | None]]] = {}

    def of(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor's twin, the same each time; it is in the ledger."""
        pair = self._twins.get(id(tensor))
        if pair is not None:
            return pair[1]
        if hasattr(tensor, EDGE):
            return tensor
        twin = self._on_meta(tensor) if self.on_meta else self._for_real(tensor)
        self._twins[id(tensor)] = tensor, twin
        return twin

    def input(self, tensor: torch.Tensor, name: str) -> torch.Tensor:
        """A tensor in place of an input of the model."""
        if self.on_meta:
            size, stride = tensor.shape, tensor.stride()
            fresh = torch.empty_strided(size, stride, dtype=tensor.dtype, device="meta")
        else:
            fresh = tensor.detach().clone()
        self.ledger.mark(fresh, name, input=name)
        return fresh

    def named(self, tensor: torch.Tensor, source: Stored) -> torch.Tensor:
        """A tensor that was made from what the module holds, as one that it holds."""
        with torch._C._DisableTorchDispatch():  # a recorder is at work
            twin = self.of(tensor)
            if self.ledger.edge(twin).label == source.label:
                return twin
            fresh = torch.empty_like(twin) if self.on_meta else twin.detach().clone()
        self.ledger.hold(fresh, source, source.label)
        return fresh

    def unpacked(self, packed: Any, module: str) -> list[Edge | None]:
        """Weight and bias in an object that a quantised op takes; under the module's name."""
        if id(packed) not in self._packed:
            edges: list[Edge | None] = []
            for name, tensor in zip(("weight", "bias"), packed.unpack(), strict=False):
                if isinstance(tensor, torch.Tensor):
                    label = f"{module}.{name}".removeprefix(".")
                    source = Stored(partial(_again, packed, name == "bias"), label)
                    edges.append(self.ledger.mark(tensor, label, source=source, stored=True))
                else:
                    edges.append(None)
            self._packed[id(packed)] = packed, edges
        return self._packed[id(packed)][1]

    def close(self) -> None:
        """Takes the marks off tensors that are not the recorder's own."""
        for tensor, twin in self._twins.values():
            if twin is tensor and hasattr(tensor, EDGE):
                delattr(tensor, EDGE)

    def _for_real(self, tensor: torch.Tensor) -> torch.Tensor:
        source = self._source(tensor)
        if source is None:
            self.ledger.alias(tensor)
        else:
            self.ledger.hold(tensor, source, source.label)
        return tensor

    def _on_meta(self, tensor: torch.Tensor) -> torch.Tensor:
        source = self._source(tensor)
        if source is None and tensor.is_meta:
            self.ledger.alias(tensor)
            return tensor
        key = geometry(tensor)
        if key not in self._alike:
            source = source or Stored(lambda: tensor)
            self._alike[key] = twin = self._empty(tensor)
            self.ledger.hold(twin, source, source.label)
        return self._alike[key]

    def _source(self, tensor: torch.Tensor) -> Stored | None:
        """Where the module holds it, itself or as ``weight.data``."""
        known = self._held.tensors.get(id(tensor))
        return known[1] if known else self._held.alike.get(geometry(tensor))

    def _empty(self, tensor: torch.Tensor) -> torch.Tensor:
        """The same on meta; where two look at one storage, so do their twins."""
        if tensor.layout != torch.strided:
            raise NotImplementedError(f"tensors of layout {tensor.layout} have no twin on meta")
        size, stride, offset = tensor.shape, tensor.stride(), tensor.storage_offset()
        storage = storage_of(tensor)
        with torch.inference_mode(False):  # views of parameters cannot be inference tensors
            if not storage or (not offset and storage not in self._storages):
                found = torch.empty_strided(size, stride, dtype=tensor.dtype, device="meta")
                self._storages[storage] = found.untyped_storage()
                return found
            if storage not in self._storages:
                bytes_ = tensor.untyped_storage().nbytes()
                whole = torch.empty(bytes_, device="meta", dtype=torch.uint8)
                self._storages[storage] = whole.untyped_storage()
            found = torch.empty(0, dtype=tensor.dtype, device="meta")
            return found.set_(self._storages[storage], offset, size, stride)


def _again(packed: Any, bias: bool) -> torch.Tensor:
    tensor: torch.Tensor = packed.unpack()[bias]
    return tensor
