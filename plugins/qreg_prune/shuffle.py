"""Channel shuffles written as one op that can lose any channel."""

import numpy as np
import onnx_ir as ir
from attrs import frozen

from qreg.records import Array
from qreg_channels.propagate import Analysis
from qreg_onnx.graph import target_of, tensor_of
from qreg_prune.edit import Edit


@frozen(eq=False)
class Shuffle:
    """Reshape, Transpose, Reshape that put whole channels into another order."""

    nodes: tuple[ir.Node, ...]
    source: ir.Value
    result: ir.Value
    order: Array  # channel i of the result is channel order[i] of the source


def has_shuffles(model: ir.Model, analysis: Analysis) -> bool:
    """Whether there is a shuffle of a tensor with a dead channel.

    As reshapes it could lose one only together with its partners of every group.
    """
    return bool(_dead(model, analysis))


def unshuffle(analysis: Analysis, edit: Edit) -> None:
    """Write shuffles that have a dead channel as Gather over channels."""
    for shuffle in _dead(edit.model, analysis):
        _replace(shuffle, edit)


def _dead(model: ir.Model, analysis: Analysis) -> list[Shuffle]:
    found = [s for n in model.graph if (s := _shuffle(n)) is not None]
    return [s for s in found if _has_dead(s.source, analysis) or _has_dead(s.result, analysis)]


def _shuffle(last: ir.Node) -> Shuffle | None:
    """The shuffle that ends with ``last``, whose inner tensors nobody else reads."""
    chain: list[ir.Node] = [last]
    for op in ("Transpose", "Reshape"):
        value = chain[0].inputs[0]
        node = value.producer() if value is not None else None
        if value is None or node is None or node.op_type != op:
            return None
        if len(value.uses()) > 1 or value.is_graph_output():
            return None
        chain.insert(0, node)
    source, result = chain[0].inputs[0], last.outputs[0]
    if target_of(last) != "onnx.Reshape" or source is None or result.is_graph_output():
        return None
    order = _order(chain, source, result)
    return None if order is None else Shuffle(tuple(chain), source, result, order)


def _order(chain: list[ir.Node], source: ir.Value, result: ir.Value) -> Array | None:
    """The permutation of axis 1, if that is all the three do."""
    shape = tensor_of(source).shape
    if tensor_of(result).shape != shape or len(shape) < 2:
        return None
    places = np.arange(int(np.prod(shape))).reshape(tensor_of(chain[0].outputs[0]).shape)
    given = chain[1].attributes.get("perm")
    moved = places.transpose(None if given is None else list(given.as_ints())).reshape(shape)
    plain = np.arange(moved.size).reshape(shape)
    size = plain[0, 0].size
    order = moved[0].reshape(shape[1], -1)[:, 0] // size
    return order if (moved == plain[:, order]).all() else None


def _has_dead(value: ir.Value, analysis: Analysis) -> bool:
    tensor = tensor_of(value)
    dead = analysis.of(tensor).known | ~analysis.needed(tensor)
    others = tuple(a for a in range(dead.ndim) if a != 1)
    return bool(dead.all(axis=others).any())


def _replace(shuffle: Shuffle, edit: Edit) -> None:
    first, *_, last = shuffle.nodes
    places = edit.constant(f"{last.name}.order", shuffle.order.astype(np.int64))
    node = edit.insert(
        "Gather", [shuffle.source, places], f"{last.name}.shuffle", like=shuffle.result, axis=1
    )
    edit.model.graph.insert_before(first, node)
    ir.convenience.replace_all_uses_with(shuffle.result, node.outputs[0])
    edit.model.graph.remove(list(reversed(shuffle.nodes)), safe=True)
