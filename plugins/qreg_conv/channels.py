"""States across convolutions."""

from qreg.records import OpCall
from qreg_channels import quantized, weighted
from qreg_channels.state import Evaluate, Masks, Needed, State, States
from qreg_conv.geometry import convolution


def propagate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where every live input meets a zero weight."""
    return weighted.propagate(call, states, evaluate, convolution(call))


def needed(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """What a wanted output reads through a weight that is not zero."""
    return weighted.needed(call, states, wanted, convolution(call))


def propagate_quantized(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """The same with weights that are zero at their zero-point."""
    return quantized.propagate(call, states, evaluate, convolution(call))


def needed_quantized(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    return quantized.needed(call, states, wanted, convolution(call))
