"""Claims about channels put to the test: the model is run, and changed where it should not matter."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from qreg.catalogue import Catalogue
from qreg.errors import QregError
from qreg.records import Array, Tensor, Trace
from qreg_channels import rerun
from qreg_channels.backward import tensors_of
from qreg_channels.propagate import Analysis
from qreg_channels.rerun import Changes, Feeds, Rerun
from qreg_channels.state import State, is_integer
from qreg_channels.uniform import both, compact, inverted

SCALES = (0.1, 1.0, 10.0)  # of the inputs, in turn
RUNS = 6
SHOWN = 10  # wrong claims that a failure names
WHOLE = 1000  # whole numbers of 32 bits and more are drawn up to this size
# Table first.
LOOKUPS = (
    "Gather", "GatherElements", "embedding", "embedding_bag", "index_select", "index_add",
    "index_copy", "index_fill", "gather", "scatter", "scatter_add", "take_along_dim",
)  # fmt: skip
BY_AXIS = ("index", "index_put")  # an index for each axis of the table


@frozen
class WrongClaim:
    """A tensor of which something was claimed that is not so, and one element that shows it."""

    layer: str
    tensor: str
    element: tuple[int, ...]
    claim: str
    found: str
    count: int  # wrong elements of the tensor that one input showed

    @property
    def text(self) -> str:
        place = f"{self.tensor}[{', '.join(map(str, self.element))}]"
        more = f", and {self.count - 1:,} more like it" if self.count > 1 else ""
        return f"  {self.layer}: {place} is claimed {self.claim}, but {self.found}{more}"


@frozen
class Proof:
    """How many claims were put to the test, and those that are wrong."""

    runs: int
    zeros: int  # elements said to be zero
    constants: int  # elements said to be another number
    unneeded: int  # live elements that no output needs
    wrong: tuple[WrongClaim, ...]

    @property
    def verdict(self) -> str:
        claims = (
            f"{self.zeros:,} zeros, {self.constants:,} constants and {self.unneeded:,} unneeded "
            "elements"
        )
        found = f"{len(self.wrong)} tensors claimed wrongly" if self.wrong else "no wrong claim"
        return f"prove: {claims} put to the test on {self.runs} random inputs: {found}"

    @property
    def failure(self) -> str:
        """Each wrong claim by layer and element; empty where there is none."""
        if not self.wrong:
            return ""
        named = [claim.text for claim in self.wrong[:SHOWN]]
        more = len(self.wrong) - len(named)
        return "\n".join(["wrong claims:", *named, *([f"  and {more} more"] if more else [])])


def prove(
    trace: Trace,
    analysis: Analysis,
    catalogue: Catalogue,
    model: Any = None,
    *,
    seed: int = 0,
    runs: int = RUNS,
) -> Proof:
    """Every claim of ``analysis`` compared with the model's tensors on ``runs`` random inputs.

    What is called unneeded is replaced by noise, and every output must stay as it was. ``model``, an
    ``onnx_ir.Model``, is run by ONNX Runtime; without it the calls are, one by one.
    """
    makers = {t.name: call.name for call in trace.calls for t in call.outputs if t.name}
    known = {t.name: analysis.of(t) for t in tensors_of(trace) if t.name in makers}
    known = {name: state for name, state in known.items() if not state.is_live}
    unneeded = dict(_unneeded(trace, analysis))
    if model is None:
        ready = rerun.of_trace(trace, catalogue)
    else:
        changed = [tensor for tensor, _ in unneeded.values()]
        ready = rerun.of_graph(model, {*known, *(n for n in unneeded if n in makers)}, changed)
    rng = np.random.default_rng(seed)
    wrong: dict[str, WrongClaim] = {}
    for turn in range(runs):
        feeds = random_feeds(rng, ready.inputs, SCALES[turn % len(SCALES)], trace)
        tensors = {**feeds, **ready.tensors(feeds)}
        found = [_compared(makers[name], name, known[name], tensors[name]) for name in known]
        noise = {name: (mask, _noise(rng, tensors[name])) for name, (_, mask) in unneeded.items()}
        found += _disturbed(ready, feeds, noise, makers)
        for claim in filter(None, found):
            wrong.setdefault(f"{claim.tensor} {claim.claim}", claim)
    zeros = sum(int(np.count_nonzero(s.zeros)) for s in known.values())
    claimed = sum(int(np.count_nonzero(s.known)) for s in known.values())
    disturbed = sum(int(np.count_nonzero(mask)) for _, mask in unneeded.values())
    return Proof(runs, zeros, claimed - zeros, disturbed, tuple(wrong.values()))


def random_feeds(
    rng: np.random.Generator, inputs: Sequence[Tensor], scale: float, trace: Trace
) -> dict[str, Array]:
    """Normal numbers of a scale; whole numbers over the range of their type, or of what they index."""
    return {t.name: _random(rng, t, scale, trace) for t in inputs}


def _unneeded(trace: Trace, analysis: Analysis) -> Iterator[tuple[str, tuple[Tensor, Array]]]:
    for tensor in tensors_of(trace):
        if tensor.value is not None or not tensor.name or tensor.dtype == "string":
            continue
        live = inverted(analysis.of(tensor).known)
        mask = both(live, inverted(analysis.needed(tensor)))
        if compact(mask).any():
            yield tensor.name, (tensor, mask)


def _random(rng: np.random.Generator, tensor: Tensor, scale: float, trace: Trace) -> Array:
    if tensor.dtype == "string":
        raise QregError(f"prove: input {tensor.name!r} holds strings; there are no random ones")
    dtype = np.dtype(tensor.dtype)
    if dtype == np.bool_:
        return rng.random(tensor.shape) < 0.5
    if is_integer(np.empty(0, dtype)):
        if dtype.itemsize <= 2:
            return _any_integer(rng, dtype, tensor.shape)
        return rng.integers(0, _words(trace), tensor.shape).astype(dtype)
    return (rng.standard_normal(tensor.shape) * scale).astype(dtype)


def _any_integer(rng: np.random.Generator, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max + 1, shape).astype(dtype)


def _words(trace: Trace) -> int:
    """The length of the shortest table that something looks up in."""
    lengths = [WHOLE]
    for call in trace.calls:
        table = call.optional(0)
        if call.op in LOOKUPS and table is not None and table.shape:
            lengths.append(table.shape[call.attribute("axis", call.attribute("dim", 0))])
        elif call.op in BY_AXIS and table is not None:
            indices = call.inputs[1 : 1 + call.attribute("indices", 0)]
            lengths += [n for n, i in zip(table.shape, indices, strict=False) if i is not None]
    return min(lengths)


def _noise(rng: np.random.Generator, given: Array) -> Array:
    """Other values as they occur in ``given``: what follows may take only some (a logarithm)."""
    if given.dtype == np.bool_:
        return ~given
    if is_integer(given) and given.dtype.itemsize <= 2:
        return _any_integer(rng, given.dtype, given.shape)
    finite = given[np.isfinite(given)] if not is_integer(given) else given
    low, high = (finite.min(), finite.max()) if finite.size else (0, 1)
    if low == high and (low != 0 or not is_integer(given)):  # 0 may look up in a table of one
        low, high = (low - 1, low) if low > 0 else (low, low + 1)
    if is_integer(given):
        return rng.integers(low, int(high) + 1, given.shape).astype(given.dtype)
    return rng.uniform(low, high, given.shape).astype(given.dtype)


def _compared(layer: str, name: str, state: State, found: Array) -> WrongClaim | None:
    """The claim on a tensor that does not hold for ``found``, if there is one."""
    claimed = np.broadcast_to(state.value, found.shape)
    off: Array = found != claimed
    if not is_integer(found) and found.dtype != np.bool_:
        with np.errstate(invalid="ignore"):
            near = np.abs(found.astype(float) - claimed.astype(float)) <= state.error
        off = off & (state.zeros | ~near) & ~(np.isnan(found) & np.isnan(claimed))
    off = off & state.known
    if not off.any():
        return None
    element = tuple(int(i) for i in np.argwhere(off)[0])
    what = "zero" if state.zeros[element] else f"constant {claimed[element]}"
    return WrongClaim(layer, name, element, what, f"it is {found[element]}", int(off.sum()))


def _disturbed(
    ready: Rerun, feeds: Feeds, noise: Changes, makers: Mapping[str, str]
) -> list[WrongClaim]:
    """The unneeded tensors whose ``noise`` an output shows: all at once, then one by one."""
    if not noise:
        return []
    before = ready.outputs(feeds, {})

    def shows(changes: Changes) -> bool:
        return not _same(before, ready.outputs(feeds, changes))

    if not shows(noise):
        return []
    if shows({}):
        raise QregError(
            "prove: the model gives other outputs when it is run on the same input again; what is "
            "drawn at random cannot be proven"
        )
    alone = [name for name, change in noise.items() if shows({name: change})]
    others = {} if alone else noise
    return [
        _culprit(name, noise[name], others, shows, makers.get(name, "input"))
        for name in alone or list(noise)[:1]
    ]


def _culprit(
    name: str,
    change: tuple[Array, Array],
    others: Changes,
    shows: Callable[[Changes], bool],
    layer: str,
) -> WrongClaim:
    where, what = change
    element = _narrowed(where, lambda mask: shows({**others, name: (mask, what)}))
    return WrongClaim(layer, name, element, "not to be needed", "an output changes with it", 1)


def _narrowed(where: Array, shows: Callable[[Array], bool]) -> tuple[int, ...]:
    """One element of ``where`` that an output shows, by halving; the first where it takes several."""
    places = np.flatnonzero(where)
    while len(places) > 1:
        half = places[: len(places) // 2]
        mask = np.zeros(where.shape, np.bool_)
        mask.flat[half] = True
        places = half if shows(mask) else places[len(half) :]
    return tuple(int(i) for i in np.unravel_index(places[0], where.shape))


def _same(first: Sequence[Array], second: Sequence[Array]) -> bool:
    return all(
        np.array_equal(a, b, equal_nan=np.issubdtype(a.dtype, np.floating))
        for a, b in zip(first, second, strict=True)
    )
