"""What prune reports: every layer before and after, and what stayed although it is dead."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
from attrs import frozen

from qreg.catalogue import Catalogue
from qreg.records import Array, OpCall, Table
from qreg_channels.propagate import Analysis
from qreg_cost.layers import layer_costs
from qreg_cost.records import LayerCost
from qreg_cost.stored import learned_tensors, sized
from qreg_onnx.graph import trace
from qreg_prune.check import Agreement
from qreg_prune.narrow import LEAVES
from qreg_prune.plan import Plan
from qreg_prune.records import OUT


@frozen(kw_only=True)
class LayerChange:
    """One layer with parameters or products; a layer that is gone has none of anything."""

    name: str
    op: str
    channels_in: int
    channels_in_left: int
    channels_out: int
    channels_out_left: int
    macs: int
    macs_left: int
    params: int
    params_left: int
    folded: str  # where what its inputs added went: bias, channel, addition, map, join


@frozen(kw_only=True)
class Stays:
    """Dead channels that are still there, in the result of one layer of the pruned model."""

    layer: str
    state: str  # zero, constant, unread
    channels: tuple[int, ...]
    why: str


@frozen(kw_only=True)
class Pruning:
    """The result of prune."""

    model: str
    changed: bool
    rounds: int
    macs: int
    macs_left: int
    params: int
    params_left: int
    bytes: int
    bytes_left: int
    unknown: int  # ops nobody can count
    layers: tuple[LayerChange, ...]
    stays: tuple[Stays, ...]
    agreement: Agreement


@frozen(kw_only=True)
class Size:
    """What a model is made of."""

    layers: Mapping[str, LayerCost]
    params: int
    bytes: int
    unknown: int

    @property
    def macs(self) -> int:
        return sum(layer.cost.macs for layer in self.layers.values())


def size_of(model: ir.Model, catalogue: Catalogue) -> Size:
    """Counts of a model; parameters that several layers share count once."""
    calls, sizeless = sized(trace(model).calls)
    found = layer_costs(calls, None, catalogue)
    learned = {t.name: t.elements for call in calls for t in learned_tensors(call)}
    return Size(
        layers={layer.call.name: layer for layer in found if layer is not None},
        params=sum(learned.values()),
        bytes=len(ir.to_proto(model).SerializeToString()),
        unknown=sum(layer is None for layer in found) + len(sizeless),
    )


def layer_changes(before: Size, after: Size, folded: Mapping[str, str]) -> tuple[LayerChange, ...]:
    """The layers that had products or parameters, in execution order."""
    rows = []
    for name, layer in before.layers.items():
        if layer.cost.macs or layer.params:
            left = after.layers.get(name)
            rows.append(
                LayerChange(
                    name=name,
                    op=layer.call.op,
                    channels_in=layer.channels_in,
                    channels_in_left=0 if left is None else left.channels_in,
                    channels_out=layer.channels_out,
                    channels_out_left=0 if left is None else left.channels_out,
                    macs=layer.cost.macs,
                    macs_left=0 if left is None else left.cost.macs,
                    params=layer.params,
                    params_left=0 if left is None else left.params,
                    folded=folded.get(name, ""),
                )
            )
    return tuple(rows)


def stays(plan: Plan, analysis: Analysis) -> tuple[Stays, ...]:
    """Dead output channels of sums that could not leave, by reason."""
    rows = []
    for site in plan.sites:
        summing = plan.sums.get(site.call.name)
        if summing is not None:
            axis = summing.total.out_axis
            codes = plan.codes[site.keys[OUT]][axis]
            rows += _of_layer(site.call, axis, codes, plan.reasons.texts, analysis)
    return tuple(rows)


def _of_layer(
    call: OpCall, axis: int, codes: Array, texts: Sequence[str], analysis: Analysis
) -> list[Stays]:
    state, needed = analysis.of(call.output), analysis.needed(call.output)
    others = tuple(a for a in range(state.known.ndim) if a != axis)
    zero, known = (np.asarray(m.all(others)) for m in (state.zeros, state.known))
    dead = np.asarray((state.known | ~needed).all(others))
    groups: dict[tuple[str, str], list[int]] = {}
    for channel in np.flatnonzero(dead & (codes != LEAVES)):
        what = "zero" if zero[channel] else "constant" if known[channel] else "unread"
        groups.setdefault((what, texts[codes[channel]]), []).append(int(channel))
    return [
        Stays(layer=call.name, state=what, channels=tuple(channels), why=why)
        for (what, why), channels in groups.items()
    ]


def tables(record: Pruning) -> tuple[Table, ...]:
    columns = ("layer", "op", "channels in", "channels out", "MACs", "MACs left", "parameters",
               "parameters left", "folded into")  # fmt: skip
    rows = tuple(
        (x.name, x.op, _change(x.channels_in, x.channels_in_left),
         _change(x.channels_out, x.channels_out_left), x.macs, x.macs_left, x.params,
         x.params_left, x.folded)
        for x in record.layers
    )  # fmt: skip
    footer = ("total", "", "", "", record.macs, record.macs_left, record.params,
              record.params_left, "")  # fmt: skip
    found = [Table(record.model, columns, rows, footer, optional=3)]
    if record.stays:
        kept = tuple((s.layer, s.state, len(s.channels), s.why) for s in record.stays)
        found.append(Table("dead, but kept", ("layer", "is", "channels", "why"), kept))
    return tuple(found)


def verdict(record: Pruning) -> str:
    """One line: what became of the model's size, and how far its outputs are the same."""
    if not record.changed:
        dead = sum(len(s.channels) for s in record.stays)
        why = f"the {dead} dead channels have to stay" if dead else "nothing is dead"
        return f"prune: {why}; the model is unchanged"
    unknown = f" + {record.unknown} unknown ops" if record.unknown else ""
    return (
        f"prune: MACs {record.macs:,} -> {record.macs_left:,}{unknown}, parameters "
        f"{record.params:,} -> {record.params_left:,}, file {record.bytes:,} -> "
        f"{record.bytes_left:,} bytes; {_agreement(record.agreement)}"
    )


def _agreement(found: Agreement) -> str:
    if not found.inputs:
        return "not compared"
    if found.identical:
        return f"bit-identical on {found.inputs} random inputs in {found.by}"
    return (f"equal to rounding on {found.inputs} random inputs in {found.by}, largest difference "
            f"{found.largest_difference:.3g} of {found.largest_output:.3g}")  # fmt: skip


def _change(before: int, after: int) -> str:
    return str(before) if before == after else f"{before} -> {after}"
