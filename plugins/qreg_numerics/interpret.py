"""A whole model, node by node: the references where declared, ONNX Runtime elsewhere."""

from collections.abc import Collection, Mapping

import numpy as np
import onnx_ir as ir

from qreg.catalogue import Catalogue
from qreg.errors import QregError, hint
from qreg.records import Array, OpCall, Tensor
from qreg_onnx.evaluate import Evaluator
from qreg_onnx.graph import inputs_of, op_calls


def interpret(
    model: ir.Model,
    feed: Mapping[str, Array],
    catalogue: Catalogue,
    keep: Collection[str] = (),
    evaluate: Evaluator | None = None,
) -> dict[str, Array]:
    """The graph's outputs and the tensors named in ``keep``, by name.

    ``feed`` holds every input in its declared type and shape. A tensor is freed after its last
    use. Give the same ``evaluate`` to many calls and it keeps its sessions. Raises QregError for a
    feed that does not fit, an unknown name in ``keep``, and a node nobody can compute.
    """
    calls = op_calls(model)
    wanted = {str(v.name) for v in model.graph.outputs} | set(keep)
    values = _fed(inputs_of(model), feed)
    _check_names(keep, calls, values)
    stored = model.graph.initializers.items()
    constants = {str(n): v.const_value for n, v in stored if v.const_value is not None}
    run = evaluate or Evaluator(catalogue)
    last = {t.name: index for index, call in enumerate(calls) for t in call.activations}
    for index, call in enumerate(calls):
        outputs = run(call, [_value(t, values) for t in call.inputs])
        values |= {t.name: np.asarray(a) for t, a in zip(call.outputs, outputs, strict=False)}
        used = (t.name for t in (*call.activations, *call.outputs))
        for name in {n for n in used if n not in wanted and last.get(n, index) <= index}:
            del values[name]
    return {n: values[n] if n in values else constants[n].numpy() for n in sorted(wanted)}


def _fed(inputs: tuple[Tensor, ...], feed: Mapping[str, Array]) -> dict[str, Array]:
    for name in feed:
        if name not in {t.name for t in inputs}:
            raise QregError(
                f"the model has no input {name!r}{hint(name, [t.name for t in inputs])}"
            )
    for tensor in inputs:
        wants = f"input {tensor.name!r} is {tensor.dtype} {list(tensor.shape)}"
        if tensor.name not in feed:
            raise QregError(f"{wants}: nothing was given for it")
        given = feed[tensor.name]
        if given.dtype.name != tensor.dtype or given.shape != tensor.shape:
            raise QregError(f"{wants}: it was given {given.dtype.name} {list(given.shape)}")
    return {t.name: feed[t.name] for t in inputs}


def _check_names(
    keep: Collection[str], calls: tuple[OpCall, ...], fed: Mapping[str, Array]
) -> None:
    known = {*fed, *(t.name for call in calls for t in call.outputs)}
    for name in keep:
        if name not in known:
            raise QregError(f"the model computes no tensor {name!r}{hint(name, known)}")


def _value(tensor: Tensor | None, values: Mapping[str, Array]) -> Array | None:
    if tensor is None:
        return None
    return values[tensor.name] if tensor.value is None else tensor.numpy()
