"""The count step: what every layer costs, and what of it is dead."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any

from attrs import evolve

from qreg.catalogue import Catalogue, Entry
from qreg.records import OpCall, Trace
from qreg.run import Context, Model, Outcome
from qreg.specs import MetricSpec
from qreg_channels.propagate import Analysis, Watch, analyse
from qreg_channels.prove import prove
from qreg_cost.layers import ActivationBits, layer_costs
from qreg_cost.params import Count, Counting
from qreg_cost.records import Counted, LayerCost, OpNodes
from qreg_cost.stored import sized, without_number
from qreg_cost.tables import complaint, dead, tables, verdict
from qreg_onnx.graph import trace as graph_trace

Metrics = Mapping[str, Entry[MetricSpec]]  # by their keys in rows and totals
Number = int | float | None
Followed = tuple[Trace, Analysis]

ROW = (
    "name", "op", "input_shape", "output_shape", "kernel", "weight_bits", "activation_bits",
    "channels_in", "channels_out", "null_in", "null_out",
)  # fmt: skip


def run(context: Context, params: Count) -> Outcome:
    """Counts of the model as it is; the model stays unchanged."""
    metrics = by_key(chosen(params, context.catalogue))
    watch = partial(context.progress, what="channel states")
    record, followed = counted(
        context.loaded, params, metrics, context.catalogue, context.name, watch, params.prove
    )
    proof = None
    if params.prove and followed:
        watched = not params.graph and context.loaded.trace() is not None
        model = None if watched else context.model
        proof = prove(*followed, context.catalogue, model)
    failed = complaint(record.unknown) if params.strict else ""
    return Outcome(
        record=evolve(record, proof=proof),
        tables=tables(record, metrics, asked=bool(params.metrics or params.as_)),
        lines=(
            *verdict(record),
            *(convention(params) or dead(record)),
            *(_not_sound(followed[0]) if followed else ()),
            *((proof.verdict,) if proof else ()),
        ),
        failed=failed or (proof.failure if proof else ""),
    )


def counted(
    loaded: Model,
    params: Counting,
    metrics: Metrics,
    catalogue: Catalogue,
    name: str,
    watch: Watch = lambda done, total: None,
    follow: bool = False,
) -> tuple[Counted, Followed | None]:
    """What runs, counted; channels are followed where metrics look at them, or to ``follow`` them."""
    trace = (None if params.graph else loaded.trace()) or graph_trace(loaded.graph())
    reads = {m.spec.reads for m in metrics.values()}
    calls, sizeless = sized(trace.calls)
    sound = evolve(trace, calls=calls, lacking=(*trace.lacking, *sizeless))
    analysis, followed = None, follow or "states" in reads
    if followed:
        analysis = analyse(sound, catalogue, watch, convention=params.convention)
    elif "weights" in reads:
        analysis = analyse(Trace(_of_constants(calls), ()), catalogue, backward=False)
    bits = ActivationBits(params.activation_bits, params.layer_activation_bits)
    found = layer_costs(calls, analysis, catalogue, bits)
    unknown = [c for c, layer in zip(calls, found, strict=True) if layer is None]
    layers = [layer for layer in found if layer is not None]
    rows = tuple(layer_row(layer, metrics, followed) for layer in layers)
    record = Counted(
        model=name,
        source=trace.source,
        totals=totals(layers, rows, metrics),
        layers=rows,
        unknown=grouped([*unknown, *sizeless, *trace.lacking]),
        unhandled=grouped(analysis.unhandled) if followed and analysis else (),
    )
    return record, (sound, analysis) if followed and analysis else None


def chosen(params: Counting, catalogue: Catalogue) -> tuple[Entry[MetricSpec], ...]:
    """The metrics asked for: by name, those of another tool, or all the usual ones."""
    if params.as_:
        peer = catalogue.find(MetricSpec, f"as_{params.as_}")
        return (catalogue.find(MetricSpec, "cost/macs"), peer, *params.metrics)
    return params.metrics or tuple(m for m in catalogue.of(MetricSpec) if m.spec.usual)


def convention(params: Counting) -> tuple[str, ...]:
    """What has to be said beside numbers that do not follow from the network alone."""
    if params.convention == "exact":
        return ()
    text = "channels are null by their weights alone, whatever biases and norms add"
    return (f"convention {params.convention}: {text}; only to compare with papers",)


def _not_sound(trace: Trace) -> tuple[str, ...]:
    """A warning where weights are no numbers: nothing times them is known, not even by zero."""
    wrong = without_number(trace.calls)
    listing = ", ".join(f"{name} ({count:,})" for name, count in wrong.items())
    return (f"NaN in {listing}: what is said of dead channels does not hold",) if wrong else ()


def by_key(metrics: Iterable[Entry[MetricSpec]]) -> Metrics:
    """The metrics by name; by id where the name is taken by another metric or a key of the row."""
    distinct = {m.id: m for m in metrics}.values()
    taken = Counter([*ROW, *(m.spec.name for m in distinct)])
    return {m.spec.name if taken[m.spec.name] == 1 else m.id: m for m in distinct}


def layer_row(layer: LayerCost, metrics: Metrics, followed: bool = True) -> dict[str, Any]:
    """A layer as programs read it: names, the metrics, and what they were computed from.

    Null channels are None where nobody ``followed`` them.
    """
    call, about = layer.call, f"layer {layer.call.name!r}"
    data = next(iter((*call.activations, *call.parameters)), call.output)
    return {
        "name": call.name,
        "op": call.op,
        **{key: number_of(m, "compute", layer, about) for key, m in metrics.items()},
        "input_shape": list(data.shape),
        "output_shape": list(call.output.shape),
        "kernel": list(layer.kernel),
        "weight_bits": layer.weight_bits,
        "activation_bits": layer.activation_bits,
        "channels_in": layer.channels_in,
        "channels_out": layer.channels_out,
        "null_in": list(layer.null_in) if followed else None,
        "null_out": list(layer.null_out) if followed else None,
    }


def totals(
    layers: Sequence[LayerCost], rows: Sequence[Mapping[str, Any]], metrics: Metrics
) -> dict[str, Number]:
    """Of the whole model: sums over the layers' rows, or what the metric itself says."""
    return {
        key: number_of(m, "total", tuple(layers), "the total")
        if m.spec.total
        else sum(row[key] for row in rows if row[key] is not None)
        for key, m in metrics.items()
    }


def number_of(metric: Entry[MetricSpec], field: str, argument: Any, about: str) -> Number:
    """What a metric gives for a layer, or for all; a fault of its plugin is told with its name."""
    value = metric.call(field, argument, about=about)
    if value is None:
        return None
    if not isinstance(value, Real) or isinstance(value, bool):
        raise metric.wrong(field, value, about)
    return int(value) if isinstance(value, Integral) else float(value)


def grouped(calls: Iterable[OpCall]) -> tuple[OpNodes, ...]:
    """The nodes by op, in order of appearance."""
    nodes: dict[str, list[str]] = {}
    for call in calls:
        nodes.setdefault(call.target, []).append(call.node or call.name)
    return tuple(OpNodes(op=op, count=len(n), nodes=tuple(n)) for op, n in nodes.items())


def _of_constants(calls: Sequence[OpCall]) -> tuple[OpCall, ...]:
    """The calls that compute the same for every input: a weight being dequantised."""
    known: set[str] = set()
    found = []
    for call in calls:
        inputs = [t for t in call.inputs if t is not None]
        if inputs and all(t.value is not None or t.name in known for t in inputs):
            known |= {t.name for t in call.outputs}
            found.append(call)
    return tuple(found)
