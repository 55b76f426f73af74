"""Nested loops over tensors with strides, as few as the shapes allow."""

from collections.abc import Sequence
from math import prod

Strides = tuple[int, ...]


def row_major(shape: Sequence[int]) -> Strides:
    """Elements between neighbours along each axis: the last axis is contiguous."""
    return tuple(prod(shape[i + 1 :]) for i in range(len(shape)))


def broadcast(shape: Sequence[int], result: Sequence[int]) -> Strides:
    """Strides of an operand as seen from the result's axes; 0 where its one element is repeated.

    Source: ONNX, Broadcasting in ONNX (multidirectional).
    """
    missing = len(result) - len(shape)
    own = row_major(shape)
    return (0,) * missing + tuple(0 if n == 1 else s for n, s in zip(shape, own, strict=True))


def fused(
    counts: Sequence[int], *operands: Sequence[int]
) -> tuple[tuple[int, ...], tuple[Strides, ...]]:
    """The same walk with neighbouring axes joined where every operand steps through both evenly."""
    axes: list[tuple[int, list[int]]] = []
    for count, *steps in zip(counts, *operands, strict=True):
        if count == 1:
            continue
        if axes and all(s == count * t for s, t in zip(axes[-1][1], steps, strict=True)):
            axes[-1] = (axes[-1][0] * count, steps)
        else:
            axes.append((count, steps))
    if not axes:
        return (1,), tuple((0,) for _ in operands)
    return (
        tuple(count for count, _ in axes),
        tuple(tuple(steps[i] for _, steps in axes) for i in range(len(operands))),
    )


def index(strides: Sequence[int], start: int = 0) -> str:
    """``i0 * 12 + i1``: the element that the loop counters i0, i1, ... reach."""
    terms = [f"i{n} * {s}" if s != 1 else f"i{n}" for n, s in enumerate(strides) if s]
    return " + ".join([*([str(start)] if start or not terms else []), *terms])
