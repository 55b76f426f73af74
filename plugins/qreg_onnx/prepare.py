"""A model made ready for every step: static shapes, folded constants, named layers."""

from collections.abc import Mapping, Sequence

import onnx_ir as ir
from onnx_ir.passes import PreconditionError
from onnx_ir.passes.common import (
    InlinePass,
    LiftConstantsToInitializersPass,
    RemoveInitializersFromInputsPass,
    RemoveUnusedNodesPass,
    TopologicalSortPass,
)

from qreg.catalogue import Catalogue
from qreg.errors import QregError
from qreg_onnx.evaluate import Evaluator
from qreg_onnx.graph import LAYER, has_static_type, name_layers
from qreg_onnx.shapes import fix_inputs, infer_shapes


def prepare(model: ir.Model, shapes: Mapping[str, Sequence[int]], catalogue: Catalogue) -> ir.Model:
    """The same model, changed in place. Raises QregError for inputs without a size."""
    _inline_functions(model)
    for change in (
        TopologicalSortPass(),
        RemoveInitializersFromInputsPass(),
        LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
    ):
        change(model)
    fix_inputs(model, shapes)
    infer_shapes(model, catalogue, Evaluator(catalogue))
    RemoveUnusedNodesPass()(model)
    name_layers(model)
    return model


def prepared(model: ir.Model) -> bool:
    """Whether ``prepare`` has nothing left to do: layers with names of their own, static types."""
    names = [node.metadata_props.get(LAYER, "") for node in model.graph]
    values = [*model.graph.inputs, *(v for node in model.graph for v in node.outputs if v.name)]
    return (
        not model.functions
        and all(names)
        and len(set(names)) == len(names)
        and all(has_static_type(v) for v in values)
    )


def _inline_functions(model: ir.Model) -> None:
    try:
        InlinePass()(model)
    except (ValueError, PreconditionError) as exc:
        reason = " ".join(str(exc).split())
        raise QregError(
            f"the model's functions cannot be written out in its graph: {reason}; export it "
            "without functions, or with one version of every operator set"
        ) from exc
