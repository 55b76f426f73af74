"""The states of a whole graph, op by op in execution order."""

from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from qreg.catalogue import Catalogue
from qreg.errors import QregError
from qreg.records import OpCall, Tensor
from qreg.specs import ShortcutHandlerSpec
from qreg_channels.state import Evaluate, Propagate, State, States, all_live, constant, live
from qreg_onnx.evaluate import Evaluator

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
    handler: Propagate = entry.spec.propagate.load()
    try:
        found = handler(call, states, evaluate)
    except QregError:
        return None  # nobody can compute the op here: a float16 op on a CPU, for example
    shapes = [tuple(s.value.shape) for s in found]
    if shapes != [t.shape for t in call.outputs]:
        raise QregError(
            f"shortcut handler {entry.id} ({entry.distribution}) gave states of shapes {shapes} "
            f"for {call.name!r}, whose outputs have shapes {[t.shape for t in call.outputs]}"
        )
    return found
