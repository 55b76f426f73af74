"""Right classes, one whole number per image: an accuracy of anything else would mean nothing."""

from collections.abc import Sequence

import numpy as np

from qreg.errors import QregError
from qreg.records import Array
from qreg_emit.program import Port

LABEL = "label"


def class_numbers(place: str, labels: Array, images: int) -> Array:
    """The labels as int64 [images]. Raises QregError that begins with ``place``."""
    found = f"{place} is {labels.dtype.name} {list(labels.shape)}"
    wanted = f"labels are one whole number per image, here [{images}] or [{images}, 1]"
    if labels.shape == (images, 1):
        labels = labels[:, 0]
    if labels.shape != (images,) or labels.dtype.kind not in "iuf":
        cure = "; of scores or one-hot rows, store argmax(1)" if _rows(labels, images) else ""
        raise QregError(f"{found}; {wanted}{cure}")
    whole = np.isfinite(labels) & (labels == np.trunc(labels))
    if not whole.all():
        image = int(np.argmin(whole))
        raise QregError(f"{place}, image {image} holds {labels[image]}; {wanted}")
    return np.asarray(labels.astype(np.int64))


def check_classes(place: str, labels: Array, output: Port, batch: int) -> None:
    """Raises QregError where a label is no class of ``output``, or that holds no class scores."""
    sizes = _sizes_per_image(output.shape, batch)
    classes = output.elements // batch
    if not sizes or max(sizes) != classes or classes < 2:
        raise QregError(
            f"{place} is taken as labels, but output {output.name!r} {list(output.shape)} is not "
            "one row of class scores per image; store the array under another name, or leave it out"
        )
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        image = int(np.argmax(wrong))
        raise QregError(
            f"{place}, image {image} holds {labels[image]}; output {output.name!r} has "
            f"{classes} classes, labels 0 to {classes - 1}"
        )


def _sizes_per_image(shape: Sequence[int], batch: int) -> Sequence[int]:
    """Empty where the output is not one part per image of the batch."""
    if batch == 1:
        return shape
    return shape[1:] if shape and shape[0] == batch else ()


def _rows(labels: Array, images: int) -> bool:
    return labels.ndim == 2 and len(labels) == images and labels.dtype.kind in "iuf"
