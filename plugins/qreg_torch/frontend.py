"""PyTorch models as ONNX, with layers named by module path."""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator, Mapping

import onnx_ir as ir
import onnxscript  # noqa: F401  torch.onnx needs it, and says so only after a long trace
import torch
from torch import nn
from torch.nn.utils import parametrize

from qreg.catalogue import Catalogue
from qreg.errors import QregError, cause_of
from qreg_onnx.graph import BITS, name_layers
from qreg_onnx.prepare import prepare
from qreg_torch.bits import weight_bits
from qreg_torch.capture import captured
from qreg_torch.sources import (
    Arguments,
    Shapes,
    arguments_of,
    in_eval_mode,
    module_of,
    program_of,
)


def load_module(source: object, shapes: Shapes, catalogue: Catalogue) -> ir.Model:
    """A prepared model from an nn.Module or ``package.module:callable``.

    The callable returns a module, or a module and its example inputs. Without example inputs,
    ``shapes`` must name every argument of ``forward``; they are traced as float32 zeros, as int64
    where the module uses one as indices.
    Parametrised weights become plain ones; the bits that a reader finds go with them.
    """
    module, examples = module_of(source)
    bits = weight_bits(module, catalogue)
    with in_eval_mode(module):
        program = _program(_baked(module), examples, shapes)
    return _converted(program, {}, catalogue, bits)


def load_program(source: object, shapes: Shapes, catalogue: Catalogue) -> ir.Model:
    """A prepared model from a ``.pt2`` file or an ExportedProgram."""
    return _converted(program_of(source), shapes, catalogue)


def _baked(module: nn.Module) -> nn.Module:
    """The module, or where it has parametrised weights a copy with what they are now."""
    if not any(parametrize.is_parametrized(part) for part in module.modules()):
        return module
    try:
        with torch.no_grad():
            plain = copy.deepcopy(module)
            for part in list(plain.modules()):
                if parametrize.is_parametrized(part):
                    _bake(part)
    except Exception as exc:  # anybody's parametrisation
        raise QregError(f"the parametrised weights cannot be computed: {cause_of(exc)}") from exc
    return plain


def _bake(part: nn.Module) -> None:
    """Makes parametrised weights plain ones.

    Not by parametrize.remove_parametrizations: it changes the class, which a copy shares.
    """
    chains = part.parametrizations
    assert isinstance(chains, nn.ModuleDict)
    weights = {name: getattr(part, name) for name in chains}
    part.__class__ = parametrize.type_before_parametrizations(part)
    del part._modules["parametrizations"]
    for name, weight in weights.items():
        part.register_parameter(name, nn.Parameter(weight, requires_grad=False))


def _program(
    module: nn.Module, examples: Arguments | None, shapes: Shapes
) -> torch.export.ExportedProgram:
    arguments = arguments_of(module, examples, shapes)
    try:
        return _exported(module, arguments)
    except QregError:
        if not arguments.made:
            raise
        try:
            found = captured(module, None, shapes, Catalogue()).arguments
        except QregError:
            found = arguments
        if not _has_integers(found):
            raise
    return _exported(module, found)


def _has_integers(arguments: Arguments) -> bool:
    return any(not a.dtype.is_floating_point for a in (*arguments.args, *arguments.kwargs.values()))


def _exported(module: nn.Module, arguments: Arguments) -> torch.export.ExportedProgram:
    try:
        with _quiet():
            return torch.export.export(module, arguments.args, dict(arguments.kwargs))
    except Exception as exc:  # tracing runs the user's forward
        raise QregError(f"torch.export cannot trace the module: {cause_of(exc)}") from exc


def _converted(
    program: torch.export.ExportedProgram,
    shapes: Shapes,
    catalogue: Catalogue,
    bits: Mapping[str, int] | None = None,
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
    _write_bits(model, bits or {})
    return prepare(model, shapes, catalogue)


def _write_bits(model: ir.Model, bits: Mapping[str, int]) -> None:
    """Bits as metadata of the initialisers; one that the exporter transposed has another name."""
    stored = model.graph.initializers
    for node in model.graph:
        layer = node.metadata_props["qreg.layer"]
        owners = (f"{layer}.weight", f"{layer.rpartition('.')[0]}.weight")
        turned = next((n for n in owners if n in bits and n not in stored), "")
        for value in node.inputs:
            if value is None or value.name not in stored or value.shape is None:
                continue
            own = value.name if value.name in bits else turned
            if own and (own == value.name or len(value.shape) > 1):
                value.metadata_props[BITS] = str(bits[own])


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
