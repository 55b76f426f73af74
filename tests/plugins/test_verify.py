"""Proof by running: what verify demands, what it says, and how it fails."""

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from attrs import evolve
from emit_support import UNDEFINED, Array, Node, const, model_of
from onnx import TensorProto, helper, numpy_helper

import qreg
from qreg.api import catalogue
from qreg.catalogue import Catalogue, Entry
from qreg.errors import QregError
from qreg.run import Context, Events, Folder, Model, Outcome
from qreg.specs import CEmitterSpec, OpSpec
from qreg_emit.emit import run as emit
from qreg_emit.params import Emit
from qreg_verify import compiler as compilers
from qreg_verify.compare import compare
from qreg_verify.compiler import find_compiler
from qreg_verify.params import Verify
from qreg_verify.verify import run

MICROSOFT = "com.microsoft"


def context(model: Any, folder: Path, known: Catalogue | None = None, **more: Any) -> Context:
    events = Events([])
    return Context(
        catalogue=known or catalogue(), loaded=Model(qreg.load(model)), name="net", source="net.onnx",
        folder=Folder(folder, events), events=events, **more,
    )  # fmt: skip


def integer_model(batch: int = 1) -> onnx.ModelProto:
    """Quantise, convolve, add, pool, classify, dequantise."""
    generator = np.random.default_rng(0)
    weight = generator.integers(-128, 128, (4, 3, 3, 3)).astype(np.int8)
    head = generator.integers(-128, 128, (5, 4)).astype(np.int8)
    stored = {
        "s": np.float32(0.02), "z": np.int8(3), "w": weight, "ws": np.full(4, 0.01, np.float32),
        "wz": np.zeros(4, np.int8), "t": np.float32(0.05), "tz": np.int8(-7), "h": head,
        "hs": np.float32(0.01), "hz": np.int8(0), "u": np.float32(0.03), "uz": np.int8(0),
    }  # fmt: skip
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["image", "s", "z"], ["q"]),
        node("QLinearConv", ["q", "s", "z", "w", "ws", "wz", "t", "tz"], ["c"], pads=[1] * 4),
        node("QLinearAdd", ["c", "t", "tz", "c", "t", "tz", "u", "uz"], ["a"], domain=MICROSOFT),
        node("QLinearGlobalAveragePool", ["a", "u", "uz", "u", "uz"], ["g"], domain=MICROSOFT,
             channels_last=0),
        node("Flatten", ["g"], ["f"]),
        node("QGemm", ["f", "u", "uz", "h", "hs", "hz", "", "t", "tz"], ["y"], domain=MICROSOFT,
             transB=1),
        node("DequantizeLinear", ["y", "t", "tz"], ["scores"]),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes, "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, (batch, 3, 6, 5))],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, (batch, 5))],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in stored.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def images(folder: Path, count: int = 7, **more: Array) -> Path:
    x = np.random.default_rng(1).standard_normal((count, 3, 6, 5)).astype(np.float32)
    np.savez(folder / "data.npz", image=x, **more)
    return folder / "data.npz"


def test_an_integer_model_must_be_equal(tmp_path: Path) -> None:
    outcome = run(context(integer_model(), tmp_path), Verify(data=images(tmp_path)))

    assert not outcome.failed
    assert outcome.lines[-1] == "verify: 7/7 images bit-exact"
    assert [o.exact_required for o in outcome.record.outputs] == [True]
    assert outcome.record.data == "data.npz"
    assert (
        "arithmetic: QLinearAdd as on x86-64 with AVX2 (fused multiply-add); all else alike on "
        "every processor"
    ) in outcome.lines


def test_a_float_model_must_be_near(resnet8: Path, tmp_path: Path) -> None:
    data = resnet8.parent / "digits_test.npz"

    outcome = run(context(resnet8, tmp_path), Verify(data=data, images=24))

    assert not outcome.failed
    assert re.fullmatch(
        r"verify: 24/24 images within 64 ULP \(worst \d+(\.\d+)?\)", outcome.lines[-1]
    )
    record = outcome.record
    assert (record.labelled, record.correct) == (24, record.correct_oracle)
    assert any(line.startswith("accuracy: C ") for line in outcome.lines)


def test_a_limit_that_is_not_kept_fails_with_the_first_number(
    resnet8: Path, tmp_path: Path
) -> None:
    outcome = run(context(resnet8, tmp_path), Verify(images=3, ulp=0))

    assert re.fullmatch(
        r"verify: image \d, output 'linear', element \d: the C gives \S+, \S+ is expected",
        outcome.failed,
    )
    assert re.search(r"verify: \d/3 images within 0 ULP", outcome.lines[-1])
    assert not outcome.record.passed


needs_sanitizers = pytest.mark.skipif(not UNDEFINED, reason="the compiler has no sanitizers")


@needs_sanitizers
def test_memory_and_undefined_behaviour_are_watched(tmp_path: Path) -> None:
    outcome = run(context(integer_model(), tmp_path), Verify(data=images(tmp_path), sanitize=True))

    assert outcome.lines[-1] == "verify: 7/7 images bit-exact"
    assert "-fsanitize=address,undefined" in outcome.record.flags


@pytest.mark.parametrize("batch", [2, 3])
def test_a_batched_model_takes_images_batch_by_batch(batch: int, tmp_path: Path) -> None:
    data = images(tmp_path, count=7, label=np.arange(7) % 5)

    outcome = run(context(integer_model(batch), tmp_path), Verify(data=data))

    assert outcome.lines[-1] == "verify: 7/7 images bit-exact"
    assert (outcome.record.images, outcome.record.labelled) == (7, 7)


def test_random_images_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    first, second = (run(context(integer_model(), tmp_path), Verify(images=4, seed=5)).record
                     for _ in range(2))  # fmt: skip

    assert first == second
    assert first.data == "4 random images, seed 5"


def _emitted(model: Any, folder: Path) -> Context:
    """A context in which the emit step has run."""
    before = context(model, folder)
    return evolve(before, outcomes={"emit": emit(before, Emit(name="mine"))})


def test_the_program_of_an_earlier_step_is_what_is_verified(tmp_path: Path) -> None:
    after = _emitted(integer_model(), tmp_path / "emit")
    source = tmp_path / "emit" / "mine.c"
    source.write_text(source.read_text().replace("whole - 12582912.0f", "whole - 12582911.0f"))

    outcome = run(
        evolve(after, folder=Folder(tmp_path / "verify", after.events)), Verify(images=40)
    )

    assert outcome.failed.startswith("verify: image ")
    assert outcome.record.agreeing < outcome.record.images
    assert not (tmp_path / "verify").exists()


def test_a_model_changed_after_emit_is_emitted_anew(tmp_path: Path) -> None:
    after = _emitted(integer_model(), tmp_path)
    other = evolve(after, loaded=Model(qreg.load(integer_model(2))))

    outcome = run(other, Verify(images=2))

    assert "the C is written anew: the model changed after emit" in outcome.lines
    assert outcome.lines[-1] == "verify: 2/2 images bit-exact"


def test_integers_of_rounded_numbers_are_named_when_they_differ(tmp_path: Path) -> None:
    # Large terms that cancel: what is left depends on how each product was rounded.
    generator = np.random.default_rng(2)
    half = generator.uniform(1e7, 2e7, (20, 50))
    weight = generator.permutation(np.concatenate([half, -half])).astype(np.float32)
    node = helper.make_node
    scale, zero = np.float32(1), np.int8(0)
    graph = helper.make_graph(
        [
            node("MatMul", ["x", "w"], ["m"], name="product"),
            node("QuantizeLinear", ["m", "s", "z"], ["q"], name="to_int8"),
            node("DequantizeLinear", ["q", "s", "z"], ["y"]),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 40))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 50))],
        [
            numpy_helper.from_array(np.asarray(a), n)
            for n, a in (("w", weight), ("s", scale), ("z", zero))
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    data = tmp_path / "small.npz"
    np.savez(data, x=generator.uniform(1, 2, (20, 1)).astype(np.float32).repeat(40, 1))

    outcome = run(context(model, tmp_path), Verify(data=data, ulp=0))

    assert outcome.record.outputs[0].exact_required is False
    assert "layer 'to_int8' makes integers of what float arithmetic computed" in outcome.failed


def test_where_onnx_runtime_computes_otherwise_the_reference_is_the_oracle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "a (com.microsoft.QLinearAdd): x86-64 without AVX2 rounds near ties otherwise"
    monkeypatch.setattr("qreg_verify.oracle.unclaimed", lambda calls: (said, "b"))

    outcome = run(context(integer_model(), tmp_path), Verify(images=3))

    assert (
        f"compared with numpy reference, not ONNX Runtime: {said} (and 1 more nodes)"
        in outcome.lines
    )
    assert outcome.lines[-1] == "verify: 3/3 images bit-exact"


def test_an_op_that_onnx_runtime_does_not_know_is_compared_with_its_reference(
    tmp_path: Path,
) -> None:
    sys.modules["verify_stranger"] = stranger = type(sys)("verify_stranger")
    stranger.shape = lambda c: ((c.input(0).dtype, c.input(0).shape),)
    stranger.reference = lambda c, inputs: (inputs[0] + inputs[0],)
    stranger.context = lambda c: {"low": -1e9, "high": 1e9, "wide": "float", "exact": True,
                                  "elements": c.output.elements}  # fmt: skip
    op = OpSpec(name="same", targets=("com.example.Twice",), shape="verify_stranger:shape",
                reference="verify_stranger:reference")  # fmt: skip
    emitter = CEmitterSpec(name="same", targets=("com.example.Twice",), template="qreg_c:clip.c.j2",
                           context="verify_stranger:context")  # fmt: skip
    known = catalogue()
    entries = [Entry("stranger", "qreg-stranger", "1", "stranger", s) for s in (op, emitter)]
    both = evolve(known, entries=(*known.entries, *entries))
    model, _ = model_of([Node("Twice", [np.float32([1, 2])], domain="com.example")])
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    from qreg.api import source_model

    there = evolve(context(integer_model(), tmp_path, both), loaded=source_model(model, {}, both))

    outcome = run(there, Verify(images=2))

    # The emitter copies where the op doubles: the reference finds it out.
    assert (
        "compared with numpy reference, not ONNX Runtime: ONNX Runtime does not take"
        in outcome.lines[1]
    )
    assert outcome.lines[-1] == "verify: 0/2 images bit-exact"
    del sys.modules["verify_stranger"]


TWO = (2, 3, 6, 5)
BAD_DATA: list[tuple[dict[str, Any], str, str]] = [
    ({"imag": np.zeros(TWO, np.float32)}, "", "no array for input 'image'; did you mean 'imag'?"),
    ({"image": np.zeros((2, 3, 5, 6), np.float32)}, "",
     "array 'image' is float32 [2, 3, 5, 6], and input 'image' is float32 [1, 3, 6, 5]: images go"),
    ({"image": np.zeros(TWO, np.int64)}, "", "store it in the input's type"),
    ({"image": np.zeros((0, 3, 6, 5), np.float32)}, "", "holds no image"),
    ({"image": np.zeros(TWO, np.float32)}, "digit", "no array 'digit' with labels"),
]  # fmt: skip


@pytest.mark.parametrize(("arrays", "label", "message"), BAD_DATA)
def test_data_that_does_not_fit_is_told(
    arrays: dict[str, Any], label: str, message: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "data.npz", **arrays)

    with pytest.raises(QregError) as caught:
        run(context(integer_model(), tmp_path), Verify(data=tmp_path / "data.npz", label=label))

    assert str(caught.value).startswith("data.npz: ")
    assert message in str(caught.value)


X = np.zeros(TWO, np.float32)
NAN, INFINITE = X.copy(), X.copy()
NAN[1, 2, 5, 4], INFINITE[0, 0, 0, 0] = np.nan, -np.inf
PER_IMAGE = "; labels are one whole number per image, here [2] or [2, 1]"
BAD_LABELS: list[tuple[Any, str, str]] = [
    (X, "", "array 'label' is float32 [2, 3, 6, 5]" + PER_IMAGE),
    (X, "image", "array 'image' holds the images of input 'image'; label names the array"),
    (np.eye(5)[:2], "", "array 'label' is float64 [2, 5]" + PER_IMAGE + "; of scores or one-hot "
     "rows, store argmax(1)"),
    ([0, 1, 2], "", "array 'label' is int64 [3]" + PER_IMAGE),
    (["0", "1"], "", "array 'label' is str32 [2]" + PER_IMAGE),
    ([0, 0.5], "", "array 'label', image 1 holds 0.5" + PER_IMAGE),
    ([0, np.nan], "", "array 'label', image 1 holds nan" + PER_IMAGE),
    ([5, 0], "", "array 'label', image 0 holds 5; output 'scores' has 5 classes, labels 0 to 4"),
    ([0, -1], "", "array 'label', image 1 holds -1; output 'scores' has 5 classes"),
]  # fmt: skip


@pytest.mark.parametrize(("labels", "name", "message"), BAD_LABELS)
def test_labels_that_are_no_classes_are_told(
    labels: Any, name: str, message: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "data.npz", image=X, label=np.asarray(labels))

    with pytest.raises(QregError) as caught:
        run(context(integer_model(), tmp_path), Verify(data=tmp_path / "data.npz", label=name))

    assert str(caught.value).startswith(f"data.npz: {message}")


@pytest.mark.parametrize("labels", [np.int64([4, 0]), np.float32([4, 0]), np.uint8([[4], [0]])])
def test_labels_may_be_integral_numbers_of_any_type(labels: Array, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", image=X, label=labels)

    record = run(context(integer_model(), tmp_path), Verify(data=tmp_path / "data.npz")).record

    assert (record.labelled, record.correct) == (2, record.correct_oracle)


def test_a_label_for_each_run_of_a_batch_is_no_label_of_an_image(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", image=np.zeros((3, *TWO), np.float32), label=np.zeros(3, int))

    with pytest.raises(QregError, match=r"output 'scores' \[2, 5\] is not one row of class scores"):
        run(context(integer_model(2), tmp_path), Verify(data=tmp_path / "data.npz"))


def test_a_label_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QregError, match="label = 'foo' names an array of the data, and no data is"):
        run(context(integer_model(), tmp_path), Verify(label="foo"))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (NAN, "image 1 holds nan, no finite float32; remove"),
        (INFINITE, "image 0 holds -inf, no finite"),
        (np.full(TWO, 1e300), "image 0 holds 1e+300, no finite"),
    ],
)
def test_data_with_special_numbers_is_refused(image: Array, message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", image=image)

    with pytest.raises(QregError) as caught:
        run(context(integer_model(), tmp_path), Verify(data=tmp_path / "data.npz"))

    assert str(caught.value).startswith(f"data.npz: array 'image', {message}")


def test_more_images_than_there_are_is_said(tmp_path: Path) -> None:
    outcome = run(context(integer_model(), tmp_path), Verify(data=images(tmp_path), images=9))

    assert "9 images were asked for; the data holds 7" in outcome.lines
    assert outcome.lines[-1] == "verify: 7/7 images bit-exact"


def test_an_output_of_nothing_but_nan_proves_nothing(tmp_path: Path) -> None:
    weight = const(np.full((1, 1, 3, 3), np.nan))
    model, _ = model_of([Node("Conv", [np.zeros((1, 1, 3, 3), np.float32), weight])])

    outcome = run(context(model, tmp_path), Verify(images=2))

    assert outcome.failed.startswith("verify: output 'y0_0': every number is NaN, in the C and in")
    assert "output 'y0_0': 2 of 2 numbers are NaN on both sides" in outcome.lines
    assert outcome.lines[-1].startswith("verify: 0/2 images")


def test_some_nan_on_both_sides_are_counted(tmp_path: Path) -> None:
    model, _ = model_of([Node("Add", [np.zeros((1, 3), np.float32), const([0, np.nan, 0])])])

    outcome = run(context(model, tmp_path), Verify(images=4))

    assert "output 'y0_0': 4 of 12 numbers are NaN on both sides" in outcome.lines
    assert (outcome.failed, outcome.record.outputs[0].nan) == ("", 4)


@pytest.mark.parametrize("random", [True, False])
def test_a_scalar_is_verified(random: bool, tmp_path: Path) -> None:
    model, _ = model_of([Node("Relu", [np.zeros((), np.float32)])])
    np.savez(tmp_path / "data.npz", x0_0=np.float32([-1, 2, 3]))
    params = Verify(images=3) if random else Verify(data=tmp_path / "data.npz")

    assert run(context(model, tmp_path), params).lines[-1] == "verify: 3/3 images bit-exact"


def test_one_scalar_is_no_row_of_images(tmp_path: Path) -> None:
    model, _ = model_of([Node("Relu", [np.zeros((), np.float32)])])
    np.savez(tmp_path / "data.npz", x0_0=np.float32(1))

    with pytest.raises(
        QregError, match=r"array 'x0_0' is float32 \[\], and .*: images go in front"
    ):
        run(context(model, tmp_path), Verify(data=tmp_path / "data.npz"))


def test_an_output_listed_twice_is_refused(tmp_path: Path) -> None:
    model, _ = model_of([Node("Relu", [np.zeros(3, np.float32)])])
    model.graph.output.append(model.graph.output[0])

    with pytest.raises(QregError, match="the graph lists output 'y0_0' twice"):
        run(context(model, tmp_path), Verify())


def test_an_input_without_elements_is_refused(tmp_path: Path) -> None:
    model, _ = model_of([Node("Relu", [np.zeros((0, 3), np.float32)])])

    with pytest.raises(QregError, match=r"tensor 'x0_0' has no elements \(shape \[0, 3\]\)"):
        run(context(model, tmp_path), Verify())


def test_a_file_that_is_no_data_is_told(tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_text("hello")
    (tmp_path / "empty.npz").write_bytes(b"")
    np.save(tmp_path / "one.npy", X)
    plain = "is no .npz file of plain arrays"
    save = "is one array without a name; save with numpy.savez('one.npz', image=...)"
    for path, message in ((tmp_path / "data.npz", plain), (tmp_path / "empty.npz", plain),
                          (tmp_path / "one.npy", save), (tmp_path, plain),
                          (tmp_path / "none.npz", "no such file")):  # fmt: skip
        with pytest.raises(QregError, match=re.escape(f"{path}: {message}")):
            run(context(integer_model(), tmp_path), Verify(data=path))


def test_a_machine_without_a_compiler_gets_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(compilers.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(QregError) as caught:
        find_compiler()

    assert str(caught.value) == (
        "no C compiler: looked for $CC, cc, gcc, clang and the package ziglang; `pip install "
        "'qreg[mcu]'` brings one, or name yours with compiler = \"...\""
    )


def test_a_compiler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(QregError, match=r"^compiler: 'icc -O' is not installed; name another"):
        find_compiler("icc -O")
    monkeypatch.setenv("CC", "no-such-cc")
    with pytest.raises(QregError, match=r"^environment variable CC: 'no-such-cc' is not installed"):
        find_compiler()


def test_a_program_that_does_not_compile_shows_what_the_compiler_says(tmp_path: Path) -> None:
    after = _emitted(integer_model(), tmp_path)
    (tmp_path / "mine.c").write_text("int broken(void) { return nothing; }\n")

    with pytest.raises(QregError) as caught:
        run(after, Verify(images=1))

    text = str(caught.value)
    assert "does not compile the program (exit code 1):" in text
    assert "nothing" in text and "undeclared" in text
    assert "/tmp" not in text


def test_a_compiler_that_fails_in_silence_is_told(tmp_path: Path) -> None:
    with pytest.raises(QregError, match=r"the program \(exit code 1\) without a message$"):
        run(context(integer_model(), tmp_path), Verify(images=1, compiler="false"))


@needs_sanitizers
def test_a_program_that_oversteps_its_memory_is_caught(tmp_path: Path) -> None:
    after = _emitted(integer_model(), tmp_path)
    header = tmp_path / "mine.h"
    smaller = re.sub(r"bytes\[(\d+)\]", lambda m: f"bytes[{int(m[1]) - 64}]", header.read_text())
    header.write_text(smaller)

    with pytest.raises(QregError, match="the compiled program fails"):
        run(after, Verify(images=1, sanitize=True))


def test_ulp_are_those_of_the_largest_number() -> None:
    expected = np.float32([[1.0, 1024.0], [1e-3, 0.5]])
    found = expected.copy()
    found[0, 0] += np.float32(2.0**-13)  # the last place of 1024 is 2^-13
    found[1, 1] -= np.float32(2.0**-24)  # and that of 0.5 is 2^-24

    difference = compare("y", found, expected, False)

    assert difference.errors.tolist() == [1.0, 1.0]
    assert difference.agrees(1).tolist() == [True, True]
    assert difference.agrees(0.5).tolist() == [False, False]


def test_special_numbers_agree_only_with_themselves() -> None:
    expected = np.float32([[np.nan, 1], [np.inf, 1], [1, 1], [-0.0, 1]])
    found = np.float32([[np.nan, 1], [-np.inf, 1], [np.nan, 1], [0.0, 1]])

    difference = compare("y", found, expected, False)

    assert difference.errors.tolist() == [0, np.inf, np.inf, 0]
    assert compare("y", found, expected, True).agrees(0).tolist() == [True, False, False, True]


def test_the_record_is_plain_json(tmp_path: Path) -> None:
    from qreg.run import to_json

    outcome: Outcome = run(context(integer_model(), tmp_path), Verify(images=2))

    assert str(tmp_path) not in to_json(outcome.record)
    assert '"oracle": "ONNX Runtime' in to_json(outcome.record)


def test_a_single_rounding_is_held_to_equality(tmp_path: Path) -> None:
    model, _ = model_of([Node("Add", [np.float32([1, 2]), const([3, 4])])])

    outcome = run(context(model, tmp_path), Verify(images=2))

    assert outcome.lines[-1] == "verify: 2/2 images bit-exact"


def test_without_a_system_compiler_zig_compiles_and_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ziglang")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(compilers.shutil, "which", lambda name: None)

    outcome = run(context(integer_model(), tmp_path), Verify(data=images(tmp_path)))

    assert outcome.lines[-1] == "verify: 7/7 images bit-exact"
    assert outcome.record.compiler.startswith("clang version")
    assert "/tmp" not in outcome.record.compiler
