"""What Einstein sums cost: operands two at a time, as PyTorch and ONNX Runtime compute them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import prod

from attrs import evolve, frozen

from qreg.errors import QregError
from qreg.records import Contraction, Cost, OpCall, Weight
from qreg_linear.cost import NOWHERE, in_real_numbers

Labels = tuple[str, ...]
Operand = tuple[int, Labels]  # which input of the op
MADE = -1  # in place of an input: what an earlier product gave


@frozen
class Equation:
    """The labels of each operand and of the result; an ellipsis is labels of its own."""

    operands: tuple[Labels, ...]
    result: Labels


def equation(text: str, ranks: Sequence[int]) -> Equation:
    """The labels of ``text`` for operands of these ranks. Source: ONNX Einsum-12, numpy.einsum."""
    left, arrow, right = text.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise QregError(f"einsum {text!r} is for {len(terms)} operands; the op has {len(ranks)}")
    widest = max(
        (r - len(t) + 3 for t, r in zip(terms, ranks, strict=True) if "..." in t), default=0
    )
    operands = tuple(_labels(t, r - len(t) + 3) for t, r in zip(terms, ranks, strict=True))
    if arrow:
        return Equation(operands, _labels(right, widest))
    written = left.replace(".", "").replace(",", "")
    once = sorted(label for label in written if written.count(label) == 1)
    return Equation(operands, (*_labels("...", widest), *once))


def contract(
    left: Labels, right: Labels, kept: Collection[str], sizes: Mapping[str, int]
) -> tuple[Contraction, Labels, int]:
    """The product of two operands, the labels of what it gives, and the additions before it.

    A label of one operand alone that is not ``kept`` is summed before anything is multiplied.
    """
    kept_left = tuple(x for x in dict.fromkeys(left) if x in kept or x in right)
    kept_right = tuple(x for x in dict.fromkeys(right) if x in kept or x in left)
    both = [x for x in kept_left if x in kept_right]
    found = Contraction(
        m=_size((x for x in kept_left if x not in both), sizes),
        n=_size((x for x in kept_right if x not in both), sizes),
        k=_size((x for x in both if x not in kept), sizes),
        count=_size((x for x in both if x in kept), sizes),
    )
    given = tuple(x for x in dict.fromkeys((*kept_left, *kept_right)) if x in kept)
    summed = sum(
        _size(dict.fromkeys(before), sizes)
        for before, after in ((left, kept_left), (right, kept_right))
        if set(before) != set(after)
    )
    return found, given, summed


def einsum(call: OpCall) -> Cost:
    """Einsum of any number of operands: the first two, then what they give with the third, ...

    ``path`` of PyTorch, pairs of positions, says otherwise which two; their product goes last.
    Two operands that share no summed label are multiplied element by element: no contraction. One
    operand is never multiplied: its sums are additions.
    """
    tensors = [t for t in call.inputs if t is not None]
    parsed = equation(call.attribute("equation"), [len(t.shape) for t in tensors])
    sizes = _sizes(parsed, [t.shape for t in tensors])
    if len(tensors) == 1:
        whole = set(parsed.operands[0]) <= set(parsed.result)
        return Cost(elementwise_flops=0 if whole else _size(set(parsed.operands[0]), sizes))
    left = list(enumerate(parsed.operands))
    products, elementwise = [], 0
    for one, other in _pairs(call.attribute("path"), len(tensors)):
        pair = (left[one], left[other])
        left = [left[i] for i in range(len(left)) if i not in (one, other)]
        kept = {*parsed.result, *(x for _, labels in left for x in labels)}
        found, given, summed = contract(pair[0][1], pair[1][1], kept, sizes)
        found = in_real_numbers(found, *tensors[:2])
        if set(pair[0][1]) & set(pair[1][1]) <= kept:
            elementwise += found.macs
        else:
            weight = _weight(call, pair, kept, () if left else parsed.result)
            products.append(evolve(found, weight=weight))
        elementwise += summed
        left.append((MADE, given))
    return Cost(tuple(products), elementwise)


def _pairs(path: Sequence[int] | None, operands: int) -> Sequence[tuple[int, int]]:
    """Positions of what is multiplied; a product goes to the end of what is left."""
    if path:
        return tuple(zip(path[::2], path[1::2], strict=True))
    return ((0, 1), *((left - 1, 0) for left in range(operands - 1, 1, -1)))


def _weight(
    call: OpCall, pair: tuple[Operand, Operand], kept: Collection[str], result: Labels
) -> Weight | None:
    """The stored one of two operands, where both are inputs; None where neither can be one."""
    (one, left), (other, right) = pair
    if MADE in (one, other) or len(set(left)) < len(left) or len(set(right)) < len(right):
        return None
    if call.input(one).value is not None and call.input(other).value is None:
        one, left, other, right = other, right, one, left
    summed = [x for x in right if x in left and x not in kept]
    lengths = (call.input(one).shape[left.index(summed[-1])],
               call.input(other).shape[right.index(summed[-1])])  # fmt: skip
    if lengths[0] != lengths[1]:  # one element meets all
        return None
    own = [x for x in right if x in result] or [x for x in right if x not in summed[-1:]] or summed
    own = [x for x in own if x not in left] or own
    return Weight(
        input=other,
        in_axis=right.index(summed[-1]),
        out_axis=right.index(own[-1]),
        data=one,
        data_axis=left.index(summed[-1]),
        output_axis=result.index(own[-1]) if own[-1] in result else NOWHERE,
    )


def _labels(term: str, dots: int) -> Labels:
    before, ellipsis, after = term.partition("...")
    if not ellipsis:
        return tuple(term)
    return (*before, *(f".{i}" for i in reversed(range(dots))), *after)  # aligned at the right


def _size(labels: Iterable[str], sizes: Mapping[str, int]) -> int:
    return prod(sizes[label] for label in labels)


def _sizes(parsed: Equation, shapes: Sequence[Sequence[int]]) -> Mapping[str, int]:
    """By label; a size of 1 is repeated to meet another."""
    sizes: dict[str, int] = {}
    for labels, shape in zip(parsed.operands, shapes, strict=True):
        for label, size in zip(labels, shape, strict=True):
            sizes[label] = max(sizes[label], size) if label in sizes else size
    return sizes
