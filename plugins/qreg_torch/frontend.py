"""PyTorch models as ONNX, with layers named by module path."""

import contextlib
import inspect
import io
import logging
import sys
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from inspect import Parameter
from pathlib import Path
from typing import Any

import onnx_ir as ir
import onnxscript  # noqa: F401  torch.onnx needs it, and says so only after a long trace
import torch

from qreg.catalogue import Catalogue
from qreg.errors import QregError, cause_of
from qreg_onnx.graph import name_layers
from qreg_onnx.prepare import prepare

Shapes = Mapping[str, Sequence[int]]
Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def load_module(source: object, shapes: Shapes, catalogue: Catalogue) -> ir.Model:
    """A prepared model from an nn.Module or ``package.module:callable``.

    The callable returns a module, or a module and its example inputs. Without example inputs,
    ``shapes`` must name every argument of ``forward``; they are traced as float32 zeros.
    """
    if isinstance(source, torch.nn.Module):
        module, inputs = source, None
    else:
        module, inputs = _called(str(source))
    arguments, named = (inputs, {}) if inputs is not None else _zeros(module, shapes)
    training = {part: part.training for part in module.modules()}
    try:
        module.eval()
        program = _exported(module, arguments, named)
    finally:
        for part, flag in training.items():  # train() would also switch frozen parts
            part.training = flag
    return _converted(program, {} if inputs is None else shapes, catalogue)


def load_program(source: object, shapes: Shapes, catalogue: Catalogue) -> ir.Model:
    """A prepared model from a ``.pt2`` file or an ExportedProgram."""
    if isinstance(source, torch.export.ExportedProgram):
        return _converted(source, shapes, catalogue)
    path = Path(str(source))
    if not path.is_file():
        raise QregError(f"{path}: no such file")
    try:
        program = torch.export.load(path)
    except Exception as exc:  # torch raises whatever the archive makes it stumble over
        raise QregError(f"{path}: is not a program saved by torch.export: {cause_of(exc)}") from exc
    return _converted(program, shapes, catalogue)


def _called(source: str) -> tuple[torch.nn.Module, tuple[Any, ...] | None]:
    module_name, _, attribute = source.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # the user's own package, as ``python -m`` finds it
    try:
        made = getattr(import_module(module_name), attribute)
        result = made if isinstance(made, torch.nn.Module) else made()
    except Exception as exc:  # the user's code may raise anything
        raise QregError(f"{source}: cannot be called: {cause_of(exc)}") from exc
    module, inputs = result if isinstance(result, tuple) else (result, None)
    if not isinstance(module, torch.nn.Module):
        raise QregError(f"{source}: gave {type(module).__name__}, not a torch.nn.Module")
    return module, inputs


def _zeros(module: torch.nn.Module, shapes: Shapes) -> Arguments:
    """What forward is called with: zeros of the sizes asked for, by parameter name."""
    if not shapes:
        raise QregError(
            "an nn.Module does not say what it takes: give the sizes of forward's parameters, by "
            "name (shape = { x = [1, 3, 32, 32] } or --shape x=1,3,32,32)"
        )
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    zeros = {name: torch.zeros(tuple(size), device=device) for name, size in shapes.items()}
    try:
        signature = inspect.signature(module.forward)
    except (TypeError, ValueError):  # a scripted module's forward has none
        return tuple(zeros.values()), {}
    return _bound(signature, zeros)


def _bound(signature: inspect.Signature, zeros: dict[str, torch.Tensor]) -> Arguments:
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


def _exported(
    module: torch.nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]
) -> torch.export.ExportedProgram:
    try:
        with _quiet():
            return torch.export.export(module, inputs, named)
    except Exception as exc:  # tracing runs the user's forward
        raise QregError(f"torch.export cannot trace the module: {cause_of(exc)}") from exc


def _converted(
    program: torch.export.ExportedProgram, shapes: Shapes, catalogue: Catalogue
) -> ir.Model:
    try:
        with _quiet():
            exported = torch.onnx.export(program, (), dynamo=True, verbose=False)
    except Exception as exc:  # the exporter names what it lacks
        raise QregError(f"torch.onnx cannot convert the program: {cause_of(exc)}") from exc
    assert exported is not None
    model = exported.model
    name_layers(model)
    _forget_origin(model)
    return prepare(model, shapes, catalogue)


def _forget_origin(model: ir.Model) -> None:
    """Drop traces and source paths of the exporting machine; the layer names stay."""
    parts = [model, model.graph, *model.graph, *model.graph.initializers.values()]
    parts += [v for n in model.graph for v in n.outputs] + list(model.graph.inputs)
    for part in parts:
        for key in [k for k in part.metadata_props if not k.startswith("qreg.")]:
            del part.metadata_props[key]
    for node in model.graph:
        node.name = node.metadata_props["qreg.layer"]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter reports progress, deprecations and absent extensions; none concern the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
