"""Numbers as C99 spells them, exactly."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from qreg.errors import QregError
from qreg.records import Array

C_TYPES = {
    "bool": "uint8_t",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "int64": "int64_t",
    "uint64": "uint64_t",
    "float32": "float",
    "float64": "double",
}
COLUMNS = 100
INT32_MIN, INT64_MIN = -(2**31), -(2**63)


def c_type(dtype: str) -> str:
    """``float`` of ``float32``. Raises QregError for a dtype that C99 has no type for."""
    if dtype not in C_TYPES:
        raise QregError(f"element type {dtype!r} has no C99 type; known: {', '.join(C_TYPES)}")
    return C_TYPES[dtype]


def literal(value: object) -> object:
    """How a template's ``{{ value }}`` is written: numbers as C literals, the rest as it is.

    A Python float (an ONNX attribute) is a C float; only ``numpy.float64`` is a double.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (int, np.integer)):
        return integer_literal(int(value))
    if isinstance(value, np.float64):
        return real_literal(float(value), "")
    if isinstance(value, (float, np.float32)):
        return real_literal(float(np.float32(value)), "f")
    return value


def integer_literal(value: int) -> str:
    """The smallest integers have no literal of their own: C reads a minus and a larger number."""
    if value == INT32_MIN:
        return "(-2147483647 - 1)"
    if value == INT64_MIN:
        return "(-9223372036854775807 - 1)"
    return str(value) if value <= 2**63 - 1 else f"{value}u"


def real_literal(value: float, suffix: str) -> str:
    """A hexadecimal literal: the same bits whatever the compiler's decimal conversion."""
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    mantissa, _, exponent = value.hex().partition("p")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}p{exponent}{suffix}"


def array_lines(array: Array) -> Iterator[str]:
    """The elements of an initialiser in row-major order, as lines of at most COLUMNS."""
    line = "   "
    for text in _elements(array):
        if len(line) + len(text) + 2 > COLUMNS:
            yield line
            line = "   "
        line += f" {text},"
    yield line


def has_special(array: Array) -> bool:
    """Whether the numbers need NAN or INFINITY of <math.h>."""
    return array.dtype.kind == "f" and not bool(np.isfinite(array).all())


def _elements(array: Array) -> Iterator[str]:
    values: list[Any] = array.ravel().tolist()
    if array.dtype.kind == "f":
        suffix = "f" if array.dtype == np.float32 else ""
        return (real_literal(v, suffix) for v in values)
    return (integer_literal(int(v)) for v in values)
