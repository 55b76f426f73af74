"""Which elements the outputs need, on whole graphs: by hand, and the counts that follow from it."""

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from attrs import evolve
from numpy.typing import NDArray
from small_nets import Net, option_a_resnet, weights

import qreg
from qreg import api
from qreg.catalogue import Catalogue, Entry
from qreg.errors import QregError
from qreg.records import OpCall, Trace
from qreg.specs import ShortcutHandlerSpec
from qreg_channels.channels import channels, zero_channels
from qreg_channels.propagate import Analysis, analyse
from qreg_channels.state import Evaluate, Masks, States, all_live
from qreg_onnx.graph import trace

Array = NDArray[np.generic]
F32 = np.float32
RESNET20 = 40_551_040  # multiply-accumulates of the option A network


def traced(proto: onnx.ModelProto) -> Trace:
    return trace(qreg.load(proto))


def analysed(proto: onnx.ModelProto, **how: object) -> tuple[Trace, Analysis]:
    found = traced(proto)
    return found, analyse(found, api.catalogue(), **how)  # type: ignore[arg-type]


def needed(proto: onnx.ModelProto, name: str) -> Array:
    """The needed elements of the tensor of that name."""
    found, analysis = analysed(proto)
    tensors = {t.name: t for c in found.calls for t in (*c.inputs, *c.outputs) if t is not None}
    return analysis.needed(tensors[name])


def row(*values: float) -> Array:
    return np.array(values, F32)


def without(rng: np.random.Generator, *shape: int, inputs: Sequence[int] = (),
            outputs: Sequence[int] = ()) -> Array:  # fmt: skip
    """Weights without zeros but for whole channels."""
    found = weights(rng, *shape)
    found[:, list(inputs)] = 0
    found[list(outputs)] = 0
    return found


def test_a_channel_that_nobody_multiplies_is_not_needed() -> None:
    rng, net = np.random.default_rng(0), Net()
    y = net.conv(net.input(1, 2, 4, 4), weights(rng, 3, 2, 1, 1), "a")
    z = net.conv(net.op("Relu", y), without(rng, 2, 3, 1, 1, inputs=(1,)), "b")

    found = needed(net.model(z), y)

    assert found.all(axis=(0, 2, 3)).tolist() == [True, False, True]
    assert not found[:, 1].any()


def test_what_is_known_is_not_needed_and_so_is_nothing_it_is_made_of() -> None:
    rng, net = np.random.default_rng(0), Net()
    x = net.input(1, 2, 4, 4)
    y = net.conv(x, weights(rng, 3, 2, 1, 1), "a")
    z = net.op("Add", net.conv(y, np.zeros((2, 3, 1, 1), F32), "b", row(1, 2)), x)

    proto = net.model(z)

    assert not needed(proto, y).any()
    assert not needed(proto, "b.out").any()
    assert needed(proto, "x").all()


def test_a_strided_convolution_needs_only_the_pixels_it_reads() -> None:
    rng, net = np.random.default_rng(0), Net()
    y = net.op("Relu", net.input(1, 2, 5, 6))
    z = net.conv(y, weights(rng, 3, 2, 1, 1), "a", strides=[2, 3])

    found = needed(net.model(z), y)

    read = np.zeros((5, 6), np.bool_)
    read[::2, ::3] = True
    assert np.array_equal(found, np.broadcast_to(read, (1, 2, 5, 6)))


def test_a_pool_that_drops_the_last_row_does_not_need_it() -> None:
    net = Net()
    y = net.op("Relu", net.input(1, 2, 5, 4))
    z = net.op("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])

    found = needed(net.model(z), y)

    assert found[:, :, :4].all() and not found[:, :, 4].any()


def test_a_factor_is_not_needed_where_the_other_is_zero() -> None:
    rng, net = np.random.default_rng(0), Net()
    x = net.input(1, 2, 3, 3)
    y = net.conv(x, weights(rng, 3, 2, 1, 1), "a")
    gate = net.conv(net.op("GlobalAveragePool", x), without(rng, 3, 2, 1, 1, outputs=(2,)), "g")

    found = needed(net.model(net.op("Mul", y, gate)), y)

    assert found.all(axis=(0, 2, 3)).tolist() == [True, True, False]


def test_every_branch_that_reads_a_tensor_counts() -> None:
    rng, net = np.random.default_rng(0), Net()
    y = net.conv(net.input(1, 2, 3, 3), weights(rng, 4, 2, 1, 1), "a")
    left = net.conv(y, without(rng, 2, 4, 1, 1, inputs=(0, 1)), "b")
    right = net.conv(y, without(rng, 2, 4, 1, 1, inputs=(0, 2)), "c")

    found = needed(net.model(left, right), y)

    assert found.all(axis=(0, 2, 3)).tolist() == [False, True, True, True]


def test_what_an_op_of_unknown_shape_may_read_is_needed() -> None:
    rng, net = np.random.default_rng(0), Net()
    y = net.conv(net.input(1, 2, 3, 3), weights(rng, 3, 2, 1, 1), "a")
    z = net.conv(y, without(rng, 2, 3, 1, 1, inputs=(1,)), "b")
    found = traced(net.model(z))
    told = evolve(found.calls[0], name="odd", inputs=(found.calls[0].output,), outputs=())

    masks = [
        analyse(evolve(found, lacking=(odd,)), api.catalogue()).needed(found.calls[0].output)
        for odd in (told, evolve(told, inputs=()))
    ]

    assert all(mask.all() for mask in masks)


def test_without_the_backward_pass_all_that_is_live_is_needed() -> None:
    rng, net = np.random.default_rng(0), Net()
    y = net.conv(net.input(1, 2, 3, 3), without(rng, 3, 2, 1, 1, outputs=(0,)), "a")
    z = net.conv(y, np.zeros((2, 3, 1, 1), F32), "b")
    found, analysis = analysed(net.model(z), backward=False)

    assert analysis.needed(found.calls[0].output).all(axis=(0, 2, 3)).tolist() == [
        False, True, True
    ]  # fmt: skip


def nothing(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> None:
    return None


def small(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> tuple[Array, ...]:
    return (np.ones(3, np.bool_),)


def numbers(call: OpCall, states: States, wanted: Masks, evaluate: Evaluate) -> tuple[Array, ...]:
    return (np.ones((1, 2, 3, 3), F32),)


def live(call: OpCall, states: States, evaluate: Evaluate) -> tuple[object, ...]:
    return all_live(call)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("nothing", "gave NoneType; the contract of needed is (OpCall, states, needed outputs"),
        ("numbers", "gave tuple; the contract of needed is (OpCall, states, needed outputs"),
        ("small", "says of inputs of shapes [(1, 2, 3, 3)] that masks of shapes [(3,)] are needed"),
    ],
)
def test_a_backward_rule_that_gives_no_mask_per_input_is_blamed(rule: str, message: str) -> None:
    net = Net()
    proto = net.model(net.op("Round", net.input(1, 2, 3, 3), name="odd"))
    spec = ShortcutHandlerSpec(
        name="wrong", targets=("onnx.Round",), propagate=f"{__name__}:live",
        needed=f"{__name__}:{rule}",
    )  # fmt: skip
    catalogue = Catalogue((Entry("third", "third-party", "1.0", "m", spec),))

    with pytest.raises(QregError) as told:
        analyse(traced(proto), catalogue)

    whose = "node 'odd' (onnx.Round): shortcut_handlers third/wrong (third-party 1.0)"
    assert f"{whose} {message}" in str(told.value)


# The convention of papers -----------------------------------------------------------------------


def test_ignoring_biases_a_filter_without_weights_is_null_though_it_is_not() -> None:
    rng, net = np.random.default_rng(0), Net()
    y = net.conv(net.input(1, 2, 3, 3), without(rng, 3, 2, 1, 1, outputs=(1,)), "a", row(1, 2, 3))
    z = net.op("Relu", net.norm(y, row(1, 1, 1), row(4, 5, 6), mean=row(7, 1, 9)))
    proto = net.model(z)

    exact, papers = (
        analysed(proto, convention=convention)[1].states[z]
        for convention in ("exact", "ignore-bias")
    )

    assert channels(exact).zero == ()
    assert list(channels(exact).constant) == [1]
    assert channels(papers).zero == (1,)


def test_ignoring_biases_holds_for_quantised_layers_too() -> None:
    net = Net()
    one, zero = np.float32(1), np.int8(3)
    x = net.op("QuantizeLinear", net.input(1, 1, 2, 2), one, zero)
    kernel = np.array([1, 0], np.int8).reshape(2, 1, 1, 1)
    y = net.op("QLinearConv", x, one, zero, kernel, one, np.int8(0), one, zero,
               np.array([5, 5], np.int32))  # fmt: skip
    proto = net.model(y)

    exact, papers = (
        zero_channels(analysed(proto, convention=convention)[1].states[y])
        for convention in ("exact", "ignore-bias")
    )

    assert (exact, papers) == ((), (1,))


def test_a_convention_that_does_not_exist_is_refused() -> None:
    with pytest.raises(
        QregError, match="no convention 'ignore-biases'; did you mean 'ignore-bias'"
    ):
        analyse(Trace((), ()), api.catalogue(), convention="ignore-biases")


# CIFAR ResNet-20, option A ----------------------------------------------------------------------


def resnet20(*dead: str) -> tuple[Trace, Analysis]:
    net = option_a_resnet(np.random.default_rng(0))
    for name in dead:
        net.constants[f"{name}.weight"][:] = 0
    return analysed(net.model(net.nodes[-1].output[0]))


def macs(found: Trace, analysis: Analysis, backward: bool) -> int:
    """Multiply-accumulates of non-zero weights whose input is not null; and whose result is needed."""
    total = 0
    for call in (c for c in found.calls if c.op in ("Conv", "Gemm")):
        weight = call.input(1).numpy()
        counted = weight != 0
        counted[:, list(zero_channels(analysis.of(call.input(0))))] = False
        if backward:
            wanted = analysis.needed(call.output)
            counted[~wanted.any(axis=tuple(a for a in range(wanted.ndim) if a != 1))] = False
        total += int(counted.sum()) * int(np.prod(call.output.shape[2:]))
    return total


def test_a_dead_block_leaves_its_residual_live_and_its_first_layer_unread() -> None:
    found, analysis = resnet20("layer1.0.conv2")
    after = next(c for c in found.calls if c.name == "layer1.1.conv1")
    layer = 16 * 16 * 9 * 32 * 32  # both layers of the block are of this size

    assert zero_channels(analysis.of(after.input(0))) == ()
    assert macs(found, analysis, backward=False) == RESNET20 - layer == 38_191_744
    assert macs(found, analysis, backward=True) == RESNET20 - 2 * layer == 35_832_448


def test_after_a_dead_block_with_a_padded_shortcut_only_the_padding_is_null() -> None:
    found, analysis = resnet20("layer2.0.conv2")
    after = next(c for c in found.calls if c.name == "layer2.1.conv1")
    block, nulls = 32 * 32 * 9 * 16 * 16, 32 * 16 * 9 * 16 * 16

    assert zero_channels(analysis.of(after.input(0))) == (*range(8), *range(24, 32))
    assert macs(found, analysis, backward=False) == RESNET20 - block - nulls == 37_012_096


def test_nothing_is_claimed_of_a_network_without_dead_weights() -> None:
    found, analysis = resnet20()

    assert macs(found, analysis, backward=True) == RESNET20
    live = [c for c in found.calls if not analysis.of(c.output).is_constant]
    assert all(analysis.needed(c.output).any() for c in live)
