"""The states of everything a model runs, op by op in execution order."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from attrs import evolve, field, frozen

from qreg.catalogue import Catalogue, Entry
from qreg.errors import QregError, hint
from qreg.records import Array, Constant, OpCall, Tensor, Trace
from qreg.specs import ShortcutHandlerSpec
from qreg_channels.backward import needed_tensors
from qreg_channels.state import Evaluate, NobodyCan, State, States, all_live, constant, live
from qreg_channels.uniform import Repeated, everywhere, inverted, repeated
from qreg_onnx.evaluate import Evaluator

EXACTLY, IGNORE_BIAS = "exact", "ignore-bias"
CONVENTIONS = (EXACTLY, IGNORE_BIAS)

Watch = Callable[[int, int], None]


@frozen(eq=False)
class Analysis:
    """What is known of every tensor that a call makes, and of which calls nothing can be said.

    ``masks`` holds the needed elements of every tensor that a call reads; None where the backward
    pass was left out.
    """

    states: Mapping[str, State]
    unhandled: tuple[OpCall, ...]  # no handler, or nobody can compute the op: live
    masks: Mapping[str, Array] | None = None
    # By the constant's address, which it keeps as long as it is held here.
    _stored: dict[int, tuple[Constant, State]] = field(factory=dict, alias="stored", repr=False)

    def of(self, tensor: Tensor) -> State:
        """The state of any edge: constants are known, inputs of the model are live."""
        found = self.states.get(tensor.name)
        if found is not None:
            return found
        if tensor.value is None:
            return live(tensor)
        # A weight goes by one name also where it is read transposed, or cast.
        known = self._stored.get(id(tensor.value))
        if known is None:  # reading a constant may take a while
            known = self._stored[id(tensor.value)] = tensor.value, constant(tensor.numpy())
        return known[1]

    def needed(self, tensor: Tensor) -> Array:
        """The elements that can change an output of the model; none of them is known."""
        if tensor.value is not None and tensor.name not in self.states:
            return everywhere(False, tensor.shape)
        if self.masks is None:
            return inverted(self.of(tensor).known)
        return self.masks.get(tensor.name, everywhere(False, tensor.shape))

    def inputs(self, call: OpCall) -> States:
        return tuple(None if t is None else self.of(t) for t in call.inputs)


def analyse(
    trace: Trace,
    catalogue: Catalogue,
    watch: Watch = lambda done, total: None,
    *,
    convention: str = EXACTLY,
    backward: bool = True,
) -> Analysis:
    """Channel states of what runs, and which elements the outputs need.

    ``watch(done, total)`` is told after every call. An op without a handler in registry
    ``shortcut_handlers`` is live, which is always true, and listed. Convention ``ignore-bias`` takes
    what a handler calls ``offsets`` for zeros, as papers do that call a channel null where all its
    weights are zero: what it claims is not true of the model.
    """
    if convention not in CONVENTIONS:
        raise QregError(f"no convention {convention!r}{hint(convention, CONVENTIONS)}")
    entry_of = _chooser(catalogue)
    evaluate = _marked(Evaluator(catalogue))
    states: dict[str, State] = {}
    unhandled: list[OpCall] = []
    so_far = Analysis(states, ())

    def given(call: OpCall) -> States:
        found = so_far.inputs(call)
        entry = entry_of(call) if convention == IGNORE_BIAS else None
        return found if entry is None else _without_offsets(found, entry.spec.offsets)

    for index, call in enumerate(trace.calls, 1):
        varies = any(t.name in trace.varying for t in call.outputs)
        made = None if varies else _across(call, given(call), entry_of(call), evaluate)
        if made is None and not varies:
            unhandled.append(call)
        outputs = all_live(call) if made is None else made
        states |= {t.name: s for t, s in zip(call.outputs, outputs, strict=True)}
        watch(index, len(trace.calls))
    masks = needed_tensors(trace, given, so_far.of, entry_of, evaluate) if backward else None
    return evolve(so_far, unhandled=tuple(unhandled), masks=masks)


def _chooser(catalogue: Catalogue) -> Callable[[OpCall], Entry[ShortcutHandlerSpec] | None]:
    @cache
    def choose(target: str, opset: int) -> Entry[ShortcutHandlerSpec] | None:
        return catalogue.choose(ShortcutHandlerSpec, target, opset)

    return lambda call: choose(call.target, call.opset)


def _without_offsets(states: States, offsets: Sequence[int]) -> States:
    return tuple(
        constant(np.broadcast_to(np.zeros((), s.value.dtype), s.value.shape))
        if s is not None and index in offsets
        else s
        for index, s in enumerate(states)
    )


def _across(
    call: OpCall, states: States, entry: Entry[ShortcutHandlerSpec] | None, evaluate: Evaluate
) -> tuple[State, ...] | None:
    """The outputs' states by the op's handler; None where there is none or it cannot compute."""
    if entry is None:
        return None
    about = f"node {call.name!r} ({call.target})"
    try:
        found = entry.call("propagate", call, states, evaluate, about=about)
    except NobodyCan:
        return None  # a float16 op on a CPU, for example
    return tuple(_stored_once(s) for s in _checked(found, call, entry, about))


def _checked(
    found: Any, call: OpCall, entry: Entry[ShortcutHandlerSpec], about: str
) -> tuple[State, ...]:
    """What a handler gave, if it is one state per output, each of its shape."""
    if not isinstance(found, (tuple, list)) or not all(isinstance(s, State) for s in found):
        raise entry.wrong("propagate", found, about)
    shapes = [tuple(s.shape) for s in found]
    wanted = [t.shape for t in call.outputs]
    if shapes != wanted:
        raise QregError(
            f"{about}: {entry.whose} gave states of shapes {shapes}; the op's outputs have shapes {wanted}; that "
            "is a fault of the plugin"
        )
    return tuple(found)


def _stored_once(found: State) -> State:
    """The same with what repeats along an axis stored once: ops after it do less."""
    value, error = found.stored
    if found.is_live or isinstance(value, Repeated) or isinstance(error, Repeated):
        return found
    error = repeated(error) if error.ndim else error
    return evolve(found, value=repeated(value), known=repeated(found.known), error=error)


def _marked(evaluate: Evaluate) -> Evaluate:
    def computed(call: OpCall, inputs: Sequence[Array | None]) -> Sequence[Array]:
        try:
            return evaluate(call, inputs)
        except QregError as exc:
            raise NobodyCan(str(exc)) from exc

    return computed
