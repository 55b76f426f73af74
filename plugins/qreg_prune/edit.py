"""A model being changed in place: new constants, new nodes, names that are free."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from attrs import define, field

from qreg.records import Array
from qreg_onnx.graph import LAYER
from qreg_prune.records import Change


@define
class Edit:
    """A model being changed in place.

    ``folded`` collects by layer where what it lost was put, ``additions`` the nodes that add it.
    """

    model: ir.Model
    nodes: Mapping[str, ir.Node]
    folded: dict[str, str] = field(factory=dict)
    additions: list[ir.Node] = field(factory=list)
    _cuts: dict[tuple[str, bytes], ir.Value] = field(factory=dict)
    _names: set[str] = field(factory=set)

    def __attrs_post_init__(self) -> None:
        graph = self.model.graph
        made = (v for n in graph.all_nodes() for v in n.outputs)
        self._names |= {str(v.name) for v in (*graph.inputs, *graph.initializers.values(), *made)}
        self._names |= {str(n.name) for n in graph.all_nodes()}

    def change(self, node: ir.Node, change: Change) -> None:
        """Give the node its own constants and attributes; None removes an attribute."""
        for index, array in sorted(change.constants.items()):
            self.replace(node, index, array)
        for name, value in change.attributes.items():
            if value is None:
                node.attributes.pop(name, None)
            else:
                node.attributes[name] = ir.convenience.convert_attribute(name, value)

    def replace(self, node: ir.Node, index: int, array: Array) -> None:
        """Other readers keep the old constant; those that need the same new one share it.

        The last reader of the old one passes its name on.
        """
        if len(node.inputs) <= index:
            node.resize_inputs(index + 1)
        old = node.inputs[index]
        name = str(old.name) if old is not None else f"{node.metadata_props[LAYER]}.bias"
        key = (name, array.tobytes() + str((array.shape, array.dtype)).encode())
        if key not in self._cuts:
            last = old is not None and len(old.uses()) == 1 and not old.is_graph_output()
            if last and self.model.graph.initializers.pop(name, None) is not None:
                self._names.discard(name)
            self._cuts[key] = self.constant(name, array)
        node.replace_input_with(index, self._cuts[key])

    def constant(self, name: str, array: Array) -> ir.Value:
        """A stored tensor under a name that is free."""
        name = self.fresh(name)
        value = ir.Value(name=name, const_value=ir.tensor(np.ascontiguousarray(array), name=name))
        value.dtype, value.shape = ir.DataType.from_numpy(array.dtype), ir.Shape(array.shape)
        self.model.graph.register_initializer(value)
        return value

    def fresh(self, name: str) -> str:
        found, count = name, 1
        while found in self._names:
            count += 1
            found = f"{name}_{count}"
        self._names.add(found)
        return found

    def insert(
        self, op: str, inputs: Sequence[ir.Value], layer: str, like: ir.Value, **attributes: Any
    ) -> ir.Node:
        """A new node of ONNX's own domain, not yet placed; its result has the type of ``like``."""
        name = self.fresh(layer)
        node = ir.Node("", op, inputs, ir.convenience.convert_attributes(attributes), name=name)
        node.metadata_props[LAYER] = name
        made = node.outputs[0]
        made.name, made.type, made.shape = self.fresh(f"{name}.out"), like.type, like.shape
        return node


def slim(array: Array) -> Array:
    """The same with axes along which it does not vary cut to one: broadcasting restores them."""
    for axis in range(array.ndim):
        first = array.take([0], axis)
        array = first if (array == first).all() else array
    return array
