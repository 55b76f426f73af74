"""Whole programs: names, sharing of memory, what the header promises, and what is refused."""

import ctypes
import platform
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from emit_support import COMPILER, Array, Node, compiled, const, model_of, oracle, program, ulps
from onnx import TensorProto, helper, numpy_helper

import qreg
from qreg.errors import QregError
from qreg_emit.render import sources

Shape = tuple[int, ...]


def graph(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, Shape],
    outputs: list[str],
    stored: dict[str, Array] | None = None,
    opset: int = 20,
) -> onnx.ModelProto:
    stored = stored or {}
    known = {**inputs, **{n: a.shape for n, a in stored.items()}}
    return helper.make_model(
        helper.make_graph(
            nodes,
            "net",
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
            [
                helper.make_tensor_value_info(o, TensorProto.FLOAT, known[o])
                if o in known
                else helper.make_empty_tensor_value_info(o)
                for o in outputs
            ],
            [numpy_helper.from_array(a, n) for n, a in stored.items()],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=9,
    )


def feeds(inputs: dict[str, Shape], seed: int = 0) -> dict[str, Array]:
    generator = np.random.default_rng(seed)
    return {n: generator.standard_normal(s).astype(np.float32) for n, s in inputs.items()}


def agree(model: onnx.ModelProto, inputs: dict[str, Shape], folder: Path, ulp: float = 0) -> None:
    given = feeds(inputs)
    found, expected = compiled(program(model), folder).run(given), oracle(model, given)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].shape == value.shape
        assert ulps(found[name], value) <= ulp, name


node = helper.make_node
SIX = {"s": np.array([6], np.int64)}
RELU, SHAPED = node("Relu", ["x"], ["y"]), node("Reshape", ["y", "s"], ["z"])
STRAIGHT = node("Reshape", ["x", "s"], ["z"])

SHARING: dict[str, tuple[list[onnx.NodeProto], list[str], dict[str, Array]]] = {
    "an output that is an input": ([RELU], ["y", "x"], {}),
    "an output that is a constant": ([RELU], ["y", "c"], {"c": np.float32([-1, 2])}),
    "two outputs in one memory": ([RELU, SHAPED], ["y", "z"], SIX),
    "a reshaped output": ([RELU, SHAPED], ["z"], SIX),
    "an input reshaped into an output": ([STRAIGHT], ["z"], SIX),
    "a reshaped input": ([STRAIGHT, node("Relu", ["z"], ["w"])], ["w"], SIX),
    "a chain of shared outputs": (
        [STRAIGHT, node("Identity", ["z"], ["w"]), node("Identity", ["w"], ["v"])],
        ["v", "z", "w"], SIX),
    "an output that is read again": (
        [RELU, node("Identity", ["y"], ["z"]), node("Add", ["y", "z"], ["w"])], ["w", "z"], {}),
    "a value added to its own relu": (
        [RELU, node("Add", ["y", "x"], ["z"]), node("Add", ["z", "z"], ["w"])], ["w"], {}),
    "a relu of a value that is read later": (
        [node("Add", ["x", "x"], ["v"]), node("Relu", ["v"], ["r"]),
         node("Add", ["r", "v"], ["w"])], ["w"], {}),
}  # fmt: skip


@pytest.mark.parametrize("form", SHARING)
def test_memory_is_shared_only_where_nothing_is_lost(form: str, tmp_path: Path) -> None:
    nodes, outputs, stored = SHARING[form]
    agree(graph(nodes, {"x": (2, 3)}, outputs, stored), {"x": (2, 3)}, tmp_path)


def test_flatten_after_a_convolution_keeps_the_order_of_channels(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    stored = {
        "w": generator.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "v": generator.standard_normal((4 * 4 * 3, 5)).astype(np.float32),
    }
    nodes = [
        node("Conv", ["x", "w"], ["c"]), node("Softmax", ["c"], ["p"], axis=1),
        node("Flatten", ["p"], ["f"]), node("Gemm", ["f", "v"], ["y"]),
    ]  # fmt: skip
    inputs = {"x": (2, 3, 6, 5)}
    agree(graph(nodes, inputs, ["y"], stored), inputs, tmp_path, ulp=16)


EVIL = ['*/ #error "x', 'a"b\n', "??/", "名前", "int", "arena", "n1_relu", "A", "a", ""]


def test_hostile_names_compile_and_stay_apart(tmp_path: Path) -> None:
    names = [f"{evil}{'' if i else '/'}" for i, evil in enumerate(EVIL[:-1])]
    nodes = [node("Relu", [a], [b], name=f"{a}!") for a, b in pairwise(names)]
    model = graph(nodes, {names[0]: (2, 3)}, names[1:])
    model.graph.name = "*/"

    made = program(model, "")

    assert made.name == "model"
    identifiers = [p.identifier for p in made.ports]
    assert len({i.upper() for i in identifiers}) == len(identifiers)
    agree(model, {names[0]: (2, 3)}, tmp_path)


def test_the_same_model_gives_the_same_text(resnet8: Path) -> None:
    first, second = (sources(program(resnet8, "net")) for _ in range(2))

    assert first == second
    assert str(resnet8.parent) not in "".join(first.values())


def test_equal_constants_are_stored_once() -> None:
    weight = np.ones((4, 4), np.float32)
    nodes = [node("MatMul", ["x", "w"], ["y"]), node("MatMul", ["y", "v"], ["z"])]
    model = graph(nodes, {"x": (2, 4)}, ["z"], {"w": weight, "v": weight.copy()})

    assert program(model).weight_bytes == weight.nbytes


@pytest.mark.parametrize("flags", [("-O3", "-march=native", "-std=gnu99"), ("-O0", "-std=c11")])
def test_results_do_not_depend_on_the_optimiser(flags: tuple[str, ...], tmp_path: Path) -> None:
    # -march=native offers fused multiply-add and GNU mode would use it in `sum += a * b`.
    generator = np.random.default_rng(5)
    kernel = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    x = generator.integers(-128, 128, (1, 8, 16, 16)).astype(np.int8)
    quantised = [const(0.3), const(7, np.int8), const(0.17), const(-3, np.int8)]
    model, given = model_of([Node("QLinearAveragePool", [x, *quantised], kernel, "com.microsoft")])

    found = compiled(program(model), tmp_path, flags).run(given)

    for name, value in oracle(model, given).items():
        assert np.array_equal(found[name], value)


def test_programs_in_one_process_and_runs_with_two_arenas_do_not_meet(tmp_path: Path) -> None:
    nodes = [node("Add", ["x", "x"], ["y"]), node("Relu", ["y"], ["z"])]
    library = compiled(program(graph(nodes, {"x": (64,)}, ["z"]), "twice"), tmp_path)
    text = (tmp_path / "twice.c").read_text()
    assert not [
        x
        for x in text.splitlines()
        if x.startswith("static ") and "(" not in x and "const" not in x
    ]
    given = [feeds({"x": (64,)}, seed) for seed in range(8)]

    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:  # ctypes releases the lock: the runs overlap
        found = list(pool.map(library.run, given * 20))

    for one, result in zip(given * 20, found, strict=True):
        assert np.array_equal(result["z"], np.maximum(2 * one["x"], 0))


def test_missing_pointers_and_a_crooked_arena_are_told(tmp_path: Path) -> None:
    nodes = [node("Add", ["x", "x"], ["y"]), node("Relu", ["y"], ["z"])]
    library = compiled(program(graph(nodes, {"x": (4,)}, ["z"])), tmp_path)
    run = library.loaded.model_run
    x, z, arena = (np.zeros(8, np.float32) for _ in range(3))
    pointer = [ctypes.c_void_p(a.ctypes.data) for a in (x, z, arena)]

    assert run(*pointer) == 0
    for missing in range(3):
        assert run(*[None if i == missing else p for i, p in enumerate(pointer)]) == 1
    assert run(*pointer[:2], ctypes.c_void_p(arena.ctypes.data + 1)) == 1


def test_the_header_says_what_a_caller_needs(tmp_path: Path) -> None:
    boundary = [const(0.5), const(-3, np.int8)]
    x = np.zeros((1, 2, 3), np.int8)
    model, _ = model_of([Node("DequantizeLinear", [x, *boundary])])

    header = sources(program(model, "net"))["net.h"]

    for line in (
        "#define NET_ARENA_BYTES 0",
        "/* Input 'x0_0': int8 [1, 2, 3], row-major (the last axis is contiguous). */",
        "#define NET_X0_0_TYPE int8_t",
        "#define NET_X0_0_ELEMENTS 6",
        "#define NET_X0_0_RANK 3",
        "#define NET_X0_0_SHAPE {1, 2, 3}",
        "#define NET_X0_0_SCALE 0x1p-1f",
        "#define NET_X0_0_ZERO_POINT (-3)",
        "#define NET_Y0_0_TYPE float",
        "    const int8_t *x0_0,",
        "    void *arena);",
    ):
        assert line in header.splitlines(), line


def test_scales_are_known_through_ops_that_move_data() -> None:
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("MaxPool", ["q"], ["m"], kernel_shape=[2, 2]),
        node("Flatten", ["m"], ["y"]),
    ]
    stored = {"s": np.array(0.25, np.float32), "z": np.array(9, np.int8)}
    made = program(graph(nodes, {"x": (1, 1, 4, 4)}, ["y"], stored))

    assert (made.outputs[0].scale, made.outputs[0].zero_point) == (0.25, 9)


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_the_header_is_also_cpp(tmp_path: Path) -> None:
    made = program(graph([node("Relu", ["class"], ["delete"])], {"class": (4,)}, ["delete"]))
    (tmp_path / "model.h").write_text(sources(made)["model.h"])
    (tmp_path / "use.cpp").write_text('#include "model.h"\nmodel_arena arena;\n')

    flags = ["-std=c++17", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    subprocess.run(["g++", *flags, "-c", "use.cpp"], cwd=tmp_path, check=True)


def _complaint(command: list[str], folder: Path) -> str:
    x = np.zeros(4, np.float32)
    model, _ = model_of([Node("QuantizeLinear", [x, const(0.5), const(1, np.int8)])])
    for name, text in sources(program(model)).items():
        (folder / name).write_text(text)
    done = subprocess.run(
        [*command, "-std=c99", "-c", "model.c"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode
    return done.stderr


def test_fast_math_is_refused(tmp_path: Path) -> None:
    text = _complaint([*COMPILER, "-ffast-math"], tmp_path)

    assert "compile model.c without -ffast-math" in text


@pytest.mark.parametrize(
    "flags",
    ["-funsafe-math-optimizations", "-freciprocal-math", "-ffinite-math-only",
     "-fassociative-math -fno-signed-zeros -fno-trapping-math"],
)  # fmt: skip
@pytest.mark.skipif(shutil.which("gcc") is None, reason="clang does not tell a program of these")
def test_parts_of_fast_math_are_refused_too(flags: str, tmp_path: Path) -> None:
    assert "compile model.c without" in _complaint(["gcc", *flags.split()], tmp_path)


def test_the_header_says_when_the_mathematics_library_is_needed() -> None:
    plain, soft = (
        sources(program(graph([node(op, ["x"], ["y"])], {"x": (4,)}, ["y"])))["model.h"]
        for op in ("Relu", "Softmax")
    )

    assert " * model.c uses <math.h>: link with -lm.\n */" in soft
    assert "-lm" not in plain


@pytest.mark.skipif(
    shutil.which("gcc") is None or platform.machine() != "x86_64", reason="no x87 arithmetic here"
)
def test_excess_precision_is_refused(tmp_path: Path) -> None:
    text = _complaint(["gcc", "-mfpmath=387"], tmp_path)

    assert "8-bit results need float arithmetic without excess precision" in text


def test_a_function_says_which_node_it_is(resnet8: Path) -> None:
    text = sources(program(resnet8))["model.c"]

    assert (
        "/* 'layer1.0.conv1' (onnx.Conv), emitter conv/conv_float\n"
        " *   in0   float32 [1, 16, 32, 32]\n"
        " *   out0  float32 [1, 16, 32, 32]\n"
        " */\n"
        "static void n2_layer1_0_conv1(\n"
    ) in text


def _refused(model: onnx.ModelProto) -> str:
    with pytest.raises(QregError) as caught:
        program(model)
    return str(caught.value)


def test_an_op_without_an_emitter_is_refused_with_the_way_to_add_one() -> None:
    text = _refused(graph([node("Sin", ["x"], ["y"], name="wave")], {"x": (3,)}, ["y"]))

    assert text == (
        "node 'wave' (onnx.Sin) on float32 at operator set 20: registry c_emitters has no entry "
        "for it and target 'portable' (no plugin claims the op). Nothing is written. A plugin adds "
        "one: `qreg new-plugin NAME` makes it, CEmitterSpec declares it"
    )


def test_the_first_node_without_a_shape_rule_is_named_with_both_registries() -> None:
    weight = {"w": np.ones((2, 2, 1, 1), np.float32)}
    nodes = [node("Conv", ["x", "w"], ["a"], name="c"),
             node("Foo", ["a"], ["b"], name="myfoo", domain="com.acme"),
             node("Conv", ["b", "w"], ["y"], name="d")]  # fmt: skip
    model = graph(nodes, {"x": (1, 2, 3, 3), "y": (1, 2, 3, 3)}, ["y"], weight)
    del model.graph.input[1]
    model.opset_import.append(helper.make_opsetid("com.acme", 1))

    assert _refused(model) == (
        "node 'myfoo' (com.acme.Foo): the shape of what it computes is unknown, no shape rule of "
        "registry ops gives it; its C: registry c_emitters has no entry for it. Nothing is "
        "written. A plugin adds both: `qreg new-plugin NAME` makes it, OpSpec declares the shape, "
        "CEmitterSpec the C"
    )


def test_an_operator_set_of_the_future_is_refused() -> None:
    model = graph([node("Relu", ["x"], ["y"])], {"x": (3,), "y": (3,)}, ["y"])
    del model.graph.input[1]
    model.opset_import[0].version = 99

    assert _refused(model).startswith(
        f"the model is of operator set 99; the installed onnx {onnx.__version__} knows up to "
        f"{onnx.defs.onnx_opset_version()}, so what its ops mean is unknown: install a newer onnx"
    )


LARGE = np.arange(80_000, dtype=np.float32).reshape(2, 200, 200)  # too large to be folded


@pytest.mark.parametrize(
    ("op", "attributes"), [("Identity", {}), ("Transpose", {"perm": [0, 1, 2]})]
)
def test_a_constant_moved_to_an_output_is_copied(
    op: str, attributes: dict[str, list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qreg_onnx.shapes.FOLDED_ELEMENTS", 0)
    nodes = [RELU, node(op, ["k"], ["z"], **attributes)]

    library = compiled(program(graph(nodes, {"x": (3,)}, ["y", "z"], {"k": LARGE})), tmp_path)

    assert (library.run({"x": np.zeros(3, np.float32)})["z"] == LARGE).all()


@pytest.mark.parametrize("blocked", ["model.c", "model.h"])
def test_where_a_file_cannot_be_written_none_is(blocked: str, tmp_path: Path) -> None:
    (tmp_path / blocked).mkdir()
    model = graph([node("Relu", ["x"], ["y"])], {"x": (3,)}, ["y"])

    with pytest.raises(QregError, match=f"{blocked}: cannot be written, it is a directory"):
        qreg.emit(model, name="model", out=tmp_path)

    assert [p.name for p in tmp_path.iterdir()] == [blocked]


def test_an_op_with_an_emitter_for_other_types_says_so() -> None:
    x = np.zeros((2, 2), np.float64)
    model, _ = model_of([Node("Relu", [x])])

    assert "elementwise/relu_float writes float32 from operator set 1" in _refused(model)


REFUSALS = [
    (Node("Conv", [np.zeros((1, 1, 4, 4, 4), np.float32), const(np.zeros((1, 1, 2, 2, 2)))]),
     "node 'n0' (onnx.Conv): 3 spatial axes; one or two are known; no C is written"),
    (Node("Conv", [np.zeros((1, 1, 4, 4), np.float32), np.zeros((1, 1, 2, 2), np.float32)]),
     "input 1 (W) is computed at run time, not stored"),
    (Node("Pad", [np.zeros((3, 3), np.float32), const([1] * 4, np.int64)], {"mode": "reflect"}),
     "mode is 'reflect'; constant is known"),
    (Node("MaxPool", [np.zeros((1, 1, 4, 4), np.float32)], {"kernel_shape": [2, 2]}, outputs=2),
     "the indices of the largest elements are asked for"),
    (Node("QuantizeLinear", [np.zeros((4, 4), np.float32), const(np.ones((2, 4))), None],
          {"axis": 0, "block_size": 2}), "block_size is set"),
    (Node("QuantizeLinear", [np.zeros(4, np.float32), const(1.0), const(0, np.int16)]),
     "the template writes int8, uint8"),
    (Node("QuantizeLinear", [np.zeros(4, np.float32), np.float32(1.0)]),
     "input 1 (scale) is computed at run time"),
    (Node("Relu", [np.zeros((2, 0), np.float32)]),
     "tensor 'x0_0' has no elements (shape [2, 0]); C has no such array"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "message"), REFUSALS)
def test_what_a_template_does_not_cover_is_refused_by_node(form: Node, message: str) -> None:
    model, _ = model_of([form], opset=21)

    assert message in _refused(model)


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("9net", "model_9net"),
        ("int", "model_int"),
        ("a-b", "a_b"),
        ("n0_x", "model_n0_x"),
        ("_x", "x"),
    ],
)
def test_a_name_that_c_cannot_have_is_refused_with_one_it_can(name: str, better: str) -> None:
    model = graph([node("Relu", ["x"], ["y"])], {"x": (3,)}, ["y"])

    with pytest.raises(QregError) as caught:
        program(model, name)

    assert str(caught.value) == f"name {name!r} cannot begin the program's C names; {better!r} can"


def test_the_step_writes_two_files_and_says_what_they_need(resnet8: Path, tmp_path: Path) -> None:
    record = qreg.emit(resnet8, out=tmp_path)

    assert record.files == ("resnet8.c", "resnet8.h")
    assert sorted(p.name for p in tmp_path.glob("resnet8*")) == ["resnet8.c", "resnet8.h"]
    # Three 16 x 32 x 32 float tensors meet in the first block, and the row of the convolution.
    assert record.arena_bytes == record.lower_bound_bytes == 3 * 16 * 32 * 32 * 4 + (32 + 2) * 4
    assert sum(layer.data_bytes for layer in record.layers) == record.weight_bytes == 77_706 * 4
    shared = [layer.name for layer in record.layers if not layer.function]
    assert shared == ["view"]
