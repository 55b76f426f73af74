"""What metrics see of a layer, and what count reports."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from qreg.records import Contraction, Cost, OpCall
from qreg_channels.prove import Proof


@frozen(kw_only=True)
class Product:
    """One contraction of a layer, and how many of its multiply-accumulates are left to do.

    Each count leaves out what the one before it does, and more. ``nonzero``: weights that are zero.
    ``zero_in``: input channels that are zero for every input of the model. ``const_in``: input
    channels whose every element is known. ``needed``: output channels that are known, or that
    nobody reads. They count single weights; ``structured`` and ``live`` count whole channels, as
    dense arithmetic does once channels are cut out: those that are zero on either side, and all
    that ``needed`` leaves out.

    Without weights that are the same for every input, ``weights`` is 0 and ``nonzero`` is dense.
    """

    contraction: Contraction
    weight_bits: int
    activation_bits: int
    weights: int  # elements of the stored factor
    nonzero_weights: int
    nonzero: int
    zero_in: int
    const_in: int
    needed: int
    structured: int
    live: int

    @property
    def macs(self) -> int:
        return self.contraction.macs


@frozen(kw_only=True)
class LayerCost:
    """One layer as metrics see it. Channel sets are sorted tuples of indices."""

    call: OpCall
    cost: Cost
    params: int
    bytes: int  # activations in, stored tensors and activations out, each moved once
    products: tuple[Product, ...]
    activation_bits: int
    channels_in: int
    channels_out: int
    null_in: tuple[int, ...]
    null_out: tuple[int, ...]

    @property
    def weight_bits(self) -> int | None:
        """Bits of the widest second factor; None where nothing is contracted."""
        return max((p.weight_bits for p in self.products), default=None)

    @property
    def kernel(self) -> tuple[int, ...]:
        """The sizes of a convolution's window; empty for other ops."""
        weight = next((p.contraction.weight for p in self.products), None)
        if weight is None:
            return ()
        sizes = self.call.input(weight.input).shape
        return sizes[2:] if len(sizes) > 2 and weight.data_axis == 1 else ()

    @property
    def weights(self) -> int:
        """Elements of the weights that are the same for every input."""
        return sum(p.weights for p in self.products)

    @property
    def nonzero_weights(self) -> int:
        return sum(p.nonzero_weights for p in self.products)

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
    source: str  # where the ops were seen
    totals: Mapping[str, int | float | None]  # by metric
    layers: tuple[Mapping[str, Any], ...]
    unknown: tuple[OpNodes, ...]  # no estimator, or a shape nobody knows
    unhandled: tuple[OpNodes, ...]  # no shortcut handler: taken as live
    proof: Proof | None = None  # what became of the claims about channels when they were tested
