"""What ``context(call)`` of a ``c_emitters`` entry may hold: the whole contract with its author.

Every node becomes one C function::

    static void <identifier>(const T *restrict in0, ..., T *restrict out0, ...)

whose body is the entry's template (Jinja, written from column 0), filled with the dict that
``context(call)`` returns. Parameters are the inputs computed at run time, named by their position
in the node (``in0``, ``in2``, ...), the outputs (``out0``, ...), and the scratch asked for; all in
row-major (NCHW) order, never overlapping. ``call`` gives names, shapes, attributes and constants.

Keys with a meaning of their own, each optional:

``arrays``   name -> numpy array, emitted as ``static const``; ``{{ name }}`` is its identifier.
             Under the name ``in1`` it stands for a constant input 1: ``{{ in1 }}`` then reads alike
             whether the input is a constant or a parameter.
``scratch``  name -> (dtype, elements): working memory from the arena, a parameter of that name.
``helpers``  templates of static functions, ``package:file.c.j2``, each emitted once per program
             before the functions; list what a helper itself calls before it.
``headers``  standard headers the body needs beyond <stdint.h> and <stddef.h>: ``("string.h",)``.
``shares``   ``"in0"``: the output is that input's memory under another shape. No code and no memory
             is spent where the program allows it; elsewhere the template runs and must copy. Of a
             constant input it copies too, from ``{{ in0 }}``.
``exact``    True where the C gives bit for bit what the op's definition gives (integers, moved
             data, one rounded operation). ``verify`` demands equality of outputs that depend on
             such nodes only, and bounds the others in ULP. Without it, False.
``notes``    lines for the function's comment.

All other keys are the template's own. It also sees ``in0_type``, ``out0_type`` (C types) and
``function`` (the identifier). ``{{ value }}`` writes numbers as exact C literals: a Python float or
``numpy.float32`` as a float, ``numpy.float64`` as a double.

A form the template does not cover raises ``refuse(call, why)`` of ``qreg_emit.operands``.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import evolve, field, frozen

from qreg.catalogue import Catalogue, Entry
from qreg.errors import QregError, cause_of
from qreg.records import Array, OpCall, Tensor
from qreg.specs import CEmitterSpec
from qreg_emit.keys import OWN_KEYS, fault
from qreg_emit.literals import C_TYPES


@frozen
class Scratch:
    dtype: str
    elements: int


@frozen(eq=False)
class NodeCode:
    """One node, its emitter, and what the emitter's context asks for."""

    call: OpCall
    entry: Entry[CEmitterSpec]
    values: Mapping[str, object]
    arrays: Mapping[str, Array] = field(factory=dict)
    scratch: Mapping[str, Scratch] = field(factory=dict)
    helpers: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    shares: str = ""
    exact: bool = False
    notes: tuple[str, ...] = ()

    @property
    def parameters(self) -> tuple[tuple[str, Tensor], ...]:
        """The inputs computed at run time, with their names in C."""
        return tuple((f"in{i}", t) for i, t in enumerate(self.call.inputs)
                     if t is not None and t.value is None)  # fmt: skip

    @property
    def results(self) -> tuple[tuple[str, Tensor], ...]:
        return tuple((f"out{i}", t) for i, t in enumerate(self.call.outputs) if t.name)

    @property
    def unnamed(self) -> tuple[str, ...]:
        """The inputs that are constants and not among ``arrays``: no C name reaches them."""
        return tuple(name for name in _constants(self.call) if name not in self.arrays)

    @property
    def shared_input(self) -> Tensor | None:
        """The input whose memory the first output may be."""
        return dict(self.parameters).get(self.shares)


def node_code(call: OpCall, catalogue: Catalogue, target: str, isa: frozenset[str]) -> NodeCode:
    """The node through its emitter. Raises QregError where there is none, or it refuses."""
    entry = _emitter(call, catalogue, target, isa)
    _check_tensors(call)
    try:
        context = entry.spec.context.load()(call)
    except QregError:
        raise
    except Exception as exc:  # third-party code may raise anything
        place = f"node {call.name!r} ({call.target})"
        raise QregError(f"{place}: {_who(entry)} failed: {cause_of(exc)}") from exc
    return _checked(call, entry, context)


def _emitter(
    call: OpCall, catalogue: Catalogue, target: str, isa: frozenset[str]
) -> Entry[CEmitterSpec]:
    dtype = next((t.dtype for t in (*call.inputs, *call.outputs) if t is not None), "")
    entry = catalogue.choose(CEmitterSpec, call.target, call.opset, dtypes=dtype, isa=isa)
    if entry is not None:
        return entry
    place = f"node {call.name!r} ({call.target}) on {dtype} at operator set {call.opset}"
    other = catalogue.choose(CEmitterSpec, call.target)
    known = "no plugin claims the op"
    if other is not None:
        dtypes = ", ".join(other.spec.dtypes)
        known = f"{other.id} writes {dtypes} from operator set {other.spec.since}"
    raise QregError(
        f"{place}: registry c_emitters has no entry for it and target {target!r} ({known}). "
        "Nothing is written. A plugin adds one: `qreg new-plugin NAME` makes it, CEmitterSpec "
        "declares it"
    )


def _check_tensors(call: OpCall) -> None:
    for tensor in (*call.inputs, *call.outputs):
        if tensor is None or not tensor.name or tensor.value is not None:
            continue
        place = f"node {call.name!r} ({call.target}): tensor {tensor.name!r}"
        shape = list(tensor.shape)
        if not tensor.elements:
            raise QregError(f"{place} has no elements (shape {shape}); C has no such array")
        if tensor.dtype not in C_TYPES:
            raise QregError(f"{place} is {tensor.dtype}, for which C99 has no type")
        if tensor.elements >= 2**31:
            raise QregError(f"{place} has {tensor.elements} elements; 32-bit indices end at 2^31")


def _checked(call: OpCall, entry: Entry[CEmitterSpec], context: Any) -> NodeCode:
    """The context's own keys, typed. Raises QregError that blames the entry."""
    wrong = fault(context)
    if wrong:
        raise blame(call, entry, wrong)
    code = NodeCode(
        call=call,
        entry=entry,
        values={k: v for k, v in context.items() if k not in OWN_KEYS},
        arrays=dict(context.get("arrays", {})),
        scratch={n: Scratch(*wanted) for n, wanted in context.get("scratch", {}).items()},
        helpers=tuple(context.get("helpers", ())),
        headers=tuple(context.get("headers", ())),
        shares=context.get("shares", ""),
        exact=context.get("exact", False),
        notes=tuple(context.get("notes", ())),
    )
    if not code.shares:
        return code
    constant = _constants(call).get(code.shares)
    if constant is not None:  # memory that cannot be the output's: the template copies it
        arrays = {**code.arrays, code.shares: np.asarray(constant.numpy())}
        return evolve(code, shares="", arrays=arrays)
    _check_sharing(code)
    return code


def _constants(call: OpCall) -> dict[str, Tensor]:
    """The inputs stored in the model, by the names that stand for them in C."""
    return {f"in{i}": t for i, t in enumerate(call.inputs) if t is not None and t.value is not None}


def _check_sharing(code: NodeCode) -> None:
    shared, result = code.shared_input, code.call.output
    if shared is None:
        wrong = f"shares is {code.shares!r}, which is no input computed at run time"
        raise blame(code.call, code.entry, wrong)
    if (shared.dtype, shared.elements) != (result.dtype, result.elements):
        wrong = f"shares is {code.shares!r}, but the output has another type or number of elements"
        raise blame(code.call, code.entry, wrong)


def blame(call: OpCall, entry: Entry[CEmitterSpec], wrong: str) -> QregError:
    """The error for an emitter that does not keep this contract."""
    return QregError(f"{_who(entry)}: context for {call.name!r} ({call.target}): {wrong}")


def _who(entry: Entry[CEmitterSpec]) -> str:
    return f"c_emitters entry {entry.id} ({entry.distribution})"
