"""A module as it was, whatever its forward did to it."""

import random
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from attrs import frozen
from torch import nn

Containers = (dict, list, set, deque)


@frozen(eq=False)
class Kept:
    """A container, and what was in it."""

    container: Any
    content: tuple[Any, ...]

    def restore(self) -> None:
        if not _same(_content(self.container), self.content):
            self.container.clear()
            fill = self.container.extend if isinstance(self.container, (list, deque)) else None
            (fill or self.container.update)(self.content)


@contextmanager
def unchanged(module: nn.Module) -> Iterator[None]:
    """Afterwards every part has the attributes, buffers, hooks and flags it had before.

    What lies in lists and dictionaries of a part is restored too; objects of other classes are
    not looked into. The random generators of PyTorch, numpy and Python go on where they were.
    """
    kept = _kept(module)
    flags = [(p, p.requires_grad, p.grad) for p in module.parameters()]
    versions = _versions(module)
    generators = _generators()
    try:
        yield
    finally:
        for part in kept:
            part.restore()
        for parameter, flag, gradient in flags:
            if parameter.requires_grad != flag:
                parameter.requires_grad_(flag)
            if parameter.grad is not gradient:
                parameter.grad = gradient
        # An op that writes counts up, though it wrote to a twin; a backward pass under way would
        # refuse the tensor.
        torch._C._autograd._unsafe_set_version_counter(tuple(versions), tuple(versions.values()))
        _go_on(*generators)


def _versions(module: nn.Module) -> dict[torch.Tensor, int]:
    tensors = (*module.parameters(), *module.buffers())
    return {t: t._version for t in tensors if not t.is_inference()}


def _kept(module: nn.Module) -> list[Kept]:
    """The attributes of all parts, and every container reached from them, each once."""
    found: dict[int, Kept] = {}
    waiting: list[Any] = [part.__dict__ for part in module.modules()]
    while waiting:
        container = waiting.pop()
        if id(container) not in found:
            content = _content(container)
            found[id(container)] = Kept(container, content)
            values = container.values() if isinstance(container, dict) else content
            waiting.extend(v for v in values if isinstance(v, Containers) and v)
    return list(found.values())


def _content(container: Any) -> tuple[Any, ...]:
    return tuple(container.items() if isinstance(container, dict) else container)


def _same(now: tuple[Any, ...], before: tuple[Any, ...]) -> bool:
    """By identity: tensors do not compare as a whole."""
    if len(now) != len(before):
        return False
    for a, b in zip(now, before, strict=True):
        if a is b:
            continue
        pair = isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b)
        if not pair or any(x is not y for x, y in zip(a, b, strict=True)):
            return False
    return True


def _generators() -> tuple[Any, ...]:
    on_cuda = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    cuda = torch.cuda.get_rng_state_all() if on_cuda else None
    return torch.get_rng_state(), cuda, np.random.get_state(), random.getstate()


def _go_on(cpu: torch.Tensor, cuda: Any, numpys: Any, pythons: Any) -> None:
    torch.set_rng_state(cpu)
    if cuda is not None:
        torch.cuda.set_rng_state_all(cuda)
    np.random.set_state(numpys)
    random.setstate(pythons)
