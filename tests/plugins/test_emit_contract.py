"""Emitters of third parties: their own package of templates, and blame where it belongs."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from attrs import evolve
from emit_support import Node, compiled, const, model_of, ulps

import qreg
from qreg.api import catalogue
from qreg.catalogue import Catalogue, Entry
from qreg.errors import QregError
from qreg.records import OpCall
from qreg.specs import CEmitterSpec
from qreg_emit.build import program_of
from qreg_emit.program import Program
from qreg_emit.render import sources

ROWS = """\
{# The template knows neither the names of its arrays nor where its scratch lies. #}
for (int32_t i = 0; i < {{ elements }}; ++i) {
    sums[i] = stranger_twice(in0[i]) * {{ factors }}[i % {{ count }}];
}
for (int32_t i = 0; i < {{ elements }}; ++i) {
    out0[i] = sums[i] + {{ shift }};
}
"""
HELPER = "static inline float stranger_twice(float x)\n{\n    return x + x;\n}\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "stranger"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "rows.c.j2").write_text(ROWS)
    (folder / "twice.c.j2").write_text(HELPER)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    sys.modules.pop("stranger", None)
    sys.modules.pop("stranger.emit", None)


def context(call: OpCall) -> dict[str, Any]:
    return {
        "elements": call.output.elements,
        "count": 3,
        "shift": 0.1,
        "arrays": {"factors": np.float32([1, 2, 3])},
        "scratch": {"sums": ("float32", call.output.elements)},
        "helpers": ("stranger:twice.c.j2",),
        "notes": ("a note */ with a trap",),
        "exact": True,
    }


def _with(answer: Callable[[OpCall], Any], package: Path, **more: Any) -> Catalogue:
    """What is installed, and an emitter for Sin whose context is ``answer``."""
    (package / "emit.py").write_text("answer = None\n")
    spec = CEmitterSpec(
        name="rows", targets=("onnx.Sin",), template=more.get("template", "stranger:rows.c.j2"),
        context="stranger.emit:answer",
    )  # fmt: skip
    spec.context.load()  # imports the module, so that its attribute can be set
    sys.modules["stranger.emit"].answer = answer  # type: ignore[attr-defined]
    entry = Entry("stranger", "qreg-stranger", "1.0", "stranger.plugin", spec)
    known = catalogue()
    return evolve(known, entries=(*known.entries, entry))


def _model() -> onnx.ModelProto:
    return model_of([Node("Sin", [np.float32([0.5, -1, 2, 3, 4, 5])])])[0]


def _program(found: Catalogue) -> Program:
    return program_of(qreg.load(_model()), found)


def test_a_strangers_template_is_found_filled_and_right(package: Path, tmp_path: Path) -> None:
    made = _program(_with(context, package))

    text = sources(made)[f"{made.name}.c"]
    x = np.float32([0.5, -1, 2, 3, 4, 5])
    found = compiled(made, tmp_path).run({"x0_0": x})

    expected = (x + x) * np.float32([1, 2, 3, 1, 2, 3]) + np.float32(0.1)
    assert ulps(found["y0_0"], expected) == 0
    assert "emitter stranger/rows" in text
    assert "a note *\\/ with a trap" in text
    assert text.count("stranger_twice(float x)") == 1
    assert made.arena.bytes == 6 * 4


BLAME = "c_emitters entry stranger/rows (qreg-stranger)"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda c: 1 / 0, f"(onnx.Sin): {BLAME} failed: ZeroDivisionError: division by zero"),
        (lambda c: [1], f"{BLAME}: context for 'n0' (onnx.Sin): expected a dict, found list"),
        (lambda c: {"arrays": {"a b": np.ones(1)}}, "'a b' is no C identifier"),
        (lambda c: {"arrays": {"a": [1.0]}}, "arrays['a'] must be a numpy array with elements"),
        (lambda c: {"arrays": {"a": np.ones(2, np.float16)}}, "with elements of a C type"),
        (lambda c: {"scratch": {"a": 5}}, "scratch['a'] must be (dtype, elements)"),
        (lambda c: {"scratch": {"register": ("float32", 4)}}, "'register' is no C identifier"),
        (lambda c: {"shares": "in7"}, "shares is 'in7', which is no input computed at run time"),
        (lambda c: {"elements": 6}, "stranger:rows.c.j2: UndefinedError: 'factors' is undefined"),
        (
            lambda c: {**context(c), "arrays": {**context(c)["arrays"], "idle": np.ones(3)}},
            f"{BLAME}: context for 'n0' (onnx.Sin): its template does not read array 'idle'",
        ),
    ],
)  # fmt: skip
def test_a_strangers_mistake_is_told_with_its_name(
    answer: Callable[[OpCall], Any], message: str, package: Path
) -> None:
    with pytest.raises(QregError) as caught:
        sources(_program(_with(answer, package)))

    assert message in str(caught.value)


def test_a_template_that_is_not_there_is_named(package: Path) -> None:
    with pytest.raises(QregError, match=r"template stranger:none\.c\.j2 is not in its package"):
        sources(_program(_with(context, package, template="stranger:none.c.j2")))


def test_a_constant_that_a_template_reads_like_memory_is_refused(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qreg_onnx.shapes.FOLDED_ELEMENTS", 0)
    model, _ = model_of([Node("Sin", [const(np.ones(6))])])

    with pytest.raises(QregError) as caught:
        sources(program_of(qreg.load(model), _with(context, package)))

    assert str(caught.value) == (
        "node 'n0' (onnx.Sin): input 0 is a constant, where the template reads memory; compute the "
        "node before export; no C is written"
    )
