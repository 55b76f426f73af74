"""One run of a module under a recorder, on meta tensors where it lets itself."""

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import takewhile
from typing import Any

import torch
from attrs import evolve, frozen
from torch import nn
from torch.nn.utils import parametrize
from torch.utils._pytree import tree_map

from qreg.errors import QregError, cause_of
from qreg_torch.arrays import is_own_class
from qreg_torch.constants import Edge
from qreg_torch.held import Held, held_by
from qreg_torch.places import Places, watched
from qreg_torch.recorder import Record, Recorder, Seen, WantsIntegers
from qreg_torch.returned import rebound, returned
from qreg_torch.sources import Arguments, in_eval_mode, named_tensors
from qreg_torch.twins import Twins
from qreg_torch.unchanged import unchanged

ON_META = "the dispatcher on meta tensors"
FOR_REAL = "the dispatcher on a real run, because: "

# How the module is called: (module, places, args, kwargs) -> what it returns.
Run = Callable[[nn.Module, Places, tuple[Any, ...], Mapping[str, Any]], Any]


@frozen(eq=False)
class Observed:
    """What ran. ``kept`` are tensors that the module keeps for its next run.

    ``settled`` calls are the same for every input: none of the code before them has seen a number.
    """

    record: Record
    held: Held
    outputs: tuple[Edge, ...]
    kept: tuple[Edge, ...]
    source: str
    settled: int


def as_called(
    module: nn.Module, places: Places, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    return module(*args, **kwargs)


def observed(module: nn.Module, arguments: Arguments, run: Run = as_called) -> Observed:
    """On meta; where the code needs numbers for real, on a copy of the module."""
    blind: list[Seen] = []
    try:
        return _whole_or_in_parts(module, module, arguments, run, ON_META, blind)
    except (WantsIntegers, QregError):
        raise
    except Exception as exc:  # noqa: BLE001  the user's forward, or an op without a kernel on meta
        reason = exc
    brief = _in_short(reason)
    replica = _replica(module, brief)
    try:
        found = _whole_or_in_parts(module, replica, arguments, run, FOR_REAL + brief, [])
        return evolve(found, settled=_alike(blind, found.record.calls))
    except (WantsIntegers, QregError):
        raise
    except Exception as exc:
        sizes = [f"{n} {list(t.shape)}" for n, t in named_tensors(module.forward, arguments)]
        what = ", ".join(sizes) or "its inputs"
        raise QregError(f"the module cannot run on {what}: {_in_short(exc)}") from exc


def _in_short(exc: Exception) -> str:
    """The first sentence: some of PyTorch's messages are a page."""
    text = cause_of(exc).partition(". ")[0]
    return text if len(text) <= 200 else f"{text[:197]}..."


def _replica(module: nn.Module, reason: str) -> nn.Module:
    """A copy to run for real."""
    if any(t.is_meta for t in (*module.parameters(), *module.buffers())):
        raise QregError(
            f"the module lies on the meta device and cannot run there: {reason}; load its weights"
        )
    try:
        # Tensors left over from training, such as a normalised weight, refuse to be copied, and so
        # do sparse ones.
        held = [t for t, _ in held_by(module, module).tensors.values()]
        own = {id(t): t for t in held if not t.is_leaf or t.layout != torch.strided}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return copy.deepcopy(module, {k: t.detach().clone() for k, t in own.items()})
    except Exception as exc:
        raise QregError(
            f"the module cannot run without numbers ({reason}), and cannot be copied to run with "
            f"them: {cause_of(exc)}"
        ) from exc


def _alike(blind: Sequence[Seen], calls: Sequence[Seen]) -> int:
    """How many calls are the same in a run that saw no numbers, up to where it failed."""

    def facts(call: Seen) -> tuple[str, str, Any]:
        return call.op.target, call.module, call.attributes

    same = (facts(a) == facts(b) for a, b in zip(blind, calls, strict=False))
    return sum(1 for _ in takewhile(bool, same))


def _whole_or_in_parts(
    live: nn.Module,
    part: nn.Module,
    arguments: Arguments,
    run: Run,
    source: str,
    seen: list[Seen],
) -> Observed:
    """In inference mode, where composite ops stay whole; else with gradients off.

    ``seen`` receives the calls, also those of a run that fails.
    """
    try:
        return _once(live, part, arguments, run, source, torch.inference_mode, seen)
    except WantsIntegers:
        raise
    except Exception as exc:
        if not any(word in str(exc).lower() for word in ("inference", "grad")):
            raise
    return _once(live, part, arguments, run, source, torch.no_grad, seen)


def _once(
    live: nn.Module,
    part: nn.Module,
    arguments: Arguments,
    run: Run,
    source: str,
    mode: Callable[[], Any],
    seen: list[Seen],
) -> Observed:
    """``part`` is ``live`` itself, or a copy of it that runs for real."""
    held = held_by(part, live)
    twins = Twins(held, on_meta=part is live)
    places = Places()
    recorder = Recorder(twins, places.here)
    seen.clear()
    record = recorder.record = evolve(recorder.record, calls=seen)
    with ExitStack() as stack:
        stack.callback(twins.close)
        stack.enter_context(unchanged(part))
        if part is not live:
            stack.enter_context(unchanged(live))  # a hook may know the module it was made for
        stack.enter_context(in_eval_mode(part))
        args, kwargs = _stand_ins(part, arguments, twins)
        stack.enter_context(_plainly(part, held))
        stack.enter_context(watched(held, places, recorder))
        stack.enter_context(parametrize.cached())
        stack.enter_context(mode())
        with recorder:
            result = run(part, places, args, kwargs)
        outputs = returned(result, twins, record)
        kept = rebound(part, record)
    return Observed(record, held, outputs, kept, source, len(record.calls))


def _stand_ins(
    module: nn.Module, arguments: Arguments, twins: Twins
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with a twin for each tensor; in a real run random numbers for made zeros."""
    generator = torch.Generator().manual_seed(0)
    found: dict[int, torch.Tensor] = {}
    for name, tensor in named_tensors(module.forward, arguments):
        numbers = tensor
        if arguments.made and not twins.on_meta and tensor.dtype.is_floating_point:
            numbers = torch.randn(tensor.shape, generator=generator).to(tensor)
        found.setdefault(id(tensor), twins.input(numbers, name))
    args, kwargs = tree_map(lambda v: found.get(id(v), v), (arguments.args, dict(arguments.kwargs)))
    return tuple(args), kwargs


@contextmanager
def _plainly(module: nn.Module, held: Held) -> Iterator[None]:
    """Without compiled code, classes of tensors that take ops apart, and warnings to the user."""
    with ExitStack() as stack:
        if any(is_own_class(tensor) for tensor, _ in held.tensors.values()):
            stack.enter_context(torch._C.DisableTorchFunctionSubclass())
        if any(type(part).__name__ == "OptimizedModule" for part in module.modules()):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield
