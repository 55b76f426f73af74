"""The ONNX graph while it is written: nodes, constants, and how each tensor of the file stands.

The file keeps channels last, ONNX's windows want them behind the batch. So a tensor may stand here
with its axes in another *order*: axis ``i`` of the value is axis ``order[i]`` of the file. Whoever
reads it asks for the order it needs, and only then a Transpose is written. An op that does not care
keeps the order its data has; a TRANSPOSE of the file only gives the axes other numbers.
"""

from collections import Counter
from collections.abc import Container, Hashable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from attrs import Factory, define, field

from qreg.records import Array
from qreg_onnx.graph import LAYER
from qreg_tflite.records import FileTensor, Network

Order = tuple[int, ...]
Shape = tuple[int, ...]
Type = tuple[ir.DataType, Shape]
CONTRIB = "com.microsoft"
OPSET, OPSET_OF_16_BITS = 20, 21  # the first with Gelu, and with 16-bit QuantizeLinear


def in_file(rank: int) -> Order:
    """The order of the file itself."""
    return tuple(range(rank))


def channels_first(rank: int) -> Order:
    """(0, 3, 1, 2) for four axes: batch, channels, rows, columns."""
    return (0, rank - 1, *range(1, rank - 1)) if rank > 2 else in_file(rank)


def moves_nothing(shape: Shape, order: Order, wanted: Order) -> bool:
    """Whether elements lie alike in both orders: only axes of size 1 trade places."""
    return [a for a in order if shape[a] != 1] == [a for a in wanted if shape[a] != 1]


def without(order: Order, axes: Container[int]) -> Order:
    """The order of what is left when ``axes`` are gone, and the others are numbered anew."""
    left = [axis for axis in order if axis not in axes]
    return tuple(sorted(left).index(axis) for axis in left)


def shape_of(value: ir.Value) -> Shape:
    assert value.shape is not None
    return tuple(int(d) for d in value.shape if isinstance(d, int))


def _constants_of_the_file(graph: "Graph") -> dict[int, Array]:
    return {i: t.data for i, t in enumerate(graph.network.tensors) if t.data is not None}


@define(eq=False)
class Graph:
    """What is written so far. ``layer`` names the operator that is being written.

    ``stored`` are the constants of the file and results known while reading, by tensor;
    ``dequantised`` maps a tensor to the stored integers that it is the real form of, ``reals`` a
    quantised tensor in some order to the numbers it stands for.
    """

    network: Network
    layer: str = ""
    nodes: list[ir.Node] = field(factory=list)
    constants: list[ir.Value] = field(factory=list)
    stored: dict[int, Array] = Factory(_constants_of_the_file, takes_self=True)
    dequantised: dict[int, int] = field(factory=dict)
    reals: dict[tuple[int, Order], ir.Value] = field(factory=dict)
    outputs: list[ir.Value] = field(factory=list)
    _places: dict[int, dict[Order, ir.Value]] = field(factory=dict)
    _parameter_names: dict[int, str] = field(factory=dict)
    _made: dict[Hashable, ir.Value] = field(factory=dict)
    _counts: Counter[str] = field(factory=Counter)
    _taken: set[str] = field(factory=set)
    _unnamed: set[ir.Value] = field(factory=set)  # results that are no tensor of the file yet

    def tensor(self, index: int) -> FileTensor:
        return self.network.tensors[index]

    def known(self, index: int) -> bool:
        """Whether the tensor can be read: stored, fed, or made by an operator before."""
        return index in self.stored or index in self._places

    def order(self, index: int) -> Order:
        """The order in which the tensor was made."""
        if index in self._places:
            return next(iter(self._places[index]))
        return in_file(len(self.tensor(index).shape))

    def view(self, index: int, order: Order | None = None) -> ir.Value:
        """The tensor with its axes in ``order``, by default the file's.

        More axes than the tensor has are axes of size 1 in front, as broadcasting has it.
        """
        order = order or in_file(len(self.tensor(index).shape))
        if index in self.stored:
            return self._stored_view(index, order)
        places = self._places[index]
        if order not in places:
            places[order] = self._moved(index, order)
        return places[order]

    def place(self, index: int, value: ir.Value, order: Order | None = None) -> None:
        """Say that ``value`` is the tensor, with its axes in ``order``."""
        tensor = self.tensor(index)
        if value in self._unnamed:
            self._unnamed.discard(value)
            value.name = self.free(tensor.name or f"tensor_{index}")
        self._places[index] = {order or in_file(len(tensor.shape)): value}

    def name_parameter(self, index: int, role: str) -> None:
        """Call the stored tensor after the layer being written; the first who says so wins."""
        if index in self.stored:
            self._parameter_names.setdefault(index, f"{self.layer}.{role}")

    def constant(self, array: Array, name: str, key: Hashable = None) -> ir.Value:
        """A constant of the graph; one and the same for equal keys."""
        if key is not None and key in self._made:
            return self._made[key]
        tensor = ir.tensor(np.ascontiguousarray(array).reshape(np.shape(array)))
        value = ir.Value(
            name=self.free(name), type=ir.TensorType(tensor.dtype), shape=ir.Shape(np.shape(array)),
            const_value=tensor,
        )  # fmt: skip
        tensor.name = value.name
        self.constants.append(value)
        if key is not None:
            self._made[key] = value
        return value

    def node(
        self,
        op: str,
        inputs: Sequence[ir.Value | None],
        shape: Sequence[int],
        dtype: ir.DataType | None = None,
        role: str = "",
        domain: str = "",
        **attributes: Any,
    ) -> ir.Value:
        """The one result of a new node; of the first input's type unless said otherwise."""
        if dtype is None:
            assert inputs[0] is not None
            dtype = inputs[0].dtype
        assert dtype is not None
        types = [(dtype, tuple(shape))]
        return self.results(op, inputs, types, role=role, domain=domain, **attributes)[0]

    def results(
        self,
        op: str,
        inputs: Sequence[ir.Value | None],
        types: Sequence[Type | None],
        role: str = "",
        domain: str = "",
        **attributes: Any,
    ) -> tuple[ir.Value, ...]:
        """The results of a new node, one per type. ``role`` sets it apart from the layer's own."""
        name = f"{self.layer}.{role}" if role else self.layer
        node = ir.node(
            op, list(inputs), {k: v for k, v in attributes.items() if v is not None},
            domain=domain, num_outputs=len(types), name=self.free(f"{name}.{op}"),
            metadata_props={LAYER: name},
        )  # fmt: skip
        self.nodes.append(node)
        for index, (value, found) in enumerate(zip(node.outputs, types, strict=True)):
            value.name = self.free(f"{node.name}.{index}")
            if found is not None:
                value.type, value.shape = ir.TensorType(found[0]), ir.Shape(found[1])
            self._unnamed.add(value)
        return tuple(node.outputs)

    def reshape(self, value: ir.Value, shape: Sequence[int], role: str = "reshape") -> ir.Value:
        """The same elements under another shape; reshaping twice is reshaping once."""
        if shape_of(value) == tuple(shape):
            return value
        producer = value.producer()
        while producer is not None and producer.op_type == "Reshape" and producer.inputs[0]:
            value = producer.inputs[0]
            producer = value.producer()
        sizes = tuple(shape)
        if shape_of(value) == sizes:
            return value
        target = self.constant(np.array(sizes, np.int64), "shape", ("shape", sizes))
        return self.node("Reshape", [value, target], sizes, role=role)

    def free(self, name: str) -> str:
        """``name`` where nothing has it, else ``name#2`` and so on."""
        candidate = name
        while candidate in self._taken:
            self._counts[name] += 1
            candidate = f"{name}#{self._counts[name] + 1}"
        self._taken.add(candidate)
        return candidate

    def _stored_view(self, index: int, order: Order) -> ir.Value:
        tensor, array = self.tensor(index), self.stored[index]
        name = self._parameter_names.get(index) or tensor.name or f"tensor_{index}"
        wide = array.reshape((1,) * (len(order) - array.ndim) + array.shape)
        return self.constant(np.transpose(wide, order), name, (index, order))

    def _moved(self, index: int, order: Order) -> ir.Value:
        old, value = next(iter(self._places[index].items()))
        extra = len(order) - len(old)
        if extra:
            value = self.reshape(value, (1,) * extra + shape_of(value))
            old = (*range(extra), *(extra + axis for axis in old))
        sizes = (1,) * extra + self.tensor(index).shape
        shape = tuple(sizes[axis] for axis in order)
        if moves_nothing(sizes, old, order):
            return self.reshape(value, shape)
        permutation = tuple(old.index(axis) for axis in order)
        return self.node("Transpose", [value], shape, role="transpose", perm=permutation)
