"""The value of one op of PyTorch's dispatcher, computed by PyTorch on numpy arrays."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch._ops import OpOverload

from qreg.errors import QregError
from qreg.records import Array, OpCall
from qreg_torch.arrays import to_array, to_tensor
from qreg_torch.constants import leaves
from qreg_torch.schema import OTHER, TENSOR, Argument, described

# Arrays that repeat one number by stride 0, as channel states do, cannot always be viewed.
VIEWS = ("aten.view.default", "aten._unsafe_view.default", "aten.view_copy.default")
NOTHING = torch.zeros(0, dtype=torch.uint8)  # in place of an output that is not computed
# Ops whose integers say where to look: they stay integers when masks come as real numbers.
LOOKUPS = {"indices", "index", "offsets"}


def evaluate(call: OpCall, inputs: tuple[Array | None, ...]) -> tuple[Array, ...]:
    """The call's outputs. Inputs may be of other types than the call's: a mask as real numbers.

    Real inputs of several types are computed in the widest of them. Raises QregError where PyTorch
    has no such op, or cannot compute it on this machine.
    """
    func = overload(call.target)
    values = _arguments(call, func, inputs)
    op = described(func)
    try:
        with torch.inference_mode(), _generator_kept(op.repeats(values)):
            if call.target in VIEWS and isinstance(values[0], torch.Tensor):
                values[0] = values[0].contiguous()
            for position in op.written(values):
                if isinstance(values[position], torch.Tensor):
                    values[position] = values[position].clone()
            made = leaves(op.call(func, values))
            return tuple(to_array(NOTHING if m is None else m) for m in made)
    except (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError) as exc:
        reason = " ".join(str(exc).split())
        raise QregError(
            f"{call.name}: {call.target} cannot be computed by PyTorch {torch.__version__}: {reason}"
        ) from exc


def overload(target: str) -> OpOverload:
    """``aten.add.Tensor`` as PyTorch has it."""
    namespace, _, rest = target.partition(".")
    packet, _, name = rest.partition(".")
    found = getattr(getattr(torch.ops, namespace), packet, None)
    found = getattr(found, name or "default", None)
    if not isinstance(found, OpOverload):
        raise QregError(f"PyTorch {torch.__version__} has no op {target}")
    return found


@contextmanager
def _generator_kept(idle: bool) -> Iterator[None]:
    """Numbers that an op draws are not missing elsewhere; saving the generator takes a while."""
    state = None if idle else torch.get_rng_state()
    try:
        yield
    finally:
        if state is not None:
            torch.set_rng_state(state)


def _arguments(call: OpCall, func: OpOverload, inputs: Sequence[Array | None]) -> list[Any]:
    """All arguments in the schema's order: tensors from ``inputs``, the others from attributes."""
    tensors = iter(_alike(call, inputs))
    return [_argument(a, call, tensors) for a in described(func).arguments]


def _argument(argument: Argument, call: OpCall, tensors: Iterator[torch.Tensor | None]) -> Any:
    given = call.attributes.get(argument.name, argument.default)
    if argument.kind is OTHER:
        return _typed(argument.type, given)
    if argument.kind is TENSOR:
        return _position(argument, call, next(tensors, None), given)  # the last may be left out
    if given is None:
        return None
    return [_position(argument, call, next(tensors), None) for _ in range(given)]


def _position(
    argument: Argument, call: OpCall, tensor: torch.Tensor | None, number: Any
) -> torch.Tensor | Any:
    if tensor is None:
        return number
    if argument.name in LOOKUPS and tensor.dtype.is_floating_point:
        return tensor.long()
    return tensor


def _typed(kind: str, value: Any) -> Any:
    """An attribute as PyTorch takes it; everything is computed on the CPU."""
    if "Device" in kind:
        return None
    if isinstance(value, str) and any(n in kind for n in ("ScalarType", "Layout", "MemoryFormat")):
        return getattr(torch, value)
    return list(value) if isinstance(value, tuple) else value


def _alike(call: OpCall, inputs: Sequence[Array | None]) -> list[torch.Tensor | None]:
    """The arrays as tensors: where the call's real numbers are all of one type, these are too."""
    found = [None if a is None else to_tensor(a) for a in inputs]
    wanted = {t.dtype for t in call.inputs if t is not None and _is_real(t.dtype)}
    real = {t.dtype for t in found if t is not None and t.dtype.is_floating_point}
    if len(wanted) > 1 or len(real) < 2:
        return found
    widest = max(real, key=lambda d: (d.itemsize, torch.finfo(d).eps < 1e-3))
    return [t if t is None or not t.dtype.is_floating_point else t.to(widest) for t in found]


def _is_real(dtype: str) -> bool:
    return dtype.startswith(("float", "bfloat"))
