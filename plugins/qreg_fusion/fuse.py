"""The fuse step: which ops run as one, and why others do not."""

from collections import Counter
from collections.abc import Sequence

import onnx_ir as ir
from attrs import evolve

from qreg.catalogue import Catalogue
from qreg.records import OpCall, Table
from qreg.run import Context, Outcome
from qreg_cost.stored import activation_bytes, sized, stored_bytes
from qreg_fusion.match import fusion
from qreg_fusion.params import Fuse
from qreg_fusion.records import FusedLayer, FusedOp, Fusion, FusionReport
from qreg_onnx.graph import partial_op_calls


def run(context: Context, params: Fuse) -> Outcome:
    """Says what fuses; the model stays as it is."""
    del params
    found = fuse_model(context.model, context.catalogue)
    record = FusionReport(
        model=context.name,
        ops=tuple(_layer(op) for op in found.ops),
        rejected=found.rejected,
        unknown=tuple(call.node or call.name for call in found.unknown),
    )
    return Outcome(record=record, tables=_tables(record), lines=(_verdict(found),))


def fuse_model(model: ir.Model, catalogue: Catalogue) -> Fusion:
    """The groups of a model's nodes whose tensors have a known size, and the other nodes."""
    typed, lacking = partial_op_calls(model)
    calls, sizeless = sized(typed)
    found = fusion(calls, needed_tensors(model, calls), catalogue)
    return evolve(found, unknown=(*lacking, *sizeless))


def needed_tensors(model: ir.Model, calls: Sequence[OpCall]) -> frozenset[str]:
    """Tensors that must exist in the end: outputs, and what is read by nodes not in ``calls``."""
    reads = Counter(t.name for call in calls for t in call.inputs if t is not None)
    made = [value for node in model.graph for value in node.outputs]
    outside = {str(v.name) for v in made if len(v.uses()) > reads[str(v.name)]}
    return frozenset({str(v.name) for v in model.graph.outputs} | outside)


def _layer(op: FusedOp) -> FusedLayer:
    return FusedLayer(
        name=op.name,
        op=op.op,
        pattern=op.pattern,
        layers=tuple(call.name for call in op.calls),
        dtype=op.dtype,
        macs=None if op.cost is None else op.cost.macs,
        elementwise_flops=None if op.cost is None else op.cost.elementwise_flops,
        input_bytes=op.input_bytes,
        weight_bytes=op.weight_bytes,
        output_bytes=op.output_bytes,
    )


def _tables(record: FusionReport) -> tuple[Table, ...]:
    columns = ("layer", "ops", "pattern", "MACs", "other FLOPs", "bytes in", "weights", "bytes out")
    rows = tuple(
        (o.name, o.op, _short(o.pattern), o.macs, o.elementwise_flops,
         o.input_bytes, o.weight_bytes, o.output_bytes) for o in record.ops
    )  # fmt: skip
    macs = [o.macs for o in record.ops if o.macs is not None]
    sums = (sum(o.input_bytes for o in record.ops), sum(o.weight_bytes for o in record.ops),
            sum(o.output_bytes for o in record.ops))  # fmt: skip
    total = sum(macs) if len(macs) == len(record.ops) else None
    footer = ("total", "", "", total, "", *sums)
    tables = [Table(record.model, columns, rows, footer, optional=4)]
    if record.rejected:
        reasons = tuple((r.layers[0], r.reason, _short(r.pattern)) for r in record.rejected)
        tables.append(Table("not fused", ("layer", "why", "pattern"), reasons, optional=1))
    if record.unknown:
        nodes = tuple((node,) for node in record.unknown)
        tables.append(Table("unknown size: in no group", ("node",), nodes))
    return tuple(tables)


def _short(pattern: str) -> str:
    """The name of a pattern without its plugin."""
    return pattern.rpartition("/")[2]


def _verdict(found: Fusion) -> str:
    calls = [call for op in found.ops for call in op.calls]
    apart = sum(activation_bytes(call) + stored_bytes(call) for call in calls)
    together = sum(op.bytes for op in found.ops)
    gap = f"; {len(found.unknown)} of unknown size left out" if found.unknown else ""
    return (f"{len(calls)} ops run as {len(found.ops)}, which move {together:,} bytes "
            f"instead of {apart:,}{gap}")  # fmt: skip
