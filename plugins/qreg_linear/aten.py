"""What matrix products cost as PyTorch's dispatcher spells them."""

from collections.abc import Sequence
from math import prod

from attrs import evolve

from qreg.records import Contraction, Cost, OpCall, Tensor, Weight
from qreg_linear.activations import flops_of
from qreg_linear.cost import NOWHERE, around, between, in_real_numbers, product, weight_of

FUSED = ("leaky_relu", "relu", "tanh")  # activations in the names of quantised ops


def linear(call: OpCall) -> Cost:
    """``x @ weight.T + bias`` over all rows of ``x``; a weight of one axis gives one number a row."""
    x, weight = call.input(0), call.input(1)
    vector = len(weight.shape) == 1
    found = Contraction(
        m=prod(x.shape[:-1]),
        n=1 if vector else weight.shape[0],
        k=x.shape[-1],
        weight=Weight(input=1, in_axis=-1, out_axis=0, data_axis=-1,
                      output_axis=NOWHERE if vector else -1),
    )  # fmt: skip
    bias = around(call.output.elements, added=call.optional(2) is not None)
    return Cost((in_real_numbers(found, x, weight),), bias)


def matmul(call: OpCall) -> Cost:
    """mm, bmm, mv, dot, vdot, matmul, _int_mm: the product of the first two tensors."""
    return Cost((between(call, 0, 1, weight_of(call, 0, 1)),))


def scaled_mm(call: OpCall) -> Cost:
    """A product of 8-bit floats with a bias; rescaling is part of storing the result."""
    scales = call.attribute("scale_a", 1) + call.attribute("scale_b", 1)  # lengths of lists in v2
    bias = around(call.output.elements, added=call.optional(2 + scales) is not None)
    return Cost((between(call, 0, 1, weight_of(call, 0, 1)),), bias)


def addmm(call: OpCall) -> Cost:
    """addmm, addmv, baddbmm: ``beta * self + alpha * (a @ b)``."""
    activated = call.output.elements if call.op == "_addmm_activation" else 0
    return Cost((between(call, 1, 2, weight_of(call, 1, 2)),), _around(call) + activated)


def addbmm(call: OpCall) -> Cost:
    """The products of a batch, added up: one product whose sums run over the batch too."""
    (batch, rows, k), columns = call.input(1).shape, call.input(2).shape[-1]
    found = Contraction(m=rows, n=columns, k=batch * k)
    return Cost((in_real_numbers(found, call.input(1), call.input(2)),), _around(call))


def addr(call: OpCall) -> Cost:
    """``beta * self + alpha * outer``: a product per element, summed over nothing."""
    return Cost(elementwise_flops=call.output.elements + _around(call))


def outer(call: OpCall) -> Cost:
    """outer, ger, kron: one multiplication per element and no sum, so no contraction."""
    return Cost(elementwise_flops=call.output.elements)


def inner(call: OpCall) -> Cost:
    """Sums over the last axis of both; a number on either side only scales."""
    a, b = call.input(0), call.input(1)
    if not a.shape or not b.shape:
        return Cost(elementwise_flops=call.output.elements)
    found = Contraction(m=prod(a.shape[:-1]), n=prod(b.shape[:-1]), k=a.shape[-1])
    return Cost((in_real_numbers(found, a, b),))


def vecdot(call: OpCall) -> Cost:
    """Sums over axis ``dim``, everything else broadcast together."""
    a, b = call.input(0), call.input(1)
    found = Contraction(m=1, n=1, k=a.shape[call.attribute("dim", -1)], count=call.output.elements)
    return Cost((in_real_numbers(found, a, b),))


def tensordot(call: OpCall) -> Cost:
    """Sums over ``dims_self`` of one operand and ``dims_other`` of the other."""
    a, b = call.input(0), call.input(1)
    m, k = _free(a, call.attribute("dims_self")), _summed(a, call.attribute("dims_self"))
    found = Contraction(m=m, n=_free(b, call.attribute("dims_other")), k=k)
    return Cost((in_real_numbers(found, a, b),))


def chain(call: OpCall) -> Cost:
    """chain_matmul, linalg_multi_dot: the order of multiplying that takes the fewest products."""
    tensors = [t for t in call.inputs if t is not None]
    first, *others = (t.shape for t in tensors)
    sizes = [*(first if len(first) == 2 else (1, *first))]
    sizes += [shape[1] if len(shape) == 2 else 1 for shape in others]
    found = cheapest(sizes)
    return Cost(tuple(in_real_numbers(c, *tensors[:2]) for c in found))


def cheapest(sizes: Sequence[int]) -> tuple[Contraction, ...]:
    """The products of a chain of matrices; matrix i is ``sizes[i]`` by ``sizes[i + 1]``.

    Source: Cormen et al., "Introduction to Algorithms", matrix-chain multiplication.
    """
    best: dict[tuple[int, int], tuple[Contraction, ...]] = {}
    for length in range(1, len(sizes)):
        for i in range(len(sizes) - length):
            j = i + length
            ways = [
                (*best[i, s], *best[s, j], Contraction(m=sizes[i], n=sizes[j], k=sizes[s]))
                for s in range(i + 1, j)
            ]
            best[i, j] = min(ways, key=lambda way: sum(c.macs for c in way), default=())
    return best[0, len(sizes) - 1]


def bilinear(call: OpCall) -> Cost:
    """``x1 @ weight[o] @ x2`` for every o: the weight with x1, what that gives with x2, a bias.

    Source: ATen ``bilinear``, which is ``_trilinear`` summed over one operand after the other.
    """
    rows = prod(call.input(0).shape[:-1])
    out, first, second = call.input(2).shape
    weight = Weight(input=2, in_axis=1, out_axis=0, data=0, data_axis=-1, output_axis=-1)
    left = Contraction(m=rows, n=out * second, k=first, weight=weight)
    right = Contraction(m=1, n=out, k=second, count=rows)
    bias = around(call.output.elements, added=call.optional(3) is not None)
    factors = [call.input(i) for i in range(3)]
    both = (in_real_numbers(left, factors[0], factors[2]), in_real_numbers(right, *factors[:2]))
    return Cost(both, bias)


def trilinear(call: OpCall) -> Cost:
    """Three operands broadcast and multiplied, summed over ``sumdim``: the first two go first.

    Each has size 1 on the axes that its ``expand`` puts in.
    """
    shapes = [_expanded(call.input(i), call.attribute(f"expand{i + 1}")) for i in range(3)]
    summed = set(call.attribute("sumdim"))
    early = summed & set(call.attribute("expand3"))  # axes the third operand does not have
    full = [max(sizes) for sizes in zip(*shapes, strict=True)]
    pair = [max(a, b) for a, b in zip(shapes[0], shapes[1], strict=True)]
    left = [n for axis, n in enumerate(full) if axis not in early]
    one = Contraction(m=prod(n for axis, n in enumerate(pair) if axis not in early), n=1,
                      k=prod(pair[axis] for axis in early))  # fmt: skip
    late = summed - early
    two = Contraction(m=prod(left) // prod(full[axis] for axis in late), n=1,
                      k=prod(full[axis] for axis in late))  # fmt: skip
    factors = [call.input(i) for i in range(3)]
    return Cost((in_real_numbers(one, *factors[:2]), in_real_numbers(two, *factors[:2])))


def grouped_mm(call: OpCall) -> Cost:
    """Rows, columns or sums are dealt out to a stack of matrices: each takes part exactly once.

    Which meets which is data, so no weight is named. Source: ATen ``_grouped_mm``.
    """
    a, b = call.input(0).shape, call.input(1).shape
    found = product(a, b, call.output.shape)
    if len(a) == 2 and len(b) == 3:
        found = Contraction(m=a[0], n=b[2], k=a[1])
    elif len(a) == 3 and len(b) == 2:
        found = Contraction(m=a[1], n=b[1], k=a[2])
    return Cost((found,))


def linear_backward(call: OpCall) -> Cost:
    """One product like the forward one for each gradient asked for; the bias' is a sum."""
    x, grad, weight = (call.input(i) for i in range(3))
    of_x, of_weight, of_bias = call.attribute("output_mask")
    rows, (n, k) = prod(x.shape[:-1]), weight.shape
    use = Weight(input=2, in_axis=0, out_axis=1, data=1, data_axis=-1, output_axis=-1)
    products = [Contraction(m=rows, n=k, k=n, weight=use)] if of_x else []
    products += [Contraction(m=n, n=k, k=rows)] if of_weight else []
    return Cost(
        tuple(in_real_numbers(c, grad, weight) for c in products), grad.elements if of_bias else 0
    )


def matmul_backward(call: OpCall) -> Cost:
    """One product like the forward one for each gradient asked for."""
    grad, a, b = (call.input(i) for i in range(3))
    found = in_real_numbers(product(a.shape, b.shape, grad.shape), a, b)
    return Cost(tuple(found for asked in call.attribute("mask") if asked))


def packed(call: OpCall) -> Cost:
    """A linear layer whose weight is packed: the sizes are those of the data and of the result.

    What is packed is no tensor of the call, so a bias in it is not seen.
    """
    rows = prod(call.input(0).shape[:-1])
    return Cost((Contraction(m=rows, n=call.output.shape[-1], k=call.input(0).shape[-1]),))


def quantised_linear(call: OpCall) -> Cost:
    """quantized::linear and its kind; weight and bias are inputs where they could be unpacked.

    Rescaling is part of storing the result and counts nothing.
    """
    found = linear(call) if call.optional(1) is not None else packed(call)
    name = call.target.split(".")[1]
    activation = next((a for a in FUSED if f"_{a}" in name), "")
    outputs = call.output.elements * flops_of(activation.replace("_", ""))
    return evolve(found, elementwise_flops=found.elementwise_flops + outputs)


def _around(call: OpCall) -> int:
    return around(
        call.output.elements, call.attribute("alpha", 1), call.attribute("beta", 1), added=True
    )


def _summed(tensor: Tensor, axes: Sequence[int]) -> int:
    return prod(tensor.shape[axis] for axis in axes)


def _free(tensor: Tensor, axes: Sequence[int]) -> int:
    rank = len(tensor.shape)
    summed = {axis % rank for axis in axes}
    return prod(n for axis, n in enumerate(tensor.shape) if axis not in summed)


def _expanded(tensor: Tensor, axes: Sequence[int]) -> list[int]:
    sizes = list(tensor.shape)
    for axis in sorted(axes):
        sizes.insert(axis, 1)
    return sizes
