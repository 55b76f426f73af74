"""Random graphs of many ops in C against ONNX Runtime: what single nodes cannot show.

Residual joins, values read late, shapes that change and outputs of every age put the arena and the
sharing of memory to work; undefined behaviour is trapped while they run.
"""

from pathlib import Path

import numpy as np
import onnx
import pytest
from emit_support import STRICT, UNDEFINED, Array, compiled, oracle, program, ulps
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"


class Builder:
    """A graph grown node by node; ``live`` are tensors that may be read, with their shapes."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.stored: list[onnx.TensorProto] = []
        self.live: list[tuple[str, tuple[int, ...]]] = []
        self.count = 0

    def name(self) -> str:
        self.count += 1
        return f"t{self.count}"

    def store(self, value: object, dtype: object = np.float32) -> str:
        name = self.name()
        self.stored.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def weight(self, *shape: int) -> str:
        return self.store(self.generator.standard_normal(shape) / np.sqrt(np.prod(shape[1:])))

    def add(
        self, op: str, inputs: list[str], shape: tuple[int, ...], domain: str = "", **more: object
    ) -> str:
        out = self.name()
        self.nodes.append(helper.make_node(op, inputs, [out], out, domain=domain, **more))
        self.live.append((out, shape))
        return out

    def pick(self, rank: int = 0) -> tuple[str, tuple[int, ...]]:
        fitting = [t for t in self.live if not rank or len(t[1]) == rank]
        recent = fitting[-4:]
        return recent[self.generator.integers(len(recent))]

    def model(self, inputs: list[str], shape: tuple[int, ...], kind: int) -> onnx.ModelProto:
        read = {i for n in self.nodes for i in n.input}
        last = [t for t, _ in self.live if t not in read and t not in inputs]
        extra = [t for t, _ in self.live[2:-1:5] if t not in last]
        infos = [helper.make_tensor_value_info(i, TensorProto.FLOAT, shape) for i in inputs]
        graph = helper.make_graph(
            self.nodes, f"g{self.count}", infos,
            [helper.make_empty_tensor_value_info(t) for t in (*last, *extra)], self.stored,
        )  # fmt: skip
        opsets = [helper.make_opsetid("", kind), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def _float_step(b: Builder) -> None:
    choice = b.generator.integers(9)
    x, (n, c, h, w) = b.pick(4)
    if choice <= 1:
        k, stride = int(b.generator.integers(1, 4)), int(b.generator.integers(1, 3))
        p = k // 2
        shape = (n, 6, (h + 2 * p - k) // stride + 1, (w + 2 * p - k) // stride + 1)
        inputs = [x, b.weight(6, c, k, k), b.weight(6)]
        b.add("Conv", inputs, shape, strides=[stride] * 2, pads=[p] * 4)
    elif choice == 2:
        b.add("Conv", [x, b.weight(c, 1, 3, 3)], (n, c, h, w), group=c, pads=[1] * 4)
    elif choice == 3:
        b.add("Relu", [x], (n, c, h, w))
    elif choice == 4:
        others = [t for t, s in b.live if s == (n, c, h, w)]
        b.add("Add", [x, others[b.generator.integers(len(others))]], (n, c, h, w))
    elif choice == 5 and h > 2 and w > 2:
        op = ["MaxPool", "AveragePool"][b.generator.integers(2)]
        b.add(op, [x], (n, c, h // 2, w // 2), kernel_shape=[2, 2], strides=[2, 2])
    elif choice == 6:
        b.add("Transpose", [x], (n, c, w, h), perm=[0, 1, 3, 2])
    elif choice == 7:
        b.add("Reshape", [x, b.store([n, c, w, h], np.int64)], (n, c, w, h))
    else:
        b.add("Clip", [x, b.store(-1.0), b.store(1.5)], (n, c, h, w))


@pytest.mark.parametrize("seed", range(8))
def test_random_float_graphs(seed: int, tmp_path: Path) -> None:
    b = Builder(seed)
    shape = (1 + seed % 2, 3, 10, 7)
    b.live.append(("x", shape))
    for _ in range(14):
        _float_step(b)
    name, dims = b.pick(4)
    flat = b.add("Flatten", [name], (dims[0], int(np.prod(dims[1:]))))
    b.add("Gemm", [flat, b.weight(int(np.prod(dims[1:])), 5), b.weight(5)], (dims[0], 5))

    _agree(b.model(["x"], shape, 20), {"x": _normal(b, shape)}, tmp_path, ulp=64)


def _int8_step(b: Builder, grids: dict[str, tuple[str, str]]) -> None:
    choice = b.generator.integers(7)
    x, (n, c, h, w) = b.pick(4)
    out = (
        b.store(2.0 ** -b.generator.integers(3, 6)),
        b.store(b.generator.integers(-20, 20), np.int8),
    )
    if choice <= 2:
        groups = c if choice == 2 else 1
        weight = b.generator.integers(-127, 128, (c, c // groups, 3, 3))
        bias = b.store(b.generator.integers(-999, 999, c), np.int32)
        inputs = [x, *grids[x], b.store(weight, np.int8), b.store(np.full(c, 2.0**-9 / 3)),
                  b.store(np.zeros(c), np.int8), *out, bias]  # fmt: skip
        y = b.add("QLinearConv", inputs, (n, c, h, w), group=groups, pads=[1] * 4)
    elif choice <= 4:
        others = [t for t, s in b.live if s == (n, c, h, w)]
        other = others[b.generator.integers(len(others))]
        inputs = [x, *grids[x], other, *grids[other], *out]
        y = b.add("QLinearAdd", inputs, (n, c, h, w), MICROSOFT)
    elif choice == 5:
        y = b.add("Transpose", [x], (n, c, w, h), perm=[0, 1, 3, 2])
        out = grids[x]
    elif h > 3 and w > 3:
        y = b.add("QLinearAveragePool", [x, *grids[x], *out], (n, c, h // 2, w // 2), MICROSOFT,
                  kernel_shape=[2, 2], strides=[2, 2])  # fmt: skip
    else:
        y = b.add("MaxPool", [x], (n, c, h, w), kernel_shape=[3, 3], pads=[1] * 4)
        out = grids[x]
    grids[y] = out


@pytest.mark.parametrize("seed", range(8))
def test_random_int8_graphs_bit_for_bit(seed: int, tmp_path: Path) -> None:
    b = Builder(100 + seed)
    shape = (1 + seed % 2, 4, 9, 6)
    first = (b.store(0.03), b.store(5, np.int8))
    grids = {b.add("QuantizeLinear", ["x", *first], shape): first}
    for _ in range(14):
        _int8_step(b, grids)
    name, dims = b.pick(4)
    b.add("DequantizeLinear", [name, *grids[name]], dims)

    _agree(b.model(["x"], shape, 20), {"x": _normal(b, shape)}, tmp_path, ulp=0)


def _normal(b: Builder, shape: tuple[int, ...]) -> Array:
    return b.generator.standard_normal(shape).astype(np.float32)


def _agree(model: onnx.ModelProto, given: dict[str, Array], folder: Path, ulp: float) -> None:
    made = program(model)
    found = compiled(made, folder, (*STRICT, *UNDEFINED)).run(given)
    for name, value in oracle(model, given).items():
        assert found[name].shape == value.shape
        assert ulps(found[name], value) <= ulp, name
    assert made.arena.lower_bound_bytes <= made.arena.bytes <= 1.2 * made.arena.lower_bound_bytes
