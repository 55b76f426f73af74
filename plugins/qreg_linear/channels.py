"""States across matrix products."""

from qreg.records import OpCall
from qreg_channels import products, quantized, weighted
from qreg_channels.contraction import Operands
from qreg_channels.geometry import Geometry
from qreg_channels.state import Evaluate, Masks, Needed, State, States
from qreg_linear.geometry import ADDED_FIRST, linear, matrices

ADDED = Operands(left=1, right=2, bias=0)


def propagate(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Known where every live factor meets a zero."""
    operands = ADDED if call.op in ADDED_FIRST else Operands()
    return weighted.propagate(call, states, evaluate, linear(call, states), operands)


def needed(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """Of each factor what meets something that may differ from zero in a wanted result."""
    layer = linear(call, states)
    if layer is None:
        return products.needed(call, states, wanted, matrices(call))
    return weighted.needed(call, states, wanted, layer)


def propagate_quantized(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """The same with operands that are zero at their zero-points."""
    return quantized.propagate(call, states, evaluate, _quantized_layer(call, states))


def needed_quantized(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """What meets a stored weight that is not at its zero-point: integers of every kind."""
    return quantized.needed(call, states, wanted, _quantized_layer(call, states))


def _quantized_layer(call: OpCall, states: States) -> Geometry | None:
    """Only where the second operand is stored."""
    found = linear(call, states)
    return found if found is not None and found.data == 0 else None
