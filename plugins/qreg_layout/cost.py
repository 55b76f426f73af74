"""What moving data costs."""

from qreg.records import Cost, OpCall


def move(call: OpCall) -> Cost:
    """No arithmetic; the bytes moved are counted for every op alike."""
    del call
    return Cost()
