"""How far rounding may put a computed constant from what we compute."""

import numpy as np

from qreg.records import Array
from qreg_channels.state import EXACT, State, is_integer
from qreg_channels.uniform import compact, stretched

UNIT = 1e-6  # of a value, per op: 16 roundings of float32; measured worst 8e-8
UNIT_HALF = 2.0**-5  # 16 roundings of bfloat16, the coarsest of the 16-bit types


def rounded(value: Array) -> Array:
    """The rounding of ``value`` itself: a share of its size, nothing for zeros and integers."""
    if is_integer(value) or value.dtype == np.bool_:
        return EXACT
    return stretched(_share(compact(value)), value.shape)


def spread(operand: State) -> Array:
    """How far an operand may be from its value when an op reads it, one number per element."""
    value = operand.value
    found = compact(operand.error) + compact(rounded(value))
    return stretched(found.astype(value.dtype, copy=False), value.shape)


def _share(value: Array) -> Array:
    unit = UNIT if value.dtype.itemsize >= 4 else UNIT_HALF
    found: Array = np.abs(value) * unit
    return found.astype(value.dtype, copy=False)
