"""What PyTorch's indexing costs where its arguments stand elsewhere than in ONNX."""

from math import prod

import numpy as np

from qreg.records import Cost, OpCall
from qreg_embedding.cost import write


def scatter(call: OpCall) -> Cost:
    """One operation per index where the scatter reduces. Source: PyTorch ``aten::scatter``."""
    return write(call, call.input(1).elements)


def scatter_add(call: OpCall) -> Cost:
    """One addition per index. Source: PyTorch ``aten::scatter_add``."""
    return Cost(elementwise_flops=call.input(1).elements)


def index_add(call: OpCall) -> Cost:
    """One addition per element of the source, and a product where it has a factor.

    Source: PyTorch ``aten::index_add``, ``aten::index_reduce``.
    """
    each = 1 if call.attribute("alpha", 1) == 1 else 2
    return Cost(elementwise_flops=each * call.input(2).elements)


def put(call: OpCall) -> Cost:
    """One addition per index where they accumulate. Source: PyTorch ``aten::put``."""
    return Cost(elementwise_flops=call.input(1).elements if call.attribute("accumulate") else 0)


def index_put(call: OpCall) -> Cost:
    """One addition per element that is written, where they accumulate.

    Inputs: the tensor, an index or None for each of its first axes, the values. What the indices
    name is their broadcast shape by the axes without an index; a mask names at most its own size.

    Source: PyTorch ``aten::index_put``.
    """
    if not call.attribute("accumulate", False):
        return Cost()
    indices = call.inputs[1 : 1 + call.attribute("indices", len(call.inputs) - 2)]
    shape, axis, kept = call.input(0).shape, 0, 1
    named: list[tuple[int, ...]] = []
    for index in indices:
        if index is None:
            kept *= shape[axis]
            axis += 1
        else:
            named.append(index.shape)
            axis += len(index.shape) if index.dtype in ("bool", "uint8") else 1
    written = prod(np.broadcast_shapes(*named)) * kept * prod(shape[axis:])
    return Cost(elementwise_flops=written)


def embedding_bag(call: OpCall) -> Cost:
    """One operation per element of the rows looked up, and a product where each has a weight.

    A bag of one row is counted as one operation too. Source: PyTorch ``aten::embedding_bag``.
    """
    width = call.input(0).shape[-1]
    each = 1 if call.optional(3) is None else 2
    return Cost(elementwise_flops=each * width * call.input(1).elements)


def embedding_renorm(call: OpCall) -> Cost:
    """Norm and product per element of the rows named. Source: PyTorch ``aten::embedding_renorm``."""
    return Cost(elementwise_flops=3 * call.input(0).shape[-1] * call.input(1).elements)


def embedding_bag_backward(call: OpCall) -> Cost:
    """One addition per element of the rows looked up, and a product where each has a weight.

    Source: PyTorch ``aten::_embedding_bag_dense_backward``.
    """
    each = 1 if call.optional(5) is None else 2
    return Cost(elementwise_flops=each * call.input(0).shape[-1] * call.input(1).elements)
