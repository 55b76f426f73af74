"""The products of a layer: which of them meet a zero, a known channel, or nobody who reads them."""

import numpy as np
from attrs import frozen

from qreg.records import Array, Contraction, OpCall, Tensor, Weight
from qreg_channels.channels import channels, zero_channels
from qreg_channels.propagate import Analysis
from qreg_channels.state import State
from qreg_channels.zero_points import input_zero
from qreg_cost.records import Product


@frozen
class Bits:
    """Of the two factors of a product."""

    weight: int
    activation: int


@frozen(eq=False)
class Sides:
    """The channels that a product reads and makes, by what is known of them: masks."""

    null_in: Array
    known_in: Array
    null_out: Array
    dead_out: Array  # known, or read by nobody


@frozen(eq=False)
class Pairs:
    """How many non-zero weights join each input with each output channel: (groups, in, out)."""

    counts: Array

    def left(self, dead_in: Array, dead_out: Array) -> int:
        """The non-zero weights that meet no dead channel."""
        if not dead_in.any() and not dead_out.any():
            return int(self.counts.sum())
        rows = np.einsum("gio,go->gi", self.counts, ~self._outputs(dead_out))
        return int(rows[~self._inputs(dead_in)].sum())

    def channel_pairs(self, dead_in: Array, dead_out: Array) -> int:
        """Pairs of an input and an output channel of one group with neither dead."""
        inputs = (~self._inputs(dead_in)).sum(1)
        return int((inputs * (~self._outputs(dead_out)).sum(1)).sum())

    def unread(self, dead_out: Array) -> Array:
        """The input channels that no non-zero weight joins with a live output channel."""
        joins = np.einsum("gio,go->gi", self.counts, ~self._outputs(dead_out))
        return np.asarray(joins.reshape(-1) == 0)

    def _inputs(self, mask: Array) -> Array:
        return mask.reshape(self.counts.shape[0], -1)

    def _outputs(self, mask: Array) -> Array:
        """Gates of one layer share its channels, so the mask may have to be repeated."""
        groups, _, outputs = self.counts.shape
        return np.resize(mask, (groups, outputs))


def product(
    call: OpCall, contraction: Contraction, analysis: Analysis | None, bits: Bits
) -> Product:
    """One contraction with what is dead of it. Without an analysis nothing but weights is known."""
    weight = contraction.weight
    if weight is None or analysis is None:
        return _dense(contraction, bits)
    state = analysis.of(call.input(weight.input))
    sides = sides_of(call, weight, analysis)
    if not state.is_constant:
        return _of_activations(call, contraction, state, sides, bits)
    pairs = pairs_of(call, weight, state, analysis)
    return _of_weights(contraction, pairs, state.value.size, sides, bits)


def sides_of(call: OpCall, weight: Weight, analysis: Analysis) -> Sides:
    """What is known of the channels on both sides of a product.

    Nothing, of data that is made inside the op. A result that is not one of the op's channels goes
    into all of its outputs.
    """
    data, made = call.input(weight.data), call.output
    size_in, size_out = size(data, weight.data_axis), size(made, weight.output_axis)
    if not _has(data, weight.data_axis):
        stored = call.input(weight.input)
        null_in = known_in = np.zeros(stored.shape[weight.in_axis], np.bool_)
    else:
        null_in = _mask(null_channels(call, weight.data, weight.data_axis, analysis), size_in)
        known_in = ~_live(analysis.of(data), weight.data_axis, size_in)
    outputs = (made,) if _has(made, weight.output_axis) else call.outputs
    live_out = np.zeros(size_out, np.bool_)
    for output in outputs:
        state = analysis.of(output)
        live_out |= _any(analysis.needed(output) & ~state.known, weight.output_axis, size_out)
    return Sides(
        null_in=null_in,
        known_in=known_in,
        null_out=_mask(zero_channels(analysis.of(made), weight.output_axis), size_out),
        dead_out=~live_out,
    )


def _has(tensor: Tensor, axis: int) -> bool:
    return -len(tensor.shape) <= axis < len(tensor.shape)


def null_channels(call: OpCall, index: int, axis: int, analysis: Analysis) -> tuple[int, ...]:
    """Channels of an input that are the real number 0 for every input of the model."""
    zero = input_zero(call, analysis.inputs(call), index)
    return zero_channels(analysis.of(call.input(index)).with_zero(zero), axis)


def pairs_of(call: OpCall, weight: Weight, state: State, analysis: Analysis) -> Pairs:
    """The weight as a matrix of its channels; a quantised one is 0 at its zero-point.

    Blocks of the weight's first axis are groups; the other axis starts again in each of them.
    """
    value, groups = state.value, weight.groups
    nonzero = value != _zero_point(call, weight, value, analysis)
    axes = (weight.in_axis % value.ndim, weight.out_axis % value.ndim)
    if axes[0] == axes[1]:  # a vector
        return Pairs(nonzero.reshape(1, -1, 1).astype(np.int64))
    others = tuple(a for a in range(value.ndim) if a not in axes)
    counts = nonzero.sum(axis=others, dtype=np.int32)
    counts = counts if axes[0] < axes[1] else counts.T
    inputs, outputs = counts.shape
    if axes[0] == 0:
        return Pairs(counts.reshape(groups, inputs // groups, outputs))
    return Pairs(counts.reshape(inputs, groups, outputs // groups).transpose(1, 0, 2))


def size(tensor: Tensor, axis: int) -> int:
    rank = len(tensor.shape)
    return tensor.shape[axis] if -rank <= axis < rank else 1


def _dense(contraction: Contraction, bits: Bits) -> Product:
    macs = contraction.macs
    return Product(
        contraction=contraction, weight_bits=bits.weight, activation_bits=bits.activation,
        weights=0, nonzero_weights=0, nonzero=macs, zero_in=macs, const_in=macs, needed=macs,
        structured=macs, live=macs,
    )  # fmt: skip


def _of_activations(
    call: OpCall, contraction: Contraction, other: State, sides: Sides, bits: Bits
) -> Product:
    """Two computed factors: a term is dead where either is zero for every input."""
    weight = contraction.weight
    assert weight is not None
    null = sides.null_in.copy()
    if size(call.input(weight.input), weight.in_axis) == null.size:
        null |= _mask(zero_channels(other, weight.in_axis), null.size)
    terms = contraction.macs // max(null.size, 1)
    left = terms * int((~null).sum())
    made = len(sides.dead_out)
    return Product(
        contraction=contraction, weight_bits=bits.weight, activation_bits=bits.activation,
        weights=0, nonzero_weights=0, nonzero=contraction.macs, zero_in=left, const_in=left,
        needed=left * int((~sides.dead_out).sum()) // made,
        structured=left * int((~sides.null_out).sum()) // made,
        live=left * int((~sides.dead_out).sum()) // made,
    )  # fmt: skip


def _of_weights(
    contraction: Contraction, pairs: Pairs, weights: int, sides: Sides, bits: Bits
) -> Product:
    """Every weight takes part in equally many products, and so does every pair of channels."""
    macs = contraction.macs
    no_in, no_out = np.zeros_like(sides.known_in), np.zeros_like(sides.dead_out)
    dead_in = sides.known_in | pairs.unread(sides.dead_out)
    whole = pairs.channel_pairs(no_in, no_out)
    nonzero = pairs.left(no_in, no_out)
    return Product(
        contraction=contraction,
        weight_bits=bits.weight,
        activation_bits=bits.activation,
        weights=weights,
        nonzero_weights=nonzero,
        nonzero=_share(macs, nonzero, weights),
        zero_in=_share(macs, pairs.left(sides.null_in, no_out), weights),
        const_in=_share(macs, pairs.left(sides.known_in, no_out), weights),
        needed=_share(macs, pairs.left(sides.known_in, sides.dead_out), weights),
        structured=_share(macs, pairs.channel_pairs(sides.null_in, sides.null_out), whole),
        live=_share(macs, pairs.channel_pairs(dead_in, sides.dead_out), whole),
    )


def _share(macs: int, left: int, whole: int) -> int:
    return macs * left // whole if whole else 0


def _zero_point(call: OpCall, weight: Weight, value: Array, analysis: Analysis) -> Array | int:
    """What stands for 0 in a quantised weight, one number or one per output channel."""
    tensor = None if weight.zero_point is None else call.optional(weight.zero_point)
    if tensor is None:
        return 0
    found = analysis.of(tensor).value
    if found.size == 1:
        return found.reshape(())
    shape = [1] * value.ndim
    shape[weight.out_axis] = -1
    return found.reshape(shape) if found.ndim == 1 else found


def _live(state: State, axis: int, size: int) -> Array:
    """Which channels have an element that depends on the input."""
    if not -state.known.ndim <= axis < state.known.ndim:
        return np.full(size, not state.is_constant)
    return _mask(channels(state, axis).live, size)


def _any(mask: Array, axis: int, size: int) -> Array:
    if not -mask.ndim <= axis < mask.ndim:
        return np.full(size, mask.any())
    found = np.moveaxis(mask, axis, 0).reshape(size, -1)
    return np.asarray(found.any(1))


def _mask(indices: tuple[int, ...], size: int) -> Array:
    found = np.zeros(size, np.bool_)
    found[list(indices)] = True
    return found
