"""C for element-by-element ops."""

import numpy as np

from qreg.records import OpCall
from qreg_emit.loops import broadcast, fused, index, row_major
from qreg_emit.operands import (
    EIGHT_BITS,
    SATURATE,
    activation,
    either,
    grid,
    on_grid,
    one_number,
    only_dtype,
    optional_constant,
)
from qreg_numerics.elementwise import scalar_first
from qreg_numerics.float32 import fma

LIMITS_ARE_INPUTS = 11  # the operator set from which Clip's limits are inputs


def add_float(call: OpCall) -> dict[str, object]:
    """Source: ONNX Add-14."""
    return {**_walk(call, 0, 1), "arrays": either(call, 0, 1), "exact": True}


def add_int8(call: OpCall) -> dict[str, object]:
    """``fma(a, ra, fma(b, rb, F))`` on the raw integers; the operands may swap roles.

    Source: ONNX Runtime com.microsoft QLinearAdd-1, MlasQLinearAddKernelAvx2.
    """
    for position in (0, 3):
        only_dtype(call, call.input(position), *EIGHT_BITS)
    walk = _walk(call, 0, 3)
    a, b = grid(call, 1, "A", call.input(0).dtype), grid(call, 4, "B", call.input(3).dtype)
    y = grid(call, 6, "C", call.input(0).dtype)
    names, places = ("in0", "in3"), (walk["a"], walk["b"])
    if scalar_first(call.input(0).shape, call.input(3).shape):
        a, b, names, places = b, a, names[::-1], places[::-1]
    ratio_a, ratio_b = a.scale / y.scale, b.scale / y.scale
    zeros = fma(ratio_a, np.array(a.zero_point), ratio_b * np.float32(b.zero_point))
    arrays = either(call, 0, 3)
    return {
        **on_grid(y),
        "counts": walk["counts"],
        "a": places[0],
        "b": places[1],
        "y": walk["y"],
        "first_operand": names[0],
        "second_operand": names[1],
        "ratio_a": ratio_a,
        "ratio_b": ratio_b,
        "fixed": np.float32(y.zero_point) - np.float32(zeros),
        "arrays": arrays,
        "helpers": SATURATE,
        "headers": ("math.h",),
        "exact": True,
        "notes": (
            "arithmetic of x86-64 with AVX2: fused multiply-add, zero points in the constant",
        ),
    }


def relu(call: OpCall) -> dict[str, object]:
    """Source: ONNX Relu-14."""
    return {"elements": activation(call, 0, "X", ("float32",)).elements, "exact": True}


def clip(call: OpCall) -> dict[str, object]:
    """``min(max(x, low), high)``; a limit left out is the type's.

    Source: ONNX Clip-13.
    """
    x = activation(call, 0, "input", ("float32", *EIGHT_BITS))
    kind = np.dtype(x.dtype)
    extremes = np.finfo(kind) if kind.kind == "f" else np.iinfo(kind)
    limits = {}
    for position, (name, extreme) in enumerate((("min", extremes.min), ("max", extremes.max)), 1):
        if call.opset < LIMITS_ARE_INPUTS:
            limits[name] = kind.type(call.attribute(name, extreme))
        else:
            given = optional_constant(call, position, name)
            limits[name] = kind.type(extreme if given is None else one_number(call, given, name))
    return {
        "elements": x.elements,
        "wide": "float" if kind.kind == "f" else "int32_t",  # a limit of the type draws a warning
        "low": limits["min"],
        "high": limits["max"],
        "exact": True,
    }


def _walk(call: OpCall, left: int, right: int) -> dict[str, object]:
    shape = call.output.shape
    counts, steps = fused(
        shape,
        *(broadcast(call.input(i).shape, shape) for i in (left, right)),
        row_major(shape),
    )
    return {"counts": counts, **dict(zip("aby", map(index, steps), strict=True))}
