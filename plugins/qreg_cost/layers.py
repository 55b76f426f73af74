"""Every layer with its cost, its weights that are zero or dead, its bits and its null channels."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from attrs import evolve

from qreg.catalogue import Catalogue
from qreg.records import Array, Cost, OpCall, Tensor, Weight, item_bits
from qreg_channels.channels import zero_channels
from qreg_channels.propagate import Analysis
from qreg_channels.zero_points import input_zero
from qreg_cost.estimate_cost import cost_of
from qreg_cost.records import LayerCost
from qreg_cost.stored import activation_bytes, learned_tensors, stored_bytes

Producers = Mapping[str, OpCall]
PLAIN = Weight(
    input=-1, in_axis=0, out_axis=0
)  # channels of an op that has no weight: the second axis


def layer_costs(
    calls: Sequence[OpCall],
    analysis: Analysis,
    catalogue: Catalogue,
    activation_bits: int | None = None,
) -> tuple[LayerCost | None, ...]:
    """One per call; None where no estimator serves the op.

    ``activation_bits`` replaces the bits of the activations' types.
    """
    producers = {t.name: call for call in calls for t in call.outputs}
    costs = (cost_of(call, catalogue) for call in calls)
    return tuple(
        None if cost is None else _layer(call, cost, analysis, producers, activation_bits)
        for call, cost in zip(calls, costs, strict=True)
    )


def _layer(
    call: OpCall,
    cost: Cost,
    analysis: Analysis,
    producers: Producers,
    activation_bits: int | None,
) -> LayerCost:
    declared = cost.weight
    weight = declared or PLAIN
    data = call.input(weight.data) if declared else _first(call)
    null_in = _null_in(call, data, weight, analysis)
    layer = LayerCost(
        call=call,
        cost=cost,
        params=sum(t.elements for t in learned_tensors(call)),
        bytes=activation_bytes(call) + stored_bytes(call),
        weights=0,
        nonzero_weights=0,
        live_weights=0,
        weight_bits=_bits(call.input(weight.input), producers) if declared else None,
        activation_bits=activation_bits or _bits(data, producers),
        channels_in=_size(data, weight.data_axis),
        channels_out=_size(call.output, weight.output_axis),
        null_in=null_in,
        null_out=zero_channels(analysis.of(call.output), weight.output_axis),
        groups=weight.groups,
        sums_channels=declared is not None,
    )
    return _with_weights(layer, declared, analysis) if declared else layer


def _first(call: OpCall) -> Tensor:
    """The data of an op without weight: what is computed, else what there is."""
    return next(iter((*call.activations, *call.parameters, *call.outputs)))


def _null_in(call: OpCall, data: Tensor, weight: Weight, analysis: Analysis) -> tuple[int, ...]:
    if data not in call.inputs:
        return ()
    zero = input_zero(call, analysis.inputs(call), call.inputs.index(data))
    return zero_channels(analysis.of(data).with_zero(zero), weight.data_axis)


def _with_weights(layer: LayerCost, weight: Weight, analysis: Analysis) -> LayerCost:
    """The same with its weights counted, where they are the same for every input."""
    state = analysis.of(layer.call.input(weight.input))
    if not state.is_constant:
        return layer
    nonzero = state.value != _zero_point(layer.call, weight, state.value, analysis)
    null = np.zeros(layer.channels_in, np.bool_)
    null[list(layer.null_in)] = True
    live = nonzero & ~_by_weight(null, nonzero.shape, weight)
    return evolve(
        layer,
        weights=nonzero.size,
        nonzero_weights=int(np.count_nonzero(nonzero)),
        live_weights=int(np.count_nonzero(live)),
    )


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


def _by_weight(null: Array, shape: tuple[int, ...], weight: Weight) -> Array:
    """For every weight, whether its input channel is null."""
    axis = weight.in_axis % len(shape)
    spread = [1] * len(shape)
    if shape[axis] == null.size:
        spread[axis] = -1
        return np.broadcast_to(null.reshape(spread), shape)
    blocks = np.repeat(null.reshape(weight.groups, -1), shape[0] // weight.groups, axis=0)
    spread[0], spread[axis] = blocks.shape
    return np.broadcast_to(blocks.reshape(spread), shape)


def _bits(tensor: Tensor, producers: Producers) -> int:
    """Bits of one element; of what was stored where it has just been dequantised."""
    maker = producers.get(tensor.name)
    if maker is not None and maker.target == "onnx.DequantizeLinear":
        return item_bits(maker.input(0).dtype)
    return item_bits(tensor.dtype)


def _size(tensor: Tensor, axis: int) -> int:
    rank = len(tensor.shape)
    return tensor.shape[axis] if -rank <= axis < rank else 1


def distinct_params(calls: Iterable[OpCall]) -> int:
    """Elements of all parameters, those that several calls share counted once."""
    return sum(t.elements for t in {t.name: t for c in calls for t in learned_tensors(c)}.values())
