"""Which places leave: the largest choice that every op of the graph agrees with.

Every place of every axis has a code: it leaves, or the reason why it stays. Each coupling makes some
more places stay; applied until nothing changes, that gives the greatest fixed point.
"""

from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
from attrs import define, field, frozen

from qreg.records import Array, OpCall
from qreg_prune.records import OUT, Coupling, End, Groups, Regroup, Tie

LEAVES, LIVE, OUTSIDE = 0, 1, 2  # from there on: numbers of ``Reasons``
Codes = list[Array]  # of one tensor: one int32 array per axis
Key = str | tuple[str, int]  # an edge by name; a constant by layer and input: each use is cut alone


@define
class Reasons:
    """Texts for codes: why a place that could leave has to stay."""

    texts: list[str] = field(
        factory=lambda: ["leaves", "is live", "is an input or output of the model"]
    )

    def code(self, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text)


@frozen(eq=False)
class Site:
    """One call and what its rule says of it; ``keys`` by port."""

    call: OpCall
    keys: Mapping[int, Key]
    couplings: tuple[Coupling, ...]
    refused: Array | None = None  # codes of summed channels that the op cannot do without

    @property
    def place(self) -> str:
        return f"{self.call.op} {self.call.name!r}"


def narrow(
    sites: Sequence[Site],
    codes: dict[Key, Codes],
    reasons: Reasons,
    choose: bool = True,
    changed: Sequence[int] | None = None,
) -> None:
    """Bring ``codes`` to agreement, in place.

    What may leave together is one set; where only some of several may (groups that stay equal, an
    axis that must not vanish) one of them is chosen, when all else is settled. Without ``choose``
    nothing is, and every place that any choice lets go is among those that leave.

    ``changed`` are the numbers of the sites that disagree; all of them where it is not given.
    """
    touching: dict[Key, list[int]] = {}
    for number, site in enumerate(sites):
        for key in site.keys.values():
            touching.setdefault(key, []).append(number)
    waiting = dict.fromkeys(range(len(sites)) if changed is None else changed)
    while waiting:
        while waiting:
            number = next(iter(waiting))
            del waiting[number]
            news = _agree(sites[number], codes, reasons)
            waiting |= dict.fromkeys(n for key in news for n in touching[key])
        if choose:
            news = _chosen(sites, codes, reasons)
            waiting = dict.fromkeys(n for key in news for n in touching[key])


def _agree(site: Site, codes: dict[Key, Codes], reasons: Reasons) -> set[Key]:
    """Apply a site's couplings; returns the tensors of which more stays now."""
    changed: set[Key] = set()
    for coupling in site.couplings:
        if isinstance(coupling, Tie):
            changed |= _tied(site, coupling, codes, reasons)
        elif isinstance(coupling, Regroup):
            changed |= _regrouped(site, codes, reasons)
    return changed


def _chosen(sites: Sequence[Site], codes: dict[Key, Codes], reasons: Reasons) -> set[Key]:
    """One choice, where one is due: no axis may vanish, and groups stay equal."""
    changed = _whole(codes, reasons)
    for site in sites:
        for coupling in site.couplings:
            if not changed and isinstance(coupling, Groups):
                changed = _grouped(site, coupling, codes, reasons)
    return changed


def _tied(site: Site, tie: Tie, codes: dict[Key, Codes], reasons: Reasons) -> set[Key]:
    """Entries leave only where all their places do."""
    ends = [e for e in tie.ends if e.port in site.keys]
    axes = [codes[site.keys[e.port]][e.axis] for e in ends]
    if not any((a == LEAVES).any() for a in axes):
        return set()
    parts = [_entries(a, e) for a, e in zip(axes, ends, strict=True)]
    if tie.into is not None and site.refused is not None:
        parts.append(site.refused.reshape(-1, 1))
    most = reduce(np.maximum, [p.max(1) for p in parts])
    if not most.any():
        return set()
    if (most == LIVE).any() and _moving(site, ends) > 1:
        least = reduce(np.minimum, [p.min(1) for p in parts])
        joins = (most == LIVE) & (least == LEAVES)
        if joins.any():
            most = np.where(joins, reasons.code(f"{site.place} joins it with a live channel"), most)
    told = [_stay(a, e, most) for a, e in zip(axes, ends, strict=True)]
    return {site.keys[e.port] for e, new in zip(ends, told, strict=True) if new}


def _moving(site: Site, ends: Sequence[End]) -> int:
    """How many of the ends are computed tensors."""
    return sum(isinstance(site.keys[e.port], str) for e in ends)


def _entries(axis: Array, end: End) -> Array:
    """(n, k): the codes of every entry's places."""
    found = axis if end.index is None else axis[end.index]
    return found.reshape(len(found), -1) if len(found) else found.reshape(0, 1)


def _stay(axis: Array, end: End, entries: Array) -> bool:
    """Give the entries' codes to places that were to leave."""
    if end.index is None:
        new = (axis == LEAVES) & (entries != LEAVES)
        axis[new] = entries[new]
        return bool(new.any())
    index = end.index
    spread = np.broadcast_to(entries.reshape(-1, *[1] * (index.ndim - 1)), index.shape)
    new = (axis[index] == LEAVES) & (spread != LEAVES)
    axis[index[new]] = spread[new]
    return bool(new.any())


def _grouped(site: Site, groups: Groups, codes: dict[Key, Codes], reasons: Reasons) -> set[Key]:
    """Whole groups, or as many channels of each group as of the one with the fewest."""
    inputs = codes[site.keys[groups.data]][1]
    outputs = codes[site.keys[OUT]][1]
    into, made = (a.reshape(groups.groups, -1) for a in (inputs, outputs))
    whole = (into == LEAVES).all(1) & (made == LEAVES).all(1)
    refused = np.zeros_like(into) if site.refused is None else site.refused.reshape(into.shape)
    text = f"the groups of {site.place} must stay as large as each other"
    # The other axis of a computed weight is the same for all groups: it stays.
    computed = isinstance(site.keys[groups.weight], str)
    fixed = (computed and not groups.inputs_first, computed and groups.inputs_first)
    keys = (site.keys[groups.data], site.keys[OUT])
    changed = set()
    for key, block, other, banned, stays in zip(
        keys, (into, made), (made, into), (refused, np.zeros_like(made)), fixed, strict=True
    ):
        leaving = (block == LEAVES) & (banned == LEAVES) & ~whole[:, None] & (not stays)
        room = leaving[~whole].sum(1).min(initial=block.shape[1] - 1)
        chosen = leaving & (leaving.cumsum(1) <= room)
        stay = (block == LEAVES) & ~chosen & ~whole[:, None]
        if stay.any():
            why = np.maximum(banned, other.max(1, keepdims=True) if block.shape[1] == 1 else 0)
            block[stay] = np.where(why > LIVE, why, reasons.code(text))[stay]
            changed.add(key)
    return changed


def _regrouped(site: Site, codes: dict[Key, Codes], reasons: Reasons) -> set[Key]:
    """Places leave only where all their elements leave in the other shape too."""
    keys = [site.keys[p] for p in (0, OUT)]
    changed: set[Key] = set()
    if not any((a == LEAVES).any() for key in keys for a in codes[key]):
        return changed
    for key, other in (keys, reversed(keys)):
        here = codes[key]
        elements = _elements(codes[other]).reshape([len(a) for a in here])
        for number, axis in enumerate(here):
            code = elements.max(axis=tuple(n for n in range(len(here)) if n != number))
            stay = (axis == LEAVES) & (code != LEAVES)
            if stay.any():
                joined = reasons.code(f"{site.place} joins it with a live channel")
                axis[stay] = np.where(code[stay] == LIVE, joined, code[stay])
                changed.add(key)
    return changed


def _elements(codes: Codes) -> Array:
    """The code of every element: it leaves with any of its places, else stays for one's reason."""
    grids = np.ix_(*codes)
    leaves = reduce(np.logical_or, [g == LEAVES for g in grids])
    return np.where(leaves, LEAVES, reduce(np.maximum, grids))


def _whole(codes: dict[Key, Codes], reasons: Reasons) -> set[Key]:
    """No axis of a computed tensor may vanish."""
    changed = set()
    for key, axes in codes.items():
        for axis in axes if isinstance(key, str) else ():
            if len(axis) and not axis.any():
                axis[0] = reasons.code("a tensor keeps at least one channel")
                changed.add(key)
    return changed
