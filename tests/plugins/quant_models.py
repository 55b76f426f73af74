"""Small float networks to quantise, and ONNX Runtime's own quantiser as the judge."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from attrs import evolve, frozen
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from qreg.api import catalogue, load
from qreg.catalogue import Catalogue
from qreg.run import Context, Events, Folder, Model, Outcome
from qreg.specs import StepSpec
from qreg.structure import structure
from qreg_onnx.runtime import session

Array = NDArray[Any]
TYPES = {"int8": QuantType.QInt8, "uint8": QuantType.QUInt8}
SEED = 20261


def values(*shape: int, seed: int = SEED, scale: float = 1.0) -> Array:
    return (np.random.default_rng([seed, *shape]).standard_normal(shape) * scale).astype(np.float32)


def node(op: str, inputs: str, output: str, name: str = "", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], name=name or output, **attributes)


def network(
    nodes: list[onnx.NodeProto], shape: tuple[int, ...], outputs: str, opset: int = 20,
    inputs: str = "x", **constants: Array,
) -> onnx.ModelProto:  # fmt: skip
    """A model of float inputs of one shape. ``w_weight`` is called ``w.weight``."""
    named = {
        n.replace("_weight", ".weight").replace("_bias", ".bias"): a for n, a in constants.items()
    }
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in inputs.split()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs.split()],
        [numpy_helper.from_array(a, n) for n, a in named.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


@frozen
class Bench:
    """A folder, a float model and its data: run the two steps on them."""

    folder: Path
    model: ir.Model
    data: dict[str, Array]
    installed: Catalogue

    @property
    def npz(self) -> Path:
        path = self.folder / "data.npz"
        np.savez(path, **self.data)  # type: ignore[arg-type]
        return path

    @property
    def ranges(self) -> Path:
        return self.folder / "ranges.toml"

    def run(self, step: str, earlier: dict[str, Outcome] | None = None, **params: Any) -> Outcome:
        entry = self.installed.find(StepSpec, step)
        typed = structure(params, entry.spec.params.load(), self.installed, self.folder)
        context = Context(
            catalogue=self.installed, loaded=Model(self.model), name="m", source="m.onnx",
            folder=Folder(self.folder, Events([])), events=Events([]),
            outcomes=earlier or {},
        )  # fmt: skip
        outcome: Outcome = entry.spec.run.load()(context, typed)
        return outcome

    def calibrate(self, **params: Any) -> Outcome:
        return self.run("calibrate", data=str(self.npz), **params)

    def quantize(self, *rules: dict[str, Any], **params: Any) -> Outcome:
        """With ranges from the bench's file, measured where there is none yet."""
        if not self.ranges.exists():
            self.calibrate()
        params.setdefault("ranges", str(self.ranges))
        return self.run("quantize", rule=[{"use": "static", **r} for r in rules], **params)

    def edit(self, old: str, new: str) -> None:
        """Change the file of ranges as a person would."""
        text = self.ranges.read_text()
        assert text.count(old) == 1, text
        self.ranges.write_text(text.replace(old, new))

    def set(self, tensor: str, **keys: float) -> None:
        """Replace one tensor's table."""
        head, _, rest = self.ranges.read_text().partition(f'[tensor."{tensor}"]')
        tail = rest.partition("\n\n")[2]
        body = "\n".join(f"{k} = {v}" for k, v in keys.items())
        self.ranges.write_text(f'{head}[tensor."{tensor}"]\n{body}\n\n{tail}')


def bench(folder: Path, proto: onnx.ModelProto | Path, samples: int = 12, **data: Array) -> Bench:
    """``data`` is random where none is given."""
    model = load(proto)
    found = data or {
        str(v.name): values(samples, *[int(d) for d in v.shape[1:]])
        for v in model.graph.inputs
        if v.shape is not None
    }
    return Bench(folder, model, found, catalogue())


def with_entries(bench: Bench, *entries: Any) -> Bench:
    installed = evolve(bench.installed, entries=(*bench.installed.entries, *entries))
    return evolve(bench, installed=installed)


def ops(model: ir.Model) -> list[str]:
    return [n.op_type for n in model.graph]


def constant(model: ir.Model, name: str) -> Array:
    value = model.graph.initializers[name].const_value
    assert value is not None
    return value.numpy()


def outputs(model: ir.Model, data: dict[str, Array], optimise: bool = False) -> list[Array]:
    """Every output on every batch of the data, in ONNX Runtime."""
    ready = session(model, optimise=optimise)
    batch = ready.get_inputs()[0].shape[0]
    count = len(next(iter(data.values())))
    rows = [
        ready.run(None, {n.name: data[n.name][i : i + batch] for n in ready.get_inputs()})
        for i in range(0, count, batch)
    ]
    return [np.concatenate(column) for column in zip(*rows, strict=True)]


def runtime_quantised(
    bench: Bench, act: str, weight: str, per_channel: bool, symmetric: bool = False
) -> onnx.ModelProto:
    """What ONNX Runtime's quantize_static makes of the same model and data."""
    source, target = bench.folder / "float.onnx", bench.folder / "runtime.onnx"
    source.write_bytes(ir.to_proto(bench.model).SerializeToString())
    logging.disable(logging.WARNING)  # it advises to preprocess, which the model is
    try:
        # Float sums depend on how many threads share them, and so would the ranges.
        with mock.patch.object(onnxruntime, "SessionOptions", _one_thread):
            quantize_static(
                source, target, _Reader(bench.data), quant_format=QuantFormat.QOperator,
                activation_type=TYPES[act], weight_type=TYPES[weight], per_channel=per_channel,
                extra_options={"ActivationSymmetric": symmetric},
            )  # fmt: skip
    finally:
        logging.disable(logging.NOTSET)
    return onnx.load(target)


def _one_thread(options: Any = onnxruntime.SessionOptions) -> Any:
    made = options()
    made.intra_op_num_threads = 1
    return made


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, data: dict[str, Array]) -> None:
        self._rows: Iterator[dict[str, Array]] = (
            {n: a[i : i + 1] for n, a in data.items()}
            for i in range(len(next(iter(data.values()))))
        )

    def get_next(self) -> dict[str, Array] | None:
        return next(self._rows, None)


def parameters(proto: onnx.ModelProto) -> dict[str, tuple[str, list[Array | None]]]:
    """Node name -> (op, the constants it reads in order); Q and DQ by the tensor they serve.

    Names of constants and the order of nodes differ between quantisers and are left out.
    """
    stored = {i.name: numpy_helper.to_array(i) for i in proto.graph.initializer}
    found = {}
    for item in proto.graph.node:
        read = [stored.get(n) for n in item.input]
        name = item.name.removesuffix("_quant")
        if item.op_type == "QuantizeLinear":
            name = f"quantize {item.input[0]}"
        if item.op_type == "DequantizeLinear":
            name = f"dequantize {item.output[0]}"
        found[name] = (item.op_type, read)
    return found
