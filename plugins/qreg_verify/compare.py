"""Where two sets of outputs differ, and by how much."""

from collections.abc import Collection, Sequence

import numpy as np
from attrs import frozen

from qreg.records import Array, OpCall
from qreg_emit.records import Emission

FLOAT32_DIGITS, SMALLEST_EXPONENT = 24, -149  # IEEE 754 binary32


@frozen(eq=False)
class Difference:
    """One output, (images, elements): ``errors`` per image in ULP, infinite at special numbers."""

    name: str
    exact_required: bool
    found: Array
    expected: Array
    differing: Array  # (images, elements) of bool
    errors: Array  # (images,) of float64

    @property
    def nan(self) -> int:
        """Numbers that are NaN on both sides: their comparison says nothing."""
        return int((np.isnan(self.found) & np.isnan(self.expected)).sum())

    @property
    def void(self) -> bool:
        """Whether there is nothing but NaN on both sides."""
        return self.nan == self.expected.size

    def agrees(self, limit: float) -> Array:
        """Per image, whether the output is as required."""
        if self.void:
            return np.zeros(len(self.expected), np.bool_)
        if self.exact_required:
            return np.asarray(~self.differing.any(1))
        return np.asarray(self.errors <= limit)


def compare(name: str, found: Array, expected: Array, exact_required: bool) -> Difference:
    """The sign of a zero and the kind of a NaN, which ONNX leaves open, are no difference."""
    differing = ~_same(found, expected)
    return Difference(name, exact_required, found, expected, differing, _errors(found, expected))


def rounded_tensors(calls: Sequence[OpCall], emission: Emission) -> frozenset[str]:
    """The tensors that depend on a node whose C is not exact."""
    found: set[str] = set()
    for call, layer in zip(calls, emission.layers, strict=True):
        if not layer.exact or any(t.name in found for t in call.activations):
            found |= {t.name for t in call.outputs}
    return frozenset(found)


def amplifying_layer(calls: Sequence[OpCall], rounded: Collection[str]) -> str:
    """The first layer that makes integers of real numbers that may be off by an ULP, or ''."""
    for call in calls:
        real = [t for t in call.activations if t.dtype.startswith("float") and t.name in rounded]
        if real and "int" in call.output.dtype:
            return call.name
    return ""


def first_difference(differences: Sequence[Difference], limit: float) -> str:
    """Image, output and element of the first number that is not as required."""
    void = next((d for d in differences if d.void), None)
    if void is not None:
        return (
            f"output {void.name!r}: every number is NaN, in the C and in what is expected, which "
            "proves nothing; look for NaN in the weights"
        )
    image = min(int(np.flatnonzero(~d.agrees(limit))[0]) for d in differences
                if not d.agrees(limit).all())  # fmt: skip
    difference = next(d for d in differences if not d.agrees(limit)[image])
    element = int(np.argmax(_distance(difference.found[image], difference.expected[image])))
    if difference.exact_required:
        element = int(np.argmax(difference.differing[image]))
    found, expected = (a[image, element].item() for a in (difference.found, difference.expected))
    return (
        f"image {image}, output {difference.name!r}, element {element}: "
        f"the C gives {found!r}, {expected!r} is expected"
    )


def correct(scores: Array, labels: Array) -> int:
    """Images whose largest score is that of the labelled class."""
    return int((scores.argmax(1) == labels).sum())


def _errors(found: Array, expected: Array) -> Array:
    distance = _distance(found, expected)
    if expected.dtype.kind != "f":
        return np.asarray(distance.max(1))
    finite = np.where(np.isfinite(expected), np.abs(expected.astype(np.float64)), 0)
    _, exponent = np.frexp(finite.max(1))
    ulp: Array = 2.0 ** np.maximum(exponent - FLOAT32_DIGITS, SMALLEST_EXPONENT)
    return np.asarray(distance.max(1) / ulp)


def _distance(found: Array, expected: Array) -> Array:
    """Absolute difference; infinite where one is special and the other not the same."""
    with np.errstate(invalid="ignore"):
        distance = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    distance = np.where(np.isnan(distance), np.inf, distance)
    return np.asarray(np.where(_same(found, expected), 0.0, distance))


def _same(found: Array, expected: Array) -> Array:
    return np.asarray((found == expected) | (np.isnan(found) & np.isnan(expected)))
