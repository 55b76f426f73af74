"""What metrics see of a layer."""

from attrs import frozen

from qreg.records import Cost, OpCall


@frozen
class LayerCost:
    """One layer as metrics see it. Channel sets are sorted tuples of indices."""

    call: OpCall
    cost: Cost
    params: int
    bytes: int  # activations in, parameters and activations out, each moved once
    weights: int  # elements of the weight that the contractions read; 0 where there is none
    nonzero_weights: int
    live_weights: int  # non-zero and not attached to a null input channel
    weight_bits: int
    activation_bits: int
    channels_in: int
    channels_out: int
    null_in: tuple[int, ...]
    null_out: tuple[int, ...]
