"""A module and what it is called with, from what the user gave."""

import inspect
import sys
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from inspect import Parameter
from pathlib import Path
from typing import Any

import torch
from attrs import field, frozen
from torch import nn
from torch.export import ExportedProgram
from torch.utils._pytree import tree_map

from qreg.errors import QregError, cause_of, hint

Shapes = Mapping[str, Sequence[int]]
COMPUTED = {torch.float16, torch.bfloat16, torch.float32, torch.float64}  # others are for storage


@frozen(eq=False)
class Arguments:
    """What forward is called with: examples of the user, or what was ``made`` from sizes, by name."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    made: Mapping[str, torch.Tensor] = field(factory=dict)


def module_of(source: object) -> tuple[nn.Module, Arguments | None]:
    """The module, and its example inputs where the callable gives them."""
    return (source, None) if isinstance(source, nn.Module) else _called(str(source))


def program_of(source: object) -> ExportedProgram:
    """The program, read from its file where that was given."""
    if isinstance(source, ExportedProgram):
        return source
    path = Path(str(source))
    if not path.is_file():
        raise QregError(f"{path}: no such file")
    try:
        return torch.export.load(path)
    except Exception as exc:  # torch raises whatever the archive makes it stumble over
        raise QregError(f"{path}: is not a program saved by torch.export: {cause_of(exc)}") from exc


def arguments_of(
    module: nn.Module,
    examples: Arguments | None,
    shapes: Shapes,
    integers: Container[str] = (),
) -> Arguments:
    """The example inputs, those that ``shapes`` names as zeros of that size; without examples zeros
    for all that ``shapes`` names, of the type of the parameters but for ``integers``.
    """
    if examples is not None:
        return resized(examples, module.forward, shapes)
    if not shapes:
        raise QregError(
            "an nn.Module does not say what it takes: give the sizes of forward's parameters, by "
            "name (shape = { x = [1, 3, 32, 32] } or --shape x=1,3,32,32)"
        )
    shapes = _with_names(module, shapes)
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    real = _type_of(module)
    types = {name: torch.int64 if name in integers else real for name in shapes}
    zeros = {n: torch.zeros(tuple(s), device=device, dtype=types[n]) for n, s in shapes.items()}
    try:
        signature = inspect.signature(module.forward)
    except (TypeError, ValueError):  # a scripted module's forward has none
        return Arguments(tuple(zeros.values()), {}, made=zeros)
    return Arguments(*_bound(signature, zeros), made=zeros)


def _type_of(module: nn.Module) -> torch.dtype:
    """What the module computes in: the type of all its parameters, float32 where they differ."""
    kinds = {p.dtype for p in module.parameters() if p.is_floating_point()}
    return kinds.pop() if len(kinds) == 1 and kinds <= COMPUTED else torch.float32


def resized(examples: Arguments, forward: Callable[..., Any], shapes: Shapes) -> Arguments:
    """The same with zeros in place of the tensors that ``shapes`` names; "" is the only one."""
    tensors = dict(named_tensors(forward, examples)) if shapes else {}
    if "" in shapes and len(tensors) == 1:
        shapes = {next(iter(tensors)): shapes[""]}
    for name in shapes:
        if name not in tensors:
            raise QregError(f"there is no input {name!r}{hint(name, tensors)}")
    fresh = {
        id(tensors[name]): tensors[name].new_zeros(tuple(size)) for name, size in shapes.items()
    }
    args, kwargs = tree_map(lambda v: fresh.get(id(v), v), (examples.args, dict(examples.kwargs)))
    return Arguments(args, kwargs)


def named_tensors(
    forward: Callable[..., Any], arguments: Arguments
) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors among the arguments by parameter: ``x``, ``states.0``, ``batch.ids``."""
    if arguments.made:
        yield from arguments.made.items()
        return
    given: dict[str, Any] = {f"input_{i}": a for i, a in enumerate(arguments.args)}
    given |= arguments.kwargs
    with suppress(TypeError, ValueError):  # no signature, or other arguments: forward will say so
        bound = inspect.signature(forward).bind(*arguments.args, **arguments.kwargs)
        given = dict(bound.arguments)
        for name, parameter in bound.signature.parameters.items():
            if parameter.kind is Parameter.VAR_KEYWORD:
                given |= given.pop(name, {})
    for name, value in given.items():
        yield from _tensors(name, value)


@contextmanager
def in_eval_mode(module: nn.Module) -> Iterator[None]:
    """Every part in eval mode, and afterwards as it was: ``train()`` would switch frozen parts too."""
    training = {part: part.training for part in module.modules()}
    try:
        with suppress(NotImplementedError):  # an exported program has no other mode
            module.eval()
        yield
    finally:
        for part, flag in training.items():
            part.training = flag


def _tensors(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _tensors(f"{name}.{key}", part)
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from _tensors(f"{name}.{index}", part)


def _called(source: str) -> tuple[nn.Module, Arguments | None]:
    module_name, _, attribute = source.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # the user's own package, as ``python -m`` finds it
    try:
        made = getattr(import_module(module_name), attribute)
        result = made if isinstance(made, nn.Module) else made()
    except ModuleNotFoundError as exc:
        raise QregError(
            f"{source}: cannot be called: {cause_of(exc)}; run qreg in the folder that holds it, "
            "or install the package"
        ) from exc
    except Exception as exc:  # the user's code may raise anything
        raise QregError(f"{source}: cannot be called: {cause_of(exc)}") from exc
    module, inputs = result if isinstance(result, tuple) else (result, None)
    if not isinstance(module, nn.Module):
        raise QregError(f"{source}: gave {type(module).__name__}, not a torch.nn.Module")
    return module, None if inputs is None else examples_of(inputs, source)


def examples_of(inputs: object, source: str) -> Arguments:
    """Example inputs as arguments: a tuple or list of them, one tensor, or a dictionary by name."""
    if isinstance(inputs, (tuple, list)):
        return Arguments(tuple(inputs), {})
    if isinstance(inputs, torch.Tensor):
        return Arguments((inputs,), {})
    if isinstance(inputs, Mapping):
        return Arguments((), {str(name): value for name, value in inputs.items()})
    raise QregError(
        f"{source}: example inputs are a tuple of forward's arguments, one tensor or a dictionary "
        f"by name, not {type(inputs).__name__}"
    )


def _with_names(module: nn.Module, shapes: Shapes) -> Shapes:
    """Sizes without a name are those of the first parameter."""
    try:
        first = next(iter(inspect.signature(module.forward).parameters), "")
    except (TypeError, ValueError):
        return shapes
    return {name or first: sizes for name, sizes in shapes.items()}


def _bound(
    signature: inspect.Signature, zeros: dict[str, torch.Tensor]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """``zeros`` as arguments; by order where forward takes ``*args``, so that it names nothing."""
    kinds = {name: p.kind for name, p in signature.parameters.items()}
    named = [
        n for n, k in kinds.items() if k not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    ]
    if not named and Parameter.VAR_POSITIONAL in kinds.values():
        return tuple(zeros.values()), {}
    known = ", ".join(map(repr, named)) or "no parameters"
    strange = [n for n in zeros if n not in named]
    if strange and Parameter.VAR_KEYWORD not in kinds.values():
        raise QregError(f"forward has no parameter {strange[0]!r}; it takes {known}")
    absent = [
        n for n in named if n not in zeros and signature.parameters[n].default is Parameter.empty
    ]
    if absent:
        raise QregError(f"forward takes {known}: {absent[0]!r} has no size; give it one")
    bound = inspect.BoundArguments(
        signature, OrderedDict((n, zeros[n]) for n in named if n in zeros)
    )
    return bound.args, {**bound.kwargs, **{n: zeros[n] for n in strange}}
