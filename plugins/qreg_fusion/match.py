"""Ops that run as one, matched on data flow: who reads what, never who stands beside whom."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from attrs import frozen

from qreg.catalogue import Catalogue, rank, undisputed
from qreg.records import OpCall
from qreg.specs import FusionPatternSpec
from qreg_fusion.group import Pattern, accepts, fused_op
from qreg_fusion.records import FusedOp, Fusion, Rejected

Chain = tuple[int, ...]  # indices of calls, each reading the one before


@frozen
class Graph:
    """Calls in execution order, who reads each tensor, and what must exist for others to read."""

    calls: Sequence[OpCall]
    readers: Mapping[str, tuple[int, ...]]  # one entry per use
    outputs: Collection[str]


@frozen
class Candidate:
    """A chain of ops as a pattern names them; ``obstacle`` says why they cannot be one."""

    chain: Chain
    obstacle: str = ""


def fuse(
    calls: Sequence[OpCall], outputs: Collection[str], catalogue: Catalogue
) -> tuple[FusedOp, ...]:
    """Every call in exactly one group, in an order in which the groups can run.

    ``outputs`` names the tensors that must exist in the end: the graph's outputs.
    """
    return fusion(calls, outputs, catalogue).ops


def fusion(calls: Sequence[OpCall], outputs: Collection[str], catalogue: Catalogue) -> Fusion:
    """The groups, and the candidates that did not become one with the reason.

    Longer patterns are tried first, then patterns by id, each from the first call to the last; a
    call that is taken stays taken. A chain fuses where each tensor between its ops has exactly one
    reader and is no output; the next op may take it at any input that is computed at run time.
    A chain that several patterns name belongs to the one that wins it as a target is won.
    """
    graph = Graph(calls, _readers(calls), outputs)
    taken: dict[int, Chain] = {}
    pattern_of: dict[Chain, Pattern] = {}
    refused: list[tuple[Pattern, Candidate]] = []
    for pattern in _patterns(catalogue):
        for start in range(len(calls)):
            for found in _candidates(graph, pattern.spec.chain, (start,)):
                if _inside_one(found.chain, taken):
                    continue
                obstacle = found.obstacle or _taken(found.chain, taken, graph)
                if not obstacle:
                    if _winner(found.chain, graph, catalogue) is not pattern:
                        continue
                    obstacle = _refusal(found.chain, pattern, graph)
                if obstacle:
                    refused.append((pattern, Candidate(found.chain, obstacle)))
                else:
                    pattern_of[found.chain] = pattern
                    taken |= dict.fromkeys(found.chain, found.chain)
    singles = ((i,) for i in range(len(calls)) if i not in taken)
    # A group's only result is its last call's, so running it there keeps every order of data flow.
    chains = sorted([*pattern_of, *singles], key=lambda chain: chain[-1])
    ops = tuple(fused_op(tuple(calls[i] for i in c), pattern_of.get(c), catalogue) for c in chains)
    return Fusion(ops, _rejected(refused, taken, graph))


def _patterns(catalogue: Catalogue) -> list[Pattern]:
    """Longest first."""
    entries = catalogue.of(FusionPatternSpec)
    return sorted(entries, key=lambda entry: (-len(entry.spec.chain), entry.id))


def _winner(chain: Chain, graph: Graph, catalogue: Catalogue) -> Pattern | None:
    """The pattern that serves a chain of ops, as the catalogue chooses who serves a target.

    A pin of the first op's target decides; else the most specific alternatives, the latest
    ``since``; else ``overrides``; else it is an error that names all.
    """
    calls = [graph.calls[i] for i in chain]
    first = calls[0]
    claims = [p for p in _patterns(catalogue) if _fits(p, calls)]
    pinned = [p for p in claims if p.id in catalogue.pins.get(first.target, ())]
    keys = [(_specificity(p, calls), p.spec.since) for p in claims]
    best = [p for key, p in zip(keys, claims, strict=True) if key == max(keys)]
    return undisputed(pinned or best, first.target) if claims else None


def _fits(pattern: Pattern, calls: Sequence[OpCall]) -> bool:
    chain = pattern.spec.chain
    if len(chain) != len(calls) or pattern.spec.since > calls[0].opset:
        return False
    return all(_serves(call, names) for call, names in zip(calls, chain, strict=True))


def _specificity(pattern: Pattern, calls: Sequence[OpCall]) -> int:
    """The least specific of its positions."""
    named = zip(calls, pattern.spec.chain, strict=True)
    return min(max(rank(name, call.target) for name in names) for call, names in named)


def _readers(calls: Sequence[OpCall]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for index, call in enumerate(calls):
        for tensor in call.activations:
            found[tensor.name] = (*found.get(tensor.name, ()), index)
    return found


def _candidates(graph: Graph, wanted: Sequence[Sequence[str]], chain: Chain) -> Iterator[Candidate]:
    """Chains of ops that begin with ``chain`` and are the ones ``wanted``, fusable or not.

    A chain with an obstacle is followed no further than the op behind it.
    """
    call = graph.calls[chain[-1]]
    if not _serves(call, wanted[len(chain) - 1]):
        return
    if len(chain) == len(wanted):
        yield Candidate(chain)
        return
    obstacle = _link_obstacle(graph, call)
    for reader in dict.fromkeys(graph.readers.get(call.output.name, ())):
        if not obstacle:
            yield from _candidates(graph, wanted, (*chain, reader))
        elif _serves(graph.calls[reader], wanted[len(chain)]):
            yield Candidate((*chain, reader), obstacle)


def _serves(call: OpCall, alternatives: Sequence[str]) -> bool:
    return any(rank(pattern, call.target) for pattern in alternatives)


def _link_obstacle(graph: Graph, call: OpCall) -> str:
    """Why the result of ``call`` must exist by itself; empty where one reader alone needs it."""
    for tensor in call.outputs:
        if tensor.name in graph.outputs:
            return f"{tensor.name!r} is an output of the graph"
    for tensor in call.outputs[1:]:
        if graph.readers.get(tensor.name):
            return f"{tensor.name!r}, the op's other result, is read too"
    readers = graph.readers.get(call.output.name, ())
    if len(readers) > 1:
        names = ", ".join(graph.calls[i].name for i in readers)
        return f"{call.output.name!r} is read {len(readers)} times: {names}"
    return ""


def _inside_one(chain: Chain, taken: Mapping[int, Chain]) -> bool:
    """Whether the calls already run together."""
    groups = {taken.get(index) for index in chain}
    return len(groups) == 1 and None not in groups


def _taken(chain: Chain, taken: Mapping[int, Chain], graph: Graph) -> str:
    for index in chain:
        if index in taken:
            owner = graph.calls[taken[index][0]].name
            return f"{graph.calls[index].name} already runs as one with {owner}"
    return ""


def _refusal(chain: Chain, pattern: Pattern, graph: Graph) -> str:
    accept = pattern.spec.accept
    if accept is not None and not accepts(pattern, tuple(graph.calls[i] for i in chain)):
        return f"the pattern's condition {accept.path} does not hold"
    return ""


def _rejected(
    refused: Sequence[tuple[Pattern, Candidate]], taken: Mapping[int, Chain], graph: Graph
) -> tuple[Rejected, ...]:
    """Each reason once per first op, under the longest pattern that met it."""
    found: dict[tuple[int, str], Rejected] = {}
    for pattern, candidate in refused:
        if not _inside_one(candidate.chain, taken):
            names = tuple(graph.calls[i].name for i in candidate.chain)
            rejected = Rejected(pattern.id, names, candidate.obstacle)
            found.setdefault((candidate.chain[0], candidate.obstacle), rejected)
    return tuple(found.values())
