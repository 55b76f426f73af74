"""Data for a model's inputs, one batch at a time, from an ``.npz`` file."""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from attrs import frozen

from qreg.errors import QregError, cause_of, hint
from qreg.records import Array, Tensor


@frozen
class Samples:
    """Arrays by input name, samples leading; ``batch`` of them are fed at once."""

    arrays: Mapping[str, Array]
    dtypes: Mapping[str, str]  # what the model reads
    count: int
    batch: int
    stacked: bool  # each sample is a whole input: (samples, *shape)

    def batches(self) -> Iterator[tuple[int, dict[str, Array]]]:
        """(index of the first sample, feeds). The last batch reaches back where it would be short."""
        for begin in range(0, self.count, self.batch):
            first = min(begin, self.count - self.batch)
            part = first if self.stacked else slice(first, first + self.batch)
            feeds = {
                name: np.ascontiguousarray(array[part], dtype=self.dtypes[name])
                for name, array in self.arrays.items()
            }
            yield first, feeds


def read_samples(path: Path, inputs: tuple[Tensor, ...], limit: int = 0) -> Samples:
    """The arrays of ``path`` that the inputs need, checked. Raises QregError for what does not fit."""
    arrays = _arrays(path, inputs)
    stacked = all(arrays[t.name].ndim == len(t.shape) + 1 for t in inputs)
    for tensor in inputs:
        _check(path, tensor, arrays[tensor.name], stacked)
    counts = {name: len(a) for name, a in arrays.items()}
    batches = {t.name: 1 if stacked else t.shape[0] for t in inputs}
    if len(set(counts.values())) > 1 or len(set(batches.values())) > 1:
        raise QregError(
            f"{path}: arrays hold {counts} samples for inputs of batch {batches}; "
            "all inputs must come in equal numbers"
        )
    count, batch = counts[inputs[0].name], batches[inputs[0].name]
    count = min(limit, count) if limit else count
    if count < batch:
        raise QregError(
            f"{path}: {count} samples are fewer than the model's batch of {batch}; give more data, "
            "or a model of batch 1"
        )
    dtypes = {t.name: t.dtype for t in inputs}
    return Samples({n: a[:count] for n, a in arrays.items()}, dtypes, count, batch, stacked)


def _arrays(path: Path, inputs: tuple[Tensor, ...]) -> dict[str, Array]:
    wanted = [t.name for t in inputs]
    if not wanted:
        raise QregError("the model has no inputs: there is nothing to measure")
    try:
        with path.open("rb") as file:  # numpy leaves a file open that it cannot read
            stored = np.load(file, allow_pickle=False)
            if not isinstance(stored, np.lib.npyio.NpzFile):
                raise QregError(f"{path}: is one array; save with numpy.savez({wanted[0]}=...)")
            for name in wanted:
                if name not in stored:
                    near = hint(name, stored.files)
                    raise QregError(f"{path}: has no array for model input {name!r}{near}")
            return {name: stored[name] for name in wanted}
    except FileNotFoundError as exc:
        raise QregError(f"{path}: no such file") from exc
    except (OSError, ValueError, zipfile.BadZipFile, AttributeError, EOFError) as exc:
        raise QregError(
            f"{path}: is no .npz of plain arrays ({cause_of(exc)}); write it with numpy.savez"
        ) from exc


def _check(path: Path, tensor: Tensor, array: Array, stacked: bool) -> None:
    sizes = tensor.shape if stacked else tensor.shape[1:]
    if (not tensor.shape and not stacked) or array.shape[1:] != sizes or not len(array):
        wanted = ", ".join(("samples", *map(str, sizes)))
        raise QregError(
            f"{path}: array {tensor.name!r} is {list(array.shape)}; "
            f"input {tensor.name!r} needs [{wanted}]"
        )
    if array.dtype.kind != np.dtype(tensor.dtype).kind:  # bytes as floats would be unscaled images
        raise QregError(
            f"{path}: array {tensor.name!r} is {array.dtype}; the model reads {tensor.dtype}: "
            f"prepare the data as in training and save it as {tensor.dtype}"
        )
