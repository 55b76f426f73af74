"""Cut rules of ops that keep every axis: elementwise ops, normalisation, pooling, softmax."""

from collections.abc import Sequence

from qreg.records import OpCall
from qreg_prune.records import OUT, Change, End, Kept, Tie, ports, tensor_at

Ties = tuple[Tie, ...]


def elementwise(call: OpCall) -> Ties:
    """Every axis of the result, with the same axis of all operands that are as long."""
    return broadcast(call, range(len(call.inputs)))


def quantised_unary(call: OpCall) -> Ties:
    return broadcast(call, (0,))


def quantised_binary(call: OpCall) -> Ties:
    return broadcast(call, (0, 3))


def boundary(call: OpCall) -> Ties:
    """QuantizeLinear, DequantizeLinear: scales and zero-points may be one per place of ``axis``.

    Source: ONNX QuantizeLinear-21. Blocked scales are not followed.
    """
    if call.attribute("block_size", 0):
        return ()
    axis = call.attribute("axis", 1)
    vectors = [i for i in (1, 2) if _is_vector(call, i)]
    return broadcast(call, (0,), vectors, axis)


def batch_norm(call: OpCall) -> Ties:
    """One number per channel in each of four inputs. Source: ONNX BatchNormalization-15."""
    if call.attribute("training_mode", 0):
        return ()
    return broadcast(call, (0,), (1, 2, 3, 4), 1)


def spatial(call: OpCall) -> Ties:
    """Ops that treat every channel of every image alone: pooling, resizing."""
    if call.attribute("channels_last", 0) or len(ports(call)) > len(call.inputs) + 1:
        return ()  # positions of maxima are counted over all channels
    return leading(call, 2)


def instance_norm(call: OpCall) -> Ties:
    """Source: ONNX InstanceNormalization-6."""
    images, channels = leading(call, 2)
    return images, Tie((*channels.ends, End(1, 0), End(2, 0)))


def softmax(call: OpCall) -> Ties:
    """All axes but the one that is summed over; before opset 13 those in front of it.

    Source: ONNX Softmax-1, Softmax-13.
    """
    rank = len(call.input(0).shape)
    opset = call.attribute("opset", call.opset)
    last = opset >= 13 or call.op == "QLinearSoftmax"
    axis = call.attribute("axis", -1 if last else 1) % rank
    free = [a for a in range(rank) if (a != axis if opset >= 13 else a < axis)]
    return tuple(Tie((End(0, a), End(OUT, a))) for a in free)


def layer_norm(call: OpCall) -> Ties:
    """The axes in front of the normalised ones. Source: ONNX LayerNormalization-17."""
    if len(call.outputs) > 1:
        return ()
    return leading(call, call.attribute("axis", -1) % len(call.input(0).shape))


def resize(call: OpCall) -> Ties:
    """Images and channels, where these keep their number. Source: ONNX Resize-19."""
    if call.attribute("axes") is not None or call.input(0).shape[:2] != call.output.shape[:2]:
        return ()
    return leading(call, 2)


def resized_sizes(call: OpCall, kept: Kept) -> Change:
    """The wanted sizes that an operand spells out."""
    sizes = call.optional(3)
    if sizes is None:
        return Change()
    wanted = sizes.numpy().copy()
    wanted[:2] = kept.shape(OUT)[:2]
    return Change(constants={3: wanted})


def leading(call: OpCall, count: int) -> Ties:
    """The first ``count`` axes of the first input, each with the output's."""
    return tuple(Tie((End(0, a), End(OUT, a))) for a in range(count))


def broadcast(
    call: OpCall, operands: Sequence[int], vectors: Sequence[int] = (), axis: int = 1
) -> Ties:
    """Ties of a result whose operands align at the last axis; ``vectors`` lie along ``axis``.

    Source: ONNX, Broadcasting in ONNX (multidirectional).
    """
    shape = call.output.shape
    outputs = [~o for o, t in enumerate(call.outputs) if t.name and t.shape == shape]
    ties = []
    for place, size in enumerate(shape):
        ends = [End(o, place) for o in outputs]
        for port in operands:
            tensor = tensor_at(call, port)
            own = -1 if tensor is None else place - len(shape) + len(tensor.shape)
            if tensor is not None and own >= 0 and tensor.shape[own] == size:
                ends.append(End(port, own))
        if vectors and place == axis % len(shape):
            ends += [End(v, 0) for v in vectors]
        ties.append(Tie(tuple(ends)))
    return tuple(ties)


def _is_vector(call: OpCall, index: int) -> bool:
    tensor = call.optional(index)
    return tensor is not None and len(tensor.shape) == 1 and tensor.elements > 1
