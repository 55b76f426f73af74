"""The count step: what every layer costs, and what of it is dead."""

from collections.abc import Iterable, Sequence
from typing import Any

from qreg.catalogue import Entry, cause_of
from qreg.errors import QregError
from qreg.records import OpCall
from qreg.run import Context, Outcome
from qreg.specs import MetricSpec
from qreg_channels.propagate import analyse
from qreg_cost.layers import distinct_params, layer_costs
from qreg_cost.params import Count
from qreg_cost.records import Counted, LayerCost, OpNodes
from qreg_cost.tables import tables, verdict
from qreg_onnx.graph import partial_op_calls

Metrics = Sequence[Entry[MetricSpec]]
Number = int | float


def run(context: Context, params: Count) -> Outcome:
    """Counts of the model as it is; the model stays unchanged."""
    calls, lacking = partial_op_calls(context.model)
    analysis = analyse(
        calls,
        context.catalogue,
        lambda done, total: context.progress(done, total, "channel states"),
    )
    found = layer_costs(calls, analysis, context.catalogue, params.activation_bits)
    unknown = [c for c, layer in zip(calls, found, strict=True) if layer is None]
    layers = [layer for layer in found if layer is not None]
    metrics = params.metrics or context.catalogue.of(MetricSpec)
    record = Counted(
        model=context.name,
        totals=totals(layers, metrics),
        layers=tuple(layer_row(layer, metrics) for layer in layers),
        unknown=grouped([*unknown, *lacking]),
        unhandled=grouped(analysis.unhandled),
    )
    return Outcome(
        record=record,
        tables=tables(record, metrics),
        lines=verdict(record),
        failed=_complaint(record.unknown) if params.strict else "",
    )


def layer_row(layer: LayerCost, metrics: Metrics) -> dict[str, Any]:
    """A layer as programs read it: names, the metrics, and what they were computed from."""
    call = layer.call
    data = next(iter((*call.activations, *call.parameters)), call.output)
    return {
        "name": call.name,
        "op": call.op,
        **{m.spec.name: value_of(m, layer) for m in metrics},
        "input_shape": list(data.shape),
        "output_shape": list(call.output.shape),
        "weight_bits": layer.weight_bits,
        "activation_bits": layer.activation_bits,
        "density": layer.density,
        "null_in": list(layer.null_in),
        "null_out": list(layer.null_out),
    }


def totals(layers: Sequence[LayerCost], metrics: Metrics) -> dict[str, Number]:
    """Sums over the layers; parameters that several layers share count once."""
    found = {m.spec.name: sum(value_of(m, layer) for layer in layers) for m in metrics}
    if "params" in found:
        found["params"] = distinct_params(layer.call for layer in layers)
    return found


def value_of(metric: Entry[MetricSpec], layer: LayerCost) -> Number:
    """The metric of one layer; a fault of its plugin is told with the plugin's name."""
    compute = metric.spec.compute.load()
    try:
        value: Number = compute(layer)
    except Exception as exc:
        raise QregError(
            f"metric {metric.id} ({metric.distribution}) fails on layer {layer.call.name!r}: "
            f"{cause_of(exc)}"
        ) from exc
    return value


def grouped(calls: Iterable[OpCall]) -> tuple[OpNodes, ...]:
    """The nodes by op, in order of appearance."""
    nodes: dict[str, list[str]] = {}
    for call in calls:
        nodes.setdefault(call.target, []).append(call.node or call.name)
    return tuple(OpNodes(op=op, count=len(n), nodes=tuple(n)) for op, n in nodes.items())


def _complaint(unknown: Sequence[OpNodes]) -> str:
    if not unknown:
        return ""
    listing = "; ".join(f"{u.op} ({', '.join(u.nodes)})" for u in unknown)
    return (
        f"the cost of {listing} is unknown: a plugin can declare it in registry 'layer_estimators' "
        "(and its output shape in 'ops')"
    )
