"""Where cutting starts: every call with its couplings, and every place that is dead."""

from collections.abc import Collection, Sequence

import numpy as np

from qreg.catalogue import Entry
from qreg.errors import QregError
from qreg.records import Array, OpCall, Tensor
from qreg_channels.propagate import Analysis
from qreg_prune.narrow import LEAVES, LIVE, OUTSIDE, Codes, Key, Reasons, Site
from qreg_prune.records import OUT, Groups, Regroup, Tie, ports, tensor_at
from qreg_prune.specs import CutRuleSpec


def site_of(call: OpCall, rule: Entry[CutRuleSpec] | None) -> Site:
    """The call with what its rule couples; without a rule nothing of its tensors can leave."""
    keys: dict[int, Key] = {}
    for port in ports(call):
        tensor = tensor_at(call, port)
        assert tensor is not None
        keys[port] = tensor.name if tensor.value is None else (call.name, port)
    about = f"node {call.name!r} ({call.target})"
    couplings = () if rule is None else rule.call("couplings", call, about=about)
    kinds = (Tie, Groups, Regroup)
    if not isinstance(couplings, tuple) or not all(isinstance(c, kinds) for c in couplings):
        assert rule is not None
        raise QregError(
            f"{about}: {rule.spec.registry} {rule.id} ({rule.distribution} {rule.version}) gave "
            f"{couplings!r}; its contract is (OpCall) -> tuple[Tie | Groups | Regroup, ...]; that is "
            "a fault of the plugin"
        )
    return Site(call, keys, couplings)


def dead_places(
    sites: Sequence[Site], outside: Collection[str], analysis: Analysis, reasons: Reasons
) -> dict[Key, Codes]:
    """Places that are known or unread leave, unless their op has no rule for them."""
    codes: dict[Key, Codes] = {}
    for site in sites:
        for port, key in site.keys.items():
            tensor = tensor_at(site.call, port)
            if tensor is not None and key not in codes:
                codes[key] = _of(tensor, key, outside, analysis)
    for site in sites:
        what = "needs the whole of it" if site.couplings else "has no cut rule that serves it"
        code = reasons.code(f"{site.place} {what}")
        for port, key in site.keys.items():
            for axis, codes_of in enumerate(codes[key]):
                free = _covered(site, port, axis, len(codes_of))
                codes_of[(codes_of == LEAVES) & ~free] = code
    return codes


def _of(tensor: Tensor, key: Key, outside: Collection[str], analysis: Analysis) -> Codes:
    if tensor.name in outside and isinstance(key, str):
        return [np.full(n, OUTSIDE, np.int32) for n in tensor.shape]
    if not isinstance(key, str):
        return [np.full(n, LEAVES, np.int32) for n in tensor.shape]
    dead = analysis.of(tensor).known | ~analysis.needed(tensor)
    axes = range(dead.ndim)
    whole = [dead.all(axis=tuple(a for a in axes if a != axis)) for axis in axes]
    return [np.where(leaves, LEAVES, LIVE).astype(np.int32) for leaves in whole]


def _covered(site: Site, port: int, axis: int, size: int) -> Array:
    """Which places of a port's axis the rule speaks of."""
    found = np.zeros(size, np.bool_)
    for coupling in site.couplings:
        if isinstance(coupling, Tie):
            for end in coupling.ends:
                if (end.port, end.axis) == (port, axis):
                    found[slice(None) if end.index is None else end.index.reshape(-1)] = True
        elif isinstance(coupling, Groups):
            found |= (port, axis) in ((coupling.data, 1), (OUT, 1))
        else:
            found |= port in (0, OUT)
    return found
