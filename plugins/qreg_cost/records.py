"""What metrics see of a layer, and what count reports."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from qreg.records import Cost, OpCall


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
