"""Pruned networks: what leaves, what stays and why, and that results are the same."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from attrs import evolve
from onnx import TensorProto
from prune_nets import (
    F32,
    NETWORKS,
    SUMS,
    Builder,
    initial,
    macs,
    network,
    ops,
    prune,
    results,
)
from small_nets import Array, Net, option_a_resnet, weights

import qreg
from qreg import api
from qreg.catalogue import Catalogue, Entry
from qreg.cli import main
from qreg.errors import QregError
from qreg.run import Outcome
from qreg_onnx.graph import outputs_of
from qreg_prune.specs import CutRuleSpec

SAME = {"pads": [1, 1, 1, 1]}


def random_input(*shape: int, seed: int = 0) -> dict[str, Array]:
    return {"x": np.random.default_rng(seed).standard_normal(shape).astype(F32)}


def toy(rng: np.random.Generator, shift: tuple[float, ...]) -> onnx.ModelProto:
    """conv 2->4 without filters 2 and 3, a norm that shifts, ReLU, conv 4->8, on 4x4."""
    net = Net()
    first = weights(rng, 4, 2, 3, 3)
    first[2:] = 0
    y = net.conv(net.input(1, 2, 4, 4), first, "a", **SAME)
    y = net.op("Relu", net.norm(y, np.ones(4, F32), np.array(shift, F32)))
    return net.model(net.conv(y, weights(rng, 8, 4, 3, 3), "b", **SAME))


def same(proto: onnx.ModelProto, outcome: Outcome, feed: dict[str, Array], share: float) -> bool:
    """Whether the outputs agree to ``share`` of the largest number; 0 asks for equal bits."""
    assert outcome.model is not None
    pairs = list(zip(results(proto, feed), results(outcome.model, feed), strict=True))
    return all(np.abs(a - b).max() <= share * np.abs(a).max() for a, b in pairs)


def test_filters_of_zeros_leave_and_so_does_what_reads_them() -> None:
    found = prune(toy(np.random.default_rng(0), (0, 0, 0, 0)))

    assert macs(found) == {
        "a": 4 * 4 * 2 * 2 * 9,
        "BatchNormalization_1": 0,
        "b": 4 * 4 * 2 * 8 * 9,
    }
    assert found.record.agreement.identical


def test_of_constants_that_meet_padding_one_channel_stays_to_carry_them() -> None:
    """Channel 3 is zero after the ReLU, channel 2 is 0.5 everywhere: 3456 products, not 2304."""
    found = prune(toy(np.random.default_rng(0), (0, 0, 0.5, -0.5)))

    assert macs(found)["b"] == 4 * 4 * 3 * 8 * 9 == 3456
    (left,) = [s for s in found.record.stays if s.layer == "a"]
    assert left.why == "it carries all constants that meet the padding of Conv 'b'"


def test_a_carrier_takes_over_the_constants_of_others_exactly() -> None:
    proto = toy(np.random.default_rng(0), (0, 0, 0.5, 0.25))
    (weight,) = [
        onnx.numpy_helper.to_array(i) for i in proto.graph.initializer if i.name == "b.weight"
    ]

    found = prune(proto)

    assert found.model is not None
    merged = initial(found.model, "b.weight")
    # v[2] w[2] + v[3] w[3] = v[2] (w[2] + w[3] / 2): powers of two, so without rounding
    assert np.array_equal(merged, np.stack([*np.moveaxis(weight[:, :2], 1, 0),
                                            weight[:, 2] + weight[:, 3] / 2], 1))  # fmt: skip
    assert found.record.layers[2].folded == "channel"


def test_a_map_takes_a_constant_beside_padding_when_asked_for() -> None:
    """Each of the 4x4 positions gets 0.5 times the taps that lie inside."""
    proto = toy(np.random.default_rng(0), (0, 0, 0.5, -0.5))
    weight = next(i for i in proto.graph.initializer if i.name == "b.weight")
    taps = onnx.numpy_helper.to_array(weight)[:, 2]

    found = prune(proto, borders="map")

    assert macs(found)["b"] == 2304
    assert found.model is not None
    added = initial(found.model, "b.map")
    inside = np.pad(np.full((4, 4), 0.5), 1)
    expected = [[(inside[i : i + 3, j : j + 3] * taps).sum((1, 2)) for j in range(4)]
                for i in range(4)]  # fmt: skip
    assert np.allclose(added[0], np.moveaxis(np.array(expected), -1, 0), atol=1e-6)


def test_without_padding_constants_go_into_the_bias() -> None:
    rng, net = np.random.default_rng(0), Net()
    y = net.conv(net.input(1, 2, 5, 5), np.zeros((3, 2, 1, 1), F32), "a", np.array([2, 0, 0], F32))
    net.constants["a.weight"][1] = 1
    weight = weights(rng, 4, 3, 3, 3)
    found = prune(net.model(net.conv(y, weight, "b")))

    assert found.model is not None
    assert np.allclose(initial(found.model, "b.bias"), 2 * weight[:, 0].sum((1, 2)), atol=1e-5)
    assert macs(found) == {"a": 25 * 2, "b": 9 * 4 * 9}


def test_constants_may_be_kept() -> None:
    proto = toy(np.random.default_rng(0), (0, 0, 0.5, 0.25))

    found = prune(proto, constants="keep")

    assert not found.record.changed
    assert {s.why for s in found.record.stays} == {"constants are kept, as asked"}
    assert found.lines == ("prune: the 2 dead channels have to stay; the model is unchanged",)


def test_what_nobody_reads_leaves_unless_it_is_to_stay() -> None:
    rng, net = np.random.default_rng(0), Net()
    y = net.conv(net.input(1, 2, 4, 4), weights(rng, 4, 2, 3, 3), "a", **SAME)
    second = weights(rng, 3, 4, 1, 1)
    second[:, 1] = 0
    proto = net.model(net.conv(y, second, "b"))

    assert macs(prune(proto)) == {"a": 16 * 2 * 3 * 9, "b": 16 * 3 * 3}
    assert not prune(proto, unread=False).record.changed


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("share", "shifted"), [(0.3, False), (0.6, True)])
@pytest.mark.parametrize("name", NETWORKS)
def test_random_networks_compute_the_same(
    name: str, share: float, shifted: bool, seed: int
) -> None:
    proto = network(name, seed, share, shifted)
    shape = api.load(proto).graph.inputs[0].shape
    assert shape is not None

    found = prune(proto, check_inputs=3)

    assert found.record.macs_left <= found.record.macs
    feed = random_input(*[int(d) for d in shape], seed=seed + 7)
    assert same(proto, found, feed, 1e-5)


@pytest.mark.parametrize("borders", ["channel", "map"])
@pytest.mark.parametrize("name", ["resnet", "mobilenet", "transposed", "grouped"])
def test_maps_compute_the_same(name: str, borders: str) -> None:
    proto = network(name, 3, 0.5, True)
    shape = api.load(proto).graph.inputs[0].shape
    assert shape is not None

    found = prune(proto, borders=borders)

    assert found.record.changed
    assert same(proto, found, random_input(*[int(d) for d in shape]), 1e-5)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", SUMS)
def test_only_exact_zeros_leave(name: str, seed: int) -> None:
    """On whole numbers no order of additions rounds, so that equal bits are what is left to ask."""
    proto = network(name, seed, 0.4, False, whole=True)
    shape = api.load(proto).graph.inputs[0].shape
    assert shape is not None
    feed = {"x": np.random.default_rng(9).integers(-1, 2, [int(d) for d in shape]).astype(F32)}

    found = prune(proto, check_inputs=0)

    assert same(proto, found, feed, 0)


def test_a_dead_branch_of_a_residual_network_leaves_whole() -> None:
    """Without layer1.0.conv2 its block adds nothing: 2 of the 18 inner convolutions are gone."""
    net = option_a_resnet(np.random.default_rng(0))
    net.constants["layer1.0.conv2.weight"][:] = 0

    found = prune(net.model(net.nodes[-1].output[0]))

    assert (found.record.macs, found.record.macs_left) == (40_551_040, 35_832_448)
    assert macs(found)["layer1.0.conv1"] == macs(found)["layer1.0.conv2"] == 0
    assert found.model is not None
    assert ops(found.model).count("Add") == 8


def test_a_residual_addition_keeps_what_only_one_side_has_lost() -> None:
    net = option_a_resnet(np.random.default_rng(0), (1, 1, 1))
    net.constants["layer1.0.conv2.weight"][3] = 0

    found = prune(net.model(net.nodes[-1].output[0]))

    (left,) = found.record.stays
    assert (left.layer, left.state, left.channels) == ("layer1.0.conv2", "zero", (3,))
    assert left.why == "Add 'Add_8' joins it with a live channel"


def test_a_network_without_anything_dead_stays_as_it_is(resnet8: Path) -> None:
    found = prune(qreg.load(resnet8))

    assert found.lines == ("prune: nothing is dead; the model is unchanged",)
    assert (found.record.macs_left, found.record.bytes_left) == (
        found.record.macs,
        found.record.bytes,
    )


def test_the_model_given_stays_as_it_is() -> None:
    model = qreg.load(network("resnet", 0, 0.5, True))
    before = ir.to_proto(model).SerializeToString(deterministic=True)

    found = prune(model)

    assert found.record.changed
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


def test_a_constant_network_becomes_a_model_that_gives_the_constant(tmp_path: Path) -> None:
    net = Net()
    y = net.conv(net.input(1, 2, 4, 4), np.zeros((3, 2, 3, 3), F32), "a", np.array([1, 2, 3], F32))

    found = prune(net.model(net.op("Relu", y, name="r")))

    assert found.model is not None
    assert ops(found.model) == ["Identity"]
    path = tmp_path / "constant.onnx"
    path.write_bytes(ir.to_proto(found.model).SerializeToString())
    again = qreg.load(path)
    (result,) = results(again, random_input(1, 2, 4, 4))
    assert [t.name for t in outputs_of(again)] == ["r.out"]
    assert np.array_equal(result, np.broadcast_to(np.array([1, 2, 3], F32).reshape(1, 3, 1, 1),
                                                  (1, 3, 2, 2)))  # fmt: skip


def test_outputs_keep_their_dead_channels() -> None:
    net = Net()
    weight = weights(np.random.default_rng(0), 4, 2, 1, 1)
    weight[1] = 0

    found = prune(net.model(net.conv(net.input(1, 2, 3, 3), weight, "a")))

    assert not found.record.changed
    assert [s.why for s in found.record.stays] == ["is an input or output of the model"]


def test_a_weight_that_two_layers_share_is_cut_for_each_alone() -> None:
    rng, net = np.random.default_rng(0), Net()
    first, shared = weights(rng, 4, 2, 1, 1), weights(rng, 4, 4, 1, 1)
    first[2] = 0
    y = net.conv(net.input(1, 2, 3, 3), first, "a")
    z = net.op("Conv", y, net.constant(shared, "w.weight"), name="b")
    z = net.op("Conv", z, "w.weight", name="c")
    proto = net.model(z)

    found = prune(proto)

    assert macs(found) == {"a": 9 * 2 * 3, "w": 9 * 3 * 4, "w#2": 9 * 4 * 4}
    assert same(proto, found, random_input(1, 2, 3, 3), 1e-6)


def test_channels_that_go_leave_gaps_in_a_shuffle_only_as_one_gather() -> None:
    proto = network("shuffled", 0, 0.5, False)

    found = prune(proto)

    assert found.model is not None
    assert "Gather" in ops(found.model) and "Transpose" not in ops(found.model)


def test_an_op_without_a_rule_keeps_its_channels_and_a_rule_lets_them_go() -> None:
    """A third party's rule: ``Celu`` taken for an op that nobody has a rule for."""
    net = Net()
    weight = weights(np.random.default_rng(0), 4, 2, 1, 1)
    weight[1] = 0
    y = net.op("Celu", net.conv(net.input(1, 2, 3, 3), weight, "a"), name="odd")
    proto = net.model(net.conv(y, weights(np.random.default_rng(1), 2, 4, 1, 1), "b"))
    known = api.catalogue()
    rules = [e for e in known.entries if isinstance(e.spec, CutRuleSpec)]
    elementwise = next(e for e in rules if e.spec.name == "elementwise")
    rest = tuple(e for e in known.entries if e is not elementwise)
    third = Entry("third", "third-party", "1.0", "m",
                  CutRuleSpec(name="celu", targets=("onnx.Celu",),
                              couplings="qreg_prune.aligned:elementwise"))  # fmt: skip

    without = prune(proto, Catalogue(rest, listeners=known.listeners))
    with_it = prune(proto, Catalogue((*rest, third), listeners=known.listeners))

    assert [s.why for s in without.record.stays] == ["Celu 'odd' has no cut rule that serves it"]
    assert macs(with_it) == {"a": 9 * 2 * 3, "b": 9 * 3 * 2}


def nothing(*_: object) -> None:
    """A remainder that forgets what constants add."""


def uncoupled(_: object) -> object:
    return "nothing"


def lying(**paths: str) -> Catalogue:
    """The installed entries with a convolution whose rule is wrong."""
    known = api.catalogue()
    right = {
        "couplings": "qreg_prune.contraction:conv",
        "remainder": "qreg_prune.remainder:conv",
        "biased": "qreg_prune.contraction:biased",
    }
    wrong = CutRuleSpec(name="conv", targets=("onnx.Conv",), bias=2, **{**right, **paths})
    entries = [evolve(e, spec=wrong) if e.id == "prune/conv" else e for e in known.entries]
    return evolve(known, entries=tuple(entries))


def test_a_wrong_cut_is_told_and_gives_no_model() -> None:
    proto = toy(np.random.default_rng(0), (0, 0, 0.5, 0.25))

    with pytest.raises(QregError, match=r"^prune: output 'b.out' differs by up to .*; that is a "
                       "fault of qreg; prune with unread = false"):  # fmt: skip
        prune(proto, lying(remainder="test_prune:nothing"))


def test_a_rule_that_breaks_its_contract_is_told_with_whose_it_is() -> None:
    proto = toy(np.random.default_rng(0), (0, 0, 0.5, 0.25))

    with pytest.raises(QregError, match=r"node 'a' \(onnx.Conv\): cut_rules prune/conv \(qreg .*\) "
                       r"gave 'nothing'; its contract is \(OpCall\) -> tuple"):  # fmt: skip
        prune(proto, lying(couplings="test_prune:uncoupled"))


def test_whole_numbers_as_inputs_are_places_in_a_table() -> None:
    """An embedding whose column 1 nobody reads: the column leaves."""
    rng, net = np.random.default_rng(0), Net()
    net.input(1, 5, name="ids", kind=TensorProto.INT64)
    y = net.op("Gather", net.constant(weights(rng, 7, 4), "table.weight"), "ids", axis=0)
    weight = weights(rng, 4, 3)
    weight[1] = 0
    found = prune(net.model(net.op("MatMul", y, weight, name="m")))

    assert found.model is not None
    assert initial(found.model, "table.weight").shape == (7, 3)
    assert found.record.agreement.identical


def test_the_command_writes_the_model_and_says_what_became_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(toy(np.random.default_rng(0), (0, 0, 0, 0)).SerializeToString())

    assert main(["prune", str(path), "--out", str(tmp_path / "out"), "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["macs"], told["macs_left"]) == (1152 + 4608, 576 + 2304)
    assert prune(qreg.load(tmp_path / "out" / "net-prune.onnx")).record.macs == 2880


def test_builders_make_dead_channels() -> None:
    """The random networks would prove nothing if nothing in them could leave."""
    counts = [prune(network(n, 0, 0.5, True), check_inputs=0).record for n in NETWORKS]

    assert sum(c.changed for c in counts) >= len(NETWORKS) - 1
    assert Builder(np.random.default_rng(0), 0.5, False).weight(8, 3, 3, 3).any()
