"""Calls of PyTorch's ops as records, made of states; for tests of handlers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from numpy.typing import NDArray

from qreg.records import OpCall, Tensor
from qreg_channels.state import State, constant
from qreg_torch.evaluate import evaluate
from qreg_torch.schema import plain

Array = NDArray[np.generic]


def overload(name: str) -> Any:
    """``conv2d`` or ``add.Tensor``."""
    packet, _, which = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), which or "default")


def aten_call(name: str, *args: Any, **kwargs: Any) -> tuple[OpCall, tuple[State | None, ...]]:
    """The call and its states; arrays are stored tensors, states are computed ones."""
    schema = overload(name)._schema
    inputs: list[Tensor | None] = []
    states: list[State | None] = []
    attributes: dict[str, Any] = {}
    for index, argument in enumerate(schema.arguments):
        default = argument.default_value if argument.has_default_value() else None
        value = args[index] if index < len(args) else kwargs.get(argument.name, default)
        kind = str(argument.type)
        if kind in ("List[Tensor]", "List[Optional[Tensor]]"):
            attributes[argument.name] = len(value)
            operands = list(value)
        elif kind in ("Tensor", "Optional[Tensor]"):
            number = isinstance(value, (int, float, bool))
            if number:
                attributes[argument.name] = value
            operands = [None if number else value]
        else:
            attributes[argument.name] = plain(value)
            continue
        for operand in operands:
            tensor, found = _operand(operand, len(inputs))
            inputs.append(tensor)
            states.append(found)
    target = f"aten.{name}" if "." in name else f"aten.{name}.default"
    draft = OpCall(target, "node", tuple(inputs), (), attributes)
    given = [None if s is None else s.value for s in states]
    made = [Tensor(f"y{i}", a.dtype.name, a.shape) for i, a in enumerate(computed(draft, given))]
    return OpCall(target, "node", tuple(inputs), tuple(made), attributes), tuple(states)


def computed(call: OpCall, arrays: Sequence[Array | None]) -> tuple[Array, ...]:
    """What PyTorch gives."""
    return evaluate(call, tuple(arrays))


def _operand(operand: Any, index: int) -> tuple[Tensor | None, State | None]:
    if operand is None:
        return None, None
    if isinstance(operand, State):
        return Tensor(f"i{index}", operand.value.dtype.name, operand.value.shape), operand
    array = np.asarray(operand)
    return Tensor(f"i{index}", array.dtype.name, array.shape, ir.tensor(array)), constant(array)
