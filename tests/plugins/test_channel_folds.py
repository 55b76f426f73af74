"""Rules on folded states, that are kept once where they repeat, against the same on whole ones."""

import numpy as np
import pytest
from numpy.typing import NDArray

from qreg import api
from qreg.records import OpCall, Tensor
from qreg.specs import ShortcutHandlerSpec
from qreg_channels import narrow
from qreg_channels.state import State, States, constant, state
from qreg_channels.uniform import Repeated, compact, repeated
from qreg_onnx.evaluate import Evaluator

Array = NDArray[np.generic]
F32 = np.float32
SIZES = (1, 2, 3, 5, 6)


def bordered(size: int) -> Array:
    """The kinds of places along an axis of a map that is alike but for its border."""
    return np.array([0] + [1] * (size - 2) + [2]) if size > 2 else np.arange(size)


def random_state(rng: np.random.Generator, shape: tuple[int, ...]) -> State:
    """Alike everywhere, a map with a border, or different everywhere; channels of zeros."""
    n, c, h, w = shape
    kinds = [bordered(size) for size in (h, w)]
    small = [int(k.max()) + 1 for k in kinds]
    sizes = {"alike": (1, 1), "map": small, "stored": small, "whole": (h, w)}
    how = str(rng.choice(list(sizes)))
    value = rng.normal(size=(n, c, *sizes[how])).astype(F32)
    value = np.where(rng.random((1, c, 1, 1)) < 0.3, F32(0), value)
    error = np.abs(value) * F32(1e-3 if rng.random() < 0.5 else 0)
    known = rng.random((1, c, 1, 1)) < 0.6
    if how == "stored":
        value, error = (np.where(known, a, F32(0)) for a in (value, error))
        kept = tuple(kinds)
        return State(Repeated(value, kept, shape), np.broadcast_to(known, shape), 0,
                     Repeated(error, kept, shape))  # fmt: skip
    if how == "map":
        value, error = (a[:, :, kinds[0]][:, :, :, kinds[1]] for a in (value, error))
    if rng.random() < 0.3:
        known = rng.random(shape) < 0.7
    whole = [np.broadcast_to(a, shape) for a in (value, known, error)]
    return state(whole[0], whole[1], error=whole[2])


def written_out(found: State) -> State:
    error = np.array(found.error) if found.error.ndim else found.error
    return State(np.array(found.value), np.array(found.known), found.zero, error)


def random_call(rng: np.random.Generator, op: str) -> tuple[OpCall, States]:
    shape = (int(rng.integers(1, 3)), int(rng.choice(SIZES)), *map(int, rng.choice(SIZES, 2)))
    states = [random_state(rng, shape)]
    if op in ("Max", "Mul"):
        places = shape[2:] if rng.random() < 0.6 else (1, 1)
        states.append(random_state(rng, (shape[0], int(rng.choice([1, shape[1]])), *places)))
    if op == "Clip":
        states += [constant(np.asarray(F32(v))) for v in (-0.5, 0.7)]
    if op == "BatchNormalization":
        scale = np.where(rng.random(shape[1]) < 0.4, 0, rng.normal(size=shape[1]))
        others = (rng.normal(size=shape[1]), rng.normal(size=shape[1]), 1 + rng.random(shape[1]))
        states += [constant(a.astype(F32)) for a in (scale, *others)]
    computed = 2 if op in ("Max", "Mul") else 1
    inputs = tuple(
        Tensor(f"i{i}", "float32", s.shape, None if i < computed else _Stored(s.value))
        for i, s in enumerate(states)
    )
    output = Tensor("y", "float32", shape)
    return OpCall(f"onnx.{op}", "node", inputs, (output,), {}, "", 20), tuple(states)


class _Stored:
    def __init__(self, value: Array) -> None:
        self.value = value

    def numpy(self) -> Array:
        return self.value


@pytest.fixture(scope="module")
def evaluate() -> Evaluator:
    return Evaluator(api.catalogue())


@pytest.mark.parametrize("op", ["Max", "Mul", "Relu", "Clip", "BatchNormalization"])
def test_folding_changes_nothing(
    op: str, evaluate: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(narrow, "LEAST", 0)  # small tensors too
    rng = np.random.default_rng(0)
    entry = api.catalogue().choose(ShortcutHandlerSpec, f"onnx.{op}", 20)
    assert entry is not None
    rule = entry.spec.propagate.load()
    somewhere = 0

    for _ in range(120):
        call, states = random_call(rng, op)
        (found,) = rule(call, states, evaluate)
        whole = tuple(s and written_out(s) for s in states)
        (right,) = rule.__wrapped__(call, whole, evaluate)  # the rule itself, as it is declared

        assert np.array_equal(found.known, right.known)
        assert np.array_equal(found.zeros, right.zeros)
        assert np.allclose(found.value, right.value, atol=1e-6)
        assert np.allclose(*np.broadcast_arrays(found.error, right.error), atol=1e-8)
        somewhere += not right.is_live
    assert somewhere > 30


def test_what_repeats_along_its_places_is_stored_once() -> None:
    column = np.arange(3, dtype=F32).reshape(1, 3, 1, 1)
    along_rows = np.broadcast_to(column, (1, 3, 4, 5)).copy()
    along_rows[..., 4] = 7
    alike, different = (
        np.broadcast_to(column, (1, 3, 4, 5)).copy(),
        np.random.default_rng(0).normal(size=(1, 3, 4, 5)),
    )

    assert compact(repeated(alike)).shape == (1, 3, 1, 1)
    assert compact(repeated(along_rows)).shape == (1, 3, 1, 5)
    assert compact(repeated(different)).shape == (1, 3, 4, 5)
    for array in (alike, along_rows, different):
        assert np.array_equal(repeated(array), array)


def test_a_map_that_differs_at_its_border_only_is_written_out_when_looked_at() -> None:
    small = np.arange(9, dtype=F32).reshape(1, 1, 3, 3)
    kinds = (bordered(4), bordered(5))
    found = State(Repeated(small, kinds, (1, 1, 4, 5)), np.ones((1, 1, 4, 5), np.bool_))

    assert found.value[0, 0].tolist() == [
        [0, 1, 1, 1, 2],
        [3, 4, 4, 4, 5],
        [3, 4, 4, 4, 5],
        [6, 7, 7, 7, 8],
    ]
    assert (found.shape, found.dtype) == ((1, 1, 4, 5), np.float32)
