"""The cut that computes the same: every op agrees, and maps of constants pay."""

from math import prod

import numpy as np
from attrs import evolve, frozen

from qreg_prune.folds import Takes
from qreg_prune.narrow import LEAVES, Codes, Key, Reasons, Site, narrow
from qreg_prune.plan import Plan, Summing, groups_left, joins, restored
from qreg_prune.records import OUT, Groups

MAPPED = (Takes.SUM, Takes.MAP)
STEADY = 1e-3  # a carrier's number is no smaller than this share of those it carries


@frozen
class Price:
    """What a map costs: additions, or copies where constants are joined on, and stored numbers."""

    operations: int
    numbers: int


def agreed(plan: Plan, fold: bool, borders: str) -> Plan:
    """The largest cut, with maps only where they pay.

    They do where they save more multiplications than they cost operations, and no fewer stored
    numbers than they store; with ``borders`` "map" the numbers do not count. Starts with all maps
    and gives up, one by one, those that do not pay.
    """
    sums = {n: _with_maps(s) if borders == "map" else s for n, s in plan.sums.items()}
    plan = evolve(plan, sums=sums)
    able = [n for n, s in sums.items() if fold and np.isin(s.takes, MAPPED).any()]
    best = _solved(plan, frozenset(able), fold)
    for name in able:
        kept = frozenset(n for n, s in best.sums.items() if s.mapped) - {name}
        without = _solved(plan, kept, fold)
        price = _price(best, name)
        pays = macs_left(without) - macs_left(best) > price.operations and (
            borders == "map" or numbers_left(without) - numbers_left(best) >= price.numbers
        )
        best = best if pays else without
    return best


def macs_left(plan: Plan) -> int:
    """Multiply-accumulates after the cut: each sum's share of its weight that stays."""
    return sum(
        _macs(plan, site, plan.sums[site.call.name])
        for site in plan.sites
        if site.call.name in plan.sums
    )


def numbers_left(plan: Plan) -> int:
    """Stored numbers after the cut, maps left out."""
    stored = (axes for key, axes in plan.codes.items() if not isinstance(key, str))
    return sum(prod(int((a != LEAVES).sum()) for a in axes) for axes in stored)


def _with_maps(summing: Summing) -> Summing:
    takes = np.where(summing.takes == Takes.BORDER, Takes.MAP, summing.takes)
    return evolve(summing, takes=takes)


def _solved(plan: Plan, mapped: frozenset[str], fold: bool) -> Plan:
    """What may leave, with maps at these layers; carriers are chosen one by one."""
    sums = {n: evolve(s, mapped=n in mapped) for n, s in plan.sums.items()}
    sites = [_refusing(s, sums.get(s.call.name), fold, plan.reasons) for s in plan.sites]
    codes = {key: [axis.copy() for axis in axes] for key, axes in plan.codes.items()}
    narrow(sites, codes, plan.reasons)
    for number, site in enumerate(sites):
        summing = sums.get(site.call.name)
        if summing is not None and (carrier := _carrier(site, summing, codes)) is not None:
            sums[site.call.name] = evolve(summing, carrier=carrier)
            sites[number] = _refusing(site, sums[site.call.name], fold, plan.reasons)
            narrow(sites, codes, plan.reasons, changed=(number,))
    return evolve(plan, sites=tuple(sites), sums=sums, codes=codes)


def _refusing(site: Site, summing: Summing | None, fold: bool, reasons: Reasons) -> Site:
    """The site with the codes of channels that its sum cannot do without."""
    if summing is None:
        return site
    folds = LEAVES if fold else reasons.code("constants are kept, as asked")
    added = folds
    if fold and not summing.mapped:
        added = reasons.code(
            f"what it adds to {site.place} differs by position; a map does not pay"
        )
    codes = {
        Takes.NOTHING: LEAVES,
        Takes.BIAS: folds,
        Takes.BORDER: folds,
        Takes.SUM: added,
        Takes.MAP: added,
        Takes.UNASKED: LEAVES,
        Takes.NEVER: reasons.code(summing.why),
    }
    refused = np.array([codes[Takes(t)] for t in summing.takes], np.int32)
    if summing.carrier is not None:
        refused[summing.carrier] = reasons.code(
            f"it carries all constants that meet the padding of {site.place}"
        )
    return evolve(site, refused=refused)


def _carrier(site: Site, summing: Summing, codes: dict[Key, Codes]) -> int | None:
    """A channel to carry what others add beside padding, where one is wanted.

    One that stays anyway if its number is not small beside theirs, else the largest.
    """
    leave = codes[site.keys[summing.total.data]][summing.total.data_axis] == LEAVES
    border = summing.takes == Takes.BORDER
    if not (leave & border).any():
        return None
    sizes = np.where(border, np.abs(summing.values), 0)
    staying = np.where(leave, 0, sizes)
    enough = staying.max() >= STEADY * sizes[leave].max()
    return int(np.argmax(staying if enough else sizes))


def _macs(plan: Plan, site: Site, summing: Summing) -> int:
    weight, kept = site.call.input(summing.total.weight), plan.kept(site)
    groups = next((c for c in site.couplings if isinstance(c, Groups)), None)
    if groups is not None:
        _, outputs, inputs = groups_left(site.call, groups, kept)
        left = outputs * inputs * prod(weight.shape[2:])
    else:
        shape = kept.shape(summing.total.weight)
        into = len(kept.places[summing.total.data][summing.total.data_axis])
        left = prod(shape) // into * (into + len(restored(plan, site)))
    return summing.macs * left // weight.elements


def _price(plan: Plan, name: str) -> Price:
    """Of the map of one layer; an addition of constants that follows takes a vector for nothing."""
    site = next(s for s in plan.sites if s.call.name == name)
    kept, summing = plan.kept(site), plan.sums[name]
    total = summing.total
    if joins(site):
        count = len(restored(plan, site))
        shape = list(kept.shape(total.data))
        rows = prod(shape) // max(shape[total.data_axis], 1)
        return (
            Price(rows * (shape[total.data_axis] + count), rows * count) if count else Price(0, 0)
        )
    leave = plan.codes[site.keys[total.data]][total.data_axis] == LEAVES
    if not np.isin(summing.takes[leave], MAPPED).any():
        return Price(0, 0)
    added = 0 if name in plan.added_to else prod(kept.shape(OUT))
    if (summing.takes[leave] == Takes.MAP).any():
        return Price(added, prod(kept.shape(OUT)))
    return Price(added, 0 if name in plan.added_to else kept.shape(OUT)[total.out_axis])
