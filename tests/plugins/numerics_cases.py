"""One quantised node as a test case: run by the reference and by ONNX Runtime."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from attrs import field, frozen
from onnx import helper, numpy_helper

from qreg.api import catalogue, load
from qreg.records import Array, OpCall
from qreg.specs import OpSpec
from qreg_onnx.graph import op_calls
from qreg_onnx.runtime import session


@frozen(eq=False)
class Case:
    """A node's inputs (the first is fed at run time, the others are constants) and attributes."""

    target: str
    inputs: tuple[Array | None, ...]
    attributes: Mapping[str, Any] = field(factory=dict)
    opset: int = 21

    @property
    def model(self) -> onnx.ModelProto:
        domain, _, op = self.target.rpartition(".")
        names = [f"i{n}" if a is not None else "" for n, a in enumerate(self.inputs)]
        node = helper.make_node(
            op, names, ["y"], domain=domain.removeprefix("onnx"), **self.attributes
        )
        named = [(n, np.asarray(a)) for n, a in zip(names, self.inputs, strict=True) if n]
        (first, x), *constants = named
        graph = helper.make_graph(
            [node],
            "case",
            [
                helper.make_tensor_value_info(
                    first, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape
                )
            ],
            [onnx.ValueInfoProto(name="y")],
            [numpy_helper.from_array(a, n) for n, a in constants],
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    @property
    def call(self) -> OpCall:
        return op_calls(load(self.model))[0]


def by_runtime(case: Case, optimise: bool = False) -> Array:
    """What ONNX Runtime computes, without or with graph optimisation."""
    result: Array = session(case.model, optimise).run(None, {"i0": case.inputs[0]})[0]
    return result


def by_reference(case: Case, call: OpCall | None = None) -> Array:
    """What the installed reference computes."""
    entry = catalogue().choose(OpSpec, case.target)
    assert entry is not None and entry.spec.reference is not None
    inputs = tuple(None if a is None else np.asarray(a) for a in case.inputs)
    (result,) = entry.spec.reference.load()(call or case.call, inputs)
    return result


def difference(case: Case, optimise: bool = False) -> tuple[int, int]:
    """(elements that differ from ONNX Runtime, elements); types and shapes must agree."""
    call = case.call
    ours, theirs = by_reference(case, call), by_runtime(case, optimise)
    declared = (call.output.dtype, call.output.shape)
    assert (ours.dtype.name, ours.shape) == (theirs.dtype.name, theirs.shape) == declared, case
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    return int(np.count_nonzero(~same)), ours.size
