"""What sorting and searching cost, in comparisons. They need sizes that are numbers.

Source: Knuth, "The Art of Computer Programming", volume 3, sections 5.2.4 (merging: n numbers in
ceil(log2 n) rounds), 5.2.3 (the k best of n with a heap of k) and 6.2.1 (binary search).
"""

from qreg.records import Cost, OpCall
from qreg_elementwise.operations import per_input


def rounds(size: int) -> int:
    """``ceil(log2 size)``, at least 1: one number still is looked at once."""
    return max(1, (size - 1).bit_length())


def _axis(call: OpCall, name: str, default: int | None) -> int:
    """The number of elements along the op's axis; of the whole tensor where it names none."""
    axis = call.attribute(name, default)
    shape = call.input(0).shape
    if axis is None:
        return call.input(0).elements
    return shape[axis] if shape else 1


def top(call: OpCall) -> Cost:
    """``n * ceil(log2 k)`` comparisons per row. Source: ONNX TopK-24; PyTorch ``aten::topk``."""
    shape = call.output.shape
    kept = shape[call.attribute("axis", call.attribute("dim", -1))] if shape else 1
    return per_input(call, rounds(kept))


def kth(call: OpCall) -> Cost:
    """The k best, of which the last is wanted. Source: PyTorch ``aten::kthvalue``."""
    return per_input(call, rounds(call.attribute("k")))


def middle(call: OpCall) -> Cost:
    """The better half, of which the last is wanted. Source: PyTorch ``aten::median``."""
    return per_input(call, rounds(_axis(call, "dim", None) // 2 + 1))


def sort(call: OpCall) -> Cost:
    """``n * ceil(log2 n)`` comparisons per row. Source: PyTorch ``aten::sort``."""
    default = {"msort": 0, "quantile": None, "nanquantile": None}.get(call.op, -1)
    return per_input(call, rounds(_axis(call, "dim", default)))


def runs(call: OpCall) -> Cost:
    """A sort, and a comparison of each element with the next.

    Source: ONNX Unique-11; PyTorch ``aten::mode``, ``aten::_unique2``.
    """
    default = -1 if call.op == "mode" else None
    size = _axis(call, "axis" if call.op == "Unique" else "dim", default)
    return per_input(call, rounds(size) + 1)


def search(call: OpCall) -> Cost:
    """``ceil(log2(m + 1))`` comparisons per result, in m sorted boundaries.

    Source: PyTorch ``aten::searchsorted``, ``aten::bucketize``.
    """
    boundaries = call.input(1 if call.op == "bucketize" else 0).shape[-1]
    return Cost(elementwise_flops=rounds(boundaries + 1) * call.output.elements)


def membership(call: OpCall) -> Cost:
    """A sort of the wanted elements and a search per element. Source: PyTorch ``aten::isin``."""
    wanted = call.optional(1)
    size = 1 if wanted is None else wanted.elements
    return Cost(elementwise_flops=rounds(size) * size + rounds(size + 1) * call.output.elements)
