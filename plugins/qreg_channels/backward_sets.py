"""What results need that are each computed from a set of elements: along axes, of a channel."""

from collections.abc import Sequence

import numpy as np

from qreg.records import Array, OpCall
from qreg_channels import backward_moves, reduction, whole_axis
from qreg_channels.backward import everything
from qreg_channels.geometry import Geometry, taps, turned
from qreg_channels.reach import reach
from qreg_channels.state import Evaluate, Masks, Needed, States
from qreg_channels.uniform import compact


def softmax(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """All along its axes where any of the result is wanted there."""
    del states, evaluate
    return along_axes(call, wanted[0], whole_axis.set_axes(call))


def reduced(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """All along the axes that a sum, mean or maximum is taken over, where it is wanted."""
    del evaluate
    if not all(s is None or s.is_constant for s in states[1:]):
        return everything(call)
    found = [along_axes(call, mask, reduction.set_axes(call, states)) for mask in wanted]
    data = [f[0] for f in found if f[0] is not None]
    return (np.logical_or.reduce(data), *found[0][1:])


def normalised(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """All of the last axes that a norm is taken over, where any of the result is wanted."""
    del states, evaluate
    rank = len(call.input(0).shape)
    count = len(call.attribute("normalized_shape", ()))
    first = rank - count if count else call.attribute("axis", -1) % rank
    if any(mask.any() for mask in wanted[1:]):
        return everything(call)
    return along_axes(call, wanted[0], range(first, rank))


def grouped(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """All of a group of channels where any of its result is wanted."""
    del states, evaluate
    data = call.input(0)
    if any(mask.any() for mask in wanted[1:]):
        return everything(call)
    groups = call.attribute("num_groups", call.attribute("group"))
    members = wanted[0].reshape(data.shape[0], groups, -1)
    whole = np.broadcast_to(members.any(2, keepdims=True), members.shape)
    return (whole.reshape(data.shape), *everything(call)[1:])


def interpolated(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """Nearest neighbours move; else whole channels, unless a region of them is cut out.

    Source: ONNX Resize-10 to Resize-19, Upsample-7, -9.
    """
    if call.attribute("mode", "nearest") == "nearest":
        return backward_moves.first(call, states, wanted, evaluate)
    if call.attribute("coordinate_transformation_mode") == "tf_crop_and_resize":
        return everything(call)
    return by_channel(call, states, wanted, evaluate)


def along_axes(call: OpCall, wanted: Array, axes: Sequence[int]) -> Needed:
    """Of the first input all along ``axes`` where any of the result is wanted there.

    The result may have lost these axes, or kept them with or without their length.
    """
    shape = call.input(0).shape
    kept = compact(wanted)
    if wanted.ndim != len(shape):
        over = tuple(a for a in range(len(shape)) if a in axes)
        kept = np.expand_dims(kept, over)
    found = kept.any(axis=tuple(axes), keepdims=True) if axes else kept
    return (np.broadcast_to(found, shape), *everything(call)[1:])


def by_channel(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """Of the first input, (N, C, *places), a whole channel where any of the same is wanted.

    Pools and interpolations whose windows are of different sizes, norms of single channels.
    """
    del states, evaluate
    data = call.input(0)
    if not _is_batch(call) or any(m.shape[:2] != data.shape[:2] for m in wanted):
        return everything(call)
    found = np.zeros(data.shape[:2], np.bool_)
    for mask in wanted:
        found |= compact(mask).any(axis=tuple(range(2, mask.ndim)))
    places = (1,) * (len(data.shape) - 2)
    return (np.broadcast_to(found.reshape(*found.shape, *places), data.shape),
            *everything(call)[1:])  # fmt: skip


def windows(call: OpCall, wanted: Masks, geometry: Geometry) -> Needed:
    """Of the first input what is in the window of a wanted result; maxima may have positions too."""
    data = call.input(0)
    mask = wanted[0]
    for other in wanted[1:]:
        mask = mask | other
    batched = len(data.shape) == len(geometry.kernel) + 2
    shape = data.shape if batched else (1, *data.shape)
    mask = mask if batched else mask[None]
    walked = turned(taps(geometry, shape[2:], mask.shape[2:]))
    own = np.ones((shape[1], 1, 1, len(walked)), np.bool_)
    found = reach(mask, own, walked, shape)
    return (found if batched else found[0], *everything(call)[1:])


def _is_batch(call: OpCall) -> bool:
    """Whether the first axis counts samples: PyTorch's ops on places also take one sample alone."""
    rank = len(call.input(0).shape)
    places = call.op[-2:-1] if call.target.startswith("aten.") and call.op.endswith("d") else ""
    return rank == int(places) + 2 if places.isdigit() else rank > 2
