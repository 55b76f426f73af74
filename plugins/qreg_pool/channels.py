"""What pools need."""

from qreg.records import OpCall
from qreg_channels import backward_sets
from qreg_channels.backward import everything
from qreg_channels.state import Evaluate, Masks, Needed, States
from qreg_pool.geometry import window


def needed(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """What is in the window of a wanted result."""
    if call.attribute("channels_last", 0):
        return everything(call)
    geometry = window(call)
    if geometry is None:
        return backward_sets.by_channel(call, states, wanted, evaluate)
    return backward_sets.windows(call, wanted, geometry)
