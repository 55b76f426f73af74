"""The metrics: one number each from a layer's cost, weights and bits. Counts are exact integers.

Multiply-accumulates are counted dense, and in five ways that leave dead ones out, see ``Product``.
BOPs weigh each with the bits of its two factors. Five definitions are in use under one name, so
each has its own here. With b_w and b_a the bits of weight and activation::

    bops_dense      = macs * b_w * b_a
    bops_paper      = macs_nonzero * b_w * 32
    bops_masked     = macs_zero_in * b_w * b_a
    bops_structured = macs_structured * b_w * b_a
    bops_uniq       = macs_nonzero * b_w * b_a + macs * (b_w + b_a + log2(terms of one sum))

A channel is zero, or known, when it is so for every input of the model, proven through bias,
normalisation and activation.
"""

from collections.abc import Sequence
from math import log2

from qreg.records import Tensor
from qreg_cost.records import LayerCost
from qreg_cost.stored import learned_tensors

PAPER_ACTIVATION_BITS = 32


def macs(layer: LayerCost) -> int:
    """Products of contractions."""
    return layer.cost.macs


def macs_causal(layer: LayerCost) -> int:
    """Without the products whose result a causal mask throws away."""
    return layer.cost.macs - sum(c.masked for c in layer.cost.contractions)


def macs_nonzero(layer: LayerCost) -> int:
    """Without weights that are zero."""
    return sum(p.nonzero for p in layer.products)


def macs_zero_in(layer: LayerCost) -> int:
    """And without input channels that are zero."""
    return sum(p.zero_in for p in layer.products)


def macs_const_in(layer: LayerCost) -> int:
    """And without input channels that are known: they fold into a bias, or a map at borders."""
    return sum(p.const_in for p in layer.products)


def macs_needed(layer: LayerCost) -> int:
    """And without output channels that are known or that nobody reads."""
    return sum(p.needed for p in layer.products)


def macs_structured(layer: LayerCost) -> int:
    """Dense weights without the channels that are zero on either side."""
    return sum(p.structured for p in layer.products)


def macs_live(layer: LayerCost) -> int:
    """Dense weights without the channels that are known, unread or nobody's."""
    return sum(p.live for p in layer.products)


def flops(layer: LayerCost) -> int:
    """A multiplication and an addition per product; contractions only."""
    return 2 * layer.cost.macs


def elementwise_flops(layer: LayerCost) -> int:
    """Arithmetic outside contractions, bias additions included."""
    return layer.cost.elementwise_flops


def total_flops(layer: LayerCost) -> int:
    return flops(layer) + elementwise_flops(layer)


def params(layer: LayerCost) -> int:
    """Stored elements the layer reads, but for scales, zero-points, shapes, axes and statistics."""
    return layer.params


def distinct_params(layers: Sequence[LayerCost]) -> int:
    """Elements of all parameters; a tensor that several layers share counts once.

    What a layer computes from parameters alone is none itself.
    """
    found: dict[str, Tensor] = {t.name: t for x in layers for t in learned_tensors(x.call)}
    made = {t.name for x in layers for t in x.call.outputs}
    return sum(t.elements for name, t in found.items() if name not in made)


def moved_bytes(layer: LayerCost) -> int:
    """Activations in, stored tensors and activations out, each moved once."""
    return layer.bytes


def density(layer: LayerCost) -> float | None:
    """Share of the weights that are not zero; None where there are none."""
    return layer.density


def mean_density(layers: Sequence[LayerCost]) -> float | None:
    """Share of all weights that are not zero; None where there are none."""
    weights = sum(layer.weights for layer in layers)
    return sum(layer.nonzero_weights for layer in layers) / weights if weights else None


def bops_dense(layer: LayerCost) -> int:
    """Source: van Baalen et al., "Bayesian Bits", NeurIPS 2020, without its gates."""
    return sum(p.macs * p.weight_bits * p.activation_bits for p in layer.products)


def bops_paper(layer: LayerCost) -> int:
    """Activations taken as 32 bits wide. Source: CoDeQ, arXiv 2512.12981, eq. 20-22."""
    return sum(p.nonzero * p.weight_bits * PAPER_ACTIVATION_BITS for p in layer.products)


def bops_masked(layer: LayerCost) -> int:
    """What is left when zero weights and null input channels are skipped."""
    return sum(p.zero_in * p.weight_bits * p.activation_bits for p in layer.products)


def bops_structured(layer: LayerCost) -> int:
    """What is left when null channels are cut out of dense weights.

    Source: Wang, Lu, Blankevoort, "DJPQ", ECCV 2020, with null channels as its pruned ones.
    """
    return sum(p.structured * p.weight_bits * p.activation_bits for p in layer.products)


def bops_uniq(layer: LayerCost) -> int:
    """With the additions into an accumulator; the logarithm is rounded once per layer.

    Source: Baskin et al., "UNIQ", ACM TOCS 2021, eq. 14, for every output position; with the
    density of the weights as Hawks et al., "Ps and Qs", Frontiers in AI 2021, have it.
    """
    exact = sum(
        p.nonzero * p.weight_bits * p.activation_bits + p.macs * (p.weight_bits + p.activation_bits)
        for p in layer.products
    )
    return exact + round(sum(p.macs * log2(p.contraction.k) for p in layer.products))
