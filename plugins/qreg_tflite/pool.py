"""AVERAGE_POOL_2D, MAX_POOL_2D, and means over all positions of an image."""

import numpy as np
import onnx_ir as ir

from qreg_tflite.forms import exact, grid, integers, on_one_grid, real, sizes, store
from qreg_tflite.graph import CONTRIB, Graph, channels_first
from qreg_tflite.records import Operator
from qreg_tflite.windows import Window, window


def average_pool(op: Operator, graph: Graph) -> None:
    """Padded taps do not count, as everywhere in TensorFlow."""
    x, output = op.input(0), op.outputs[0]
    order, placed = channels_first(4), _window(op, graph)
    shape = sizes(graph.tensor(output), order)
    if _whole_image(graph, x, placed):
        value = global_average(graph, x, output)
    elif on_one_grid(graph, x, output):
        value = graph.node(
            "QLinearAveragePool", [*integers(graph, x, order), *grid(graph, output)], shape,
            domain=CONTRIB, count_include_pad=0, **placed.attributes(dilated=False),
        )  # fmt: skip
    else:
        value = graph.node(
            "AveragePool", [real(graph, x, order)], shape, count_include_pad=0,
            **placed.attributes(dilated=False),
        )  # fmt: skip
    store(graph, op, value, order)


def max_pool(op: Operator, graph: Graph) -> None:
    order = channels_first(4)
    shape = sizes(graph.tensor(op.outputs[0]), order)
    data = exact(graph, op.input(0), order)
    attributes = _window(op, graph).attributes()
    store(graph, op, graph.node("MaxPool", [data], shape, **attributes), order)


def global_average(graph: Graph, x: int, output: int) -> ir.Value:
    """The mean over rows and columns, which stay as axes of size 1, channels first."""
    order = channels_first(4)
    batch, _, _, channels = graph.tensor(x).shape
    shape = (batch, channels, 1, 1)
    if on_one_grid(graph, x, output) and _in_range(graph, x, output):
        inputs = [*integers(graph, x, order), *grid(graph, output)]
        return graph.node(
            "QLinearGlobalAveragePool", inputs, shape, domain=CONTRIB, channels_last=0
        )
    return graph.node("GlobalAveragePool", [real(graph, x, order)], shape)


HANDLERS = {"AVERAGE_POOL_2D": average_pool, "MAX_POOL_2D": max_pool}


def _window(op: Operator, graph: Graph) -> Window:
    image = graph.tensor(op.input(0)).shape[1:-1]
    return window(op, image, (int(op.options["kernel_h"]), int(op.options["kernel_w"])))


def _whole_image(graph: Graph, x: int, placed: Window) -> bool:
    padded = any((*placed.before, *placed.after))
    return placed.kernel == graph.tensor(x).shape[1:-1] and not padded


def _in_range(graph: Graph, x: int, output: int) -> bool:
    """What ONNX Runtime asks of the scales. Source: MlasQLinearGlobalAveragePool."""
    source, made = graph.tensor(x), graph.tensor(output)
    positions = source.shape[1] * source.shape[2]
    scale = source.scale / (made.scale * np.float32(positions))
    return bool(2.0**-32 <= scale < 256 and positions < 2**24)
