"""What is known of every tensor, and how often its storage was written to."""

from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from qreg_torch.constants import Edge, Source
from qreg_torch.schema import dtype_name

EDGE = "_qreg_edge"  # attribute of a tensor: what is known of it


def storage_of(tensor: torch.Tensor) -> int:
    """The tensor's storage, by its address; 0 where it has none of its own."""
    try:
        address: int = tensor.untyped_storage()._cdata
    except (RuntimeError, NotImplementedError):  # sparse, or of a class of its own
        return 0
    return address


def geometry(tensor: torch.Tensor) -> tuple[object, ...]:
    """What a tensor looks at: the same for two that are one in all but name."""
    storage = storage_of(tensor)
    if not storage:
        return (id(tensor),)
    return storage, tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype


class Ledger:
    """Tensors carry their entry with them, so that it goes when they do.

    ``read`` collects tensors that count as read though no op reads them. A write changes every view
    of a storage with no op between the two: from then on nothing is known of such a view, and what
    it shares the storage with is read.
    """

    def __init__(self) -> None:
        self.read: list[Edge] = []
        self._count = 0
        self._writes: dict[int, int] = {}  # by storage
        self._written: dict[int, list[Edge]] = {}
        self._labels: dict[int, str] = {}  # of what the module holds there
        self._open: set[int] = set()  # storages that the op at hand writes to
        self._latest: dict[int, tuple[StorageWeakRef, Edge]] = {}  # the reference keeps the address

    def mark(
        self,
        tensor: torch.Tensor,
        name: str = "",
        *,
        source: Source | None = None,
        label: str = "",
        stored: bool = False,
        input: str = "",
    ) -> Edge:
        """Takes down what a tensor is from now on."""
        self._count += 1
        storage = storage_of(tensor)
        name = name or f"%{self._count}"
        edge = Edge(
            name=name,
            dtype=dtype_name(tensor.dtype),
            shape=tuple(tensor.shape),
            source=source,
            stored=stored,
            label=label or (name if stored else ""),
            version=self._writes.get(storage, 0),
            input=input,
        )
        setattr(tensor, EDGE, edge)
        if storage in self._open:
            self._open.discard(storage)
            self._written[storage].append(edge)
        if storage:
            known = self._latest.get(storage)
            self._latest[storage] = (known[0] if known else _reference(tensor)), edge
        return edge

    def edge(self, tensor: torch.Tensor) -> Edge:
        """What is known of a marked tensor now."""
        edge: Edge = getattr(tensor, EDGE)
        if not self._writes:
            return edge
        storage = storage_of(tensor)
        if self._writes.get(storage, 0) == edge.version:
            return edge
        self.read += (edge, *self._written[storage])
        return self.mark(tensor)

    def alias(self, tensor: torch.Tensor) -> None:
        """Takes down a tensor that was made without an op: ``x.data``, or a class around ``x``."""
        _, edge = self._latest.get(storage_of(tensor), (None, None))
        if edge is None:
            self.mark(tensor)
        elif edge.shape == tuple(tensor.shape) and edge.dtype == dtype_name(tensor.dtype):
            setattr(tensor, EDGE, edge)
        else:
            self.read.append(edge)
            self.mark(tensor)

    def hold(self, tensor: torch.Tensor, source: Source, label: str) -> None:
        """Takes down a tensor that the module holds."""
        edge = self.mark(tensor, label, source=source, stored=True)
        self._labels[storage_of(tensor)] = edge.label

    def write(self, tensor: torch.Tensor) -> str:
        """Notes that an op writes to a tensor, which is to be marked next.

        Gives the label of what the module holds there, "" where it holds nothing.
        """
        storage = storage_of(tensor)
        self._writes[storage] = self._writes.get(storage, 0) + 1
        self._written.setdefault(storage, [])
        self._open.add(storage)
        return self._labels.get(storage, "")


def _reference(tensor: torch.Tensor) -> StorageWeakRef:
    return StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]


def marked(tensor: Any) -> Edge | None:
    """The entry of a tensor as it was taken down last, if any."""
    return getattr(tensor, EDGE, None)
