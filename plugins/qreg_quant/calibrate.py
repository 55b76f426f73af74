"""Step calibrate: the range of every activation on data, as a file a person can edit."""

import numpy as np
from attrs import define

from qreg.errors import QregError
from qreg.records import Array, Table
from qreg.run import Context, Outcome
from qreg_onnx.graph import inputs_of
from qreg_quant.activations import MODEL_INPUT, float_activations, runner
from qreg_quant.params import Calibrate
from qreg_quant.ranges import ranges_text
from qreg_quant.records import Calibration, Range, number
from qreg_quant.samples import read_samples


@define
class Extremes:
    """Least and greatest value of one tensor so far."""

    low: np.float32 = np.float32(np.inf)  # noqa: RUF009  an immutable value
    high: np.float32 = np.float32(-np.inf)  # noqa: RUF009

    def take(self, values: Array) -> None:
        self.low = min(self.low, values.min())
        self.high = max(self.high, values.max())


def run(context: Context, params: Calibrate) -> Outcome:
    """Min-max ranges, written to ``ranges.toml``; one batch is in memory at a time."""
    layers = float_activations(context.model)
    if not layers:
        raise QregError("the model has no float32 activation: there is nothing to calibrate")
    samples = read_samples(params.data, inputs_of(context.model), params.samples)
    compute = runner(context.model, list(layers), context.catalogue)
    extremes = {name: Extremes() for name in layers}
    for first, feeds in samples.batches():
        for name, values in compute(feeds).items():
            if not np.isfinite(values).all():
                where = f"{params.data.name}, {_sample(values, first, samples.batch)}"
                raise QregError(_not_finite(where, name, layers[name], values))
            if values.size:
                extremes[name].take(values)
        context.progress(min(first + samples.batch, samples.count), samples.count, "samples")
    tensors = tuple(
        Range(tensor=n, layer=layers[n], min=number(e.low), max=number(e.high))
        for n, e in extremes.items()
        if e.low <= e.high
    )
    text = ranges_text(
        tensors, model=context.name, method="min-max", samples=samples.count, data=params.data.name
    )
    path = context.folder.write(params.output, text)
    record = Calibration(
        method="min-max", data=params.data, samples=samples.count, file=path, tensors=tensors
    )
    return Outcome(
        record=record,
        tables=(_table(record),),
        lines=(f"calibrate: {len(tensors)} tensors on {samples.count} samples, see {path.name}",),
    )


def _sample(values: Array, first: int, batch: int) -> str:
    """Which sample holds the first value that is not finite."""
    if batch == 1:
        return f"sample {first}"
    if values.ndim and values.shape[0] == batch:
        return f"sample {first + int(np.argwhere(~np.isfinite(values))[0][0])}"
    return f"samples {first} to {first + batch - 1}"


def _not_finite(where: str, tensor: str, layer: str, values: Array) -> str:
    found = values[~np.isfinite(values)][0]
    if layer == MODEL_INPUT:
        return f"{where}: input {tensor!r} holds {found}; remove the sample or repair the data"
    return (
        f"{where}: tensor {tensor!r}, made by layer {layer!r}, becomes {found}; "
        "the network overflows on this sample: look at its data and weights"
    )


def _table(record: Calibration) -> Table:
    return Table(
        title=f"Ranges on {record.samples} samples of {record.data.name}",
        columns=("tensor", "layer", "min", "max"),
        rows=tuple((r.tensor, r.layer, r.min, r.max) for r in record.tensors),
    )
