"""The tensors in what a forward gives back."""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import torch
from torch import nn

from qreg_torch.constants import Edge
from qreg_torch.ledger import marked
from qreg_torch.recorder import Record
from qreg_torch.twins import Twins

Numbers = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)


def returned(result: Any, twins: Twins, record: Record) -> tuple[Edge, ...]:
    """What is known of every tensor in the result, in order, each once.

    Where the result holds objects that nobody knows how to look into, every tensor that no op reads
    counts as returned; in a real run every tensor there is, since code may take its numbers without
    an op.
    """
    found: dict[str, Edge] = {}
    opaque = False
    for leaf in _leaves(result, set()):
        if isinstance(leaf, torch.Tensor):
            edge = twins.ledger.edge(twins.of(leaf))
            found[edge.name] = edge
        else:
            opaque = opaque or not isinstance(leaf, Numbers)
    if opaque or not twins.on_meta:
        read = {e.name for c in record.calls for e in c.inputs if e is not None and twins.on_meta}
        made = [e for c in record.calls for e in c.outputs if e is not None]
        found |= {e.name: e for e in made if e.name not in read}
    return tuple(found.values())


def rebound(module: nn.Module, record: Record) -> tuple[Edge, ...]:
    """The tensors that the code put in place of buffers, which are no constants then."""
    found = []
    for path, part in module.named_modules():
        for name, buffer in part._buffers.items():
            edge = marked(buffer)
            label = f"{path}.{name}".removeprefix(".")
            if edge is not None and not (edge.stored and edge.label == label):
                record.overwritten[label] = True
                found.append(edge)
    return tuple(found)


def _leaves(value: Any, seen: set[int]) -> Iterator[Any]:
    """What lies in containers, and in the attributes of plain objects."""
    if isinstance(value, (torch.Tensor, *Numbers)):
        yield value
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Mapping):
        parts: Any = value.values()
    elif isinstance(value, (list, tuple, set, frozenset)):
        parts = value
    elif attrs.has(type(value)):
        parts = [getattr(value, a.name) for a in attrs.fields(type(value))]
    elif hasattr(value, "__dict__") and not isinstance(value, (type, nn.Module)):
        parts = vars(value).values()
    else:
        yield value
        return
    for part in parts:
        yield from _leaves(part, seen)
