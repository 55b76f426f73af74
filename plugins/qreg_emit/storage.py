"""Which memory every value is in: the caller's inputs and outputs, or the arena."""

from collections.abc import Mapping, Sequence

from attrs import field, frozen

from qreg.records import Tensor
from qreg_emit.arena import Lifetime
from qreg_emit.contract import NodeCode


@frozen
class Need:
    """Arena memory of one value, or of one node's scratch."""

    owner: int  # index of the node that writes it
    name: str
    scratch: bool
    dtype: str
    elements: int
    lifetime: Lifetime


@frozen
class Storage:
    """``root[v]`` is the value whose memory holds ``v``."""

    root: Mapping[str, str]
    silent: frozenset[int] = frozenset()  # nodes that share their input's memory: no code
    copies: tuple[tuple[str, int], ...] = ()  # (value, output position) to copy at the end
    outputs: Mapping[str, int] = field(factory=dict)  # root -> the output buffer it lies in


def storage(
    codes: Sequence[NodeCode], inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> Storage:
    """Share memory wherever a node allows it and no two buffers of the caller collide."""
    sharing = frozenset(i for i, c in enumerate(codes) if c.shared_input is not None)
    while True:
        root = _roots(codes, inputs, sharing)
        collision = _collision(codes, inputs, outputs, root)
        if collision is None:
            return _with_outputs(root, sharing, inputs, outputs)
        sharing -= {collision}


def needs(codes: Sequence[NodeCode], found: Storage) -> tuple[Need, ...]:
    """What the arena must hold: values from writer to last reader, scratch for one node."""
    last: dict[str, int] = {}
    for index, code in enumerate(codes):
        for _, tensor in (*code.parameters, *code.results):
            last[found.root[tensor.name]] = index
    wanted = []
    for index, code in enumerate(codes):
        if index in found.silent:
            continue
        for _, tensor in code.results:
            if tensor.name not in found.outputs:
                when = Lifetime(tensor.bytes, index, last[tensor.name])
                wanted.append(Need(index, tensor.name, False, tensor.dtype, tensor.elements, when))
        for name, scratch in code.scratch.items():
            size = Tensor(name, scratch.dtype, (scratch.elements,)).bytes
            when = Lifetime(size, index, index)
            wanted.append(Need(index, name, True, scratch.dtype, scratch.elements, when))
    return tuple(wanted)


def _roots(
    codes: Sequence[NodeCode], inputs: Sequence[Tensor], sharing: frozenset[int]
) -> dict[str, str]:
    root = {t.name: t.name for t in inputs}
    for index, code in enumerate(codes):
        for position, (_, tensor) in enumerate(code.results):
            shared = code.shared_input if index in sharing and position == 0 else None
            root[tensor.name] = root[shared.name] if shared is not None else tensor.name
    return root


def _collision(
    codes: Sequence[NodeCode],
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    root: Mapping[str, str],
) -> int | None:
    """A sharing node whose result is an output, but whose memory is another of the caller's."""
    writer = {code.call.output.name: index for index, code in enumerate(codes)}
    taken = {t.name for t in inputs} | {t.name for t in outputs if root.get(t.name) == t.name}
    for name in dict.fromkeys(t.name for t in outputs):
        if name not in root or root[name] == name:
            continue  # a constant, or a value of its own
        if root[name] in taken:
            return writer[name]
        taken.add(root[name])
    return None


def _with_outputs(
    root: dict[str, str],
    sharing: frozenset[int],
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
) -> Storage:
    places: dict[str, int] = {}
    copies = []
    given = {t.name for t in inputs}
    for position, tensor in enumerate(outputs):
        memory = root.get(tensor.name)
        if memory is None or memory in given or memory in places:
            copies.append((tensor.name, position))
        else:
            places[memory] = position
    return Storage(root, sharing, tuple(copies), places)
