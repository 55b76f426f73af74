"""What the network is run on: arrays of a file, or random numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir
from attrs import frozen

from qreg.errors import QregError
from qreg.records import Array, Tensor
from qreg_emit.records import Emission
from qreg_onnx.graph import inputs_of
from qreg_verify.labels import LABEL, check_classes, class_numbers
from qreg_verify.params import Verify
from qreg_verify.stored import load

RANDOM_IMAGES = 16


@frozen(eq=False)
class Images:
    """``feeds[name]`` is (runs, *the input's shape); ``batch`` images make one run.

    A last run that the images do not fill repeats the last image.
    """

    feeds: Mapping[str, Array]
    count: int
    batch: int
    labels: Array | None
    described: str
    remark: str = ""

    @property
    def runs(self) -> int:
        return -(-self.count // self.batch)

    def by_image(self, output: Array) -> Array:
        """(runs, *shape) as (images, elements); an output without the batch serves all its run."""
        flat = output.reshape(self.runs, -1)
        if output.ndim > 1 and output.shape[1] == self.batch:
            return output.reshape(self.runs * self.batch, -1)[: self.count]
        return np.repeat(flat, self.batch, 0)[: self.count]


def choose(model: ir.Model, params: Verify, emission: Emission) -> Images:
    """What to run on. Raises QregError for data, labels and outputs that cannot be compared."""
    names = [p.name for p in emission.outputs]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise QregError(
            f"the graph lists output {twice!r} twice, and results are compared by name; list it "
            "once, or give the second a name of its own (Identity)"
        )
    inputs = inputs_of(model)
    if params.data is None:
        if params.label:
            raise QregError(
                f"label = {params.label!r} names an array of the data, and no data is given; add "
                'data = "images.npz", or leave label out'
            )
        return random(inputs, params.images, params.seed)
    images = read(params.data, inputs, params.label, params.images)
    if images.labels is not None:
        place = f"{images.described}: array {params.label or LABEL!r}"
        check_classes(place, images.labels, emission.outputs[0], images.batch)
    return images


def read(path: Path, inputs: Sequence[Tensor], label: str, limit: int) -> Images:
    """The images of an .npz file. Raises QregError naming the array that does not fit."""
    arrays, labels = load(path, [t.name for t in inputs], label)
    batches = {t.name: _batch(path, t, arrays[t.name]) for t in inputs}
    if len(set(batches.values())) > 1:
        raise QregError(f"{path.name}: inputs take different numbers of images per run: {batches}")
    batch = next(iter(batches.values()), 1)
    counts = {t.name: len(arrays[t.name]) for t in inputs}
    if len(set(counts.values())) > 1:
        raise QregError(f"{path.name}: inputs must come in equal numbers, arrays hold {counts}")
    available = next(iter(counts.values()), 0)
    if not available:
        raise QregError(f"{path.name}: holds no image")
    count = min(limit or available, available)
    for tensor in inputs:
        _check_finite(path, tensor, arrays[tensor.name][:count])
    classes = None
    if labels is not None:
        classes = class_numbers(f"{path.name}: array {label or LABEL!r}", labels, available)[:count]
    feeds = {t.name: _runs(arrays[t.name][:count], t, batch) for t in inputs}
    remark = f"{limit} images were asked for; the data holds {available}" if limit > count else ""
    return Images(feeds, count, batch, classes, path.name, remark)


def random(inputs: Sequence[Tensor], limit: int, seed: int) -> Images:
    """Standard normal numbers, and integers over their whole range; the same for the same seed."""
    generator = np.random.default_rng(seed)
    count = limit or RANDOM_IMAGES
    feeds = {t.name: _random(generator, t, count) for t in inputs}
    return Images(feeds, count, 1, None, f"{count} random images, seed {seed}")


def _random(generator: np.random.Generator, tensor: Tensor, count: int) -> Array:
    kind, shape = np.dtype(tensor.dtype), (count, *tensor.shape)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return generator.integers(limits.min, limits.max, shape, kind, endpoint=True)
    if kind.kind == "b":
        return generator.integers(0, 2, shape).astype(kind)
    return generator.standard_normal(shape).astype(kind)


def _check_finite(path: Path, tensor: Tensor, images: Array) -> None:
    """A comparison of NaN with NaN says nothing, and infinity leads to NaN."""
    if images.dtype.kind != "f":
        return
    with np.errstate(over="ignore"):  # a number too large for the input's type becomes infinite
        wrong = np.argwhere(~np.isfinite(images.astype(tensor.dtype)))
    if len(wrong):
        found = images[tuple(wrong[0])]
        raise QregError(
            f"{path.name}: array {tensor.name!r}, image {wrong[0][0]} holds {found}, no finite "
            f"{tensor.dtype}; remove the image or repair the data"
        )


def _batch(path: Path, tensor: Tensor, array: Array) -> int:
    """Images per run: 1 where the array has an axis more than the input, else its first size."""
    place = f"{path.name}: array {tensor.name!r} is {array.dtype.name} {list(array.shape)}"
    wanted = f"input {tensor.name!r} is {tensor.dtype} {list(tensor.shape)}"
    floats = array.dtype.kind == "f" and np.dtype(tensor.dtype).kind == "f"
    if array.dtype.name != tensor.dtype and not floats:
        raise QregError(f"{place}, and {wanted}: store it in the input's type")
    if array.ndim and array.shape[1:] == tensor.shape:
        return 1
    if tensor.shape and array.ndim == len(tensor.shape) and array.shape[1:] == tensor.shape[1:]:
        return tensor.shape[0]
    raise QregError(f"{place}, and {wanted}: images go in front, each in the input's shape")


def _runs(images: Array, tensor: Tensor, batch: int) -> Array:
    missing = -len(images) % batch
    filled = np.concatenate([images, np.repeat(images[-1:], missing, 0)])
    return np.ascontiguousarray(filled.reshape(-1, *tensor.shape), np.dtype(tensor.dtype))
