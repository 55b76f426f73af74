"""The metrics: one number each from a layer's cost, weights and bits. Counts are exact integers.

BOPs weigh every multiply-accumulate with the bits of its two factors. Four definitions are in use
under one name, so each has its own here. With z the macs, w the weights of the layer, b_w and b_a
the bits of weight and activation::

    bops_dense      = z * b_w * b_a
    bops_paper      = nonzero / w * z * b_w * 32
    bops_masked     = live / w * z * b_w * b_a
    bops_structured = live pairs of channels / pairs of channels * z * b_w * b_a

``live`` are the non-zero weights that do not meet a null input channel: one that is zero for every
input of the model, proven through bias, normalisation and activation. Every weight takes part in
``z / w`` products, a whole number.
"""

from collections import Counter

from qreg_cost.records import LayerCost

PAPER_ACTIVATION_BITS = 32


def macs(layer: LayerCost) -> int:
    """Products of contractions."""
    return layer.cost.macs


def flops(layer: LayerCost) -> int:
    """A multiplication and an addition per product; contractions only."""
    return 2 * layer.cost.macs


def elementwise_flops(layer: LayerCost) -> int:
    """Arithmetic outside contractions, bias additions included."""
    return layer.cost.elementwise_flops


def total_flops(layer: LayerCost) -> int:
    return flops(layer) + elementwise_flops(layer)


def params(layer: LayerCost) -> int:
    """Stored elements the layer reads, but for scales, zero-points, shapes and axes.

    Statistics of a batch normalisation that was not folded are stored, so they count. In the total
    a tensor that several layers share counts once.
    """
    return layer.params


def moved_bytes(layer: LayerCost) -> int:
    """Activations in, stored tensors and activations out, each moved once."""
    return layer.bytes


def bops_dense(layer: LayerCost) -> int:
    """Source: van Baalen et al., "Bayesian Bits", NeurIPS 2020, without its gates."""
    return _bops(layer, layer.cost.macs)


def bops_paper(layer: LayerCost) -> int:
    """Activations taken as 32 bits wide. Source: CoDeQ, arXiv 2512.12981, eq. 20-22."""
    if layer.weight_bits is None:
        return 0
    return _of_weights(layer, layer.nonzero_weights) * layer.weight_bits * PAPER_ACTIVATION_BITS


def bops_masked(layer: LayerCost) -> int:
    """A product of two activations is dead where it sums over a null channel."""
    return _bops(layer, macs_masked(layer))


def bops_structured(layer: LayerCost) -> int:
    """What is left when null channels are cut out of dense weights.

    Source: Wang, Lu, Blankevoort, "DJPQ", ECCV 2020, with null channels as its pruned ones.
    """
    pairs = layer.channels_in * layer.channels_out // layer.groups
    if not pairs or not layer.sums_channels:
        return bops_dense(layer)
    inputs = _left_by_group(layer.channels_in, layer.null_in, layer.groups)
    outputs = _left_by_group(layer.channels_out, layer.null_out, layer.groups)
    left = sum(i * o for i, o in zip(inputs, outputs, strict=True))
    return _bops(layer, layer.cost.macs // pairs * left)


def macs_masked(layer: LayerCost) -> int:
    """Products of non-zero weights with inputs that are not null."""
    if layer.weights or not layer.sums_channels or not layer.channels_in:
        return _of_weights(layer, layer.live_weights)
    left = layer.channels_in - len(layer.null_in)
    return layer.cost.macs // layer.channels_in * left


def _of_weights(layer: LayerCost, weights: int) -> int:
    """Products that ``weights`` of the layer's weights take part in."""
    return layer.cost.macs // layer.weights * weights if layer.weights else layer.cost.macs


def _bops(layer: LayerCost, products: int) -> int:
    bits = layer.weight_bits
    return 0 if bits is None else products * bits * layer.activation_bits


def _left_by_group(channels: int, null: tuple[int, ...], groups: int) -> list[int]:
    """How many channels of each group are not null."""
    size = channels // groups
    gone = Counter(channel // size for channel in null)
    return [size - gone[group] for group in range(groups)]
