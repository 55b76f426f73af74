"""A dispatch mode that notes every op, and on meta tensors runs none of them."""

import builtins
import keyword
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from attrs import define, field, frozen
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from qreg_torch.constants import Computation, Edge, Part, Pattern, Values, leaves
from qreg_torch.ledger import EDGE
from qreg_torch.rules import RULES
from qreg_torch.schema import OTHER, TENSOR, Op, described, plain
from qreg_torch.twins import Twins

READS = {"item", "_local_scalar_dense", "is_nonzero", "equal", "allclose"}  # give Python numbers
# Ops whose factors are of one type, unless autocast has cast the stored one alone.
ALIKE = {"linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
         "conv_transpose3d", "matmul", "mm", "bmm", "addmm", "convolution"}  # fmt: skip
AUTOCAST = "autocast casts no tensors on meta"
INDICES = {"indices", "index"}  # arguments that are integers whatever the model's input was made as

Edges = tuple[Edge | None, ...]


@frozen(eq=False)
class Seen:
    """An op that ran: where, on which tensors, with which other arguments."""

    op: Op
    module: str
    traced: str  # the op's name and how often it ran before, as torch.export counts: ``relu_2``
    inputs: Edges
    outputs: Edges
    attributes: Mapping[str, Any]


class WantsIntegers(Exception):
    """An input of the model is used as indices, and was given as real numbers."""

    def __init__(self, name: str) -> None:
        super().__init__(f"input {name!r} is used as indices")
        self.name = name


@define(eq=False)
class Record:
    """What a recorder found.

    ``read`` are tensors that count as read though no op reads them, ``overwritten`` the labels of
    stored tensors that ops write to and whether with numbers that depend on the inputs, ``baked``
    the numbers that the code took out of constants.
    """

    calls: list[Seen] = field(factory=list)
    read: list[Edge] = field(factory=list)
    overwritten: dict[str, bool] = field(factory=dict)
    baked: list[tuple[Computation, Any]] = field(factory=list)


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every op in ``record``; ``module`` tells where it runs.

    On meta each tensor that has numbers is replaced by a twin that has none, and the op runs on
    those: nothing is computed, and nothing the module holds is written to.
    """

    supports_higher_order_operators = True  # to refuse them in our own words

    def __init__(self, twins: Twins, module: Callable[[], str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.record = Record(read=twins.ledger.read)
        self.twins = twins
        self.ledger = twins.ledger
        self.muted = 0  # above 0 calls are not noted
        self._module = module
        self._counts: Counter[str] = Counter()
        self._folds: dict[tuple[Any, ...], str] = {}
        self._values = Values()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Compiled code does not run under a recorder; keeping it away would import torch.compile."""
        return False

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if not isinstance(func, OpOverload):
            raise NotImplementedError(f"{func} takes functions: what they run cannot be watched")
        if func.namespace == "profiler":  # record_function: a mark around what runs
            return func(*args, **(kwargs or {}))
        op = described(func)
        values = op.bound(args, kwargs or {})
        inputs, attributes = self._taken(op, values)
        if self.twins.on_meta and op.packet in READS and self._is_fixed(op, inputs):
            return self._number(func, op, values)
        try:
            result = self._run(func, op, values)
        except Exception:
            self._blame(op, values)
            raise
        written = op.written(values)
        made = leaves(result) if op.returns else []
        still = not written or op.packet == "detach" or (op.drops and op.repeats(values))
        if made and still and all(any(m is v for v in values) for m in made):
            return result  # a dropout that drops nothing, a cast to the type it has
        outputs = self._outputs(func, op, values, inputs, made, written)
        if outputs is not None and not self.muted:
            self._note(op, inputs, outputs, attributes)
        return result

    def _note(self, op: Op, inputs: Edges, outputs: Edges, attributes: dict[str, Any]) -> None:
        if outputs:
            traced = self._traced(op.packet)
            seen = Seen(op, self._module(), traced, inputs, outputs, attributes)
            self.record.calls.append(seen)
        else:  # a number for Python, which the model may decide by
            self.record.read += [e for e in inputs if e is not None]

    def _taken(self, op: Op, values: list[Any]) -> tuple[Edges, dict[str, Any]]:
        """Tensors and other arguments; in ``values`` tensors are replaced by their twins."""
        inputs: list[Edge | None] = []
        attributes: dict[str, Any] = {}
        for index, argument in enumerate(op.arguments):
            value = values[index]
            if argument.kind is OTHER:
                if isinstance(value, torch.ScriptObject):
                    inputs += self.twins.unpacked(value, self._module())
                elif argument.name in op.given:
                    attributes[argument.name] = plain(value)
            elif isinstance(value, torch.Tensor):
                values[index] = twin = self.twins.of(value)
                if argument.name in op.given:  # not where it only receives the result
                    inputs.append(self.ledger.edge(twin))
            elif argument.kind is TENSOR:
                inputs.append(None)
                if value is not None:
                    attributes[argument.name] = value
            elif value is None:
                attributes[argument.name] = None
            else:
                values[index] = [None if v is None else self.twins.of(v) for v in value]
                inputs += [None if v is None else self.ledger.edge(v) for v in values[index]]
                attributes[argument.name] = len(value)
        return tuple(inputs), attributes

    def _number(self, func: OpOverload, op: Op, values: list[Any]) -> Any:
        """What the code reads out of constants: computed, and remembered."""
        computation = self._computation(func, op, values, ())
        with torch.no_grad():
            found = self._values.result(computation)
        self.record.baked.append((computation, found))
        return found

    def _run(self, func: OpOverload, op: Op, values: list[Any]) -> Any:
        if not self.twins.on_meta:
            return op.call(func, values)
        if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
            raise NotImplementedError(AUTOCAST)
        if op.packet in ALIKE:
            kinds = {v.dtype for v in values if isinstance(v, torch.Tensor)}
            if len(kinds) > 1:
                raise NotImplementedError(AUTOCAST)
        rule = RULES.get(op.target)
        if rule is not None and len(values) == len(op.given):
            found = rule(*values)
            in_place = 0 in op.writes
            if found is not None and not in_place:
                return found
            if found is not None and found.shape == values[0].shape:
                return values[0]
        if op.device is not None:
            values[op.device] = torch.device("meta")
        return op.call(func, values)

    def _blame(self, op: Op, values: Sequence[Any]) -> None:
        """Raises WantsIntegers where the op failed over an input of the model."""
        for argument, value in zip(op.arguments, values, strict=True):
            if argument.name in INDICES or op.packet == "one_hot":
                for tensor in (t for t in leaves(value) if isinstance(t, torch.Tensor)):
                    edge = self.ledger.edge(tensor)
                    if edge.input and tensor.dtype.is_floating_point:
                        raise WantsIntegers(edge.input) from None

    def _outputs(
        self,
        func: OpOverload,
        op: Op,
        values: list[Any],
        inputs: Edges,
        made: Sequence[Any],
        written: tuple[int, ...],
    ) -> Edges | None:
        """What the op makes; None where that is a view or cast of what the module holds."""
        fixed = None
        if op.repeats(values) and self._is_fixed(op, inputs):
            fixed = self._computation(func, op, values, written)
        first = inputs[0] if op.moves and inputs else None
        held = first if first is not None and first.stored else None
        if fixed and held and all(m.numel() <= prod(held.shape) for m in made):
            self._fold(held, fixed, made)
            return None
        label = next((e.label for e in inputs if e is not None and e.label), "") if fixed else ""
        rewritten = {id(t): t for p in written for t in leaves(values[p]) if t is not None}
        changed = {} if op.turns else {k: self.ledger.write(t) for k, t in rewritten.items()}
        sources = {id(t): Part(fixed, i) for i, t in enumerate(made)} if fixed else {}
        for key, tensor in {**{id(t): t for t in made if t is not None}, **rewritten}.items():
            if key in rewritten or not hasattr(tensor, EDGE):
                given = first.input if first is not None else ""
                self.ledger.mark(tensor, source=sources.get(key), label=label, input=given)
        for key, name in changed.items():
            if name:  # the module keeps what is written
                self._overwrite(name, rewritten[key], fixed is None)
        outputs = made or [*rewritten.values()]
        return tuple(None if t is None else self.ledger.edge(t) for t in outputs)

    def _overwrite(self, label: str, tensor: torch.Tensor, by_inputs: bool) -> None:
        overwritten = self.record.overwritten
        overwritten[label] = by_inputs or overwritten.get(label, False)
        self.record.read.append(self.ledger.edge(tensor))

    def _is_fixed(self, op: Op, inputs: Edges) -> bool:
        """Whether no input of the model changes the result."""
        read = [e for i, e in enumerate(inputs) if e is not None and i != op.pattern]
        return all(e.source is not None for e in read) and (self.twins.on_meta or bool(read))

    def _fold(self, held: Edge, computation: Computation, made: Sequence[Any]) -> None:
        """Views and casts of what the module holds go by its name, parts of it by one of their own."""
        op = computation.op
        rest = [plain(v) for v in computation.values if not isinstance(v, (Edge, Pattern))]
        for index, tensor in enumerate(made):
            name = held.name
            if tensor.numel() != prod(held.shape):
                key = (held.name, op.target, str(rest), index)
                name = self._folds.get(key) or f"{held.name}.{self._traced(op.packet)}"
                self._folds[key] = name
            source = Part(computation, index)
            self.ledger.mark(tensor, name, source=source, label=held.label, stored=True)

    def _computation(
        self, func: OpOverload, op: Op, values: list[Any], written: tuple[int, ...]
    ) -> Computation:
        kept = [self._kept(v) for v in values]
        if op.pattern is not None and isinstance(values[op.pattern], torch.Tensor):
            tensor = values[op.pattern]
            kept[op.pattern] = Pattern(tuple(tensor.shape), tensor.dtype)
        return Computation(func, op, tuple(kept), written)

    def _kept(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self.ledger.edge(value)
        return [self._kept(v) for v in value] if isinstance(value, (list, tuple)) else value

    def _traced(self, packet: str) -> str:
        """``relu``, then ``relu_1``; Python's own names begin with ``_1``, as in torch.fx."""
        count = self._counts[packet]
        self._counts[packet] += 1
        taken = hasattr(builtins, packet) or keyword.iskeyword(packet)
        return f"{packet}_{count + taken}" if count + taken else packet
