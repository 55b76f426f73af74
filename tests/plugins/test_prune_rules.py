"""Dead channels leave through every kind of op, in the spellings of old and new operator sets."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper
from prune_nets import F32, initial, macs, ops, prune, results
from small_nets import Array, Net, weights

from qreg.records import OpCall, Tensor
from qreg_prune.aligned import resized_sizes
from qreg_prune.records import Kept

DEAD = (1, 4, 5)  # of 8 channels, in the first layer
Apply = Callable[[Net, str], str]


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def through(
    apply: Apply, channels: int = 8, opset: int = 20, rank: int = 4, batch: int = 1
) -> onnx.ModelProto:
    """conv 2->8 without three filters, the op, and a 1x1 convolution of what it makes."""
    rng, net = np.random.default_rng(0), Net(opset=opset)
    first = weights(rng, 8, 2, *[1] * (rank - 2))
    first[list(DEAD)] = 0
    y = net.conv(net.input(batch, 2, *(6, 4, 2)[: rank - 2]), first, "a")
    y = apply(net, y)
    return net.model(net.conv(y, weights(rng, 3, channels, *[1] * (rank - 2)), "b"))


def check(proto: onnx.ModelProto, left: int, share: float = 1e-6) -> Any:
    """The pruned model, in which the first layer has so many filters left."""
    found = prune(proto)
    shape = [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim]
    feed = {"x": np.random.default_rng(5).standard_normal(shape).astype(F32)}
    (a,), (b,) = results(proto, feed), results(found.model, feed)
    assert np.abs(a - b).max() <= share * np.abs(a).max()
    assert {x.name: x.channels_out_left for x in found.record.layers}["a"] == left, (
        found.record.stays
    )
    return found


def unary(op: str, **attributes: Any) -> Apply:
    return lambda net, x: net.op(op, x, **attributes)


def with_constants(op: str, *constants: Array, **attributes: Any) -> Apply:
    return lambda net, x: net.op(op, x, *constants, **attributes)


VECTOR = np.linspace(0.5, 2, 8).astype(F32)


@pytest.mark.parametrize(
    ("apply", "opset"),
    [
        (unary("Relu"), 20),
        (unary("Tanh"), 20),
        (unary("Clip", min=0.0, max=6.0), 6),
        (with_constants("Mul", VECTOR.reshape(8, 1, 1)), 20),
        (with_constants("PRelu", VECTOR.reshape(8, 1, 1)), 20),
        (with_constants("InstanceNormalization", VECTOR, np.zeros(8, F32)), 20),
        (unary("MaxPool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]), 20),
        (unary("AveragePool", kernel_shape=[2, 2], count_include_pad=1, pads=[1, 0, 0, 1]), 20),
        (with_constants("Resize", np.zeros(0, F32), np.array([1, 1, 2, 2], F32)), 20),
        (with_constants("Pad", ints(0, 0, 1, 0, 0, 0, 0, 2)), 20),
        (unary("Pad", pads=[0, 0, 1, 0, 0, 0, 0, 2]), 9),
        (with_constants("ReduceMean", ints(2, 3)), 20),
        (unary("ReduceMax", axes=[3], keepdims=1), 11),
        (with_constants("Expand", ints(1, 8, 6, 4)), 20),
        (unary("Dropout"), 20),
        (lambda n, x: n.op("Add", x, x), 20),
        (lambda n, x: n.op("Transpose", n.op("Relu", n.op("Transpose", x, perm=[0, 2, 3, 1])),
                           perm=[0, 3, 1, 2]), 20),
        (lambda n, x: n.op("Softmax", x, axis=3), 20),
        (lambda n, x: n.op("Unsqueeze", n.op("Squeeze", x, ints(0)), ints(0)), 20),
        (lambda n, x: n.op("Unsqueeze", n.op("Squeeze", x, axes=[0]), axes=[0]), 11),
        (lambda n, x: n.op("Reshape", n.op("Reshape", x, ints(0, 0, -1)), ints(1, 8, 6, 4)), 20),
        (lambda n, x: n.op("Reshape", n.op("Reshape", x, ints(0, 0, -1)), ints(1, 8, 6, 4)), 5),
    ],
)  # fmt: skip
def test_dead_channels_leave_through(apply: Apply, opset: int) -> None:
    check(through(apply, opset=opset), 5)


@pytest.mark.parametrize(("rank", "batch"), [(3, 2), (5, 3)])
def test_convolutions_of_other_ranks_and_batches(rank: int, batch: int) -> None:
    check(through(unary("Relu"), rank=rank, batch=batch), 5)


def test_a_resize_to_given_sizes_asks_for_the_channels_that_are_left() -> None:
    sizes = ir.tensor(ints(1, 8, 9, 9))
    inputs = (Tensor("x", "float32", (1, 8, 6, 4)), None, None, Tensor("s", "int64", (4,), sizes))
    call = OpCall("onnx.Resize", "r", inputs, (Tensor("y", "float32", (1, 8, 9, 9)),))
    places = tuple(np.arange(n) for n in (1, 5, 9, 9))

    change = resized_sizes(call, Kept({~0: places}))

    assert change.constants[3].tolist() == [1, 5, 9, 9]


def test_slices_number_what_is_left_anew() -> None:
    """Of channels 0, 2, 3, 6, 7 the slice takes 2, 3, 6: nobody reads 0 and 7."""
    apply = with_constants("Slice", ints(1), ints(7), ints(1))

    found = check(through(apply, channels=6), 3)

    assert initial(found.model, "b.weight").shape == (3, 3, 1, 1)


def test_slices_before_opset_10_have_attributes() -> None:
    check(through(unary("Slice", starts=[1], ends=[7], axes=[1]), channels=6, opset=9), 3)


def test_a_slice_in_strides_keeps_its_channels() -> None:
    apply = with_constants("Slice", ints(0), ints(8), ints(1), ints(2))

    found = check(through(apply, channels=4), 8)

    assert {s.why for s in found.record.stays} == {"Slice 'Slice_1' needs the whole of it"}


def test_a_gather_loses_places_and_renumbers_the_others() -> None:
    found = check(through(with_constants("Gather", ints(7, 1, 2, -8, 6), axis=1), channels=5), 4)

    (order,) = [n for n in found.model.graph.initializers if n.startswith("c")]
    assert initial(found.model, order).tolist() == [3, 1, 0, 2]  # of channels 0, 2, 6, 7


@pytest.mark.parametrize("opset", [11, 13, 18])
def test_parts_of_a_split_get_their_own_sizes(opset: int) -> None:
    def apply(net: Net, x: str) -> str:
        given = {"split": [3, 5]} if opset < 13 else {}
        inputs = [x] if opset < 13 else [x, net.constant(ints(3, 5))]
        net.nodes.append(helper.make_node("Split", inputs, ["l", "r"], name="s", axis=1, **given))
        return net.op("Concat", net.op("Relu", "r"), "l", axis=1)

    check(through(apply, opset=opset), 5)


def test_a_split_in_equal_parts_becomes_one_in_unequal_parts() -> None:
    def apply(net: Net, x: str) -> str:
        node = helper.make_node("Split", [x], ["l", "r"], name="s", axis=1, num_outputs=2)
        net.nodes.append(node)
        return net.op("Concat", net.op("Relu", "r"), "l", axis=1)

    check(through(apply), 5)


def test_padded_channels_leave_as_the_zeros_they_are() -> None:
    """Option A of a residual network: two zero channels before, three behind."""
    apply = with_constants("Pad", ints(0, 2, 0, 0, 0, 3, 0, 0))

    found = check(through(apply, channels=13), 5)

    assert macs(found)["b"] == 24 * 5 * 3


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space_loses_a_channel_with_all_that_make_it(mode: str) -> None:
    """Of 8 channels each 4 make one; only where all 4 are dead may they leave."""

    def apply(net: Net, x: str) -> str:
        chosen = [0, 2, 4, 6] if mode == "DCR" else [0, 1, 2, 3]
        net.constants["a.weight"] = weights(np.random.default_rng(0), 8, 2, 1, 1)
        net.constants["a.weight"][[*chosen, 5]] = 0
        return net.op("DepthToSpace", x, blocksize=2, mode=mode)

    check(through(apply, channels=2), 4)


def test_space_to_depth_loses_all_that_a_channel_becomes() -> None:
    found = check(through(unary("SpaceToDepth", blocksize=2), channels=32), 5)

    assert initial(found.model, "b.weight").shape == (3, 20, 1, 1)


def test_flattened_channels_leave_with_all_their_pixels() -> None:
    """Constants too, which a product without padding takes into its bias."""
    rng, net = np.random.default_rng(0), Net()
    first, bias = weights(rng, 8, 2, 1, 1), np.zeros(8, F32)
    first[list(DEAD)], bias[4] = 0, 1.5
    y = net.op("Flatten", net.conv(net.input(1, 2, 6, 4), first, "a", bias))
    weight = weights(rng, 3, 8 * 24)
    shift = weights(rng, 3)
    product = net.op("Gemm", y, net.constant(weight, "b.weight"), net.constant(shift, "b.bias"),
                     transB=1, beta=0.5, name="b")  # fmt: skip

    found = check(net.model(product), 5)

    assert initial(found.model, "b.weight").shape == (3, 5 * 24)
    expected = 0.5 * shift + 1.5 * weight[:, 4 * 24 : 5 * 24].sum(1)
    assert np.allclose(initial(found.model, "b.bias"), expected, atol=1e-5)


def test_heads_lose_the_same_places_in_queries_and_keys() -> None:
    """Place 1 of every head is zero in the queries: the keys need not have it either."""
    rng, net = np.random.default_rng(0), Net()
    x = net.input(1, 5, 6)

    def heads(name: str, perm: list[int]) -> str:
        weight = weights(rng, 6, 8)
        if name == "q":
            weight[:, [1, 5]] = 0
        y = net.op("MatMul", x, net.constant(weight, f"{name}.weight"), name=name)
        return net.op("Transpose", net.op("Reshape", y, ints(1, 5, 2, 4)), perm=perm)

    score = net.op("MatMul", heads("q", [0, 2, 1, 3]), heads("k", [0, 2, 3, 1]), name="score")
    proto = net.model(net.op("Softmax", score, axis=-1))

    found = prune(proto)

    feed = {"x": np.random.default_rng(5).standard_normal((1, 5, 6)).astype(F32)}
    (a,), (b,) = results(proto, feed), results(found.model, feed)
    assert np.allclose(a, b, atol=1e-6)
    assert macs(found) == {"q": 5 * 6 * 6, "k": 5 * 6 * 6, "score": 2 * 5 * 5 * 3}


@pytest.mark.parametrize(("dead", "left"), [((0, 1, 2), 5), ((0, 4), 6), ((0, 1, 4), 6), ((1,), 8)])
def test_groups_lose_a_whole_group_or_as_many_channels_each(
    dead: tuple[int, ...], left: int
) -> None:
    """Two groups of four: 0, 1, 2 are of the first, 4 of the second. A whole group goes alone."""
    rng, net = np.random.default_rng(0), Net()
    first = weights(rng, 8, 2, 1, 1)
    second = weights(rng, 6, 4, 3, 3)
    y = net.conv(net.input(1, 2, 6, 4), first, "a")
    if dead == (0, 1, 2):  # and 3: the group as a whole, outputs too
        dead = (0, 1, 2, 3)
        left = 4
        second[:3] = 0
    first[list(dead)] = 0
    y = net.op("Relu", net.conv(y, second, "g", group=2, pads=[1, 1, 1, 1]))
    proto = net.model(net.conv(y, weights(rng, 3, 6, 1, 1), "b"))

    found = check(proto, left)

    if left == 4:
        node = next(n for n in found.model.graph if n.name == "g")
        assert node.attributes["group"].as_int() == 1
        assert initial(found.model, "g.weight").shape == (3, 4, 3, 3)


def test_depthwise_channels_leave_one_by_one() -> None:
    rng, net = np.random.default_rng(0), Net()
    first, deep = weights(rng, 8, 2, 1, 1), weights(rng, 16, 1, 3, 3)
    first[2], deep[8:10] = 0, 0  # channel 4 of the first is read for zeros alone
    y = net.conv(net.input(1, 2, 6, 4), first, "a")
    y = net.conv(y, deep, "deep", group=8, pads=[1, 2, 1, 0], dilations=[1, 2])
    proto = net.model(net.conv(y, weights(rng, 3, 16, 1, 1), "b"))

    found = check(proto, 6)

    node = next(n for n in found.model.graph if n.name == "deep")
    assert node.attributes["group"].as_int() == 6
    assert initial(found.model, "deep.weight").shape == (12, 1, 3, 3)


@pytest.mark.parametrize("group", [1, 2, 4])
def test_transposed_convolutions_lose_inputs_and_outputs(group: int) -> None:
    rng, net = np.random.default_rng(0), Net()
    first, up = weights(rng, 4, 2, 1, 1), weights(rng, 4, 8 // group, 2, 3)
    first[[0, 2]] = 0
    y = net.conv(net.input(1, 2, 5, 4), first, "a")
    y = net.op("ConvTranspose", y, net.constant(up, "up.weight"), name="up", group=group,
               strides=[2, 1], pads=[0, 1, 1, 0])  # fmt: skip
    check(net.model(net.conv(y, weights(rng, 3, 8, 1, 1), "b")), 2)


def test_a_subgraph_keeps_what_it_reads() -> None:
    """An If has no rule: the tensor that its branches read from outside stays whole."""
    rng, net = np.random.default_rng(0), Net()
    weight = weights(rng, 4, 2, 1, 1)
    weight[1] = 0
    y = net.conv(net.input(1, 2, 3, 3), weight, "a")
    net.input(name="c", kind=TensorProto.BOOL)
    graphs = [
        helper.make_graph([helper.make_node(op, [y], [f"{op}.y"])], op, [],
                          [helper.make_tensor_value_info(f"{op}.y", TensorProto.FLOAT, (1, 4, 3, 3))])
        for op in ("Relu", "Neg")
    ]  # fmt: skip
    z = net.op("If", "c", name="if", then_branch=graphs[0], else_branch=graphs[1])

    found = prune(net.model(net.conv(z, weights(rng, 2, 4, 1, 1), "b")))

    assert not found.record.changed
    assert ops(found.model) == ["Conv", "If", "Conv"]
