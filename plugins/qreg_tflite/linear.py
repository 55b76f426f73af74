"""FULLY_CONNECTED and BATCH_MATMUL."""

from math import prod

from qreg.errors import QregError
from qreg_tflite.forms import grid, integers, on_one_grid, real, store
from qreg_tflite.graph import CONTRIB, Graph, Order, in_file
from qreg_tflite.products import has_integer_form, real_bias
from qreg_tflite.records import Operator, UnmappedError


def fully_connected(op: Operator, graph: Graph) -> None:
    """Every axis but the last counts as batch, as far as the weight's depth says so."""
    x, weight, bias, output = op.input(0), op.input(1), op.input(2), op.outputs[0]
    if op.options["format"]:
        raise UnmappedError("its weights are shuffled")
    columns, depth = graph.tensor(weight).shape
    elements = prod(graph.tensor(x).shape)
    if depth < 1 or elements % depth:
        raise QregError(f"weights of depth {depth} on {elements} elements")
    rows = elements // depth
    graph.name_parameter(weight, "weight")
    graph.name_parameter(bias, "bias")
    if has_integer_form(graph, x, weight, bias, output, axis=0):
        data = [graph.reshape(graph.view(x), (rows, depth)), *grid(graph, x)]
        inputs = [*data, *integers(graph, weight), graph.view(bias) if bias >= 0 else None]
        value = graph.node(
            "QGemm", [*inputs, *grid(graph, output)], (rows, columns), domain=CONTRIB, transB=1
        )
    else:
        data = [graph.reshape(real(graph, x), (rows, depth)), real(graph, weight)]
        inputs = [*data, real_bias(graph, bias, x, weight)]
        value = graph.node("Gemm", inputs, (rows, columns), transB=1)
    store(graph, op, graph.reshape(value, graph.tensor(output).shape))


def batch_matmul(op: Operator, graph: Graph) -> None:
    left, right, output = op.input(0), op.input(1), op.outputs[0]
    orders = _order(graph, left, op.options["adj_x"]), _order(graph, right, op.options["adj_y"])
    shape = graph.tensor(output).shape
    for index in (left, right):
        graph.name_parameter(index, "weight")
    if on_one_grid(graph, left, right, output):
        operands = [*integers(graph, left, orders[0]), *integers(graph, right, orders[1])]
        value = graph.node("QLinearMatMul", [*operands, *grid(graph, output)], shape)
    else:
        factors = [real(graph, left, orders[0]), real(graph, right, orders[1])]
        value = graph.node("MatMul", factors, shape)
    store(graph, op, value)


HANDLERS = {"FULLY_CONNECTED": fully_connected, "BATCH_MATMUL": batch_matmul}


def _order(graph: Graph, index: int, adjoint: bool) -> Order:
    *batch, rows, columns = in_file(len(graph.tensor(index).shape))
    return (*batch, columns, rows) if adjoint else (*batch, rows, columns)
