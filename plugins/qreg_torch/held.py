"""What a module holds: tensors by qualified name, parametrised weights, paths of its parts."""

import copy
from collections.abc import Iterator
from functools import partial

import torch
from attrs import define, field, frozen
from torch import nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import ParametrizationList

from qreg.errors import QregError, cause_of
from qreg_torch.constants import Stored
from qreg_torch.ledger import geometry


@frozen(eq=False)
class Slot:
    """Where a tensor is held. ``label`` is the qualified name it was first met under."""

    owner: nn.Module
    attribute: str
    label: str
    parametrized: bool = False


@define(eq=False)
class Held:
    """The parts of one module, by ``id``. Two names of one tensor give it the first."""

    paths: dict[int, str] = field(factory=dict)
    tensors: dict[int, tuple[torch.Tensor, Stored]] = field(factory=dict)
    slots: dict[str, Slot] = field(factory=dict)  # by label
    parametrized: dict[int, Stored] = field(factory=dict)  # by the list of parametrisations
    labels: dict[str, str] = field(factory=dict)  # by every name: the first
    alike: dict[tuple[object, ...], Stored] = field(factory=dict)  # by what they look at
    unlearned: set[str] = field(factory=set)  # labels of what is no parameter: buffers, attributes


def held_by(module: nn.Module, live: nn.Module) -> Held:
    """What ``module`` holds; numbers are read from ``live``, of which it may be a copy."""
    found = Held()
    alike = found.alike
    originals = dict(live.named_modules(remove_duplicate=False))
    for path, part in module.named_modules():
        found.paths[id(part)] = path
        owner = originals[path]
        for attribute, tensor in _tensors(part):
            label = f"{path}.{attribute}".removeprefix(".")
            if is_lazy(tensor):
                raise QregError(f"{label} has no size yet: run the module once before")
            key = geometry(tensor)
            if key not in alike:
                alike[key] = Stored(partial(getattr, owner, attribute), label)
                found.slots[label] = Slot(owner, attribute, label)
                if not isinstance(tensor, nn.Parameter):
                    found.unlearned.add(label)
            found.tensors[id(tensor)] = tensor, alike[key]
            found.labels[label] = alike[key].label
        for attribute, chain in _parametrizations(part):
            label = f"{path}.{attribute}".removeprefix(".")
            key = tuple(map(id, (*chain.parameters(recurse=False), *chain)))
            if key not in alike:
                read = partial(parametrized, owner, attribute)
                alike[key] = Stored(read, label, computed=True)
                found.slots[label] = Slot(owner, attribute, label, parametrized=True)
            found.parametrized[id(chain)] = alike[key]
            found.labels[label] = alike[key].label
    return found


def parametrized(owner: nn.Module, attribute: str) -> torch.Tensor:
    """The parametrised weight as it is when the model is used.

    On a copy of the parametrisations: some count how often they run, or watch ranges.
    """
    chain = chain_of(owner, attribute)
    kept: dict[int, object] = {id(p): p for p in chain.parameters()}
    try:
        with torch.no_grad():
            found = copy.deepcopy(chain, kept).eval()()
    except QregError:
        raise
    except Exception as exc:  # anybody's code
        where = f"{type(owner).__name__}.{attribute}"
        raise QregError(
            f"{where}: its parametrisation cannot be computed: {cause_of(exc)}"
        ) from exc
    assert isinstance(found, torch.Tensor)
    return found


def chain_of(owner: nn.Module, attribute: str) -> ParametrizationList:
    chains = owner.parametrizations
    assert isinstance(chains, nn.ModuleDict)
    chain = chains[attribute]
    assert isinstance(chain, ParametrizationList)
    return chain


def watches_ranges(part: nn.Module) -> bool:
    """Whether it is an observer or fake-quantiser of torch.ao; asked by name, which imports nothing."""
    names = {c.__name__ for c in type(part).__mro__}
    return not names.isdisjoint(("ObserverBase", "FakeQuantizeBase"))


def _tensors(part: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """The module's own tensors: parameters, buffers, and attributes that are neither."""
    for tensors in (part._parameters, part._buffers, part.__dict__):
        for name, value in tensors.items():
            if isinstance(value, torch.Tensor):
                yield name, value


def _parametrizations(part: nn.Module) -> Iterator[tuple[str, ParametrizationList]]:
    chains = getattr(part, "parametrizations", None)
    if isinstance(chains, nn.ModuleDict):
        for name, chain in chains.items():
            if isinstance(chain, ParametrizationList):
                yield name, chain
