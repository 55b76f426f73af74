"""What might leave a model: places by tensor and axis, and how every sum would do without them."""

from collections.abc import Collection, Mapping

import numpy as np
from attrs import frozen

from qreg.catalogue import Catalogue, Entry
from qreg.records import Array, OpCall, Tensor, Trace
from qreg_channels.propagate import Analysis
from qreg_channels.state import Evaluate
from qreg_cost.estimate_cost import cost_of
from qreg_prune.folds import Sum, Takes, sum_of, takes
from qreg_prune.narrow import LEAVES, Codes, Key, Reasons, Site, narrow
from qreg_prune.records import OUT, Groups, Kept
from qreg_prune.sites import dead_places, site_of
from qreg_prune.specs import CutRuleSpec


@frozen(eq=False)
class Summing:
    """A sum over channels, and what each of them takes along."""

    rule: Entry[CutRuleSpec]
    total: Sum
    takes: Array
    why: str  # nothing else can leave
    macs: int
    values: Array  # the one number of each channel; NaN where it has several or is not known
    mapped: bool = False  # channels may leave a map behind: an addition, or a constant joined on
    carrier: int | None = None  # the channel that carries what others add beside padding


@frozen(eq=False)
class Plan:
    """Codes of every place, and the sums; ``sites`` in execution order."""

    sites: tuple[Site, ...]
    sums: Mapping[str, Summing]  # by layer
    codes: dict[Key, Codes]
    reasons: Reasons
    rules: Mapping[str, Entry[CutRuleSpec]]
    added_to: frozenset[str]

    def leaves(self, site: Site) -> bool:
        """Whether any place of the call's tensors leaves."""
        return any((a == LEAVES).any() for key in site.keys.values() for a in self.codes[key])

    def kept(self, site: Site) -> Kept:
        places = {p: tuple(np.flatnonzero(a != LEAVES) for a in self.codes[key])
                  for p, key in site.keys.items()}  # fmt: skip
        return Kept(places)

    @property
    def empty(self) -> bool:
        return not any(
            (a == LEAVES).any()
            for k, axes in self.codes.items()
            if isinstance(k, str)
            for a in axes
        )


def proposed(
    trace: Trace,
    outside: Collection[str],
    analysis: Analysis,
    catalogue: Catalogue,
    evaluate: Evaluate,
) -> Plan:
    """Everything dead, before the ops of the graph have agreed on it.

    ``outside`` are the model's inputs and outputs, by name, and what unknown ops read.
    """
    reasons = Reasons()
    rules = {c.name: r for c in trace.calls if (r := _rule(c, catalogue)) is not None}
    sites = tuple(site_of(call, rules.get(call.name)) for call in trace.calls)
    codes = dead_places(sites, outside, analysis, reasons)
    narrow(sites, codes, reasons, choose=False)  # what cannot leave need not be asked about
    sums = {}
    for site in sites:
        total = sum_of(site.couplings)
        if total is not None:
            sums[site.call.name] = _summing(
                site, total, rules, codes, analysis, evaluate, catalogue
            )
    codes = dead_places(sites, outside, analysis, reasons)
    return Plan(sites, sums, codes, reasons, rules, added_to(trace))


def _rule(call: OpCall, catalogue: Catalogue) -> Entry[CutRuleSpec] | None:
    return catalogue.choose(CutRuleSpec, call.target, call.opset)


def _summing(
    site: Site,
    total: Sum,
    rules: Mapping[str, Entry[CutRuleSpec]],
    codes: Mapping[Key, Codes],
    analysis: Analysis,
    evaluate: Evaluate,
    catalogue: Catalogue,
) -> Summing:
    call, rule = site.call, rules[site.call.name]
    candidates = codes[site.keys[total.data]][total.data_axis] == LEAVES
    cost, weight = cost_of(call, catalogue), call.input(total.weight)
    grouped = next((c.groups for c in site.couplings if isinstance(c, Groups)), 0)
    if grouped and call.input(total.data).shape[1] == grouped:
        candidates = np.zeros_like(candidates)  # a depthwise channel leaves with its result
    found = takes(call, rule, total, candidates, analysis, evaluate)
    values = _values(call.input(total.data), total.data_axis, analysis)
    if joins(site):
        found[np.isin(found, (Takes.SUM, Takes.BORDER))] = Takes.NEVER if grouped else Takes.MAP
    elif grouped:
        found[found == Takes.BORDER] = Takes.MAP
    else:
        found[(found == Takes.BORDER) & np.isnan(values)] = Takes.MAP
    why = f"{site.place} has no place for what it adds"
    if weight.value is None:
        found[(found != Takes.NOTHING) & (found != Takes.UNASKED)] = Takes.NEVER
        why = f"the weight of {site.place} is computed, and no constant is folded there"
    return Summing(rule, total, found, why, 0 if cost is None else cost.macs, values)


def _values(tensor: Tensor, axis: int, analysis: Analysis) -> Array:
    state = analysis.of(tensor)
    others = tuple(a for a in range(state.known.ndim) if a != axis)
    low, high = state.value.min(others).astype(float), state.value.max(others)
    return np.where(state.known.all(others) & (low == high), low, np.nan)


def groups_left(call: OpCall, groups: Groups, kept: Kept) -> tuple[int, int, int]:
    """(groups, output channels in all, input channels of one group) after the cut."""
    made, into = kept.places[OUT][1], kept.places[groups.data][1]
    whole = len(np.unique(made // (call.output.shape[1] // groups.groups)))
    return whole, len(made), len(into) // whole


def restored(plan: Plan, site: Site) -> Array:
    """Summed channels that leave their tensor and are joined on again, as constants."""
    summing = plan.sums[site.call.name]
    if not joins(site):
        return np.zeros(0, np.int64)
    leave = plan.codes[site.keys[summing.total.data]][summing.total.data_axis] == LEAVES
    return np.flatnonzero(leave & (summing.takes == Takes.MAP))


def joins(site: Site) -> bool:
    """Whether constants that would leave a map are joined on: nothing can be added to integers."""
    return not site.call.input(0).dtype.startswith(("float", "bfloat"))


def added_to(trace: Trace) -> frozenset[str]:
    """Layers whose result goes into an addition of a constant and nowhere else."""
    readers: dict[str, list[OpCall]] = {name: [] for name in trace.outputs}
    for call in trace.calls:
        for tensor in call.activations:
            readers.setdefault(tensor.name, []).append(call)
    alone = {n: r[0] for n, r in readers.items() if len(r) == 1 and n not in trace.outputs}
    return frozenset(
        call.name
        for call in trace.calls
        if (reader := alone.get(call.output.name)) is not None
        and reader.target == "onnx.Add"
        and reader.parameters
    )
