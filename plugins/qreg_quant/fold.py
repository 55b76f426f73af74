"""Batch normalisation folded into the convolution or linear layer before it."""

import numpy as np
import onnx_ir as ir

from qreg.errors import QregError
from qreg.records import Array
from qreg_onnx.graph import LAYER, target_of
from qreg_quant.affine import refuse_not_finite

EPSILON = 1e-5  # ONNX's default
BEFORE = ("onnx.Conv", "onnx.Gemm")


def fold_batch_norms(model: ir.Model) -> dict[str, str]:
    """Fold in place; returns the folded norm's layer -> the layer that took it.

    ``y = gamma * (x - mean) / sqrt(var + eps) + beta`` becomes part of weight and bias, computed
    in float64. A norm whose input has other readers, or whose constants are not constant, stays.
    Source: ONNX BatchNormalization-15, inference; Jacob et al., CVPR 2018, section 3.2.
    """
    folded = {}
    for norm in list(model.graph):
        if target_of(norm) == "onnx.BatchNormalization":
            producer = _foldable(norm)
            if producer is not None:
                _fold(model, producer, norm)
                folded[norm.metadata_props[LAYER]] = producer.metadata_props[LAYER]
    return folded


def _foldable(norm: ir.Node) -> ir.Node | None:
    """The layer before a norm that can take it."""
    source = norm.inputs[0]
    producer = source.producer() if source is not None else None
    if source is None or producer is None or target_of(producer) not in BEFORE:
        return None
    constants = (*norm.inputs[1:5], *producer.inputs[1:])
    training = norm.attributes.get("training_mode")
    fits = (
        len(source.uses()) == 1
        and not source.is_graph_output()
        and all(v is None or v.const_value is not None for v in constants)
        and not any(v.uses() for v in norm.outputs[1:])
        and not (training and training.as_int())
    )
    return producer if fits else None


def _fold(model: ir.Model, producer: ir.Node, norm: ir.Node) -> None:
    gamma, beta, mean, variance = (_constant(norm.inputs[i]) for i in (1, 2, 3, 4))
    given = norm.attributes.get("epsilon")
    spread = variance + (given.as_float() if given else EPSILON)
    if (spread <= 0).any():
        name = norm.inputs[4].name if norm.inputs[4] else ""
        raise QregError(
            f"tensor {name!r} holds a negative variance; train or export the model again"
        )
    factor = gamma / np.sqrt(spread)
    weight = _constant(producer.inputs[1])
    shape = [1] * weight.ndim
    shape[_channel_axis(producer)] = -1
    bias = _bias(producer, len(factor)) - mean
    _replace(model, producer, 1, weight * factor.reshape(shape))
    _replace(model, producer, 2, bias * factor + beta)
    if "beta" in producer.attributes:  # Gemm's factor on the bias, now inside it
        producer.attributes["beta"] = ir.AttrFloat32("beta", 1.0)
    _take_output(model, producer, norm)


def _channel_axis(producer: ir.Node) -> int:
    transposed = producer.attributes.get("transB")
    rows = target_of(producer) == "onnx.Conv" or (transposed is not None and transposed.as_int())
    return 0 if rows else 1


def _bias(producer: ir.Node, channels: int) -> Array:
    given = producer.inputs[2] if len(producer.inputs) > 2 else None
    if given is None:
        return np.zeros(channels)
    beta = producer.attributes.get("beta")
    return _constant(given) * (beta.as_float() if beta else 1.0)


def _constant(value: ir.Value | None) -> Array:
    assert value is not None and value.const_value is not None
    values = value.const_value.numpy()
    refuse_not_finite(values, str(value.name))
    return values.astype(np.float64)


def _replace(model: ir.Model, producer: ir.Node, index: int, values: Array) -> None:
    """Give the node its own constant; other readers keep the old one."""
    old = producer.inputs[index] if len(producer.inputs) > index else None
    name = old.name if old is not None else f"{producer.metadata_props[LAYER]}.bias"
    dtype = np.float32 if old is None or old.dtype is None else old.dtype.numpy()
    if old is not None and len(old.uses()) == 1:
        del model.graph.initializers[str(name)]
    while name in model.graph.initializers:
        name = f"{name}_folded"
    new = ir.Value(name=name, const_value=ir.tensor(values.astype(dtype), name=name))
    new.dtype, new.shape = ir.DataType.from_numpy(np.dtype(dtype)), ir.Shape(values.shape)
    model.graph.register_initializer(new)
    if len(producer.inputs) <= index:
        producer.resize_inputs(index + 1)
    producer.replace_input_with(index, new)


def _take_output(model: ir.Model, producer: ir.Node, norm: ir.Node) -> None:
    """The layer makes the tensor the norm made, under its name."""
    old, new = norm.outputs[0], producer.outputs[0]
    name, old.name = old.name, None
    new.name = name
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    model.graph.remove(norm, safe=True)
