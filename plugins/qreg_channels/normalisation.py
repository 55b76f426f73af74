"""States across normalisations over sets of elements: layer, group, instance, root mean square.

``y = (x - mean) / sqrt(variance + epsilon) * scale + shift`` over each set.
Source: Ba et al. 2016; Wu and He 2018; Ulyanov et al. 2016; Zhang and Sennrich 2019.
"""

import numpy as np
from attrs import frozen

from qreg.records import Array, OpCall
from qreg_channels import scaling
from qreg_channels.absorbing import exact_zeros
from qreg_channels.elementwise import reach
from qreg_channels.rounding import UNIT, UNIT_HALF, rounded
from qreg_channels.state import Evaluate, State, States, all_live, constant, live, state, values

EPSILON = 1e-5  # of ONNX, and of PyTorch but for the root mean square


@frozen(eq=False)
class Norm:
    """A normalisation of data seen as ``shape``, in which ``axes`` span a set."""

    data: State
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    scale: State  # broadcast against the data, as is the shift
    shift: State
    epsilon: float
    centred: bool = True


def layer(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Over the last axes. Source: ONNX LayerNormalization-17; PyTorch, layer_norm."""
    return _normalised(call, states, _over_last(call, states, centred=True), evaluate)


def root_mean_square(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Over the last axes, not centred. Source: ONNX RMSNormalization-23; PyTorch, rms_norm."""
    return _normalised(call, states, _over_last(call, states, centred=False), evaluate)


def group(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Over groups of channels. Source: ONNX GroupNormalization-18, -21; PyTorch, group_norm."""
    groups = call.attribute("num_groups", call.attribute("group"))
    return _normalised(call, states, _over_groups(call, states, groups), evaluate)


def instance(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Over each channel. Source: ONNX InstanceNormalization-22; PyTorch, instance_norm."""
    if not call.attribute("use_input_stats", True):
        return scaling.propagate(call, states, evaluate)
    groups = call.input(0).shape[1]
    return _normalised(call, states, _over_groups(call, states, groups), evaluate)


def skip_layer(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """A layer norm of two tensors and a bias added up. Source: com.microsoft SkipLayerNormalization."""
    return _skipped(call, states, evaluate, bias=4)


def skip_root_mean_square(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """The same, not centred. Source: com.microsoft SkipSimplifiedLayerNormalization."""
    return _skipped(call, states, evaluate, bias=3)


def _skipped(call: OpCall, states: States, evaluate: Evaluate, bias: int) -> tuple[State, ...]:
    given = (*states, *(None,) * 5)
    terms = [s for s in (given[0], given[1], given[bias]) if s is not None]
    known = np.logical_and.reduce(np.broadcast_arrays(*(s.known for s in terms)))
    value = np.asarray(sum(s.value for s in terms))
    total = state(value, known, error=np.asarray(sum(reach(s) for s in terms)))
    parameters = (total, given[2], given[3] if bias == 4 else None)
    norm = _over_last(call, parameters, centred=bias == 4)
    found = list(_normalised(call, states, norm, evaluate))
    if len(found) > 3 and found[3].value.shape == value.shape:
        found[3] = total
    return tuple(found)


def _over_last(call: OpCall, states: States, centred: bool) -> Norm:
    data = states[0]
    assert data is not None
    rank = data.value.ndim
    count = len(call.attribute("normalized_shape", ()))
    first = rank - count if count else call.attribute("axis", -1) % rank
    axes = tuple(range(first, rank))
    scale, shift = _parameters(states, (1,) * rank)
    return Norm(data, data.value.shape, axes, scale, shift, _epsilon(call), centred)


def _over_groups(call: OpCall, states: States, groups: int) -> Norm:
    data = states[0]
    assert data is not None
    batch, channels, *places = data.value.shape
    scale, shift = _parameters(states, (channels, *(1 for _ in places)))
    return Norm(data, (batch, groups, -1), (2,), scale, shift, _epsilon(call))


def _epsilon(call: OpCall) -> float:
    given = call.attribute("epsilon", call.attribute("eps", EPSILON))
    return float(np.finfo(np.float32).eps if given is None else given)


def _parameters(states: States, shape: tuple[int, ...]) -> tuple[State, State]:
    """Scale and shift: one per channel or group along the first axis of ``shape``, or in shape."""
    given = [*states[1:3], None, None][:2]
    ready = []
    for found, default in zip(given, (1, 0), strict=True):
        if found is None:
            ready.append(constant(np.full((), default, np.float32)))
        elif found.value.ndim > 1 or shape[0] == 1:
            ready.append(found)
        else:
            repeats, size = shape[0] // found.value.size, found.value.shape
            value, known, error = (
                np.repeat(np.broadcast_to(a, size), repeats).reshape(shape)
                for a in (found.value, found.known, found.error)
            )
            ready.append(state(value, known, error=error))
    return ready[0], ready[1]


def _normalised(call: OpCall, states: States, norm: Norm, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where the whole set and its parameters are, and where the scale is exactly zero."""
    data, scale, shift = norm.data, norm.scale, norm.shift
    whole = data.known.reshape(norm.shape).all(norm.axes, keepdims=True)
    if not whole.any() and not exact_zeros(scale).any():
        return all_live(call)
    spanned = np.broadcast_to(whole, data.known.reshape(norm.shape).shape).reshape(data.known.shape)
    known = ((spanned & scale.known) | exact_zeros(scale)) & shift.known
    if not known.any():
        return all_live(call)
    value = evaluate(call, values(states))[0]
    with np.errstate(all="ignore"):  # what is too uncertain comes out infinite, or not a number
        error = _error(norm) + rounded(value)
        known = known & np.isfinite(error) & ~np.isnan(value)
    return (
        state(value, known, error=error.astype(np.float32)),
        *(live(t) for t in call.outputs[1:]),
    )


def _error(norm: Norm) -> Array:
    """How far a result may be from its value.

    With every x off by at most s, z = x - mean is off by 2s, and so is its root mean square r (the
    triangle inequality). A variance computed as mean(x**2) - mean(x)**2 is off by a rounding of
    mean(x**2). Then |z'/r' - z/r| <= |z' - z| / r' + |z| |r' - r| / (r r').
    """
    data = norm.data
    x = data.value.astype(np.float64).reshape(norm.shape)
    off = 2 * reach(data).astype(np.float64).reshape(norm.shape).max(norm.axes, keepdims=True)
    unit = UNIT if data.value.dtype.itemsize >= 4 else UNIT_HALF
    z = x - x.mean(norm.axes, keepdims=True) if norm.centred else x
    square = (z**2).mean(norm.axes, keepdims=True) + norm.epsilon
    r = np.sqrt(square)
    least = np.sqrt(square - unit * (x**2).mean(norm.axes, keepdims=True)) - off
    least = np.where(least > 0, least, np.nan)
    moved = (off / least + np.abs(z) * (r - least) / (r * least)).reshape(data.value.shape)
    size = np.abs(z / r).reshape(data.value.shape)
    by_scale, by_shift = reach(norm.scale), reach(norm.shift)
    return np.where(
        exact_zeros(norm.scale), by_shift, (np.abs(norm.scale.value) + by_scale) * moved
        + by_scale * size + by_shift
    )  # fmt: skip
