"""The states of a whole graph, op by op in execution order."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from qreg.catalogue import Catalogue, Entry
from qreg.errors import QregError
from qreg.records import Array, OpCall, Tensor
from qreg.specs import ShortcutHandlerSpec
from qreg_channels.state import Evaluate, State, States, all_live, constant, live
from qreg_onnx.evaluate import Evaluator

CONTRACT = "(OpCall, tuple[State | None, ...], Evaluate) -> tuple[State, ...]"

Watch = Callable[[int, int], None]


@frozen(eq=False)
class Analysis:
    """What is known of every tensor that a call makes, and of which calls nothing can be said."""

    states: Mapping[str, State]
    unhandled: tuple[OpCall, ...]  # no handler, or nobody can compute the op: live

    def of(self, tensor: Tensor) -> State:
        """The state of any edge: constants are known, inputs of the model are live."""
        if tensor.name in self.states:
            return self.states[tensor.name]
        return live(tensor) if tensor.value is None else constant(tensor.numpy())

    def inputs(self, call: OpCall) -> States:
        return tuple(None if t is None else self.of(t) for t in call.inputs)


def analyse(
    calls: Sequence[OpCall], catalogue: Catalogue, watch: Watch = lambda done, total: None
) -> Analysis:
    """Channel states of ``calls``, which stand in execution order.

    ``watch(done, total)`` is told after every call. An op without a handler in registry
    ``shortcut_handlers`` is live, which is always true, and listed.
    """
    evaluate = Evaluator(catalogue)
    states: dict[str, State] = {}
    unhandled: list[OpCall] = []
    so_far = Analysis(states, ())
    for index, call in enumerate(calls, 1):
        found = _across(call, so_far.inputs(call), catalogue, evaluate)
        if found is None:
            unhandled.append(call)
        outputs = all_live(call) if found is None else found
        states |= {t.name: s for t, s in zip(call.outputs, outputs, strict=True)}
        watch(index, len(calls))
    return Analysis(states, tuple(unhandled))


def _across(
    call: OpCall, states: States, catalogue: Catalogue, evaluate: Evaluate
) -> tuple[State, ...] | None:
    """The outputs' states by the op's handler; None where there is none or it cannot compute."""
    entry = catalogue.choose(ShortcutHandlerSpec, call.target, call.opset)
    if entry is None:
        return None
    about = f"node {call.name!r} ({call.target})"
    try:
        found = entry.call("propagate", call, states, _marked(evaluate), about=about)
    except _NobodyCan:
        return None  # a float16 op on a CPU, for example
    return _checked(found, call, entry, about)


def _checked(
    found: Any, call: OpCall, entry: Entry[ShortcutHandlerSpec], about: str
) -> tuple[State, ...]:
    """What a handler gave, if it is one state per output, each of its shape."""
    whose = f"{about}: {entry.spec.registry} {entry.id} ({entry.distribution} {entry.version})"
    if not isinstance(found, (tuple, list)) or not all(isinstance(s, State) for s in found):
        raise QregError(
            f"{whose} gave {type(found).__name__}; its contract is {CONTRACT}; that is a fault of "
            "the plugin"
        )
    shapes = [tuple(s.value.shape) for s in found]
    wanted = [t.shape for t in call.outputs]
    if shapes != wanted:
        raise QregError(
            f"{whose} gave states of shapes {shapes}; the op's outputs have shapes {wanted}; that "
            "is a fault of the plugin"
        )
    return tuple(found)


class _NobodyCan(QregError):
    """The op cannot be computed, which is no fault of the handler that asked for it."""


def _marked(evaluate: Evaluate) -> Evaluate:
    def computed(call: OpCall, inputs: Sequence[Array | None]) -> Sequence[Array]:
        try:
            return evaluate(call, inputs)
        except QregError as exc:
            raise _NobodyCan(str(exc)) from exc

    return computed
