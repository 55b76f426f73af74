"""The value of one node: the plugin's reference where one is declared, else ONNX Runtime."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence

import numpy as np
import onnx
import onnx_ir as ir

from qreg.catalogue import Catalogue
from qreg.errors import QregError, cause_of
from qreg.records import Array, OpCall
from qreg.specs import OpSpec
from qreg_onnx.runtime import Session, session

_NOTHING = np.zeros(0, np.uint8)  # in place of an output that is not computed
SESSIONS = 256  # distinct nodes kept ready; each holds a compiled single-node model


class Evaluator:
    """Runs single nodes on numpy arrays; keeps the sessions it made."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._sessions: OrderedDict[Hashable, Session] = OrderedDict()

    def __call__(self, call: OpCall, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
        """The node's outputs. Raises QregError for an op that nobody can compute."""
        entry = self.catalogue.choose(OpSpec, call.target, call.opset)
        if entry is not None and entry.spec.reference is not None:
            place = f"node {call.name!r} ({call.target})"
            outputs: tuple[Array, ...] = entry.call("reference", call, tuple(inputs), about=place)
            return outputs
        return self.with_runtime(call, inputs)

    def with_runtime(self, call: OpCall, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
        """The node's outputs as ONNX Runtime computes them."""
        key = _key(call, inputs)
        ready = self._sessions.get(key)
        if ready is None:
            ready = self._sessions[key] = _session(_single_node_model(call, inputs), call)
            if len(self._sessions) > SESSIONS:
                self._sessions.popitem(last=False)
        # np.ascontiguousarray would make a vector of a scalar.
        feed = {f"i{n}": np.asarray(a, order="C") for n, a in enumerate(inputs) if a is not None}
        try:
            computed = iter(ready.run(None, feed))
        except Exception as exc:  # ONNX Runtime's own, of no common class
            raise QregError(
                f"node {call.name!r} ({call.target}) cannot be computed by ONNX Runtime on what it "
                f"is given: {cause_of(exc)}"
            ) from exc
        return tuple(next(computed) if t.name else _NOTHING for t in call.outputs)


def _session(model: onnx.ModelProto, call: OpCall) -> Session:
    try:
        return session(model, optimise=False)
    except QregError as exc:
        raise QregError(
            f"node {call.name!r} ({call.target}) cannot be computed: no plugin declares a reference "
            f"for it in registry 'ops', and {exc}"
        ) from exc


def _key(call: OpCall, inputs: Sequence[Array | None]) -> Hashable:
    """What tells the models of single nodes apart: the model itself only where it holds tensors."""
    values = [v for a in call.attributes.values() for v in (a if isinstance(a, tuple) else (a,))]
    if not all(isinstance(v, (int, float, str, bytes)) for v in values):
        whole: bytes = _single_node_model(call, inputs).SerializeToString(deterministic=True)
        return whole
    return (
        call.target,
        call.opset,
        tuple((a.dtype, _sizes(a)) if a is not None else None for a in inputs),
        tuple((bool(t.name), t.dtype) for t in call.outputs),
        tuple(sorted(call.attributes.items())),
        tuple(type(v) for v in values),  # 1 is not 1.0
    )


def _single_node_model(call: OpCall, inputs: Sequence[Array | None]) -> onnx.ModelProto:
    domain, _, op = call.target.rpartition(".")
    domain = "" if domain == "onnx" else domain
    names = [f"i{n}" if a is not None else "" for n, a in enumerate(inputs)]
    outputs = [f"o{n}" if t.name else "" for n, t in enumerate(call.outputs)]
    node = onnx.helper.make_node(op, names, outputs, domain=domain)
    for name, value in call.attributes.items():
        if value is None:
            raise QregError(
                f"node {call.name!r} ({call.target}) cannot be computed alone: attribute {name!r} "
                "is a graph of its own"
            )
        node.attribute.append(_attribute(name, value))
    graph = onnx.helper.make_graph(
        [node],
        "node",
        [_info(f"i{n}", a.dtype, _sizes(a)) for n, a in enumerate(inputs) if a is not None],
        [_info(name, t.dtype, None) for name, t in zip(outputs, call.outputs, strict=True) if name],
    )
    opsets = [onnx.helper.make_opsetid(domain, call.opset)]
    if domain:
        opsets.append(onnx.helper.make_opsetid("", 20))
    return onnx.helper.make_model(graph, opset_imports=opsets)


def _attribute(name: str, value: object) -> onnx.AttributeProto:
    if isinstance(value, ir.TensorProtocol):
        return onnx.helper.make_attribute(name, ir.serde.serialize_tensor(value))
    return onnx.helper.make_attribute(name, list(value) if isinstance(value, tuple) else value)


def _sizes(array: Array) -> tuple[int | None, ...]:
    """The rank only: one compiled node serves tensors of every size. Lists of sizes have their own,
    since the rules of some ops (Resize) look at it.
    """
    return array.shape if array.dtype == np.int64 and array.ndim == 1 else (None,) * array.ndim


def _info(name: str, dtype: object, sizes: Sequence[int | None] | None) -> onnx.ValueInfoProto:
    kind = ir.DataType.from_numpy(np.dtype(dtype)).value  # type: ignore[call-overload]
    return onnx.helper.make_tensor_value_info(name, kind, sizes)
