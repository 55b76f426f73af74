"""What quantize shows: one row per rule, one per layer."""

from qreg.records import OpCall, Table
from qreg_quant.follow import Following
from qreg_quant.forms import FORMS
from qreg_quant.records import LayerReport, NodePlan, QParams, Quantization, number

INSIDE = "in "  # and the layer that took the node in


def quantised_layer(call: OpCall, rule: int | None, plan: NodePlan) -> LayerReport:
    """A node that has an 8-bit form of its own."""
    assert plan.output is not None
    weight = plan.weight
    return LayerReport(
        name=call.name,
        op=call.op,
        rule=rule,
        outcome="quantized",
        becomes=FORMS[call.target].op,
        activation=plan.output.dtype,
        weight=weight.dtype if weight else "",
        granularity="" if weight is None else "tensor" if weight.axis is None else "channel",
        input_scales=tuple(number(p.scale) for p in plan.inputs if p),
        weight_scales=tuple(number(s) for s in weight.scale.reshape(-1)) if weight else (),
        output_scale=number(plan.output.scale),
        output_zero_point=int(plan.output.zero_point),
    )


def followed(
    call: OpCall, rule: int | None, following: Following, host: str, params: QParams
) -> LayerReport:
    """A node that runs on 8-bit data as it is, or that the layer before does."""
    notes = [n for n in (following.note, "" if rule else "follows its input") if n]
    return LayerReport(
        name=call.name,
        op=call.op,
        rule=rule,
        outcome="quantized",
        becomes=f"{INSIDE}{host}" if host else following.op,
        activation=params.dtype,
        input_scales=(number(params.scale),),
        output_scale=number(params.scale),
        output_zero_point=int(params.zero_point),
        note=", ".join(notes),
    )


def float_layer(call: OpCall, rule: int | None, why: str, asked: bool) -> LayerReport:
    """A node that stays float, as ``asked`` or because it has to."""
    return LayerReport(
        name=call.name,
        op=call.op,
        rule=rule,
        outcome="float" if asked else "unsupported",
        becomes=call.op,
        activation="float32",
        note=why,
    )


def tables(record: Quantization) -> tuple[Table, ...]:
    return _rules(record), _layers(record)


def closing_lines(record: Quantization) -> tuple[str, ...]:
    """Warnings, changes to the graph, what stays float, and the sum of it."""
    done = [x for x in record.layers if x.outcome == "quantized"]
    kept = [x for x in record.layers if x.outcome == "unsupported"]
    ratio = 100 * record.model_bytes / record.float_bytes
    total = (
        f"quantize: {len(done)} of {len(record.layers)} nodes in 8 bits, "
        f"{record.quantize_nodes} QuantizeLinear, {record.dequantize_nodes} DequantizeLinear; "
        f"{record.float_bytes:,} -> {record.model_bytes:,} bytes ({ratio:.1f} %)"
    )
    return (
        *(f"warning: {w}" for w in record.warnings),
        *record.changes,
        *_clamps(record),
        *(f"stays float: {x.op} {x.name!r}: {x.note}" for x in kept),
        total,
    )


def _clamps(record: Quantization) -> list[str]:
    """Relus and Clips that need no node: the integers of the layer before end where they do."""
    gone = [x for x in record.layers if x.becomes.startswith(INSIDE)]
    return [f"{len(gone)} of Relu and Clip run inside the layer before: its range ends there"][
        : len(gone)
    ]


def _rules(record: Quantization) -> Table:
    return Table(
        title="Quantisation rules",
        columns=("rule", "use", "match", "op", "matched", "quantised", "shadowed", "unsupported"),
        rows=tuple(
            (i, r.use, r.match, " ".join(r.op), len(r.matched), len(r.quantized), len(r.shadowed),
             len(r.unsupported))
            for i, r in enumerate(record.rules, 1)
        ),
    )  # fmt: skip


def _layers(record: Quantization) -> Table:
    return Table(
        title="Layers",
        columns=(
            "layer", "op", "rule", "becomes", "activation", "weight", "granularity",
            "weight scale", "output scale", "zero-point", "note",
        ),
        rows=tuple(
            (x.name, x.op, "-" if x.rule is None else x.rule, x.becomes, x.activation, x.weight,
             x.granularity, _span(x.weight_scales),
             "" if x.output_scale is None else f"{x.output_scale:.6g}",
             "" if x.output_zero_point is None else x.output_zero_point, x.note)
            for x in record.layers
        ),
        optional=5,
    )  # fmt: skip


def _span(scales: tuple[float, ...]) -> str:
    """``0.001`` or ``0.001..0.02``."""
    if not scales:
        return ""
    low, high = f"{min(scales):.4g}", f"{max(scales):.4g}"
    return low if low == high else f"{low}..{high}"
