"""Models of many independent nodes, turned into one C library and compared with ONNX Runtime."""

import ctypes
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from attrs import field, frozen
from numpy.typing import NDArray
from onnx import helper, numpy_helper

import qreg
from qreg.api import catalogue
from qreg_emit.build import program_of
from qreg_emit.program import Program
from qreg_emit.render import sources
from qreg_onnx.graph import op_calls
from qreg_verify.compiler import STRICT, find_compiler
from qreg_verify.oracle import oracle as expected_by

Array = NDArray[Any]
COMPILER = find_compiler().command
UNDEFINED = () if "ziglang" in COMPILER else ("-fsanitize=undefined", "-fno-sanitize-recover=all")


@frozen(eq=False)
class Constant:
    """An operand stored in the model."""

    value: Array


def const(value: object, dtype: object = np.float32) -> Constant:
    return Constant(np.asarray(value, dtype))


@frozen(eq=False)
class Node:
    """One node: arrays are fed when it runs, Constants are stored, None is left out."""

    op: str
    inputs: Sequence[Array | Constant | None]
    attributes: Mapping[str, Any] = field(factory=dict)
    domain: str = ""
    outputs: int = 1


def model_of(nodes: Sequence[Node], opset: int = 20) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """One graph of independent nodes, and what to feed it."""
    made, inputs, stored, results = [], [], [], []
    feeds: dict[str, Array] = {}
    for n, node in enumerate(nodes):
        names = []
        for i, value in enumerate(node.inputs):
            name = "" if value is None else f"x{n}_{i}"
            names.append(name)
            if isinstance(value, Constant):
                stored.append(numpy_helper.from_array(value.value, name))
            elif value is not None:
                feeds[name] = value
                kind = helper.np_dtype_to_tensor_dtype(value.dtype)
                inputs.append(helper.make_tensor_value_info(name, kind, value.shape))
        outputs = [f"y{n}_{i}" for i in range(node.outputs)]
        made.append(
            helper.make_node(
                node.op, names, outputs, f"n{n}", domain=node.domain, **node.attributes
            )
        )
        results += [helper.make_empty_tensor_value_info(o) for o in outputs]
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph(made, "nodes", inputs, results, stored)
    return helper.make_model(graph, opset_imports=opsets, ir_version=9), feeds


def program(model: Any, name: str = "model") -> Program:
    return program_of(qreg.load(model), catalogue(), name)


@frozen(eq=False)
class Library:
    """A program compiled and loaded into this process."""

    program: Program
    loaded: ctypes.CDLL

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        arrays = [np.ascontiguousarray(feeds[p.name]) for p in self.program.inputs]
        results = [np.full(p.shape, 77, p.dtype) for p in self.program.outputs]
        arena = np.full(self.program.arena.bytes + 8, 0xA5, np.uint8)
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (*arrays, *results, arena)]
        assert getattr(self.loaded, f"{self.program.name}_run")(*pointers) == 0
        assert (arena[self.program.arena.bytes :] == 0xA5).all()
        return {p.name: r for p, r in zip(self.program.outputs, results, strict=True)}


def compiled(made: Program, folder: Path, flags: Sequence[str] = STRICT) -> Library:
    for name, text in sources(made).items():
        (folder / name).write_text(text)
    library = folder / f"lib{made.name}.so"
    files = ["-o", library, folder / f"{made.name}.c", "-lm"]
    command = [*COMPILER, *flags, "-shared", "-fPIC", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    return Library(made, ctypes.CDLL(str(library)))


def oracle(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """ONNX Runtime; the references on a processor where it computes some node otherwise."""
    loaded = qreg.load(model)
    return expected_by(loaded, op_calls(loaded), catalogue()).run(feeds)


def compare(nodes: Sequence[Node], folder: Path, opset: int = 20, ulp: float = 0) -> None:
    """Every output of every node equals ONNX Runtime's, or lies within ``ulp`` of its largest."""
    model, feeds = model_of(nodes, opset)
    expected = oracle(model, feeds)
    found = compiled(program(model), folder).run(feeds)
    wrong = []
    for name, value in expected.items():
        node = nodes[int(name[1:].partition("_")[0])]
        error = ulps(found[name], value)
        if found[name].dtype != value.dtype or found[name].shape != value.shape or error > ulp:
            wrong.append(f"{name} {node.op} {dict(node.attributes)}: {error} ULP, "
                         f"{np.sum(found[name] != value)} of {value.size} differ")  # fmt: skip
    assert not wrong, "\n".join(wrong)


def ulps(found: Array, expected: Array) -> float:
    """The largest difference in units in the last place of the largest magnitude (integers: in 1).

    Infinite where one of the two is special (infinite, not a number) and the other is not the same.
    """
    if expected.dtype.kind != "f":
        return float(np.abs(found.astype(np.int64) - expected.astype(np.int64)).max())
    finite = np.isfinite(expected)
    if not np.array_equal(found[~finite], expected[~finite], equal_nan=True):
        return np.inf
    if not finite.any():
        return 0.0
    if not np.isfinite(found[finite]).all():
        return np.inf
    difference = np.abs(
        found[finite].astype(np.float64) - expected[finite].astype(np.float64)
    ).max()
    _, exponent = np.frexp(np.abs(expected[finite]).max())
    return float(difference / 2.0 ** max(int(exponent) - 24, -149))
