"""What results need that are moved elements: the op itself says where each came from.

It is given consecutive numbers in place of the data.
"""

from collections.abc import Sequence

import numpy as np
from attrs import evolve

from qreg.errors import QregError
from qreg.records import Array, OpCall
from qreg_channels.backward import everything
from qreg_channels.state import Evaluate, Masks, Needed, NobodyCan, State, States, constant
from qreg_channels.uniform import compact

EXACT_IN_FLOAT = 2**24
_NOTHING = constant(np.zeros((), np.float32))  # in place of a fill value
ONE_TO_ONE = ("flatten", "reshape", "view", "unsqueeze", "squeeze", "transpose", "permute", "t")


def first(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """Ops that move their first input; the others say where to, or what is put beside it."""
    return moved(call, states, wanted, evaluate, (0,))


def as_other(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """Ops that move their first input into the shape of the second, whose numbers do not matter."""
    settled = tuple(s and constant(s.value) for s in states[1:])
    return moved(call, (states[0], *settled), wanted, evaluate, (0,))


def pad(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """The first input is moved, and nothing of it is where the third is put."""
    return moved(call, states, wanted, evaluate, (0,), fill=2)


def scatter(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """Ops that put their last input into the first, where those between say."""
    reduction = call.attribute("reduction", call.attribute("reduce", "none"))
    if reduction != "none" or call.attribute("accumulate", False):
        return everything(call)
    return moved(call, states, wanted, evaluate, (0, len(states) - 1))


def masked(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """Ops that put zeros beside what they move, or in its place; folding adds what it moves."""
    if call.op in ("Col2Im", "col2im"):
        return everything(call)
    return moved(call, states, wanted, evaluate, (0,))


def join(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """Ops that put all their inputs into one result."""
    return moved(call, states, wanted, evaluate, range(len(states)))


def concatenate(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> Needed:
    """Each part has its stretch of the axis. Source: ONNX Concat-13; PyTorch, torch.cat."""
    del evaluate
    axis = call.attribute("axis", call.attribute("dim", 1 if _is_old_concat(call) else 0))
    return _stretches(states, wanted[0], axis)


def concatenate_quantized(
    call: OpCall, states: States, wanted: Masks, evaluate: Evaluate
) -> Needed:
    """Parts with a scale and a zero-point each, behind those of the result.

    Source: ONNX Runtime contrib operators, com.microsoft QLinearConcat-1.
    """
    del evaluate
    found = list(everything(call))
    found[2::3] = _stretches(states[2::3], wanted[0], call.attribute("axis"))
    return tuple(found)


def _is_old_concat(call: OpCall) -> bool:
    return call.target == "onnx.Concat" and call.opset < 4


def _stretches(parts: States, wanted: Array, axis: int) -> Needed:
    rank = wanted.ndim
    axis %= rank
    found: list[Array | None] = []
    begin = 0
    for part in parts:
        if part is None or part.known.ndim != rank:  # PyTorch lets empty vectors join
            found.append(None if part is None else np.ones(part.shape, np.bool_))
            continue
        end = begin + part.shape[axis]
        found.append(wanted[(slice(None),) * axis + (slice(begin, end),)])
        begin = end
    return tuple(found)


def moved(
    call: OpCall,
    states: States,
    wanted: Masks,
    evaluate: Evaluate,
    movers: Sequence[int],
    fill: int | None = None,
) -> Needed:
    """Of the inputs ``movers`` what arrived at a wanted place; the others must be constant.

    ``fill`` is an input that is put where nothing was moved to.
    """
    still = [s for i, s in enumerate(states) if i not in movers]
    if not all(s is None or s.is_constant for s in still) or _all_arrive(call, wanted):
        return everything(call)
    ends = np.cumsum([0, *(0 if s is None else s.known.size for s in (states[i] for i in movers))])
    came = np.zeros(ends[-1] + 1, np.bool_)
    origins = _origins(call, _without_fill(states, fill), evaluate, movers)
    for mask, origin in zip(wanted, origins, strict=True):
        came[origin[mask]] = True
    found: list[Array | None] = [
        None if s is None else np.broadcast_to(np.False_, s.shape) for s in states
    ]
    for index, begin, end in zip(movers, ends, ends[1:], strict=False):
        part = states[index]
        if part is not None:
            found[index] = came[begin + 1 : end + 1].reshape(part.shape)
    return tuple(found)


def _origins(
    call: OpCall, states: States, evaluate: Evaluate, movers: Sequence[int]
) -> list[Array]:
    """For each element of each output the number of the moved element it is, from 1; else 0."""
    total = sum(s.known.size for s in (states[i] for i in movers) if s is not None)
    kinds: list[type[np.generic]] = [np.int64]
    if total < EXACT_IN_FLOAT:
        kinds.append(np.float32)
    for kind in kinds:
        try:
            return _numbered(call, states, evaluate, movers, kind)
        except QregError:
            continue
    raise NobodyCan(f"node {call.name!r} ({call.target}) moves neither int64 nor float32")


def _numbered(
    call: OpCall,
    states: States,
    evaluate: Evaluate,
    movers: Sequence[int],
    kind: type[np.generic],
) -> list[Array]:
    dtype = np.dtype(kind)
    form = evolve(
        call,
        attributes={
            k: 0.0 if k == "value" and isinstance(v, (int, float)) else v
            for k, v in call.attributes.items()
        },
        outputs=tuple(evolve(t, dtype=dtype.name) for t in call.outputs),
    )
    inputs = [None if s is None else _in_kind(s, dtype) for s in states]
    begin = 1
    for index in movers:
        part = states[index]
        if part is not None:
            numbers = np.arange(begin, begin + part.known.size).astype(dtype)
            inputs[index] = numbers.reshape(part.shape)
            begin += part.known.size
    return [np.asarray(found).astype(np.int64) for found in evaluate(form, inputs)]


def _without_fill(states: States, fill: int | None) -> States:
    return tuple(_NOTHING if i == fill and s is not None else s for i, s in enumerate(states))


def _in_kind(still: State, dtype: np.dtype[np.generic]) -> Array:
    return np.zeros((), dtype) if still is _NOTHING else still.value


def _all_arrive(call: OpCall, wanted: Masks) -> bool:
    """Whether the op loses nothing and everything is wanted."""
    moves_all = call.op.lower().partition("_copy")[0] in ONE_TO_ONE and len(call.outputs) == 1
    same = moves_all and call.output.elements == call.input(0).elements
    return same and bool(compact(wanted[0]).all())
