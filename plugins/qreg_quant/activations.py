"""Every float activation of a model, computed for one batch."""

from collections.abc import Callable, Mapping

import onnx
import onnx_ir as ir

from qreg.catalogue import Catalogue
from qreg.records import Array, OpCall
from qreg.specs import OpSpec
from qreg_numerics.interpret import interpret
from qreg_onnx.evaluate import Evaluator
from qreg_onnx.graph import inputs_of, op_calls
from qreg_onnx.runtime import session

MODEL_INPUT = "model input"  # where other tensors have a layer

Feeds = Mapping[str, Array]
Runner = Callable[[Feeds], dict[str, Array]]


def float_activations(model: ir.Model) -> dict[str, str]:
    """Name -> layer of every float32 tensor computed at run time, inputs first."""
    found = {t.name: MODEL_INPUT for t in inputs_of(model) if t.dtype == "float32"}
    for call in op_calls(model):
        found |= {t.name: call.name for t in call.outputs if t.name and t.dtype == "float32"}
    return found


def runner(model: ir.Model, names: list[str], catalogue: Catalogue) -> Runner:
    """A function from feeds to the named tensors.

    ONNX Runtime computes them, unoptimised, so that every tensor exists; where it lacks an op that
    a plugin can compute, the model runs node by node.
    """
    if any(_only_plugin(call, catalogue) for call in op_calls(model)):
        return _by_reference(model, names, catalogue)
    proto = ir.to_proto(model)
    kept = {v.name for v in (*proto.graph.output, *proto.graph.input)}
    proto.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n not in kept)
    ready = session(proto, optimise=False)
    computed = [o.name for o in ready.get_outputs() if o.name in set(names)]
    given = [n for n in names if n not in set(computed)]

    def run(feeds: Feeds) -> dict[str, Array]:
        values = dict(zip(computed, ready.run(computed, dict(feeds)), strict=True))
        return {n: feeds[n] for n in given} | values

    return run


def _only_plugin(call: OpCall, catalogue: Catalogue) -> bool:
    """Whether the op belongs to a domain of its own and a plugin declares a reference for it."""
    if call.target.startswith(("onnx.", "com.microsoft.")):
        return False
    entry = catalogue.choose(OpSpec, call.target, call.opset)
    return entry is not None and entry.spec.reference is not None


def _by_reference(model: ir.Model, names: list[str], catalogue: Catalogue) -> Runner:
    evaluate = Evaluator(catalogue)

    def run(feeds: Feeds) -> dict[str, Array]:
        found = interpret(model, feeds, catalogue, keep=names, evaluate=evaluate)
        return {n: found[n] for n in names}

    return run
