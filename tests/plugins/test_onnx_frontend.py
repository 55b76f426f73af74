"""ONNX files as models: shapes, names, constants, and refusals."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import qreg
from qreg.errors import QregError
from qreg_onnx.graph import LAYER, op_calls, partial_op_calls

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
    import onnx_ir as ir

    loaded = qreg.load(model([conv("n", "x", "y", "a.b.weight")], {"x": [1, 2, 5, 5]}, ["y"],
                             {"a.b.weight": WEIGHT}))  # fmt: skip

    again = onnx.load_from_string(ir.to_proto(loaded).SerializeToString())

    props = {p.key: p.value for p in again.graph.node[0].metadata_props}
    assert props[LAYER] == "a.b"
