"""Which elements of two computed matrices a product needs."""

import numpy as np
from attrs import frozen

from qreg.records import Array, OpCall
from qreg_channels.backward import everything
from qreg_channels.state import Masks, Needed, State, States
from qreg_channels.uniform import compact, gathered, inverted


@frozen(kw_only=True)
class Matrices:
    """Which inputs of a call are multiplied, as numpy's matmul does, and which is added.

    ``turned`` operands are transposed first.
    """

    left: int = 0
    right: int = 1
    bias: int | None = None
    left_turned: bool = False
    right_turned: bool = False


def needed(call: OpCall, states: States, wanted: Masks, matrices: Matrices | None) -> Needed:
    """Of each factor what meets something that may differ from zero in a wanted product."""
    if matrices is None:
        return everything(call)
    left, right = states[matrices.left], states[matrices.right]
    assert left is not None and right is not None
    goes = compact(wanted[0])
    if right.known.ndim == 1:
        goes = goes[..., None]
    if left.known.ndim == 1:
        goes = goes[..., None, :]
    rows, columns = _factor(left, matrices.left_turned), _factor(right, matrices.right_turned, True)
    found = list(everything(call))
    found[matrices.left] = _own(_met(goes, _turn(columns)), left, matrices.left_turned)
    found[matrices.right] = _own(_met(_turn(rows), goes), right, matrices.right_turned, True)
    bias = None if matrices.bias is None else call.optional(matrices.bias)
    if bias is not None and matrices.bias is not None:
        found[matrices.bias] = gathered(wanted[0], bias.shape)
    return tuple(found)


def _factor(state: State, turned: bool, column: bool = False) -> Array:
    """Where a factor may differ from zero, as a stack of matrices."""
    mask = compact(inverted(state.zeros))
    if mask.ndim == 1:
        return mask[:, None] if column else mask[None]
    return _turn(mask) if turned else mask


def _met(first: Array, second: Array) -> Array:
    """Where the product of two stacks of masks is not empty; axes of length 1 stand for any."""
    size = max(first.shape[-1], second.shape[-2])
    first = np.broadcast_to(first, (*first.shape[:-1], size)).astype(np.float32)
    second = np.broadcast_to(second, (*second.shape[:-2], size, second.shape[-1]))
    found: Array = first @ second.astype(np.float32) > 0
    return found


def _own(mask: Array, state: State, turned: bool, column: bool = False) -> Array:
    """A stack of masks in a factor's own shape: where its one matrix serves many, any of them."""
    shape = state.shape
    if len(shape) == 1:
        mask = mask[..., 0] if column else mask[..., 0, :]
    elif turned:
        mask = _turn(mask)
    extra = mask.ndim - len(shape)
    mask = np.asarray(mask.any(axis=tuple(range(extra)))) if extra > 0 else mask
    over = tuple(a for a, (m, s) in enumerate(zip(mask.shape, shape, strict=True)) if m > s)
    return np.broadcast_to(mask.any(axis=over, keepdims=True) if over else mask, shape)


def _turn(matrix: Array) -> Array:
    return matrix.swapaxes(-1, -2)
