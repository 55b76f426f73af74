"""Step prune: what is dead leaves the graph, and the model computes the same."""

from collections.abc import Mapping
from functools import partial

import onnx_ir as ir
from attrs import frozen

from qreg.catalogue import Catalogue
from qreg.errors import QregError
from qreg.records import Tensor, Trace
from qreg.run import Context, Outcome
from qreg_channels.propagate import Analysis, Watch, analyse
from qreg_cost.stored import without_number
from qreg_onnx.evaluate import Evaluator
from qreg_onnx.graph import LAYER, outputs, reads, trace
from qreg_onnx.prepare import prepare
from qreg_prune.check import check
from qreg_prune.edit import Edit
from qreg_prune.params import Prune
from qreg_prune.pays import agreed
from qreg_prune.plan import Plan, proposed
from qreg_prune.report import Pruning, layer_changes, size_of, stays, tables, verdict
from qreg_prune.rewrite import carry_out
from qreg_prune.settle import add_up, constant_outputs, settle
from qreg_prune.shuffle import has_shuffles, unshuffle

ROUNDS = 100  # each removes something; more than a few mean that one undoes another
# Float ops whose every number is the same however many channels stand beside it.
UNIFORM = (
    "Identity", "DequantizeLinear", "Relu", "Clip", "Add", "Sub", "Mul", "Concat", "Split", "Slice",
    "Gather", "Pad", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "MaxPool",
)  # fmt: skip
SUMS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@frozen(eq=False)
class Pruned:
    """A smaller model; ``exact`` where no number was computed in another order or way."""

    model: ir.Model
    changed: bool
    exact: bool
    rounds: int
    folded: Mapping[str, str]
    plan: Plan
    analysis: Analysis


def run(context: Context, params: Prune) -> Outcome:
    """The model without what is dead, compared with the one it was made from."""
    watch = partial(context.progress, what="channel states")
    done = pruned(context.model, params, context.catalogue, watch)
    inputs = params.check_inputs if done.changed else 0
    agreement = check(context.model, done.model, inputs, done.exact, context.catalogue)
    before, after = (size_of(m, context.catalogue) for m in (context.model, done.model))
    record = Pruning(
        model=context.name,
        changed=done.changed,
        rounds=done.rounds,
        macs=before.macs,
        macs_left=after.macs,
        params=before.params,
        params_left=after.params,
        bytes=before.bytes,
        bytes_left=after.bytes,
        unknown=after.unknown,
        layers=layer_changes(before, after, done.folded),
        stays=stays(done.plan, done.analysis),
        agreement=agreement,
    )
    return Outcome(record=record, tables=tables(record), lines=(verdict(record),), model=done.model)


def pruned(
    model: ir.Model, params: Prune, catalogue: Catalogue, watch: Watch = lambda done, total: None
) -> Pruned:
    """A smaller copy of the model; the model itself stays as it is.

    Known tensors are stored first, then channels leave, until nothing does. Shuffles are written as
    gathers in between; if nothing leaves thanks to that, the model is given as it was ``before``.
    """
    wrong = ", ".join(f"{n!r} ({c:,})" for n, c in without_number(trace(model).calls).items())
    if wrong:
        raise QregError(f"prune: NaN in {wrong}: nothing can be said of dead channels; train again")
    fold, evaluate = params.constants == "fold", Evaluator(catalogue)
    work, before = model.clone(), None
    folded: dict[str, str] = {}
    exact, rounds = True, 0
    for _ in range(ROUNDS):
        seen = trace(work)
        analysis = analyse(seen, catalogue, watch, backward=params.unread)
        edit = Edit(work, _nodes(work), folded)
        exact = exact and _is_integer(seen)
        settled, copy = settle(seen, analysis, edit, fold), None
        if settled:
            exact = exact and all(_is_whole(t, analysis) for t in settled)
        elif before is None and has_shuffles(work, analysis):
            copy = work.clone()
            unshuffle(analysis, edit)
        else:
            dead = proposed(seen, _outside(work, seen), analysis, catalogue, evaluate)
            plan = agreed(dead, fold, params.borders)
            if plan.empty:
                last = before or work
                constant_outputs(last, Edit(last, {}))
                return Pruned(last, rounds > 0, exact, rounds, folded, plan, analysis)
            exact = exact and _is_exact(plan)
            carry_out(plan, edit, analysis, evaluate)
        rounds += copy is None
        before = copy
        add_up(work, edit)
        prepare(work, {}, catalogue)
    raise QregError(f"prune: not done after {ROUNDS} rounds; that is a fault of qreg")


def _nodes(model: ir.Model) -> dict[str, ir.Node]:
    return {node.metadata_props[LAYER]: node for node in model.graph}


def _outside(model: ir.Model, seen: Trace) -> frozenset[str]:
    """Inputs and outputs of the graph, and all tensors of nodes nobody can follow."""
    followed = {call.name for call in seen.calls}
    strange = [n for name, n in _nodes(model).items() if name not in followed]
    values = [v for n in strange for v in (*reads(n), *outputs(n))]
    return frozenset(str(v.name) for v in (*model.graph.inputs, *model.graph.outputs, *values))


def _is_integer(seen: Trace) -> bool:
    """Whether no sum of products is computed in floating point, where order matters."""
    floats = (c for c in seen.calls if c.output.dtype.startswith(("float", "bfloat")))
    return not any(call.op in SUMS for call in floats)


def _is_whole(tensor: Tensor, analysis: Analysis) -> bool:
    state = analysis.of(tensor)
    return (
        not tensor.dtype.startswith(("float", "bfloat")) or not (state.known & ~state.zeros).any()
    )


def _is_exact(plan: Plan) -> bool:
    changed = [site.call for site in plan.sites if plan.leaves(site)]
    floats = [c for c in changed if c.output.dtype.startswith(("float", "bfloat"))]
    return all(call.op in UNIFORM for call in floats)
