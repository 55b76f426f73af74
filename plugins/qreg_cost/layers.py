"""Every layer with its cost, its bits, and what of its products is dead."""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase

from attrs import evolve, field, frozen

from qreg.catalogue import Catalogue
from qreg.errors import QregError, hint
from qreg.records import Contraction, Cost, OpCall, Tensor, item_bits
from qreg_channels.channels import zero_channels
from qreg_channels.propagate import Analysis
from qreg_cost.estimate_cost import cost_of
from qreg_cost.products import Bits, null_channels, product, size
from qreg_cost.records import LayerCost
from qreg_cost.stored import activation_bytes, learned_tensors, stored_bytes

Producers = Mapping[str, OpCall]


@frozen
class ActivationBits:
    """Bits of activations: of the layers a name or glob matches, else of all, else of their type."""

    everywhere: int | None = None
    by_layer: Mapping[str, int] = field(factory=dict)

    def of(self, layer: str, own: int) -> int:
        """The first pattern that matches decides."""
        for pattern, bits in self.by_layer.items():
            if fnmatchcase(layer, pattern):
                return bits
        return self.everywhere or own

    def check(self, layers: Sequence[str]) -> None:
        """Raises QregError for a pattern that matches no layer."""
        for pattern in self.by_layer:
            if not any(fnmatchcase(name, pattern) for name in layers):
                raise QregError(
                    f"activation bits are given for {pattern!r}, which matches no layer"
                    + hint(pattern, layers)
                )


def layer_costs(
    calls: Sequence[OpCall],
    analysis: Analysis | None,
    catalogue: Catalogue,
    bits: ActivationBits = ActivationBits(),
) -> tuple[LayerCost | None, ...]:
    """One per call; None where no estimator serves the op.

    Without an analysis nothing is known to be zero, weights included.
    """
    bits.check([call.name for call in calls])
    producers = {t.name: call for call in calls for t in call.outputs}
    costs = (cost_of(call, catalogue) for call in calls)
    return tuple(
        None if cost is None else _layer(call, cost, analysis, producers, bits.of)
        for call, cost in zip(calls, costs, strict=True)
    )


def _layer(
    call: OpCall,
    cost: Cost,
    analysis: Analysis | None,
    producers: Producers,
    bits: Callable[[str, int], int],
) -> LayerCost:
    data, axis, made_axis = _channels(call, cost)
    own = _bits(data, producers)

    def factor_bits(contraction: Contraction) -> Bits:
        weight = contraction.weight
        second = data if weight is None else call.input(weight.input)
        first = data if weight is None else call.input(weight.data)
        stored = second.value is not None or _dequantised(second, producers)
        width = _bits(second, producers)
        return Bits(
            weight=width if stored else bits(call.name, width),
            activation=bits(call.name, _bits(first, producers)),
        )

    return LayerCost(
        call=call,
        cost=cost,
        params=sum(t.elements for t in learned_tensors(call) if t.name not in producers),
        bytes=_moved_bytes(call, cost),
        products=tuple(product(call, c, analysis, factor_bits(c)) for c in cost.contractions),
        activation_bits=bits(call.name, own),
        channels_in=size(data, axis),
        channels_out=size(call.output, made_axis),
        null_in=_null_in(call, data, axis, analysis),
        null_out=() if analysis is None else zero_channels(analysis.of(call.output), made_axis),
    )


def _moved_bytes(call: OpCall, cost: Cost) -> int:
    if not cost.moves:
        return 0
    left = 0
    for index, elements in cost.read:
        table = call.input(index)
        left += table.bytes - evolve(table, shape=(elements,)).bytes
    return activation_bytes(call) + stored_bytes(call) - left


def _channels(call: OpCall, cost: Cost) -> tuple[Tensor, int, int]:
    """The data of an op, the axis of its channels and that of the result's."""
    weight = next((c.weight for c in cost.contractions if c.weight is not None), None)
    if weight is not None:
        return call.input(weight.data), weight.data_axis, weight.output_axis
    return next(iter((*call.activations, *call.parameters, *call.outputs))), 1, 1


def _null_in(call: OpCall, data: Tensor, axis: int, analysis: Analysis | None) -> tuple[int, ...]:
    if analysis is None or data not in call.inputs:
        return ()
    return null_channels(call, call.inputs.index(data), axis, analysis)


def _dequantised(tensor: Tensor, producers: Producers) -> bool:
    maker = producers.get(tensor.name)
    return (
        maker is not None
        and maker.target == "onnx.DequantizeLinear"
        and maker.input(0).value is not None
    )


def _bits(tensor: Tensor, producers: Producers) -> int:
    """Bits of one element; of what was stored where it has just been dequantised."""
    maker = producers.get(tensor.name)
    if maker is not None and maker.target == "onnx.DequantizeLinear":
        return _own_bits(maker.input(0))
    return _own_bits(tensor)


def _own_bits(tensor: Tensor) -> int:
    return item_bits(tensor.dtype) if tensor.bits is None else tensor.bits
