"""What the network is run on: arrays of a file, or random numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from attrs import frozen

from qreg.catalogue import hint
from qreg.errors import QregError
from qreg.records import Array, Tensor

RANDOM_IMAGES = 16
LABEL = "label"


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

    @property
    def runs(self) -> int:
        return -(-self.count // self.batch)

    def by_image(self, output: Array) -> Array:
        """(runs, *shape) as (images, elements); an output without the batch serves all its run."""
        flat = output.reshape(self.runs, -1)
        if output.ndim > 1 and output.shape[1] == self.batch:
            return output.reshape(self.runs * self.batch, -1)[: self.count]
        return np.repeat(flat, self.batch, 0)[: self.count]


def read(path: Path, inputs: Sequence[Tensor], label: str, limit: int) -> Images:
    """The images of an .npz file. Raises QregError naming the array that does not fit."""
    arrays = _arrays(path)
    for tensor in inputs:
        if tensor.name not in arrays:
            raise QregError(
                f"{path.name}: no array for input {tensor.name!r}{hint(tensor.name, arrays)}"
            )
    if label and label not in arrays:
        raise QregError(f"{path.name}: no array {label!r} with labels{hint(label, arrays)}")
    batches = {t.name: _batch(path, t, arrays[t.name]) for t in inputs}
    if len(set(batches.values())) > 1:
        raise QregError(f"{path.name}: inputs take different numbers of images per run: {batches}")
    batch = next(iter(batches.values()), 1)
    available = min((len(arrays[t.name]) for t in inputs), default=0)
    count = min(limit or available, available)
    if not count:
        raise QregError(f"{path.name}: holds no image")
    labels = arrays.get(label or LABEL)
    feeds = {t.name: _runs(arrays[t.name][:count], t, batch) for t in inputs}
    return Images(feeds, count, batch, None if labels is None else labels[:count], path.name)


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


def _arrays(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError as exc:
        raise QregError(f"{path}: no such file") from exc
    except (OSError, ValueError, BadZipFile, AttributeError) as exc:
        raise QregError(f"{path}: is no .npz file of plain arrays") from exc


def _batch(path: Path, tensor: Tensor, array: Array) -> int:
    """Images per run: 1 where the array has an axis more than the input, else its first size."""
    place = f"{path.name}: array {tensor.name!r} is {array.dtype.name} {list(array.shape)}"
    wanted = f"input {tensor.name!r} is {tensor.dtype} {list(tensor.shape)}"
    floats = array.dtype.kind == "f" and np.dtype(tensor.dtype).kind == "f"
    if array.dtype.name != tensor.dtype and not floats:
        raise QregError(f"{place}, and {wanted}: store it in the input's type")
    if array.shape[1:] == tensor.shape:
        return 1
    if tensor.shape and array.ndim == len(tensor.shape) and array.shape[1:] == tensor.shape[1:]:
        return tensor.shape[0]
    raise QregError(f"{place}, and {wanted}: images go in front, each in the input's shape")


def _runs(images: Array, tensor: Tensor, batch: int) -> Array:
    missing = -len(images) % batch
    filled = np.concatenate([images, np.repeat(images[-1:], missing, 0)])
    return np.ascontiguousarray(filled.reshape(-1, *tensor.shape), np.dtype(tensor.dtype))
