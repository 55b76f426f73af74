"""Which elements an output of the model needs, op by op from the end.

An element is needed when changing it can change an output. What is known for every input is never
needed: it can be put in its place. A handler says which elements of its op's inputs the wanted
elements of its outputs are computed from; of ops without one, whatever is wanted needs everything.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qreg.catalogue import Entry
from qreg.errors import QregError
from qreg.records import Array, OpCall, Tensor, Trace
from qreg.specs import ShortcutHandlerSpec
from qreg_channels.state import Evaluate, Masks, Needed, NobodyCan, State, States
from qreg_channels.uniform import both, either, everywhere, holds_somewhere, inverted

CONTRACT = "(OpCall, states, needed outputs, Evaluate) -> one mask or None per input"

EntryOf = Callable[[OpCall], Entry[ShortcutHandlerSpec] | None]


def needed_tensors(
    trace: Trace,
    given: Callable[[OpCall], States],
    of: Callable[[Tensor], State],
    entry_of: EntryOf,
    evaluate: Evaluate,
) -> dict[str, Array]:
    """The needed elements of every tensor that the model gives or a call reads, by name."""
    tensors = {t.name: t for t in tensors_of(trace)}
    masks: dict[str, Array] = {}

    def want(tensor: Tensor, mask: Array) -> None:
        if tensor.name in masks:
            mask = either(masks[tensor.name], mask)
        state = of(tensor)
        masks[tensor.name] = mask if state.is_live else both(mask, inverted(state.known))

    for tensor in _read_outside(trace, tensors):
        want(tensor, everywhere(True, tensor.shape))
    for call in reversed(trace.calls):
        wanted = tuple(masks.get(t.name, everywhere(False, t.shape)) for t in call.outputs)
        if not any(holds_somewhere(mask) for mask in wanted):
            continue
        found = _across(call, given(call), wanted, entry_of(call), evaluate)
        for read, mask in zip(call.inputs, found, strict=True):
            if read is not None and mask is not None and read.value is None:
                want(read, mask)
    return masks


def everything(call: OpCall) -> Needed:
    """What is always true where any of an output is wanted: all of every input."""
    return tuple(None if t is None else everywhere(True, t.shape) for t in call.inputs)


def tensors_of(trace: Trace) -> tuple[Tensor, ...]:
    """Every tensor that the calls read or make, in order."""
    found: dict[str, Tensor] = {}
    for call in trace.calls:
        for tensor in (*call.inputs, *call.outputs):
            if tensor is not None:
                found.setdefault(tensor.name, tensor)
    return tuple(found.values())


def _read_outside(trace: Trace, tensors: dict[str, Tensor]) -> Sequence[Tensor]:
    """What the model gives, and what ops of unknown shape read: everything where that is not told.

    So it is where code may read numbers: another input may have it read others.
    """
    if trace.varying or any(not call.inputs for call in trace.lacking):
        return tuple(tensors.values())
    names = [*trace.outputs, *(t.name for c in trace.lacking for t in c.inputs if t is not None)]
    return tuple(tensors[n] for n in dict.fromkeys(names) if n in tensors)


def _across(
    call: OpCall,
    states: States,
    wanted: Masks,
    entry: Entry[ShortcutHandlerSpec] | None,
    evaluate: Evaluate,
) -> Needed:
    if entry is None or entry.spec.needed is None:
        return everything(call)
    about = f"node {call.name!r} ({call.target})"
    try:
        found = entry.call("needed", call, states, wanted, evaluate, about=about)
    except NobodyCan:
        return everything(call)
    return _checked(found, call, entry, about)


def _checked(found: Any, call: OpCall, entry: Entry[ShortcutHandlerSpec], about: str) -> Needed:
    """What a handler gave, if it is one mask per input, each of its shape."""
    whose = f"{about}: {entry.spec.registry} {entry.id} ({entry.distribution} {entry.version})"
    shapes = [None if t is None else t.shape for t in call.inputs]
    if not isinstance(found, (tuple, list)) or not all(
        m is None or (isinstance(m, np.ndarray) and m.dtype == np.bool_) for m in found
    ):
        raise QregError(
            f"{whose} gave {type(found).__name__}; the contract of needed is {CONTRACT}; that is a "
            "fault of the plugin"
        )
    given = [None if m is None else m.shape for m in found]
    if len(given) != len(shapes) or any(
        g != s for g, s in zip(given, shapes, strict=True) if g is not None
    ):
        raise QregError(
            f"{whose} says of inputs of shapes {shapes} that masks of shapes {given} are needed; "
            "that is a fault of the plugin"
        )
    return tuple(
        mask if mask is not None or t is None else everywhere(True, t.shape)
        for mask, t in zip(found, call.inputs, strict=True)
    )
