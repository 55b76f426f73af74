"""What must hold of a chain's shapes for its ops to run as one."""

from qreg.records import OpCall


def same_size(calls: tuple[OpCall, ...]) -> bool:
    """The second op's result is as large as the first's: nothing is broadcast to a larger one."""
    return calls[1].output.shape == calls[0].output.shape
