"""What looking up and writing by index costs: arithmetic only where numbers meet in one place.

Source: the operator definitions of ONNX and PyTorch that the entries in ``plugin.py`` name.
"""

from math import prod

from qreg.records import Cost, OpCall
from qreg_elementwise.operations import each_input

COPIES = ("none", "", None)  # reductions of a scatter that only write

sum_of_gradients = each_input("add")


def look_up(call: OpCall) -> Cost:
    """No arithmetic: as many elements are copied from the table as the result has."""
    table = call.input(0).elements
    return Cost(read=((0, min(table, call.output.elements)),))


def write(call: OpCall, updates: int) -> Cost:
    """One operation per update where the scatter adds, multiplies or compares; none where it
    writes. Source: ONNX ScatterElements-18, ScatterND-18; PyTorch ``aten::scatter_reduce``.
    """
    reduction = call.attribute("reduction", call.attribute("reduce"))
    return Cost(elementwise_flops=0 if reduction in COPIES else updates)


def scatter(call: OpCall) -> Cost:
    """Over data, indices, updates."""
    return write(call, call.input(2).elements)


def dequantised_rows(call: OpCall) -> Cost:
    """Subtraction and product per output element. Source: com.microsoft GatherBlockQuantized-1."""
    return Cost(elementwise_flops=2 * call.output.elements)


def rotated(call: OpCall) -> Cost:
    """Two products and a sum per rotated number.

    ``rotary_embedding_dim`` of the numbers of a head are rotated, all where it is 0.

    Source: ONNX RotaryEmbedding-23; com.microsoft RotaryEmbedding-1, MRotaryEmbedding-1.
    """
    data, part = call.input(0), call.attribute("rotary_embedding_dim", 0)
    if part == 0:
        return Cost(elementwise_flops=3 * data.elements)
    heads = 1 if len(data.shape) == 4 else call.attribute("num_heads", 1)
    rows = prod(data.shape[:-1]) * heads
    return Cost(elementwise_flops=3 * rows * part)


def rotated_pair(call: OpCall) -> Cost:
    """Sine and cosine of the angles, two products and a sum per number of query and key.

    Source: com.microsoft GemmaRotaryEmbedding-1.
    """
    angles, *results = call.input(0).elements, *(t.elements for t in call.outputs)
    return Cost(elementwise_flops=2 * angles + 3 * sum(results))
