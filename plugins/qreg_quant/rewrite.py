"""Float nodes replaced by 8-bit ones, with exactly the boundaries that needs."""

from collections.abc import Iterable, Sequence

import numpy as np
import onnx_ir as ir
from attrs import define, evolve, field, frozen

from qreg.records import Array, OpCall
from qreg_onnx.graph import LAYER
from qreg_quant.affine import quantized
from qreg_quant.bias import bias_steps, with_room_for_bias
from qreg_quant.follow import Following
from qreg_quant.forms import CONTRIB, FORMS
from qreg_quant.records import NodePlan, QParams


@frozen(eq=False)
class Edge:
    """An 8-bit tensor and its parameters, as graph values."""

    value: ir.Value
    params: QParams
    scale: ir.Value
    zero_point: ir.Value
    layer: str  # that makes it

    @property
    def operand(self) -> tuple[ir.Value, ir.Value, ir.Value]:
        return self.value, self.scale, self.zero_point


@define
class Rewrite:
    """A model being quantised in place, node by node in execution order.

    The float nodes stay until ``finish``, so that their tensors can be asked for; ``edges`` gives
    the 8-bit counterpart of a float tensor.
    """

    model: ir.Model
    edges: dict[ir.Value, Edge] = field(factory=dict)
    known: dict[str, QParams] = field(factory=dict)  # the same by name, for rules
    changes: list[str] = field(factory=list)
    _replaced: dict[ir.Node, None] = field(factory=dict)  # in order
    _names: set[str] = field(factory=set)
    _floats: dict[ir.Value, ir.Value] = field(factory=dict)  # 8-bit -> dequantised
    _again: list[tuple[ir.Value, Edge]] = field(factory=list)  # under other parameters

    def __attrs_post_init__(self) -> None:
        graph = self.model.graph
        made = (v for n in graph.all_nodes() for v in n.outputs)
        self._names |= {str(v.name) for v in (*graph.inputs, *graph.initializers.values(), *made)}

    def quantize(self, call: OpCall, node: ir.Node, plan: NodePlan) -> NodePlan:
        """Put the node's 8-bit form in its place; returns the plan as carried out."""
        form = FORMS[call.target]
        plan = self._widened(call, plan)
        assert plan.output is not None
        inputs: list[ir.Value | None] = []
        for index in range(form.operands):
            params = plan.weight if index == form.weight(call) else plan.inputs[index]
            inputs += self._operand(node, index, params)
        scale, zero = self._parameters(node.outputs[0], plan.output)
        steps = bias_steps(call, plan)
        name = f"{call.input(2).name}_quantized" if steps is not None else ""
        bias = None if steps is None else self._initializer(name, steps)
        if form.bias == "before output":
            inputs += [bias, scale, zero]
        else:
            inputs += [scale, zero] if bias is None else [scale, zero, bias]
        attributes = ir.convenience.convert_attributes(form.attributes(call))
        made = self._insert(node, form.op, form.domain, inputs, attributes, plan.output.dtype)
        self._replace(node, Edge(made, plan.output, scale, zero, call.name))
        return plan

    def edge(self, value: ir.Value | None) -> Edge | None:
        """The 8-bit form of a tensor that an 8-bit node makes; None for one that is float."""
        made = value is not None and value.producer() in self._replaced
        return self.edges[value] if value is not None and made else None

    def follow(self, call: OpCall, node: ir.Node, following: Following) -> str:
        """Let the node run on its 8-bit input; returns the layer that took it in, if one did."""
        source = node.inputs[0]
        assert source is not None
        edge = self.edges[source]
        if following.absorbed:
            self._replace(node, edge)
            return edge.layer
        inputs: list[ir.Value | None] = [edge.value, *node.inputs[1:]]
        for index, what, array in following.constants:
            inputs += [None] * (index + 1 - len(inputs))
            inputs[index] = self._initializer(f"{call.name}_{what}", array)
        attributes = [] if following.op != call.op else list(node.attributes.values())
        made = self._insert(node, following.op, "", inputs, attributes, edge.params.dtype)
        self._replace(node, evolve(edge, value=made, layer=call.name))
        return ""

    def finish(self) -> None:
        """Give float readers and graph outputs their float tensors, and drop what is unused."""
        graph = self.model.graph
        made = {n.outputs[0] for n in self._replaced}
        for old in [v for v in self.edges if v in made]:
            readers = [u for u in old.uses() if u.node not in self._replaced]
            for use in readers:
                use.node.replace_input_with(use.idx, self._float(old))
        for index, old in enumerate(graph.outputs):
            if old in made:
                graph.outputs[index] = self._output(old)
        graph.remove(list(self._replaced), safe=True)
        if any(n.domain == CONTRIB for n in graph):
            self.model.opset_imports.setdefault(CONTRIB, 1)
        for name, value in list(graph.initializers.items()):
            if not value.uses() and not value.is_graph_output():
                del graph.initializers[name]

    def _replace(self, node: ir.Node, edge: Edge) -> None:
        self._replaced[node] = None
        self._record(node.outputs[0], edge)

    def _record(self, value: ir.Value, edge: Edge) -> None:
        self.edges[value] = edge
        self.known[str(value.name)] = edge.params

    def _widened(self, call: OpCall, plan: NodePlan) -> NodePlan:
        wide = with_room_for_bias(call, plan)
        if wide is not plan:
            self.changes.append(
                f"{call.op} {call.name!r}: weight scales raised, or its bias would not fit into int32"
            )
        return wide

    def _operand(
        self, node: ir.Node, index: int, params: QParams | None
    ) -> tuple[ir.Value, ir.Value, ir.Value]:
        """(integers, scale, zero-point) of one input: stored for a constant."""
        value = node.inputs[index]
        assert value is not None and params is not None
        if value.const_value is None:
            return self._eight_bit(value, params, node).operand
        integers = quantized(value.const_value.numpy(), params)
        stored = self._initializer(f"{value.name}_quantized", integers)
        return stored, *self._parameters(value, params)

    def _eight_bit(self, value: ir.Value, wish: QParams, reader: ir.Node) -> Edge:
        """The tensor under the parameters wished for; quantised or requantised once."""
        edge = self.edges.get(value)
        if edge is not None and edge.params == wish:
            return edge
        kept = value if self.edge(value) is None else self.edges[value].value
        for old, other in self._again:
            if old is kept and other.params == wish:
                return other
        source = value if self.edge(value) is None else self._float(value)
        scale, zero = self._parameters(value, wish)
        name = self._fresh(f"{value.name}_quantize")
        node = ir.Node("", "QuantizeLinear", [source, scale, zero], name=name)
        node.metadata_props[LAYER] = name
        result = _typed(
            node.outputs[0], self._fresh(f"{value.name}_quantized"), wish.dtype, value.shape
        )
        self.model.graph.insert_before(reader, node)
        found = Edge(result, wish, scale, zero, name)
        if edge is None:
            self._record(value, found)
        else:
            self._again.append((kept, found))
        return found

    def _float(self, old: ir.Value) -> ir.Value:
        """The real values of an 8-bit tensor, behind the node that makes it."""
        edge = self.edges[old]
        if edge.value not in self._floats:
            self._floats[edge.value] = self._dequantize(edge, old, str(old.name))
        return self._floats[edge.value]

    def _output(self, old: ir.Value) -> ir.Value:
        """The same under the name of a graph output, which no two outputs can share."""
        shared = self._floats.get(self.edges[old].value)
        if shared is None or shared.is_graph_output():
            shared = self._dequantize(self.edges[old], old, str(old.name))
            self._floats.setdefault(self.edges[old].value, shared)
        shared.name = old.name
        return shared

    def _dequantize(self, edge: Edge, old: ir.Value, value_name: str) -> ir.Value:
        name = self._fresh(f"{value_name}_dequantize")
        node = ir.Node("", "DequantizeLinear", list(edge.operand), name=name)
        node.metadata_props[LAYER] = name
        producer = edge.value.producer()
        assert producer is not None
        self.model.graph.insert_after(producer, node)
        return _typed(node.outputs[0], value_name, "float32", old.shape)

    def _parameters(self, value: ir.Value, params: QParams) -> tuple[ir.Value, ir.Value]:
        return (
            self._initializer(f"{value.name}_scale", params.scale),
            self._initializer(f"{value.name}_zero_point", params.zero_point.astype(params.dtype)),
        )

    def _initializer(self, name: str, array: Array) -> ir.Value:
        """A stored constant; an equal one of the same name is shared."""
        graph = self.model.graph
        present = graph.initializers.get(name)
        if present is not None and present.const_value is not None:
            stored = present.const_value.numpy()
            if stored.dtype == array.dtype and np.array_equal(stored, array):
                return present
        name = self._fresh(name)
        value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
        value.dtype, value.shape = ir.DataType.from_numpy(array.dtype), ir.Shape(array.shape)
        graph.register_initializer(value)
        return value

    def _insert(
        self, node: ir.Node, op: str, domain: str, inputs: Sequence[ir.Value | None],
        attributes: Iterable[ir.Attr], dtype: str,
    ) -> ir.Value:  # fmt: skip
        """A node in front of the one it replaces, under its name and layer."""
        made = ir.Node(
            domain, op, inputs, attributes, name=node.name, metadata_props=dict(node.metadata_props)
        )
        self.model.graph.insert_before(node, made)
        old = node.outputs[0]
        return _typed(made.outputs[0], self._fresh(f"{old.name}_quantized"), dtype, old.shape)

    def _fresh(self, name: str) -> str:
        """A name no tensor has yet."""
        found, count = name, 1
        while found in self._names:
            count += 1
            found = f"{name}_{count}"
        self._names.add(found)
        return found


def _typed(value: ir.Value, name: str, dtype: str, shape: ir.Shape | None) -> ir.Value:
    value.name, value.dtype, value.shape = name, ir.DataType.from_numpy(np.dtype(dtype)), shape
    return value
