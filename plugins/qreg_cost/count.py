"""The count step: what every layer costs, and what of it is dead."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from qreg.catalogue import Entry
from qreg.records import OpCall
from qreg.run import Context, Outcome
from qreg.specs import MetricSpec
from qreg_channels.propagate import analyse
from qreg_cost.estimate_cost import wrong_answer
from qreg_cost.layers import distinct_params, layer_costs
from qreg_cost.params import Count
from qreg_cost.records import Counted, LayerCost, OpNodes
from qreg_cost.stored import sized
from qreg_cost.tables import tables, verdict
from qreg_onnx.graph import partial_op_calls

Metrics = Mapping[str, Entry[MetricSpec]]  # by their keys in rows and totals
Number = int | float

PARAMS = "cost/params"
ROW = (
    "name", "op", "input_shape", "output_shape", "weight_bits", "activation_bits", "density",
    "null_in", "null_out",
)  # fmt: skip


def run(context: Context, params: Count) -> Outcome:
    """Counts of the model as it is; the model stays unchanged."""
    typed, lacking = partial_op_calls(context.model)
    calls, sizeless = sized(typed)
    analysis = analyse(
        calls,
        context.catalogue,
        lambda done, total: context.progress(done, total, "channel states"),
    )
    found = layer_costs(calls, analysis, context.catalogue, params.activation_bits)
    unknown = [c for c, layer in zip(calls, found, strict=True) if layer is None]
    layers = [layer for layer in found if layer is not None]
    metrics = by_key(params.metrics or context.catalogue.of(MetricSpec))
    record = Counted(
        model=context.name,
        totals=totals(layers, metrics),
        layers=tuple(layer_row(layer, metrics) for layer in layers),
        unknown=grouped([*unknown, *sizeless, *lacking]),
        unhandled=grouped(analysis.unhandled),
    )
    return Outcome(
        record=record,
        tables=tables(record, metrics),
        lines=verdict(record),
        failed=_complaint(record.unknown) if params.strict else "",
    )


def by_key(metrics: Iterable[Entry[MetricSpec]]) -> Metrics:
    """The metrics by name; by id where the name is taken by another metric or a key of the row."""
    distinct = {m.id: m for m in metrics}.values()
    taken = Counter([*ROW, *(m.spec.name for m in distinct)])
    return {m.spec.name if taken[m.spec.name] == 1 else m.id: m for m in distinct}


def layer_row(layer: LayerCost, metrics: Metrics) -> dict[str, Any]:
    """A layer as programs read it: names, the metrics, and what they were computed from."""
    call = layer.call
    data = next(iter((*call.activations, *call.parameters)), call.output)
    return {
        "name": call.name,
        "op": call.op,
        **{key: value_of(m, layer) for key, m in metrics.items()},
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
    return {
        key: distinct_params(layer.call for layer in layers)
        if m.id == PARAMS
        else sum(value_of(m, layer) for layer in layers)
        for key, m in metrics.items()
    }


def value_of(metric: Entry[MetricSpec], layer: LayerCost) -> Number:
    """The metric of one layer; a fault of its plugin is told with the plugin's name."""
    about = f"layer {layer.call.name!r}"
    value = metric.call("compute", layer, about=about)
    if not isinstance(value, Real) or isinstance(value, bool):
        raise wrong_answer(metric, value, "(LayerCost) -> int | float", about)
    return int(value) if isinstance(value, Integral) else float(value)


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
