"""Which part of a module runs, told by hooks on all modules; and what layers are called."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from attrs import define, field
from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from qreg_torch.held import Held
from qreg_torch.recorder import Recorder, Seen

# As qreg_onnx.graph names layers, which would import onnx.
WEIGHT = re.compile(r"(.+)\.(?:weight|kernel)(?:_quantized)?")


@define(eq=False)
class Places:
    """The paths of the parts at work, the innermost last."""

    stack: list[str] = field(factory=lambda: [""])

    def here(self) -> str:
        return self.stack[-1]


@contextmanager
def watched(held: Held, places: Places, recorder: Recorder) -> Iterator[None]:
    """Follows the parts at work, and puts each parametrised weight under its own name.

    The ops of a parametrisation are not noted: its result counts as stored.
    """

    def enter(part: nn.Module, args: Any) -> None:
        places.stack.append(held.paths.get(id(part), places.here()))
        if id(part) in held.parametrized:
            recorder.muted += 1

    def leave(part: nn.Module, args: Any, result: Any) -> Any:
        places.stack.pop()
        source = held.parametrized.get(id(part))
        if source is None:
            return None
        recorder.muted -= 1
        if not isinstance(result, torch.Tensor):  # it failed
            return None
        return recorder.twins.named(result, source)

    hooks = (
        register_module_forward_pre_hook(enter),
        register_module_forward_hook(leave, always_call=True),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def layer_names(calls: Sequence[Seen], held: Held) -> list[str]:
    """A name of its own for every call, as ``qreg_onnx.graph.name_layers`` gives them.

    The module path of the weight it reads, where several hold it that at work; else the module that holds just this op among those on
    activations; else that module and the op's name.
    """
    live = [any(e is not None and e.source is None for e in c.inputs) for c in calls]
    modules = Counter(c.module for c, flag in zip(calls, live, strict=True) if flag)
    names = _Names()
    found: dict[int, str] = {}
    for on_activations in (True, False):  # those on weights alone take what is left
        for index, call in enumerate(calls):
            if live[index] is not on_activations:
                continue
            name = _weight_owner(call, held)
            if not on_activations and name in names.taken:
                name = ""
            if not name and on_activations and call.module and modules[call.module] == 1:
                name = call.module
            found[index] = names.free(name or f"{call.module}.{call.traced}".removeprefix("."))
    return [found[index] for index in range(len(calls))]


@define(eq=False)
class _Names:
    taken: set[str] = field(factory=set)
    _counts: Counter[str] = field(factory=Counter)

    def free(self, name: str) -> str:
        """``name``, else ``name#2`` and so on."""
        candidate = name
        while candidate in self.taken:
            self._counts[name] += 1
            candidate = f"{name}#{self._counts[name] + 1}"
        self.taken.add(candidate)
        return candidate


def _weight_owner(call: Seen, held: Held) -> str:
    for edge in call.inputs:
        match = WEIGHT.fullmatch(edge.label) if edge is not None and edge.label else None
        if edge is not None and match:
            attribute = edge.label.removeprefix(f"{match[1]}.")
            ties = held.labels.get(f"{call.module}.{attribute}") == edge.label
            return call.module if ties else match[1]
    return ""
