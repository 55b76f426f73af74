"""QUANTIZE and DEQUANTIZE: from real numbers to integers and back."""

import numpy as np
import onnx_ir as ir

from qreg_tflite.forms import real, store
from qreg_tflite.graph import Graph, shape_of
from qreg_tflite.records import Operator


def quantize(op: Operator, graph: Graph) -> None:
    """Of integers on another grid: dequantised, then quantised."""
    x, output = op.input(0), op.outputs[0]
    order = graph.order(x)
    same = graph.tensor(x).same_grid(graph.tensor(output))
    store(graph, op, graph.view(x, order) if same else real(graph, x, order), order)


def dequantize(op: Operator, graph: Graph) -> None:
    """Stored half-precision weights become single, which is exact; stored integers stay."""
    x, output = op.input(0), op.outputs[0]
    order = graph.order(x)
    if graph.tensor(x).dtype == "float16":
        if x in graph.stored:
            graph.stored[output] = graph.stored[x].astype(np.float32)
            return
        data = graph.view(x, order)
        single = ir.DataType.FLOAT
        value = graph.node("Cast", [data], shape_of(data), single, to=int(single))
        graph.place(output, value, order)
        return
    graph.place(output, real(graph, x, order), order)
    if x in graph.stored:
        graph.dequantised[output] = x


HANDLERS = {"QUANTIZE": quantize, "DEQUANTIZE": dequantize}
