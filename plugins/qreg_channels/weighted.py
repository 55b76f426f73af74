"""States across layers with stored weights, convolutions and linear ones, by their geometry.

An output is known where every live input meets a zero weight. Only channels that are known anywhere
are computed, from inputs that are not zero.
"""

from typing import TypeAlias

import numpy as np

from qreg.records import Array, OpCall
from qreg_channels import contraction
from qreg_channels.backward import everything
from qreg_channels.geometry import (
    Geometry,
    as_data,
    as_output,
    data_form,
    output_form,
    taps,
    turned,
    weight_form,
)
from qreg_channels.reach import reach
from qreg_channels.rounding import spread
from qreg_channels.state import (
    Evaluate,
    Masks,
    Needed,
    State,
    States,
    all_live,
    state,
)
from qreg_channels.sums import part_of
from qreg_channels.uniform import (
    Repeated,
    both,
    compact,
    everywhere,
    gathered,
    inverted,
    stretched,
    unfolded,
)

Kinds: TypeAlias = tuple[Array, ...] | None  # of places, by axis; None where each is of its own


def propagate(
    call: OpCall,
    states: States,
    evaluate: Evaluate,
    geometry: Geometry | None,
    operands: contraction.Operands = contraction.USUAL,
) -> tuple[State, ...]:
    """Known where every live input meets a zero weight and the bias is known.

    Where there is no geometry, or the weight is computed, ``operands`` are multiplied as they are.
    """
    if geometry is None or not _stored(states, geometry) or _is_whole(states, geometry):
        return contraction.propagate(call, states, evaluate, operands)
    data, weight = _at(states, geometry.data), _at(states, geometry.weight)
    known = untouched(call, data.known, joins(weight), geometry)
    bias = bias_state(call, states, geometry)
    if bias is not None:
        known = both(known, output_form(bias.known, geometry))
    if not compact(known).any():
        return all_live(call)
    value, error, kinds = _products(data, weight, known, geometry)
    value, error = value * geometry.factor, error * abs(geometry.factor)
    if bias is not None:
        value = value + compact(output_form(bias.value, geometry)) * geometry.bias_factor
        off = compact(output_form(spread(bias), geometry))
        error = error + off * abs(geometry.bias_factor)
    return (_formed(call, value, error, known, kinds, geometry),)


def needed(call: OpCall, states: States, wanted: Masks, geometry: Geometry | None) -> Needed:
    """The data that a wanted output reads through a weight that is not zero."""
    if geometry is None or not _stored(states, geometry):
        return everything(call)
    read = read_data(call, wanted[0], joins(_at(states, geometry.weight)), geometry)
    return by_operand(call, states, wanted[0], geometry, read)


def by_operand(
    call: OpCall, states: States, wanted: Array, geometry: Geometry, read: Array
) -> Needed:
    """``read`` of the data; of the bias what is wanted; constants are never needed."""
    found: list[Array | None] = [
        None if s is None else everywhere(not s.is_constant, s.shape) for s in states
    ]
    found[geometry.data] = read
    bias = None if geometry.bias is None else call.optional(geometry.bias)
    if bias is not None and geometry.bias is not None:
        aligned = (*bias.shape, *(1,) * len(geometry.kernel))
        found[geometry.bias] = gathered(wanted, aligned).reshape(bias.shape)
    return tuple(found)


def joins(weight: State) -> Array:
    """Numbers that are zero where the weight surely is."""
    return ~weight.zeros if weight.error.any() else weight.value


def untouched(call: OpCall, known: Array, weight: Array, geometry: Geometry) -> Array:
    """The outputs, as (N, K, *places), whose products do not depend on the model's input."""
    live = data_form(inverted(known), geometry)
    shape = output_form(everywhere(False, call.output.shape), geometry).shape
    walked = taps(geometry, live.shape[2:], shape[2:])
    return inverted(reach(live, weight_form(weight, geometry), walked, shape))


def read_data(call: OpCall, wanted: Array, weight: Array, geometry: Geometry) -> Array:
    """The data that ``wanted`` is computed from."""
    marked = output_form(wanted, geometry)
    shape = data_form(everywhere(False, call.input(geometry.data).shape), geometry).shape
    walked = turned(taps(geometry, shape[2:], marked.shape[2:]))
    form = weight_form(weight, geometry).swapaxes(1, 2)
    return as_data(reach(marked, form, walked, shape), call, geometry)


def _products(
    data: State, weight: State, known: Array, geometry: Geometry
) -> tuple[Array, Array, Kinds]:
    """Sums (N, K, *places or kinds), and each product's share of their error.

    x * w is off by at most |dx| |w| + (|x| + |dx|) |dw|, x and w being off by dx and dw.
    """
    real = np.result_type(np.float32, data.dtype)
    part = part_of(data, known, geometry)
    factors = part.weight(weight_form(weight.value, geometry))
    unsure = weight.error.any()
    if not factors.any() and not unsure:
        return np.zeros((1,) * known.ndim, real), np.zeros((1,) * known.ndim, real), None
    given = part.data(data_form(data.value, geometry)).astype(real)
    off = part.data(data_form(spread(data), geometry)).astype(real)
    alike = part.is_alike(given) and part.is_alike(off)
    error = part.sum(off, np.abs(factors).astype(real), alike)
    if unsure:
        doubt = part.weight(weight_form(spread(weight), geometry)).astype(real)
        error = error + part.sum(np.abs(given) + off, doubt, alike)
    return part.sum(given, factors.astype(real), alike), error, part.kinds if alike else None


def _formed(
    call: OpCall, value: Array, error: Array, known: Array, kinds: Kinds, geometry: Geometry
) -> State:
    """The state of the output; a map that is alike but for its border is kept as such."""
    shape, dtype = call.output.shape, call.output.dtype
    claimed = as_output(known, call, geometry)
    value, error = value.astype(dtype), error.astype(dtype)
    if kinds is None or value.shape[2:] == (1,) * len(kinds):
        return state(as_output(value, call, geometry), claimed,
                     error=as_output(error, call, geometry))  # fmt: skip
    channels = compact(known)
    if known.shape != shape or channels.shape[2:] != (1,) * len(kinds):
        places = known.shape[2:]
        value, error = (unfolded(a, kinds, (*a.shape[:2], *places)) for a in (value, error))
        return _formed(call, value, error, known, None, geometry)
    sure = [np.where(channels, a, np.zeros((), dtype)) for a in (value, error)]
    return State(Repeated(sure[0], kinds, shape), claimed, 0, Repeated(sure[1], kinds, shape))


def _at(states: States, index: int) -> State:
    found = states[index]
    assert found is not None
    return found


def _stored(states: States, geometry: Geometry) -> bool:
    """Whether the weight is constant and finite: infinity times zero is not zero."""
    weight = _at(states, geometry.weight)
    return weight.is_constant and bool(np.isfinite(compact(weight.value)).all())


def _is_whole(states: States, geometry: Geometry) -> bool:
    return bool(np.issubdtype(_at(states, geometry.data).dtype, np.integer))


def bias_state(call: OpCall, states: States, geometry: Geometry) -> State | None:
    """The bias in the output's shape."""
    found = (
        states[geometry.bias] if geometry.bias is not None and geometry.bias < len(states) else None
    )
    if found is None:
        return None
    places = (1,) * len(geometry.kernel)

    def spread_out(array: Array) -> Array:
        small = compact(array)
        return stretched(small.reshape(*small.shape, *places), call.output.shape)

    error = spread_out(found.error) if found.error.ndim else found.error
    return State(spread_out(found.value), spread_out(found.known), found.zero, error)
