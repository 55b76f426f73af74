"""What convolutions and linear layers share: when they have an integer form, and their bias."""

import numpy as np
import onnx_ir as ir

from qreg_tflite.forms import on_one_grid
from qreg_tflite.graph import Graph


def has_integer_form(graph: Graph, x: int, weight: int, bias: int, output: int, axis: int) -> bool:
    """Whether ONNX Runtime computes it on integers: 8 bits of one type, int32 bias, and scales of
    the weight by its ``axis`` of output channels, with one zero-point for all.

    Float activations with integer weights and 16-bit activations are computed on real numbers.
    """
    stored = graph.tensor(weight)
    if not on_one_grid(graph, x, output) or not stored.quantised:
        return False
    assert stored.scales is not None and stored.zero_points is not None
    by_channel = stored.scales.size == 1 or stored.axis == axis
    one_zero_point = np.unique(stored.zero_points).size == 1
    whole_bias = bias < 0 or graph.tensor(bias).dtype == "int32"
    same_type = stored.dtype == graph.tensor(x).dtype
    return by_channel and one_zero_point and whole_bias and same_type


def real_bias(graph: Graph, bias: int, x: int, weight: int) -> ir.Value | None:
    """The bias as real numbers. Integers count in units of the products, whatever scale they have.

    Source: TensorFlow Lite 8-bit quantization specification.
    """
    if bias < 0:
        return None
    tensor, data, stored = graph.tensor(bias), graph.tensor(x).scales, graph.tensor(weight).scales
    if tensor.dtype not in ("int32", "int64") or data is None or stored is None:
        return graph.view(bias)
    scales = (data * stored).astype(np.float32)
    if tensor.dtype == "int64" and bias in graph.stored:  # DequantizeLinear takes no int64
        real = (graph.stored[bias] * scales.astype(np.float64)).astype(np.float32)
        return graph.constant(real, f"{graph.layer}.bias", ("real", bias, x, weight))
    by_channel = scales.size > 1
    units = scales if by_channel else scales.reshape(())
    scale = graph.constant(units, f"{graph.layer}.bias_scale", ("bias scale", bias, x, weight))
    axis = 0 if by_channel else None
    inputs, real_type = [graph.view(bias), scale], ir.DataType.FLOAT
    role = "dequantize_bias"
    return graph.node("DequantizeLinear", inputs, tensor.shape, real_type, role=role, axis=axis)
