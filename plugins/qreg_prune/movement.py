"""Cut rules of ops that move elements: joining, splitting, reshaping, reducing."""

from collections.abc import Sequence

import numpy as np

from qreg.records import Array, OpCall
from qreg_prune.records import OUT, Change, End, Kept, Regroup, Tie

Ties = tuple[Tie, ...]


def reshape(call: OpCall) -> tuple[Regroup, ...]:
    """The same elements in the same order. Source: ONNX Reshape-21, Flatten-21, Squeeze-21."""
    return (Regroup(),)


def reshaped(call: OpCall, kept: Kept) -> Change:
    """The new shape, written out: places for 0 and -1 may have moved."""
    shape = np.array(kept.shape(OUT), np.int64)
    if call.optional(1) is None:  # before opset 5
        return Change(attributes={"shape": tuple(shape.tolist())})
    return Change(constants={1: shape})


def transpose(call: OpCall) -> Ties:
    """Source: ONNX Transpose-21."""
    rank = len(call.input(0).shape)
    order = call.attribute("perm") or tuple(reversed(range(rank)))
    return tuple(Tie((End(0, source), End(OUT, axis))) for axis, source in enumerate(order))


def concat(call: OpCall) -> Ties:
    """Source: ONNX Concat-13."""
    return _joined(call, range(len(call.inputs)), call.attribute("axis", 1))


def quantised_concat(call: OpCall) -> Ties:
    """Parts are inputs 2, 5, 8, ... Source: com.microsoft QLinearConcat-1."""
    return _joined(call, range(2, len(call.inputs), 3), call.attribute("axis", 1))


def split(call: OpCall) -> Ties:
    """Source: ONNX Split-18."""
    data = call.input(0)
    axis = call.attribute("axis", 0) % len(data.shape)
    parts = [~o for o in range(len(call.outputs))]
    if not all(t.name for t in call.outputs):
        return ()
    pieces = _pieces([t.shape[axis] for t in call.outputs])
    cut = [Tie((End(p, axis), End(0, axis, i))) for p, i in zip(parts, pieces, strict=True)]
    return (*cut, *_alike(call, [0, *parts], axis))


def split_sizes(call: OpCall, kept: Kept) -> Change:
    """How much each part takes, written out; an attribute before opset 13."""
    axis = call.attribute("axis", 0)
    sizes = [kept.shape(~o)[axis] for o in range(len(call.outputs))]
    if call.opset < 13:
        return Change(attributes={"split": tuple(sizes)})
    none = {"num_outputs": None} if call.attribute("num_outputs") is not None else {}
    return Change({1: np.array(sizes, np.int64)}, none)


def reduce(call: OpCall) -> Ties:
    """The axes that are not reduced. Source: ONNX ReduceMean-18."""
    rank = len(call.input(0).shape)
    given = call.optional(1)
    if given is not None and given.value is None:
        return ()
    axes = given.numpy().tolist() if given is not None else call.attribute("axes") or ()
    if not axes and call.attribute("noop_with_empty_axes", 0):
        return ()
    gone = {a % rank for a in axes} if axes else set(range(rank))
    free = [a for a in range(rank) if a not in gone]
    after = free if call.attribute("keepdims", 1) else range(len(free))
    return tuple(Tie((End(0, a), End(OUT, b))) for a, b in zip(free, after, strict=True))


def depth_to_space(call: OpCall) -> Ties:
    """A channel of the result is made of ``blocksize ** 2`` channels. Source: ONNX DepthToSpace-13."""
    channels = call.output.shape[1]
    blocks = call.attribute("blocksize", 1) ** 2
    numbers = np.arange(channels * blocks)
    last = call.attribute("mode", "DCR") == "CRD"
    index = numbers.reshape(channels, blocks) if last else numbers.reshape(blocks, channels).T
    return (Tie((End(0, 0), End(OUT, 0))), Tie((End(OUT, 1), End(0, 1, index))))


def space_to_depth(call: OpCall) -> Ties:
    """Source: ONNX SpaceToDepth-13."""
    channels = call.input(0).shape[1]
    index = np.arange(call.output.shape[1]).reshape(-1, channels).T
    return (Tie((End(0, 0), End(OUT, 0))), Tie((End(0, 1), End(OUT, 1, index))))


def expand(call: OpCall) -> Ties:
    """Axes that are as long before as after. Source: ONNX Expand-13."""
    given, wide = call.input(0).shape, call.output.shape
    shift = len(wide) - len(given)
    same = [a for a in range(len(given)) if given[a] == wide[a + shift]]
    return tuple(Tie((End(0, a), End(OUT, a + shift))) for a in same)


def _joined(call: OpCall, parts: Sequence[int], axis: int) -> Ties:
    axis %= len(call.output.shape)
    pieces = _pieces([call.input(p).shape[axis] for p in parts])
    joins = [Tie((End(p, axis), End(OUT, axis, i))) for p, i in zip(parts, pieces, strict=True)]
    return (*joins, *_alike(call, [*parts, OUT], axis))


def _alike(call: OpCall, ports: Sequence[int], but: int) -> list[Tie]:
    axes = [a for a in range(len(call.output.shape)) if a != but]
    return [Tie(tuple(End(p, a) for p in ports)) for a in axes]


def _pieces(sizes: Sequence[int]) -> list[Array]:
    ends = np.cumsum(sizes)
    return [np.arange(end - size, end) for size, end in zip(sizes, ends, strict=True)]
