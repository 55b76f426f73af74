"""What a shortcut handler claims, against brute force: the op run on many fillings of what is live."""

from collections.abc import Callable, Sequence

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from qreg import api
from qreg.records import OpCall
from qreg.specs import ShortcutHandlerSpec
from qreg_channels.state import State, state

Array = NDArray[np.generic]
Run = Callable[[OpCall, Sequence[Array | None]], Sequence[Array]]
FILLINGS, MANY = 9, 30
DOUBT = np.float32(1e-3)  # how far some known elements of the tests may be from their value


@frozen
class Maker:
    """Random operands; the same for the same seed."""

    rng: np.random.Generator

    def numbers(self, *shape: int, zeros: float = 0.0) -> Array:
        """Positive and negative, a share of them exactly zero."""
        found = self.rng.normal(size=shape).astype(np.float32)
        return np.where(self.rng.random(shape) < zeros, np.float32(0), found)

    def positive(self, *shape: int) -> Array:
        return np.abs(self.numbers(*shape)) + np.float32(0.1)

    def integers(self, *shape: int, zero: int = 3, zeros: float = 0.0) -> Array:
        found = self.rng.integers(-128, 128, shape).astype(np.int8)
        return np.where(self.rng.random(shape) < zeros, np.int8(zero), found)

    def truths(self, *shape: int) -> Array:
        return self.rng.random(shape) < 0.5

    def partly(self, value: Array, share: float = 0.6, axis: int = 1, doubt: float = 0.3) -> State:
        """The first along ``axis`` known, the last live, of the others some; some known roughly."""
        known = self.rng.random(value.shape) < share
        if value.ndim > axis:
            first, last = ([slice(None)] * value.ndim for _ in range(2))
            first[axis], last[axis] = slice(1), slice(-1, None)
            known[tuple(first)], known[tuple(last)] = True, False
        rough = self.rng.random(value.shape) < doubt * is_real(value)
        error = np.where(rough, DOUBT, np.float32(0))
        zero = 3 if value.dtype == np.int8 else 0
        return state(value, known, zero, error)

    def exact(self, value: Array, share: float = 0.6, axis: int = 1) -> State:
        return self.partly(value, share, axis, doubt=0)

    def live(self, *shape: int) -> State:
        return state(np.zeros(shape, np.float32), np.zeros(shape, np.bool_))

    def channels(self, value: Array) -> State:
        """Zero, one constant, a map that is exactly known, a rough map, live, in this order."""
        assert value.shape[1] >= 5
        value[:, 0], value[:, 1] = 0, value[:, 1].flat[0]
        known = np.zeros(value.shape, np.bool_)
        known[:, :4] = True
        error = np.zeros(value.shape, np.float32)
        error[:, 3] = DOUBT
        return state(value, known, 0, error)

    def filled(self, found: State, scale: float, limit: int | None) -> Array:
        """Other numbers where nothing is known; elsewhere the value, give or take its error."""
        shape, dtype = found.value.shape, found.value.dtype
        if dtype == np.bool_:
            fresh = self.truths(*shape)
        elif np.issubdtype(dtype, np.integer):
            low, high = (0, limit) if limit else (-128, 128)
            fresh = self.rng.integers(low, high, shape)
        else:
            fresh = scale * self.numbers(*shape)
        by = self.rng.uniform(-0.99, 0.99, shape).astype(np.float32) * found.error
        near = found.value if not found.error.any() else (found.value + by).astype(dtype)
        return np.where(found.known, near, fresh.astype(dtype))


def is_real(array: Array) -> bool:
    """``bfloat16`` too, which numpy has no name for."""
    return "float" in array.dtype.name


def claims(
    call: OpCall, states: tuple[State | None, ...], run: Run
) -> tuple[State, ...]:  # fmt: skip
    """What the installed handler says."""
    entry = api.catalogue().choose(ShortcutHandlerSpec, call.target, call.opset)
    assert entry is not None, call.target
    found: tuple[State, ...] = entry.spec.propagate.load()(call, states, run)
    assert [s.value.shape for s in found] == [t.shape for t in call.outputs]
    return found


def fillings(
    make: Maker, call: OpCall, states: Sequence[State | None], run: Run, limit: int | None = None,
    count: int = FILLINGS,
) -> list[Array]:  # fmt: skip
    """Each output's results for several ways to fill in what is live."""
    results = []
    for scale in (0.1, 1.0, 10.0) * (count // 3):
        inputs = [
            None if s is None else s.value if s.is_constant else make.filled(s, scale, limit)
            for s in states
        ]
        results.append(run(call, inputs))
    return [np.stack(found) for found in zip(*results, strict=True)]


def wrong(claimed: State, results: Array) -> list[str]:
    """What is claimed and does not hold for all results."""
    found = []
    if np.any(results[:, claimed.zeros] != claimed.zero):
        found.append("a zero that is none")
    known = results[:, claimed.known]
    if not is_real(known):
        return found + ["another whole number"] * bool(
            np.any(known != claimed.value[claimed.known])
        )
    known = known.astype(np.float64)
    value = claimed.value[claimed.known].astype(np.float64)
    error = np.broadcast_to(claimed.error, claimed.value.shape)[claimed.known]
    with np.errstate(invalid="ignore"):
        off = np.where(known == value, 0, np.abs(known - value))
    if not np.all(off <= error):
        found.append("a constant that is none")
    return found


def without_doubt(found: State | None) -> State | None:
    return found and evolve(found, error=np.zeros((), np.float32))


def missed(claimed: State, results: Array) -> Array:
    """Elements that came out the same for every filling and are not known."""
    same: Array = (results == results[0]).all(axis=0)
    return same & ~claimed.known
