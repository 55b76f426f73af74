"""What a network keeps in memory, and whether a device has room for it."""

from collections.abc import Iterable, Sequence

from qreg_cost.stored import stored_tensors
from qreg_estimate.records import Content, Profile
from qreg_estimate.results import Placement
from qreg_fusion.records import FusedOp

CONTENTS: tuple[Content, ...] = ("weights", "activations")


def placements(
    ops: Sequence[FusedOp], outputs: Iterable[str], profile: Profile, complete: bool = True
) -> tuple[Placement, ...]:
    """One entry per memory that is the home of weights or activations.

    Data only: code, stack and the scratch of kernels come on top. Where ``ops`` are not all ops of
    the network the need is unknown, but more than there is room for does not fit.
    """
    needed = {"weights": weight_bytes(ops), "activations": peak_activation_bytes(ops, outputs)}
    found = []
    for memory in profile.memory:
        holds = tuple(content for content in CONTENTS if profile.home(content) is memory)
        if holds:
            total = sum(needed[content] for content in holds)
            size = int(memory.bytes.value) if memory.bytes else None
            fits = None if size is None else total <= size
            found.append(Placement(memory=memory.name, holds=holds,
                                   needed_bytes=total if complete else None, size_bytes=size,
                                   fits=fits if complete or fits is False else None))  # fmt: skip
    return tuple(found)


def weight_bytes(ops: Iterable[FusedOp]) -> int:
    """Bytes of the distinct constants that ops compute with, each stored once."""
    stored = {t.name: t.bytes for op in ops for call in op.calls for t in stored_tensors(call)}
    return sum(stored.values())


def peak_activation_bytes(ops: Sequence[FusedOp], outputs: Iterable[str]) -> int:
    """The most bytes of tensors alive at once, ops in order, each tensor in a place of its own.

    A tensor lives from the op that makes it (an input of the network: from the first op that reads
    it) to the last op that reads it; an output, to the end. What stays inside a fused op is nowhere.
    """
    size: dict[str, int] = {}
    born: dict[str, int] = {}
    last: dict[str, int] = {}
    for step, op in enumerate(ops):
        made = {t.name: t.bytes for call in op.calls for t in call.outputs}
        read = {t.name: t.bytes for call in op.calls for t in call.activations}
        for name in read.keys() - made.keys():
            born.setdefault(name, step)
            last[name] = step
        born.update(dict.fromkeys(made, step))
        size |= read | made
    last |= {name: len(ops) for name in outputs if name in size}
    return max(
        (sum(size[name] for name, end in last.items() if born[name] <= step <= end)
         for step in range(len(ops))),
        default=0,
    )  # fmt: skip
