"""ONNX files as models: shapes, names, constants, and refusals."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from attrs import evolve
from onnx import TensorProto, helper, numpy_helper

import qreg
from qreg import api
from qreg.api import source_model
from qreg.catalogue import Catalogue, Entry
from qreg.errors import QregError
from qreg.records import OpCall
from qreg.specs import OpSpec
from qreg_onnx.evaluate import Evaluator
from qreg_onnx.graph import LAYER, op_calls, outputs_of, partial_op_calls
from qreg_onnx.prepare import prepared
from qreg_onnx.runtime import session

FLOAT = TensorProto.FLOAT


def model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, list[int | str] | None],
    outputs: list[str],
    constants: dict[str, np.ndarray] | None = None,
    opset: int = 20,
    **domains: int,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, FLOAT, None) for n in outputs],
        [numpy_helper.from_array(a, n) for n, a in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid(d.replace("_", "."), v) for d, v in domains.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def conv(name: str, x: str, y: str, weight: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node("Conv", [x, weight], [y], name=name, **attributes)


def saved(folder: Path, proto: onnx.ModelProto) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


WEIGHT = np.zeros((4, 2, 3, 3), np.float32)


def test_layers_are_named_by_the_module_path_of_their_weight() -> None:
    proto = model(
        [conv("node_Conv_48", "x", "y", "layer1.0.conv1.weight"),
         helper.make_node("Relu", ["y"], ["z"], name="r"),
         conv("again", "x", "u", "layer1.0.conv1.weight"),
         helper.make_node("Relu", ["u"], ["v"])],
        {"x": [1, 2, 5, 5]}, ["z", "v"], {"layer1.0.conv1.weight": WEIGHT},
    )  # fmt: skip

    names = [c.name for c in op_calls(qreg.load(proto))]

    assert names == ["layer1.0.conv1", "r", "layer1.0.conv1#2", "Relu_3"]


def test_the_exporters_scopes_name_layers_without_weights() -> None:
    scopes = "pkg.torch.onnx.name_scopes"
    nodes = [helper.make_node("Relu", ["x"], ["a"], name="n0"),
             helper.make_node("Relu", ["a"], ["b"], name="n1"),
             helper.make_node("Relu", ["b"], ["c"], name="n2")]  # fmt: skip
    for node, value in zip(
        nodes, ["['', 'act', 'relu']", "['', 'block', 'relu_1']", "['', 'block', 'relu_2']"],
        strict=True,
    ):  # fmt: skip
        node.metadata_props.add(key=scopes, value=value)

    names = [c.name for c in op_calls(qreg.load(model(nodes, {"x": [1]}, ["c"])))]

    assert names == ["act", "block.relu_1", "block.relu_2"]


def test_shapes_are_inferred_through_computed_shapes() -> None:
    nodes = [
        conv("c", "x", "y", "w"),
        helper.make_node("Shape", ["y"], ["s"], end=2),
        helper.make_node("Concat", ["s", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["y", "target"], ["z"], name="flat"),
    ]
    proto = model(
        nodes, {"x": [3, 2, 5, 7]}, ["z"], {"w": WEIGHT, "rest": np.array([-1], np.int64)}
    )

    calls = op_calls(qreg.load(proto))

    assert [(c.op, c.output.shape) for c in calls] == [
        ("Conv", (3, 4, 3, 5)),
        ("Reshape", (3, 4, 15)),
    ]


def test_a_dynamic_input_is_refused_with_its_cure_and_takes_a_size() -> None:
    proto = model([conv("c", "x", "y", "w")], {"x": ["batch", 2, 5, 5]}, ["y"], {"w": WEIGHT})

    with pytest.raises(QregError) as caught:
        qreg.load(proto)

    assert str(caught.value) == (
        "input 'x' is ['batch', 2, 5, 5]: a dimension without a size; give it one "
        "([model] shape = { 'x' = [1, 2, 5, 5] } or --shape x=1,2,5,5)"
    )
    assert op_calls(qreg.load(proto, shape={"x": [2, 2, 5, 5]}))[0].output.shape == (2, 4, 3, 3)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ({"y": [1, 2, 5, 5]}, "the model has no input 'y'; it has 'x'"),
        ({"x": [1, 3, 5, 5]}, "it cannot be [1, 3, 5, 5]"),
        ({"x": [1, 2, 5]}, "it cannot be [1, 2, 5]"),
        ({"x": [0, 2, 5, 5]}, "it cannot be [0, 2, 5, 5]"),
    ],
)
def test_a_size_that_does_not_fit_is_refused(shape: dict[str, list[int]], text: str) -> None:
    proto = model([conv("c", "x", "y", "w")], {"x": ["b", 2, 5, 5]}, ["y"], {"w": WEIGHT})

    with pytest.raises(QregError) as caught:
        qreg.load(proto, shape=shape)

    assert text in str(caught.value)


def test_a_node_that_does_not_fit_its_inputs_is_named() -> None:
    nodes = [helper.make_node("Add", ["x", "c"], ["y"], name="sum")]
    proto = model(nodes, {"x": [2, 3]}, ["y"], {"c": np.zeros(4, np.float32)})

    with pytest.raises(QregError, match=r"node 'sum' \(onnx.Add\) does not fit its inputs"):
        qreg.load(proto)


def test_what_follows_an_unknown_op_has_no_shape_and_says_so() -> None:
    nodes = [
        helper.make_node("Mystery", ["x"], ["y"], name="m", domain="com.example"),
        helper.make_node("Relu", ["y"], ["z"], name="r"),
    ]
    loaded = qreg.load(model(nodes, {"x": [1, 4]}, ["z"], com_example=1))

    calls, lacking = partial_op_calls(loaded)

    assert calls == ()
    assert [(c.target, c.name) for c in lacking] == [
        ("com.example.Mystery", "m"),
        ("onnx.Relu", "r"),
    ]
    with pytest.raises(
        QregError, match=r"node 'm' \(com.example.Mystery\) has a tensor of unknown"
    ):
        op_calls(loaded)


def test_constants_are_folded_but_dequantised_weights_are_kept() -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s"], ["w"], name="dq"),
        helper.make_node("Mul", ["a", "a"], ["b"], name="square"),
        helper.make_node("Add", ["x", "w"], ["y"], name="add"),
        helper.make_node("Add", ["y", "b"], ["z"], name="bias"),
    ]
    proto = model(
        nodes, {"x": [2]}, ["z"],
        {"q": np.array([1, 2], np.int8), "s": np.array(0.5, np.float32),
         "a": np.array([3.0, 4.0], np.float32)},
    )  # fmt: skip

    calls = op_calls(qreg.load(proto))

    assert [c.op for c in calls] == ["DequantizeLinear", "Add", "Add"]
    assert calls[2].input(1).numpy().tolist() == [9.0, 16.0]


@pytest.mark.parametrize("keep", [0, 1, 100, 5000, -1])
def test_a_truncated_file_gets_one_clear_line(tmp_path: Path, resnet8: Path, keep: int) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(resnet8.read_bytes()[:keep])

    with pytest.raises(QregError) as caught:
        qreg.load(path)

    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_random_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.onnx"
    path.write_bytes(np.random.default_rng(0).bytes(4096))

    with pytest.raises(QregError, match=r"noise.onnx: "):
        qreg.load(path)


def test_a_missing_file_and_an_unknown_kind_of_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(QregError, match="no such file"):
        qreg.load(tmp_path / "none.onnx")
    with pytest.raises(QregError, match=r"no frontend reads '.*model.h5'; there are frontends for"):
        qreg.load(tmp_path / "model.h5")


def test_a_graph_that_reads_a_tensor_nobody_makes_is_refused(tmp_path: Path) -> None:
    proto = model([helper.make_node("Relu", ["nowhere"], ["y"], name="r")], {"x": [1]}, ["y"])

    with pytest.raises(QregError) as caught:
        op_calls(qreg.load(saved(tmp_path, proto)))

    assert "r" in str(caught.value)


def test_a_graph_with_a_cycle_is_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"], name="one"),
        helper.make_node("Relu", ["a"], ["b"], name="two"),
    ]

    with pytest.raises(QregError):
        qreg.load(saved(tmp_path, model(nodes, {"x": [1]}, ["b"])))


def test_parameters_listed_as_inputs_are_parameters() -> None:
    proto = model([conv("c", "x", "y", "w")], {"x": [1, 2, 5, 5]}, ["y"], {"w": WEIGHT})
    proto.graph.input.append(helper.make_tensor_value_info("w", FLOAT, [4, 2, 3, 3]))

    (call,) = op_calls(qreg.load(proto))

    assert [t.name for t in call.parameters] == ["w"]


def test_the_names_survive_saving(tmp_path: Path) -> None:
    loaded = qreg.load(model([conv("n", "x", "y", "a.b.weight")], {"x": [1, 2, 5, 5]}, ["y"],
                             {"a.b.weight": WEIGHT}))  # fmt: skip

    again = onnx.load_from_string(ir.to_proto(loaded).SerializeToString())

    props = {p.key: p.value for p in again.graph.node[0].metadata_props}
    assert props[LAYER] == "a.b"


def typed(name: str, shape: list[int], dtype: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def loaded_ops(proto: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in qreg.load(proto).graph]


@pytest.mark.parametrize("height", [16, "h"])
def test_declared_shapes_that_are_stale_are_not_believed(height: int | str) -> None:
    proto = model(
        [conv("c", "x", "t", "w"), conv("d", "t", "y", "v")], {"x": [1, 2, height, 16]}, [],
        {"w": WEIGHT, "v": np.zeros((3, 4, 1, 1), np.float32)},
    )  # fmt: skip
    proto.graph.value_info.append(typed("t", [1, 4, 6, 6]))
    proto.graph.output.append(typed("y", [1, 3, 6, 6]))

    calls = op_calls(qreg.load(proto, shape={"x": [1, 2, 16, 16]}))

    assert [c.output.shape for c in calls] == [(1, 4, 14, 14), (1, 3, 14, 14)]


def test_declared_shapes_are_kept_where_nobody_can_infer() -> None:
    nodes = [helper.make_node("Mystery", ["x"], ["y"], name="m", domain="com.example")]
    proto = model(nodes, {"x": [1, 4]}, [], com_example=1)
    proto.graph.output.append(typed("y", [1, 7]))

    (call,) = op_calls(qreg.load(proto))

    assert call.output.shape == (1, 7)


@pytest.mark.parametrize(
    ("op", "attributes"),
    [("RandomNormalLike", {}), ("RandomUniformLike", {}), ("Bernoulli", {}),
     ("Multinomial", {"dtype": TensorProto.INT32}), ("Dropout", {})],
)  # fmt: skip
def test_what_is_drawn_at_random_is_not_folded(op: str, attributes: dict[str, object]) -> None:
    inputs = ["k", "ratio", "training"] if op == "Dropout" else ["k"]
    nodes = [helper.make_node(op, inputs, ["r"], name="r", **attributes),
             helper.make_node("Cast", ["r"], ["s"], to=FLOAT),
             helper.make_node("MatMul", ["x", "s"], ["y"])]  # fmt: skip
    constants = {"k": np.full((2, 2), 0.5, np.float32), "ratio": np.array(0.5, np.float32),
                 "training": np.array(True)}  # fmt: skip

    assert loaded_ops(model(nodes, {"x": [2, 2]}, ["y"], constants)) == [op, "Cast", "MatMul"]


def test_no_two_layers_have_the_same_name_whatever_the_file_says() -> None:
    nodes = [conv("one", "x", "a", "c.weight"), conv("two", "a", "b", "c.weight"),
             helper.make_node("Relu", ["b"], ["d"], name="c#2"),
             helper.make_node("Relu", ["d"], ["e"]), helper.make_node("Relu", ["e"], ["y"])]  # fmt: skip
    for node in nodes[3:]:
        node.metadata_props.add(key=LAYER, value="same")
    weight = {"c.weight": np.zeros((2, 2, 3, 3), np.float32)}

    names = [c.name for c in op_calls(qreg.load(model(nodes, {"x": [1, 2, 9, 9]}, ["y"], weight)))]

    assert names == ["c", "c#2", "c#2#2", "same", "same#2"]


def branch(name: str, op: str, *, read: str) -> onnx.GraphProto:
    """One node that reads a tensor of the graph around it; its declared shape is stale."""
    return helper.make_graph([helper.make_node(op, [read], [name])], name, [], [typed(name, [9])])


@pytest.mark.parametrize("constant", [True, False])
def test_a_condition_is_unknown_to_count_and_reads_what_its_branches_read(constant: bool) -> None:
    nodes = [
        conv("c", "x", "t", "w"),
        helper.make_node(
            "If", ["cond"], ["z"], name="if",
            then_branch=branch("p", "Relu", read="t"), else_branch=branch("q", "Neg", read="t"),
        ),
        helper.make_node("Relu", ["z"], ["y"], name="r"),
    ]  # fmt: skip
    constants = {"w": WEIGHT} | ({"cond": np.array(True)} if constant else {})
    proto = model(nodes, {"x": [1, 2, 5, 5]}, ["y"], constants)
    if not constant:
        proto.graph.input.append(typed("cond", [], TensorProto.BOOL))

    _, choice, relu = op_calls(qreg.load(proto))

    assert [t.name for t in choice.inputs if t] == ["cond", "t"]
    assert relu.output.shape == (1, 4, 3, 3)
    assert [u.op for u in qreg.count(proto).unknown] == ["onnx.If"]


def test_outputs_that_nobody_asked_for_have_no_name_and_keep_their_place() -> None:
    constants = {"W": np.zeros((1, 16, 3), np.float32), "R": np.zeros((1, 16, 4), np.float32)}
    nodes = [helper.make_node("LSTM", ["x", "W", "R"], ["", "h"], hidden_size=4),
             helper.make_node("Dropout", ["h"], ["d", ""]),
             helper.make_node("MaxPool", ["d"], ["y", ""], kernel_shape=[2])]  # fmt: skip

    lstm, dropout, pool = op_calls(qreg.load(model(nodes, {"x": [5, 1, 3]}, ["y"], constants)))

    assert [(t.name, t.elements) for t in lstm.outputs] == [("", 0), ("h", 4)]
    assert [t.name for t in dropout.outputs] == ["d"]
    assert [(t.name, t.shape) for t in pool.outputs] == [("y", (1, 1, 3))]


def test_a_node_with_an_absent_output_is_computed_and_folded() -> None:
    rng = np.random.default_rng(3)
    constants = {n: rng.normal(size=s).astype(np.float32)
                 for n, s in {"k": (5, 1, 3), "W": (1, 16, 3), "R": (1, 16, 4)}.items()}  # fmt: skip
    nodes = [helper.make_node("LSTM", ["k", "W", "R"], ["", "h"], hidden_size=4),
             helper.make_node("Add", ["x", "h"], ["y"])]  # fmt: skip
    proto = model(nodes, {"x": [1]}, ["y"], constants)

    (add,) = op_calls(qreg.load(proto))

    (expected,) = session(proto).run(None, {"x": np.zeros(1, np.float32)})
    np.testing.assert_allclose(add.input(1).numpy(), expected, rtol=1e-5)


def test_constant_outputs_are_stored() -> None:
    value = numpy_helper.from_array(np.array([7.0, -8.0], np.float32))
    nodes = [helper.make_node("Relu", ["x"], ["y"], name="r"),
             helper.make_node("Shape", ["x"], ["s"]),
             helper.make_node("Constant", [], ["k"], value=value),
             helper.make_node("Relu", ["k"], ["z"])]  # fmt: skip
    proto = model(nodes, {"x": [2, 3]}, ["y", "k", "z"])
    proto.graph.output.append(typed("s", [2], TensorProto.INT64))

    loaded = qreg.load(proto)

    assert [c.name for c in op_calls(loaded)] == ["r"]
    found = {t.name: t.numpy().tolist() for t in outputs_of(loaded) if t.value is not None}
    assert found == {"k": [7.0, -8.0], "z": [7.0, 0.0], "s": [2, 3]}
    ran = session(loaded).run(None, {"x": np.ones((2, 3), np.float32)})
    assert [a.tolist() for a in ran[1:]] == [found["k"], found["z"], found["s"]]


def faulty(call: OpCall, *_: object) -> object:
    raise KeyError(call.op)


def no_types(_: OpCall) -> object:
    return (5,)


def doubled(call: OpCall) -> object:
    return ((call.input(0).dtype, (2 * call.input(0).elements,)),)


def with_op(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> Catalogue:
    monkeypatch.setitem(sys.modules, "rules_of_a_test", sys.modules[__name__])
    spec = OpSpec(name="own", **fields)
    entry = Entry("third", "third-dist", "1", "m", spec)
    return evolve(api.catalogue(), entries=(*api.catalogue().entries, entry))


@pytest.mark.parametrize(
    ("rule", "text"),
    [("faulty", "ops third/own (third-dist 1) failed: KeyError: 'Foo'"),
     ("no_types", "ops third/own (third-dist 1): its shape rule must give (dtype, sizes)")],
)  # fmt: skip
def test_a_faulty_shape_rule_is_told_with_its_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, text: str
) -> None:
    catalogue = with_op(monkeypatch, targets=("ex.Foo",), shape=f"rules_of_a_test:{rule}")
    nodes = [helper.make_node("Foo", ["x"], ["y"], name="f", domain="ex")]
    path = saved(tmp_path, model(nodes, {"x": [2]}, ["y"], ex=1))

    with pytest.raises(QregError) as caught:
        source_model(path, {}, catalogue).graph()

    assert f"node 'f' (ex.Foo): {text}" in str(caught.value)
    assert "not a valid ONNX model" not in str(caught.value)


def test_a_faulty_reference_is_told_with_its_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = "rules_of_a_test:faulty"
    catalogue = with_op(monkeypatch, targets=("onnx.Erf",), reference=reference)
    proto = model([helper.make_node("Erf", ["x"], ["y"], name="e")], {"x": [2]}, ["y"])
    (call,) = op_calls(qreg.load(proto))

    with pytest.raises(QregError, match=r"node 'e' \(onnx.Erf\): ops third/own .* KeyError: 'Erf'"):
        Evaluator(catalogue)(call, [np.zeros(2, np.float32)])


@pytest.mark.parametrize(("since", "size"), [(20, 4), (21, 2)])
def test_a_rule_for_a_later_operator_set_is_not_used(
    monkeypatch: pytest.MonkeyPatch, since: int, size: int
) -> None:
    rule = "rules_of_a_test:doubled"
    catalogue = with_op(monkeypatch, targets=("onnx.Erf",), since=since, shape=rule)
    proto = model([helper.make_node("Erf", ["x"], ["y"], name="e")], {"x": [2]}, ["y"], opset=20)

    assert op_calls(source_model(proto, {}, catalogue).graph())[0].output.shape == (size,)


def test_an_object_that_is_no_valid_model_is_refused_in_one_line() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["y"])]

    with pytest.raises(QregError, match=r"not a valid ONNX model: .*'y' is redeclared"):
        qreg.load(model(nodes, {"x": [1]}, ["y"]))


def test_a_function_of_another_operator_set_is_refused_with_the_cure() -> None:
    body = [helper.make_node("Softmax", ["a"], ["b"])]
    proto = model([helper.make_node("F", ["x"], ["y"], domain="my")], {"x": [2]}, ["y"], my=1)
    proto.functions.append(
        helper.make_function("my", "F", ["a"], ["b"], body, [helper.make_opsetid("", 11)])
    )

    with pytest.raises(QregError, match=r"functions cannot be written out .*my::F.*; export it"):
        qreg.load(proto)


def test_a_model_in_memory_is_prepared_as_a_copy() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Reshape", ["x", "s"], ["y"]),
    ]
    raw = ir.from_proto(model(nodes, {"x": ["n", 3]}, ["y"]))

    loaded = qreg.load(raw, shape={"x": [2, 3]})

    assert [n.op_type for n in loaded.graph] == ["Reshape"]
    assert [n.op_type for n in raw.graph] == ["Shape", "Reshape"]
    assert (prepared(loaded), prepared(raw)) == (True, False)
    again = qreg.load(loaded)
    assert again is not loaded
    assert op_calls(again) == op_calls(loaded)
