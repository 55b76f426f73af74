"""What estimators may say of a contraction's weight, what metrics see, and what count reports."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from qreg.records import Cost, OpCall


@frozen(kw_only=True)
class Weight:
    """Which input of a contraction is its weight, and how both meet the channels.

    Where the weight has fewer entries along ``in_axis`` than the data has channels, its first axis
    is cut into ``groups`` equal blocks, each for its own share of the channels.
    """

    input: int  # of the call
    in_axis: int  # of the weight: runs along the data's channels
    out_axis: int  # of the weight: runs along the output's channels
    zero_point: int | None = None  # the input that holds the weight's zero-point
    data: int = 0  # the call's other operand
    data_axis: int = 1  # channels of the data: the axis that is summed over
    output_axis: int = 1
    groups: int = 1


@frozen
class WeightedCost(Cost):
    """The cost of an op of which one operand may be stored. A plain Cost has no such operand."""

    weight: Weight | None = None


@frozen(kw_only=True)
class LayerCost:
    """One layer as metrics see it. Channel sets are sorted tuples of indices.

    ``weights`` counts the elements of a weight that is the same for every input; it is 0 for
    products of two activations and for ops that multiply nothing.
    """

    call: OpCall
    cost: Cost
    params: int
    bytes: int  # activations in, stored tensors and activations out, each moved once
    weights: int
    nonzero_weights: int
    live_weights: int  # non-zero and not attached to a null input channel
    weight_bits: int | None  # of the second factor; None where nothing is contracted
    activation_bits: int
    channels_in: int
    channels_out: int
    null_in: tuple[int, ...]
    null_out: tuple[int, ...]
    groups: int = 1
    sums_channels: bool = False  # whether it is the input's channels that the products add up

    @property
    def density(self) -> float | None:
        """Share of the weights that are not zero."""
        return self.nonzero_weights / self.weights if self.weights else None


@frozen(kw_only=True)
class OpNodes:
    """Some ops of one kind, by the names of their nodes."""

    op: str
    count: int
    nodes: tuple[str, ...]


@frozen(kw_only=True)
class Counted:
    """The result of count. Totals and layers leave out what is in ``unknown``; nothing is 0."""

    model: str
    totals: Mapping[str, int | float]  # metric -> sum; params counts a shared tensor once
    layers: tuple[Mapping[str, Any], ...]
    unknown: tuple[OpNodes, ...]  # no estimator, or a shape nobody knows
    unhandled: tuple[OpNodes, ...]  # no shortcut handler: taken as live
