"""Claims put to the test on whole networks; and tests that a lie is found."""

import numpy as np
import onnx
import pytest
from attrs import evolve
from numpy.typing import NDArray
from onnx import TensorProto
from prune_nets import NETWORKS, network
from small_nets import Net, weights

import qreg
from qreg import api
from qreg.catalogue import Catalogue, Entry
from qreg.errors import QregError
from qreg.records import OpCall
from qreg.specs import ShortcutHandlerSpec
from qreg_channels.propagate import analyse
from qreg_channels.prove import Proof, WrongClaim, prove
from qreg_channels.state import Evaluate, Masks, State, States, all_live, state
from qreg_onnx.graph import trace

Array = NDArray[np.generic]
F32 = np.float32
SHARES = (0.2, 0.5, 0.9)


def proven(
    proto: onnx.ModelProto,
    by_graph: bool = True,
    catalogue: Catalogue | None = None,
    runs: int = 3,
    convention: str = "exact",
) -> Proof:
    """All claims of the installed handlers, or of ``catalogue``'s."""
    model = qreg.load(proto)
    found = trace(model)
    analysis = analyse(found, catalogue or api.catalogue(), convention=convention)
    return prove(found, analysis, api.catalogue(), model if by_graph else None, runs=runs)


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_is_claimed_wrongly_of_a_pruned_network(
    name: str, share: float, shifted: bool
) -> None:
    found = proven(network(name, 0, share, shifted))

    assert found.failure == ""
    assert share < 0.5 or found.zeros + found.constants > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_holds_where_ops_are_run_one_by_one(name: str) -> None:
    found = proven(network(name, 1, 0.5, shifted=True), by_graph=False)

    assert found.failure == ""
    assert found.zeros + found.constants > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 5))
@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_is_claimed_wrongly_of_many_pruned_networks(name: str, seed: int) -> None:
    for share in SHARES:
        for shifted in (False, True):
            assert proven(network(name, seed, share, shifted), runs=6).failure == ""


def test_unneeded_elements_are_among_what_is_put_to_the_test() -> None:
    counts = [proven(network("mobilenet", seed, 0.5, True), runs=1).unneeded for seed in range(4)]

    assert sum(counts) > 1000


# Lies -------------------------------------------------------------------------------------------


def all_zero(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    return (state(np.zeros(call.output.shape, F32), np.True_),)


def nearly_right(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    """Right of every element but one, which is off by more than its error."""
    (data,) = states
    assert data is not None
    value = np.maximum(data.value, 0).copy()
    value[0, 1, 2, 1] += F32(1e-3)
    return (state(value, data.known, error=np.full(value.shape, 1e-5, F32)),)


def live(call: OpCall, states: States, evaluate: Evaluate) -> tuple[State, ...]:
    return all_live(call)


def all_but_a_pixel(
    call: OpCall, states: States, wanted: Masks, evaluate: Evaluate
) -> tuple[Array, ...]:
    mask = wanted[0].copy()
    mask[0, 1, 2, 1] = False
    return (mask,)


def lying(propagate: str, needed: str = "") -> Catalogue:
    """The installed plugins, with a handler of Relu that does not tell the truth."""
    spec = ShortcutHandlerSpec(
        name="liar", targets=("onnx.Relu",), propagate=f"{__name__}:{propagate}",
        needed=f"{__name__}:{needed}" if needed else None, overrides=("elementwise/elementwise",),
    )  # fmt: skip
    found = api.catalogue()
    entry = Entry("third", "third-party", "1.0", "m", spec)
    return evolve(found, entries=(*found.entries, entry))


def rectified(bias: Array | None = None, dead: bool = False) -> onnx.ModelProto:
    """A convolution named ``conv``, a Relu named ``relu``, a convolution."""
    rng, net = np.random.default_rng(0), Net()
    kernel = np.zeros((2, 3, 1, 1), F32) if dead else weights(rng, 2, 3, 1, 1)
    y = net.op("Relu", net.conv(net.input(1, 3, 4, 4), kernel, "conv", bias), name="relu")
    return net.model(net.conv(y, weights(rng, 2, 2, 1, 1), "last"))


@pytest.mark.parametrize("by_graph", [True, False])
def test_a_zero_that_is_none_is_told_by_layer_and_element(by_graph: bool) -> None:
    found = proven(rectified(), by_graph, lying("all_zero"), runs=1)

    (claim,) = [c for c in found.wrong if c.tensor == "relu.out"]
    assert claim.layer == "relu"
    assert claim.claim == "zero"
    assert 0 < claim.count < 32
    assert "relu: relu.out[0, " in found.failure
    assert "is claimed zero, but it is " in found.failure
    assert f"{len(found.wrong)} tensors claimed wrongly" in found.verdict


@pytest.mark.parametrize("by_graph", [True, False])
def test_a_constant_that_is_off_by_more_than_its_error_is_told(by_graph: bool) -> None:
    bias = np.array([0.5, 0.25], F32)
    found = proven(rectified(bias, dead=True), by_graph, lying("nearly_right"), runs=1)

    (claim,) = [c for c in found.wrong if c.tensor == "relu.out"]
    assert (claim.element, claim.claim, claim.found, claim.count) == (
        (0, 1, 2, 1), "constant 0.25099998712539673", "it is 0.25", 1
    )  # fmt: skip


@pytest.mark.parametrize("by_graph", [True, False])
def test_an_element_that_is_needed_after_all_is_told(by_graph: bool) -> None:
    found = proven(rectified(), by_graph, lying("live", "all_but_a_pixel"))

    claims = {c.tensor: c for c in found.wrong}
    assert "conv.out" in claims
    assert claims["conv.out"].element == (0, 1, 2, 1)
    assert (
        "conv: conv.out[0, 1, 2, 1] is claimed not to be needed, but an output changes with it"
        in found.failure
    )


def test_the_convention_of_papers_is_found_wrong() -> None:
    found = proven(rectified(np.array([0.5, 0.25], F32), dead=True), convention="ignore-bias")

    assert {c.tensor for c in found.wrong} >= {"conv.out", "relu.out"}


def test_a_failure_names_some_claims_and_counts_the_others() -> None:
    claim = WrongClaim("layer", "t", (1, 2), "zero", "it is 3.0", 7)
    proof = Proof(1, 10, 20, 30, tuple(evolve(claim, tensor=f"t{i}") for i in range(12)))

    lines = proof.failure.splitlines()

    assert lines[0] == "wrong claims:"
    assert lines[1] == "  layer: t0[1, 2] is claimed zero, but it is 3.0, and 6 more like it"
    assert (len(lines), lines[-1]) == (12, "  and 2 more")
    assert Proof(1, 10, 20, 30, ()).failure == ""
    assert Proof(6, 1000, 20, 30, ()).verdict == (
        "prove: 1,000 zeros, 20 constants and 30 unneeded elements put to the test on 6 random "
        "inputs: no wrong claim"
    )


# Inputs -----------------------------------------------------------------------------------------


def test_words_are_drawn_from_the_table_they_are_looked_up_in() -> None:
    rng, net = np.random.default_rng(0), Net()
    table = weights(rng, 3, 4)
    table[:, 1] = 0
    words = net.input(2, 5, kind=TensorProto.INT64)
    y = net.op("Gather", net.constant(table, "table"), words)
    z = net.op("MatMul", y, weights(rng, 4, 2))

    for by_graph in (True, False):
        found = proven(net.model(z), by_graph)
        assert found.failure == ""
        assert found.zeros == 2 * 5


def test_quantised_networks_are_disturbed_with_other_integers() -> None:
    rng, net = np.random.default_rng(1), Net()
    one, zero = np.float32(0.5), np.int8(3)
    x = net.input(1, 3, 4, 4, kind=TensorProto.INT8)
    first, second = (rng.integers(-90, 90, (3, 3, 1, 1)).astype(np.int8) for _ in range(2))
    first[1] = 0
    second[:, 2] = 0

    def conv(x: str, kernel: Array) -> str:
        return net.op("QLinearConv", x, one, zero, kernel, np.float32(0.01), np.int8(0), one, zero)

    proto = net.model(conv(conv(x, first), second))

    for by_graph in (True, False):
        found = proven(proto, by_graph)
        assert found.failure == ""
        assert (found.zeros, found.unneeded) == (16, 16)


def test_numbers_drawn_by_the_model_itself_cannot_be_proven() -> None:
    rng, net = np.random.default_rng(0), Net()
    x = net.input(1, 2, 3, 3)
    y = net.conv(x, weights(rng, 2, 2, 1, 1), "a")
    dead = np.zeros((2, 2, 1, 1), F32)
    noise = net.op("RandomNormalLike", net.conv(y, dead, "b"))

    with pytest.raises(QregError, match="prove: the model gives other outputs when it is run on the "
                                        "same input again"):  # fmt: skip
        proven(net.model(net.op("Add", noise, x)))


def test_inputs_of_strings_are_refused() -> None:
    net = Net()
    words = net.input(2, kind=TensorProto.STRING)
    y = net.op("Relu", net.input(2, 3, name="y"))
    proto = net.model(y, net.op("Identity", words))

    with pytest.raises(QregError, match="prove: input 'x' holds strings; there are no random ones"):
        proven(proto)
