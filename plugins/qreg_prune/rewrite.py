"""A plan carried out: smaller constants, attributes that fit them, and maps of constants."""

import numpy as np
import onnx_ir as ir

from qreg.records import Array
from qreg_channels.propagate import Analysis
from qreg_channels.state import Evaluate
from qreg_onnx.graph import LAYER
from qreg_prune.edit import Edit, slim
from qreg_prune.folds import Takes, remainder
from qreg_prune.narrow import LEAVES, Site
from qreg_prune.plan import Plan, Summing, groups_left, joins, restored
from qreg_prune.records import OUT, Change, Groups, Kept


def carry_out(plan: Plan, edit: Edit, analysis: Analysis, evaluate: Evaluate) -> None:
    """Cut every node's constants, fold what leaves with channels, and set the new shapes."""
    for site in plan.sites:
        if plan.leaves(site):
            node = edit.nodes[site.call.name]
            kept = plan.kept(site)
            added = _added(plan, site, analysis, evaluate)
            _cut(plan, site, kept, edit, node)
            for output, value in enumerate(node.outputs[: len(site.call.outputs)]):
                if ~output in kept.places:
                    value.shape = ir.Shape(kept.shape(~output))
            if added is not None:
                _fold(plan, site, kept, added, edit, node)
            if site.call.name in plan.sums and len(restored(plan, site)):
                _join(plan, site, analysis, edit, node)


def _cut(plan: Plan, site: Site, kept: Kept, edit: Edit, node: ir.Node) -> None:
    call = site.call
    groups = next((c for c in site.couplings if isinstance(c, Groups)), None)
    for port in site.keys:
        tensor = call.optional(port) if port >= 0 else None
        if tensor is None or tensor.value is None:
            continue
        if groups is not None and port == groups.weight:
            edit.replace(node, port, _grouped(site, groups, kept, tensor.numpy()))
        elif kept.shape(port) != tensor.shape:
            whole = _carrying(plan, site, port, tensor.numpy(), edit)
            edit.replace(node, port, whole[_index(plan, site, port, kept)])
    if groups is not None:
        edit.change(node, Change(attributes={"group": groups_left(call, groups, kept)[0]}))
    rule = plan.rules[call.name]
    if rule.spec.resized is not None:
        about = f"node {call.name!r} ({call.target})"
        edit.change(node, rule.call("resized", call, kept, about=about))


def _index(plan: Plan, site: Site, port: int, kept: Kept) -> tuple[Array, ...]:
    """The places of a constant that stay; a weight's inputs that are joined on again come last."""
    places = list(kept.places[port])
    summing = plan.sums.get(site.call.name)
    if summing is not None and port == summing.total.weight:
        axis = summing.total.weight_axis
        places[axis] = np.concatenate([places[axis], restored(plan, site)])
    return np.ix_(*places)


def _carrying(plan: Plan, site: Site, port: int, array: Array, edit: Edit) -> Array:
    """The weight with its carrier's share of what leaves: ``sum v[c] * w[c]`` as ``v[k] * w[k]``."""
    summing = plan.sums.get(site.call.name)
    if summing is None or port != summing.total.weight or summing.carrier is None:
        return array
    chosen = _leaving(plan, site) & (summing.takes == Takes.BORDER)
    if not chosen.any():
        return array
    chosen[summing.carrier] = True
    wide = np.moveaxis(array.astype(np.float64), summing.total.weight_axis, 0)
    share = np.tensordot(summing.values[chosen], wide[chosen], 1)
    found = np.moveaxis(array.copy(), summing.total.weight_axis, 0)
    found[summing.carrier] = share / summing.values[summing.carrier]
    edit.folded[site.call.name] = "channel"
    return np.moveaxis(found, 0, summing.total.weight_axis)


def _grouped(site: Site, groups: Groups, kept: Kept, weight: Array) -> Array:
    """Each group's own rows and columns."""
    outputs = site.call.output.shape[1] // groups.groups
    inputs = site.call.input(groups.data).shape[1] // groups.groups
    made, into = kept.places[OUT][1], kept.places[groups.data][1]
    blocks = []
    for group in np.unique(made // outputs):
        rows = made[made // outputs == group]
        columns = into[into // inputs == group]
        first, second = (
            (columns, rows % outputs) if groups.inputs_first else (rows, columns % inputs)
        )
        blocks.append(weight[np.ix_(first, second)])
    return np.concatenate(blocks)


def _added(plan: Plan, site: Site, analysis: Analysis, evaluate: Evaluate) -> Array | None:
    """What the summed channels that leave for good add to the output, at full size."""
    summing = plan.sums.get(site.call.name)
    if summing is None:
        return None
    axis = plan.codes[site.keys[summing.total.data]][summing.total.data_axis]
    kinds = (Takes.BIAS, Takes.SUM, Takes.MAP)
    gone = (axis == LEAVES) & np.isin(summing.takes, kinds)
    gone[restored(plan, site)] = False
    unasked = (axis == LEAVES) & (summing.takes == Takes.UNASKED)
    if any(isinstance(c, Groups) for c in site.couplings):
        gone &= ~_whole_groups(plan, site)
        unasked &= ~_whole_groups(plan, site)
    assert not unasked.any(), f"{site.place}: channels leave that nobody asked about"
    if not gone.any():
        return None
    return remainder(site.call, summing.rule, np.flatnonzero(gone), analysis, evaluate)


def _whole_groups(plan: Plan, site: Site) -> Array:
    """Input channels whose group leaves whole: what they add leaves with it."""
    (groups,) = (c for c in site.couplings if isinstance(c, Groups))
    axis = plan.codes[site.keys[groups.data]][1].reshape(groups.groups, -1)
    found: Array = np.repeat((axis == LEAVES).all(1), axis.shape[1])
    return found


def _fold(plan: Plan, site: Site, kept: Kept, added: Array, edit: Edit, node: ir.Node) -> None:
    """Into the bias where every position gets the same, else as a map added afterwards."""
    layer = site.call.name
    left = added[np.ix_(*kept.places[OUT])]
    maps = plan.sums[layer].takes[_leaving(plan, site)]
    if joins(site) or not np.isin(maps, (Takes.SUM, Takes.MAP)).any():
        _into_bias(plan.sums[layer], site, left, edit, node)
        edit.folded[layer] = "bias"
    else:
        _add(node, slim(left), edit)
        edit.folded[layer] = "map" if (maps == Takes.MAP).any() else "addition"


def _into_bias(summing: Summing, site: Site, added: Array, edit: Edit, node: ir.Node) -> None:
    axis, index = summing.total.out_axis, summing.rule.spec.bias
    vector = np.moveaxis(added, axis, 0).reshape(added.shape[axis], -1)[:, 0]
    given = node.inputs[index] if index is not None and len(node.inputs) > index else None
    stored = None if given is None or given.const_value is None else given.const_value.numpy()
    about = f"node {site.call.name!r} ({site.call.target})"
    edit.change(node, summing.rule.call("biased", site.call, vector, stored, about=about))


def _leaving(plan: Plan, site: Site) -> Array:
    total = plan.sums[site.call.name].total
    found: Array = plan.codes[site.keys[total.data]][total.data_axis] == LEAVES
    return found


def _add(node: ir.Node, array: Array, edit: Edit) -> None:
    """Add a constant to the node's output, which takes over its name and readers."""
    made = node.outputs[0]
    assert made.dtype is not None
    layer = node.metadata_props[LAYER]
    constant = edit.constant(f"{layer}.map", array.astype(made.dtype.numpy()))
    addition = edit.insert("Add", [made, constant], f"{layer}.add", like=made)
    result = addition.outputs[0]
    ir.convenience.replace_all_uses_with(made, result, replace_graph_outputs=True)
    addition.replace_input_with(0, made)
    result.name, made.name = made.name, result.name
    edit.model.graph.insert_after(node, addition)
    edit.additions.append(addition)


def _join(plan: Plan, site: Site, analysis: Analysis, edit: Edit, node: ir.Node) -> None:
    """Put constant channels behind those that are computed."""
    total = plan.sums[site.call.name].total
    data = node.inputs[total.data]
    assert data is not None and joins(site)
    places = restored(plan, site)
    state = analysis.of(site.call.input(total.data))
    layer = site.call.name
    constant = edit.constant(f"{layer}.constants", state.value.take(places, total.data_axis))
    join = edit.insert("Concat", [data, constant], f"{layer}.join", like=data, axis=total.data_axis)
    join.outputs[0].shape = None  # as inference finds it
    node.replace_input_with(total.data, join.outputs[0])
    edit.model.graph.insert_before(node, join)
    edit.folded[layer] = "join"
