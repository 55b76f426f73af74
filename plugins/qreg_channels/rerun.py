"""A model run again with every tensor in view, or with some of its elements changed."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnx_ir as ir
from attrs import frozen

from qreg.catalogue import Catalogue
from qreg.records import Array, Tensor, Trace
from qreg_channels.backward import tensors_of
from qreg_onnx.evaluate import Evaluator
from qreg_onnx.graph import inputs_of
from qreg_onnx.runtime import session

Feeds: TypeAlias = Mapping[str, Array]
Changes: TypeAlias = Mapping[str, tuple[Array, Array]]  # where, and what is put there

DIRECT = ("float32", "float64", "int64", "int32")  # types that ONNX Runtime's Where takes


@frozen
class Rerun:
    """Two ways to run one model on ``inputs``: to see its tensors, and to see what it gives."""

    inputs: tuple[Tensor, ...]
    tensors: Callable[[Feeds], Mapping[str, Array]]
    outputs: Callable[[Feeds, Changes], Sequence[Array]]


def of_trace(trace: Trace, catalogue: Catalogue) -> Rerun:
    """The calls one after the other, each computed as the analysis computes it."""
    evaluate = Evaluator(catalogue)
    given = free_inputs(trace)

    def run(feeds: Feeds, changes: Changes) -> dict[str, Array]:
        found = {name: _changed(array, changes.get(name)) for name, array in feeds.items()}
        for call in trace.calls:
            inputs = [None if t is None else found.get(t.name, _stored(t)) for t in call.inputs]
            for tensor, array in zip(call.outputs, evaluate(call, inputs), strict=True):
                found[tensor.name] = _changed(np.asarray(array), changes.get(tensor.name))
        return found

    def outputs(feeds: Feeds, changes: Changes) -> Sequence[Array]:
        found = run(feeds, changes)
        return [found[name] for name in trace.outputs if name in found]

    return Rerun(given, lambda feeds: run(feeds, {}), outputs)


def of_graph(model: ir.Model, shown: Collection[str], changed: Sequence[Tensor]) -> Rerun:
    """The graph as ONNX Runtime runs it, fused where it can.

    ``shown`` tensors are seen; ``changed`` are those that may be changed.
    """
    seen = ir.to_proto(model)
    del seen.graph.output[:]
    names = sorted(shown)
    seen.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    looking = session(seen) if names else None
    given = inputs_of(model)
    fed = {t.name for t in given}
    made = [t for t in changed if t.name not in fed]
    changing = session(_with_switches(ir.to_proto(model), made))

    def tensors(feeds: Feeds) -> Mapping[str, Array]:
        found = looking.run(names, dict(feeds)) if looking is not None else []
        return dict(zip(names, found, strict=True))

    def outputs(feeds: Feeds, changes: Changes) -> Sequence[Array]:
        whole = {name: _changed(array, changes.get(name)) for name, array in feeds.items()}
        for tensor in made:
            where, what = changes.get(tensor.name, (np.False_, np.zeros((), tensor.dtype)))
            whole[_mask_of(tensor)] = np.ascontiguousarray(np.broadcast_to(where, tensor.shape))
            whole[_fill_of(tensor)] = np.ascontiguousarray(np.broadcast_to(what, tensor.shape))
        found: list[Array] = changing.run(None, whole)
        return found

    return Rerun(given, tensors, outputs)


def free_inputs(trace: Trace) -> tuple[Tensor, ...]:
    """The tensors that calls read, and that are neither stored nor made by one."""
    made = {t.name for call in trace.calls for t in call.outputs}
    return tuple(t for t in tensors_of(trace) if t.value is None and t.name not in made)


def _stored(tensor: Tensor) -> Array | None:
    return None if tensor.value is None else tensor.numpy()


def _changed(array: Array, change: tuple[Array, Array] | None) -> Array:
    """Elements in the order of their indices either way: products add up in another order elsewise."""
    found = array if change is None else np.where(*change, array).astype(array.dtype)
    return np.asarray(found, order="C")


def _mask_of(tensor: Tensor) -> str:
    return f"{tensor.name}.qreg_where"


def _fill_of(tensor: Tensor) -> str:
    return f"{tensor.name}.qreg_what"


def _with_switches(proto: onnx.ModelProto, changed: Iterable[Tensor]) -> onnx.ModelProto:
    """The graph with a choice behind each tensor of ``changed``: itself, or an input of the graph."""
    graph = proto.graph
    makers = {name: node for node in graph.node for name in node.output}
    for tensor in changed:
        before = f"{tensor.name}.qreg_before"
        maker = makers[tensor.name]
        maker.output[list(maker.output).index(tensor.name)] = before
        kind = ir.DataType.from_numpy(np.dtype(tensor.dtype))
        graph.input.extend([_info(_mask_of(tensor), ir.DataType.BOOL, tensor.shape),
                            _info(_fill_of(tensor), kind, tensor.shape)])  # fmt: skip
        position = list(graph.node).index(maker) + 1
        for offset, node in enumerate(_switch(tensor, before, kind)):
            graph.node.insert(position + offset, node)
    return proto


def _switch(tensor: Tensor, before: str, kind: ir.DataType) -> list[onnx.NodeProto]:
    """Where(mask, fill, before), by way of a wider type where ONNX Runtime has none for this one."""
    mask, fill = _mask_of(tensor), _fill_of(tensor)
    if tensor.dtype in DIRECT:
        return [_node("Where", [mask, fill, before], tensor.name)]
    wide = ir.DataType.FLOAT if tensor.dtype.startswith(("float", "bfloat")) else ir.DataType.INT32
    names = [f"{name}.qreg_wide" for name in (fill, before, tensor.name)]
    return [
        _node("Cast", [fill], names[0], to=wide.value),
        _node("Cast", [before], names[1], to=wide.value),
        _node("Where", [mask, names[0], names[1]], names[2]),
        _node("Cast", [names[2]], tensor.name, to=kind.value),
    ]


def _node(op: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return onnx.helper.make_node(op, inputs, [output], name=f"{output}.qreg_{op}", **attributes)


def _info(name: str, kind: ir.DataType, shape: Sequence[int]) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, kind.value, shape)
