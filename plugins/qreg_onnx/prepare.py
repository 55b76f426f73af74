"""A model made ready for every step: static shapes, folded constants, named layers."""

from collections.abc import Mapping, Sequence

import onnx_ir as ir
from onnx_ir.passes.common import (
    InlinePass,
    LiftConstantsToInitializersPass,
    RemoveInitializersFromInputsPass,
    RemoveUnusedNodesPass,
    TopologicalSortPass,
)

from qreg.catalogue import Catalogue
from qreg_onnx.evaluate import Evaluator
from qreg_onnx.graph import name_layers
from qreg_onnx.shapes import fix_inputs, infer_shapes


def prepare(model: ir.Model, shapes: Mapping[str, Sequence[int]], catalogue: Catalogue) -> ir.Model:
    """The same model, changed in place. Raises QregError for inputs without a size."""
    for change in (
        InlinePass(),
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
