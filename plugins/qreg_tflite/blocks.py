"""Images made larger or smaller: resizing, and blocks of pixels against channels or batch."""

from math import prod
from typing import Any

import numpy as np
import onnx_ir as ir

from qreg.errors import QregError
from qreg_tflite.forms import exact, fixed, grid, real, sizes, store
from qreg_tflite.graph import Graph, channels_first, shape_of
from qreg_tflite.records import Operator, UnmappedError


def resize(op: Operator, graph: Graph) -> None:
    """RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR, to the size the file gives the result.

    Source: TensorFlow Lite, kernels/internal/reference/resize_*.h; ONNX Resize-19.
    """
    corners, half = bool(op.options["align_corners"]), bool(op.options["half_pixel"])
    if corners and half:
        raise UnmappedError("it aligns corners and takes half pixels")
    where = "align_corners" if corners else "half_pixel" if half else "asymmetric"
    how: dict[str, Any] = {"mode": "linear"}
    data = real if op.name == "RESIZE_BILINEAR" else exact
    if op.name == "RESIZE_NEAREST_NEIGHBOR":
        # floor((i + 0.5) * scale) is ONNX's (i + 0.5) * scale - 0.5 with halves rounded up
        nearest = "floor" if where == "asymmetric" else "round_prefer_ceil"
        how = {"mode": "nearest", "nearest_mode": nearest}
    order = channels_first(4)
    shape = sizes(graph.tensor(op.outputs[0]), order)
    target = graph.constant(np.array(shape, np.int64), f"{graph.layer}.sizes")
    inputs = [data(graph, op.input(0), order), None, None, target]
    value = graph.node("Resize", inputs, shape, coordinate_transformation_mode=where, **how)
    store(graph, op, value, order)


def depth_and_space(op: Operator, graph: Graph) -> None:
    order = channels_first(4)
    name = {"DEPTH_TO_SPACE": "DepthToSpace", "SPACE_TO_DEPTH": "SpaceToDepth"}[op.name]
    data = exact(graph, op.input(0), order)
    shape = sizes(graph.tensor(op.outputs[0]), order)
    store(graph, op, graph.node(name, [data], shape, blocksize=int(op.options["block"])), order)


def space_to_batch(op: Operator, graph: Graph) -> None:
    """Blocks of pixels to the batch, as converters once wrote dilated convolutions.

    Source: TensorFlow, SpaceToBatchND.
    """
    block, pads = _block(op, graph, "paddings")
    data = exact(graph, op.input(0))
    batch, *image = shape_of(data)
    count = len(block)
    if any(map(sum, pads)):
        amounts = [(0, 0), *pads, *[(0, 0)] * (len(image) - count)]
        image = [size + sum(pad) for size, pad in zip(image, amounts[1:], strict=True)]
        ends = np.array([*(p[0] for p in amounts), *(p[1] for p in amounts)], np.int64)
        tensor = graph.tensor(op.input(0))
        whole = tensor.quantised and data.dtype != ir.DataType.FLOAT
        fill = grid(graph, op.input(0))[1] if whole else None
        inputs = [data, graph.constant(ends, f"{graph.layer}.pads"), fill]
        data = graph.node("Pad", inputs, (batch, *image), role="pad")
    split = [n for size, b in zip(image, block, strict=False) for n in (size // b, b)]
    rest = range(1 + 2 * count, 1 + count + len(image))
    order = [*range(2, 2 + 2 * count, 2), 0, *range(1, 1 + 2 * count, 2), *rest]
    data = _permuted(graph, graph.reshape(data, [batch, *split, *image[count:]]), order)
    store(graph, op, graph.reshape(data, graph.tensor(op.outputs[0]).shape))


def batch_to_space(op: Operator, graph: Graph) -> None:
    """Source: TensorFlow, BatchToSpaceND."""
    block, crops = _block(op, graph, "crops")
    data = exact(graph, op.input(0))
    batch, *image = shape_of(data)
    count = len(block)
    pairs = [axis for i in range(count) for axis in (count + 1 + i, i)]
    rest = range(2 * count + 1, count + 1 + len(image))
    data = graph.reshape(data, [*block, batch // prod(block), *image])
    data = _permuted(graph, data, [count, *pairs, *rest])
    whole = [size * b for size, b in zip(image, block, strict=False)] + image[count:]
    data = graph.reshape(data, [batch // prod(block), *whole])
    shape = graph.tensor(op.outputs[0]).shape
    if any(map(sum, crops)):
        starts = [crop[0] for crop in crops]
        ends = [first + shape[1 + i] for i, first in enumerate(starts)]
        columns = (starts, ends, range(1, 1 + count))
        inputs = [graph.constant(np.array(c, np.int64), f"{graph.layer}.crop") for c in columns]
        data = graph.node("Slice", [data, *inputs], shape, role="crop")
    store(graph, op, data)


HANDLERS = {
    "BATCH_TO_SPACE_ND": batch_to_space,
    "DEPTH_TO_SPACE": depth_and_space,
    "RESIZE_BILINEAR": resize,
    "RESIZE_NEAREST_NEIGHBOR": resize,
    "SPACE_TO_BATCH_ND": space_to_batch,
    "SPACE_TO_DEPTH": depth_and_space,
}


def _block(op: Operator, graph: Graph, what: str) -> tuple[list[int], list[tuple[int, int]]]:
    block = [int(b) for b in fixed(graph, op.input(1), "block").flat]
    ends = [(int(a), int(b)) for a, b in fixed(graph, op.input(2), what).reshape(-1, 2)]
    if min(block, default=0) < 1 or min(map(min, ends), default=0) < 0 or len(ends) != len(block):
        raise QregError(f"a block of {block} with {what} of {ends}")
    return block, ends


def _permuted(graph: Graph, data: ir.Value, order: list[int]) -> ir.Value:
    shape = shape_of(data)
    return graph.node("Transpose", [data], [shape[a] for a in order], perm=order)
