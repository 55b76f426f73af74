"""Names and numbers of a model as C spells them."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
from emit_support import COMPILER

from qreg.errors import QregError
from qreg_emit.expressions import centred, plus, times
from qreg_emit.literals import array_lines, c_type, literal
from qreg_emit.names import IDENTIFIER, RESERVED, identifier, identifiers, quoted

HOSTILE = ["a b", "layer.0/conv:1", 'x"y\n', "*/ int main", "名前", "", "9lives", "int", "INT",
           "arena", "n0_conv", "b3", "qreg_round", "_", "__x__", "é", "I", "a" * 300]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_any_name_becomes_an_identifier_of_its_own(text: str) -> None:
    found = identifier(text, "tensor")

    assert IDENTIFIER.fullmatch(found)
    assert found.lower() not in RESERVED
    assert not found.startswith(("n0_", "b3", "qreg_", "_"))
    assert len(found) <= 31 + len("tensor_")


def test_identifiers_differ_even_in_capitals() -> None:
    found = identifiers(["a.b", "a/b", "A b", "a_b_2", "", ""], "tensor")

    assert found[0] == "a_b"
    assert len({name.upper() for name in found}) == len(found)


def test_a_plain_name_stays_as_it_is() -> None:
    assert identifiers(["image", "layer1.0.conv1"], "tensor") == ("image", "layer1_0_conv1")


@pytest.mark.parametrize("text", [*HOSTILE, "??/", "*??/", "/*", "'", "\\", "\\\n", "*/*"])
def test_a_quoted_name_cannot_leave_its_comment(text: str, tmp_path: Path) -> None:
    shown = quoted(text)

    assert shown.isascii() and shown.isprintable()
    assert "*/" not in shown and "/*" not in shown and "??" not in shown


def test_float_literals_keep_every_bit() -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, 3000, np.uint32)
    values = bits.view(np.float32)
    values = np.concatenate([values[np.isfinite(values)], np.float32([0.0, -0.0, 1e-45, 0.1])])

    for value in values:
        text = str(literal(value))
        assert text.endswith("f")
        assert np.float32(float.fromhex(text[:-1])).tobytes() == value.tobytes(), text


def test_literals_name_the_type_they_have() -> None:
    assert literal(0.1) == "0x1.99999ap-4f"  # an ONNX attribute is a float32
    assert literal(np.float64(0.1)) == "0x1.999999999999ap-4"
    assert literal(np.array(1.5, np.float32)) == "0x1.8p+0f"
    assert literal(True) == "1"
    assert literal(-(2**31)) == "(-2147483647 - 1)"
    assert literal(-(2**63)) == "(-9223372036854775807 - 1)"
    assert literal(2**64 - 1) == "18446744073709551615u"
    assert (literal(np.inf), literal(-np.inf), literal(np.nan)) == ("INFINITY", "-INFINITY", "NAN")
    assert literal("name") == "name"


def test_arrays_read_back_as_the_compiler_reads_them(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    arrays = [
        generator.integers(-128, 128, 99).astype(np.int8),
        generator.integers(0, 256, 99).astype(np.uint8),
        np.array([-(2**31), 2**31 - 1, 0], np.int32),
        np.array([-(2**63), 2**63 - 1], np.int64),
        np.array([2**64 - 1, 5], np.uint64),
        generator.integers(0, 2**32, 500, np.uint32).view(np.float32),
        np.array([0.1, -1e-310, 1.7e308, np.nan, -np.inf]),
        np.array([True, False]),
    ]
    text = ["#include <math.h>", "#include <stdint.h>"]
    for n, array in enumerate(arrays):
        text.append(f"extern const {c_type(array.dtype.name)} a{n}[{array.size}];")
        text.append(f"const {c_type(array.dtype.name)} a{n}[{array.size}] = {{")
        text += [*array_lines(array), "};"]
    assert max(map(len, text)) <= 100
    (tmp_path / "arrays.c").write_text("\n".join(text) + "\n")

    flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    command = [*COMPILER, *flags, "-shared", "-fPIC", "-o", "arrays.so", "arrays.c"]
    subprocess.run(command, cwd=tmp_path, check=True)

    library = ctypes.CDLL(str(tmp_path / "arrays.so"))
    for n, array in enumerate(arrays):
        found = (ctypes.c_char * array.nbytes).in_dll(library, f"a{n}").raw
        read = np.frombuffer(found, array.dtype)
        if array.dtype.kind == "f":
            special = np.isnan(array)
            assert np.isnan(read[special]).all()
            assert read[~special].tobytes() == array[~special].tobytes()
        else:
            assert found == array.tobytes()


def test_a_type_without_c_is_refused_by_name() -> None:
    with pytest.raises(QregError, match="'bfloat16' has no C99 type; known: bool, int8"):
        c_type("bfloat16")


def test_expressions_have_no_idle_terms() -> None:
    assert [times("oy", 1), times("oy", 2)] == ["oy", "oy * 2"]
    assert [plus("ix", 0), plus("ix", 3), plus("ix", -3)] == ["ix", "ix + 3", "ix - 3"]
    assert centred("x", 0) == "x"
    assert centred("x", -128) == "(int16_t)(x + 128)"
