"""CONV_2D, CONV_3D, DEPTHWISE_CONV_2D and TRANSPOSE_CONV."""

from qreg.errors import QregError
from qreg_tflite.forms import grid, integers, real, sizes, store
from qreg_tflite.graph import Graph, Order, channels_first
from qreg_tflite.products import has_integer_form, real_bias
from qreg_tflite.records import Operator
from qreg_tflite.windows import window

OUTPUT_FIRST: Order = (0, 3, 1, 2)  # of CONV_2D's weight: output, rows, columns, input
DEPTHWISE: Order = (3, 0, 1, 2)  # of 1, rows, columns, output
INPUT_FIRST: Order = (3, 0, 1, 2)  # of TRANSPOSE_CONV's weight, stored as CONV_2D's
VOLUME: Order = (4, 3, 0, 1, 2)  # of depth, rows, columns, input, output


def conv_2d(op: Operator, graph: Graph) -> None:
    inner = graph.tensor(op.input(1)).shape[-1]
    _convolution(op, graph, OUTPUT_FIRST, _groups(op, graph, inner))


def conv_3d(op: Operator, graph: Graph) -> None:
    inner = graph.tensor(op.input(1)).shape[-2]
    _convolution(op, graph, VOLUME, _groups(op, graph, inner))


def depthwise(op: Operator, graph: Graph) -> None:
    """One group per input channel: both formats number the results channel by channel."""
    _convolution(op, graph, DEPTHWISE, _groups(op, graph, 1))


def transpose_conv(op: Operator, graph: Graph) -> None:
    """Paddings follow from the output's size; results out of every tap's reach are bias alone.

    Source: TensorFlow Lite, kernels/transpose_conv.cc; padding is that of the output.
    """
    weight, x, bias = op.input(1), op.input(2), op.input(3)
    shape = graph.tensor(op.outputs[0]).shape
    order = channels_first(len(shape))
    image, kernel = graph.tensor(x).shape[1:3], graph.tensor(weight).shape[1:3]
    strides = (int(op.options["stride_h"]), int(op.options["stride_w"]))
    reach = [(i - 1) * s + k for i, s, k in zip(image, strides, kernel, strict=True)]
    excess = [r - size for r, size in zip(reach, shape[1:3], strict=True)]
    before = [max(e, 0) // 2 for e in excess]
    after = [max(e, 0) - b for e, b in zip(excess, before, strict=True)]
    _name_parameters(graph, weight, bias)
    operands = [real(graph, x, order), real(graph, weight, INPUT_FIRST)]
    value = graph.node(
        "ConvTranspose", [*operands, real_bias(graph, bias, x, weight)],
        sizes(graph.tensor(op.outputs[0]), order), kernel_shape=kernel, strides=strides,
        pads=[*before, *after], output_padding=[max(-e, 0) for e in excess],
    )  # fmt: skip
    store(graph, op, value, order)


HANDLERS = {
    "CONV_2D": conv_2d,
    "CONV_3D": conv_3d,
    "DEPTHWISE_CONV_2D": depthwise,
    "TRANSPOSE_CONV": transpose_conv,
}


def _groups(op: Operator, graph: Graph, inner: int) -> int:
    channels = graph.tensor(op.input(0)).shape[-1]
    if inner < 1 or channels % inner:
        raise QregError(f"weights for {inner} channels on a tensor of {channels}")
    return channels // inner


def _convolution(op: Operator, graph: Graph, weight_order: Order, groups: int) -> None:
    x, weight, bias, output = op.input(0), op.input(1), op.input(2), op.outputs[0]
    order = channels_first(len(graph.tensor(output).shape))
    shape = sizes(graph.tensor(output), order)
    kernel = sizes(graph.tensor(weight), weight_order)[2:]
    placed = window(op, graph.tensor(x).shape[1:-1], kernel)
    _name_parameters(graph, weight, bias)
    attributes = {**placed.attributes(), "group": groups}
    if has_integer_form(graph, x, weight, bias, output, weight_order[0]):
        inputs = [*integers(graph, x, order), graph.view(weight, weight_order)]
        inputs += [*grid(graph, weight), *grid(graph, output)]
        inputs += [graph.view(bias)] if bias >= 0 else []
        value = graph.node("QLinearConv", inputs, shape, **attributes)
    else:
        operands = [real(graph, x, order), real(graph, weight, weight_order)]
        offset = real_bias(graph, bias, x, weight)
        value = graph.node("Conv", [*operands, offset], shape, **attributes)
    store(graph, op, value, order)


def _name_parameters(graph: Graph, weight: int, bias: int) -> None:
    graph.name_parameter(weight, "weight")
    graph.name_parameter(bias, "bias")
