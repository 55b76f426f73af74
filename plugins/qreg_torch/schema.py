"""What an op of PyTorch's dispatcher takes and does, read from its schema once."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from attrs import frozen
from torch._ops import OpOverload

# Ops that give other numbers every time, or none that mean anything.
UNSETTLED = {
    "empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided",
    "resize", "resize_",
}  # fmt: skip
# Ops that give the elements of one tensor, all or some, perhaps elsewhere or in another type.
# Views are known by their schema; these may copy.
MOVES = {
    "_reshape_alias", "_to_copy", "_unsafe_view", "alias_copy", "clone", "contiguous", "flatten",
    "lift_fresh_copy", "reshape_as", "type_as", "unflatten", "unsafe_chunk", "unsafe_split",
    "unsafe_split_with_sizes", "view_as",
}  # fmt: skip
# Arguments that only say which type, size or device is wanted, by op.
PATTERNS = {
    "type_as": "other", "view_as": "other", "reshape_as": "other", "expand_as": "other",
    "to": "other", "zeros_like": "self", "ones_like": "self", "full_like": "self",
    "new_zeros": "self", "new_ones": "self", "new_full": "self", "fill": "self", "zero": "self",
    "copy": "self",
}  # fmt: skip
DROPS = {"dropout_p", "dropout", "train", "training"}
# Buffers that are written to where a flag is set, which these ops' schemas do not tell.
HIDDEN_WRITES = {
    "batch_norm": ("training", ("running_mean", "running_var")),
    "instance_norm": ("use_input_stats", ("running_mean", "running_var")),
}

TENSOR, TENSORS, OTHER = "tensor", "tensors", "other"
PLAIN = frozenset((bool, int, float, complex, str, type(None)))


@frozen
class Argument:
    """``kind`` is tensor, tensors (a list, which may have gaps) or other; ``type`` as torch names it."""

    name: str
    kind: str
    type: str
    default: Any
    written: bool


@frozen(eq=False)
class Op:
    """One overload. ``target`` is its name in records: an in-place op goes by its functional twin."""

    target: str
    packet: str
    arguments: tuple[Argument, ...]
    positional: int  # the arguments after these go by keyword
    given: frozenset[str]  # the arguments that the functional twin has
    writes: tuple[int, ...]
    pattern: int | None  # the argument of which only size and type are read
    device: int | None  # the argument that says where the result lies
    moves: bool  # gives elements of its first tensor as they are
    turns: bool  # changes how a tensor looks at its storage, and writes nothing there
    settled: bool  # the same arguments give the same result
    returns: bool
    drops: tuple[int, ...]  # arguments without which it does not drop at random
    hidden: tuple[str, tuple[int, ...]] | None  # a flag, and what it lets the op write to

    def bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """All arguments in the schema's order, defaults filled in."""
        rest = self.arguments[len(args) :]
        if not kwargs:
            return [*args, *(a.default for a in rest)]
        return [*args, *(kwargs.get(a.name, a.default) for a in rest)]

    def repeats(self, values: Sequence[Any]) -> bool:
        """Whether the op gives the same for these values every time."""
        return self.settled or any(not values[i] for i in self.drops)

    def call(self, func: OpOverload, values: Sequence[Any]) -> Any:
        """What the overload gives for arguments in the schema's order."""
        split = self.positional
        if split == len(values):
            return func(*values)
        rest = zip(self.arguments[split:], values[split:], strict=True)
        return func(*values[:split], **{a.name: v for a, v in rest})

    def written(self, values: Sequence[Any]) -> tuple[int, ...]:
        """The arguments that a call with these values writes to."""
        if self.hidden is None:
            return self.writes
        flag, positions = self.hidden
        names = [a.name for a in self.arguments]
        return self.writes + (positions if values[names.index(flag)] else ())


@cache
def described(func: OpOverload) -> Op:
    """The op behind an overload."""
    schema = func._schema
    namespace, _, name = schema.name.partition("::")
    twin = functional(func)
    packet = (twin or func)._schema.name.partition("::")[2]
    arguments = tuple(_argument(a) for a in schema.arguments)
    writes = tuple(i for i, a in enumerate(arguments) if a.written)
    turns = torch.Tag.inplace_view in func.tags
    aliases = [r.alias_info for r in schema.returns]
    is_view = any(a is not None and not a.is_write for a in aliases)
    return Op(
        target=f"{namespace}.{packet}.{(twin or func)._overloadname}",
        packet=packet,
        arguments=arguments,
        positional=sum(not a.kwarg_only for a in schema.arguments),
        given=frozenset(a.name for a in (twin or func)._schema.arguments),
        writes=writes,
        pattern=_first(a.name == PATTERNS.get(packet) for a in arguments),
        device=_first(a.type in ("Device", "Optional[Device]") for a in arguments),
        moves=turns or (not writes and (is_view or name in MOVES)),
        turns=turns,
        returns=bool(schema.returns),
        drops=tuple(i for i, a in enumerate(arguments) if a.name in DROPS),
        settled=torch.Tag.nondeterministic_seeded not in func.tags and name not in UNSETTLED,
        hidden=_hidden(packet, arguments),
    )


def functional(func: OpOverload) -> OpOverload | None:
    """The overload that gives a new tensor where this one writes to an argument; None without."""
    if not func._schema.is_mutable:
        return None
    namespace, _, name = func._schema.name.partition("::")
    wanted = [a.name for a in func._schema.arguments if not _is_out(a)]
    if name.startswith("__i") and name.endswith("__"):
        name = f"__{name[3:]}"
    elif name.endswith("_") and not name.endswith("__"):
        name = name.removesuffix("_")
    packet = getattr(getattr(torch.ops, namespace), name, None)
    if packet is None:
        return None
    overloads = packet.overloads()
    same = [n for n in overloads if n == (func._overloadname or "default")]
    for overload in (*same, *(n for n in overloads if n not in same)):
        candidate: OpOverload = getattr(packet, overload)
        fits = [a.name for a in candidate._schema.arguments] == wanted
        if fits and not candidate._schema.is_mutable:
            return candidate
    return None


def plain(value: Any) -> Any:
    """An argument as records hold it: lists as tuples, types and layouts by name.

    Where it ran is no property of an op: a device is None.
    """
    if type(value) in PLAIN:
        return value
    if isinstance(value, (list, tuple)):
        return tuple([plain(v) for v in value])
    if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
        return str(value).removeprefix("torch.")
    if isinstance(value, (torch.device, torch.Generator)):
        return None
    return value


def dtype_name(dtype: torch.dtype) -> str:
    """``float32``, ``bfloat16``, ``int64``, ``bool``; of a quantised type the integers it stores."""
    return _DTYPES.get(dtype) or str(dtype).removeprefix("torch.")


_DTYPES = {
    **{d: str(d).removeprefix("torch.") for d in (torch.float32, torch.int64, torch.bool)},
    torch.qint8: "int8",
    torch.quint8: "uint8",
    torch.qint32: "int32",
    torch.quint4x2: "uint4",
    torch.quint2x4: "uint2",
}


def _argument(argument: Any) -> Argument:
    kind = {
        "Tensor": TENSOR, "Optional[Tensor]": TENSOR, "List[Tensor]": TENSORS,
        "List[Optional[Tensor]]": TENSORS, "Optional[List[Tensor]]": TENSORS,
    }.get(str(argument.type), OTHER)  # fmt: skip
    written = argument.alias_info is not None and argument.alias_info.is_write
    default = argument.default_value if argument.has_default_value() else None
    return Argument(
        name=argument.name,
        kind=kind,
        type=str(argument.real_type),
        default=tuple(default) if isinstance(default, list) else default,
        written=written,
    )


def _first(flags: Iterable[bool]) -> int | None:
    return next((i for i, flag in enumerate(flags) if flag), None)


def _is_out(argument: Any) -> bool:
    """Whether the argument only receives the result."""
    alias = argument.alias_info
    return bool(argument.kwarg_only and alias is not None and alias.is_write)


def _hidden(packet: str, arguments: Sequence[Argument]) -> tuple[str, tuple[int, ...]] | None:
    flag, names = HIDDEN_WRITES.get(packet, ("", ()))
    positions = tuple(i for i, a in enumerate(arguments) if a.name in names and not a.written)
    return (flag, positions) if positions else None
