"""Calls as records, without a model around them, and what the registry says they cost."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from qreg.catalogue import Catalogue, discover
from qreg.records import Contraction, Cost, OpCall, Tensor
from qreg_cost.estimate_cost import cost_of

Shape = Sequence[int]


@cache
def installed() -> Catalogue:
    return discover()


def priced(call: OpCall) -> Cost:
    """What the entry that serves the call says."""
    cost = cost_of(call, installed())
    assert cost is not None, f"{call.target} has no estimator"
    return cost


def macs(call: OpCall) -> int:
    return priced(call).macs


def sizes(contraction: Contraction) -> tuple[int, int, int, int]:
    return contraction.m, contraction.n, contraction.k, contraction.count


def onnx_call(
    target: str,
    inputs: Sequence[Shape | Tensor | None],
    outputs: Sequence[Shape],
    **attributes: Any,
) -> OpCall:
    """``Conv`` is short for ``onnx.Conv``; a shape is a computed float tensor of that shape."""
    return OpCall(
        target=target if "." in target else f"onnx.{target}",
        name="node",
        inputs=tuple(edge(x, f"i{i}") for i, x in enumerate(inputs)),
        outputs=tuple(Tensor(f"o{i}", "float32", tuple(s)) for i, s in enumerate(outputs)),
        attributes=attributes,
        opset=99,
    )


def edge(given: Shape | Tensor | None, name: str) -> Tensor | None:
    if given is None or isinstance(given, Tensor):
        return given
    return Tensor(name, "float32", tuple(given))


def stored(array: NDArray[Any], name: str = "w") -> Tensor:
    return Tensor(name, array.dtype.name, array.shape, ir.tensor(np.ascontiguousarray(array)))


def aten(name: str, *args: Any, **kwargs: Any) -> OpCall:
    """A call of ``linear`` or ``mm.dtype`` with torch tensors, and what PyTorch makes of them.

    ``quantized::linear`` names another namespace than aten; a packed weight is unpacked.
    """
    import torch

    namespace, _, rest = name.rpartition("::")
    packet, _, which = rest.partition(".")
    func = getattr(getattr(getattr(torch.ops, namespace or "aten"), packet), which or "default")
    with torch.inference_mode():
        return call_of(func, args, kwargs, func(*args, **kwargs))


def call_of(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> OpCall:
    """The record of a call of the dispatcher."""
    import torch

    inputs: list[Tensor | None] = []
    attributes: dict[str, Any] = {}
    for index, argument in enumerate(func._schema.arguments):
        default = argument.default_value if argument.has_default_value() else None
        value = args[index] if index < len(args) else kwargs.get(argument.name, default)
        kind = str(argument.type)
        if kind in ("List[Tensor]", "List[Optional[Tensor]]"):
            attributes[argument.name] = len(value)
            inputs += [_edge(t) for t in value]
        elif kind in ("Tensor", "Optional[Tensor]"):
            inputs.append(_edge(value))
        elif isinstance(value, torch.ScriptObject):
            inputs += [_edge(t) for t in value.unpack()[:2]]
        else:
            attributes[argument.name] = tuple(value) if isinstance(value, list) else value
    parts = result if isinstance(result, (tuple, list)) else [result]
    outputs = [_edge(r) for r in parts if isinstance(r, torch.Tensor)]
    target = str(func).replace("_.", ".") if func._schema.is_mutable else str(func)
    return OpCall(target, "node", tuple(inputs), tuple(outputs), attributes)


def dispatched(run: Callable[[], object]) -> list[OpCall]:
    """The calls that reach the dispatcher's last stage, where composite ops are taken apart."""
    from torch.utils._python_dispatch import TorchDispatchMode

    calls = []

    class Watch(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = func(*args, **(kwargs or {}))
            calls.append(call_of(func, args, kwargs or {}, result))
            return result

    with Watch():
        run()
    return calls


def _edge(tensor: Any) -> Any:
    import torch

    if not isinstance(tensor, torch.Tensor):
        return None
    return Tensor(f"{id(tensor)}", str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))
