"""C for matrix products: rows of the output grow by one row of the right operand at a time."""

from typing import Any

import numpy as np

from qreg.records import Array, OpCall, Tensor
from qreg_emit.loops import broadcast, fused, index, row_major
from qreg_emit.operands import (
    EIGHT_BITS,
    TO_GRID,
    WRAP,
    accumulator,
    channel_grid,
    either,
    grid,
    on_grid,
    only_dtype,
    optional_constant,
    reach,
    refuse,
)
from qreg_numerics.requantize import contraction_scale


def gemm_float(call: OpCall) -> dict[str, object]:
    """``alpha * A' @ B' + beta * C``.

    Source: ONNX Gemm-13.
    """
    values = _gemm_sizes(call, 0, 1)
    arrays, transposed = either(call, 0, 1), bool(call.attribute("transB", 0))
    if "in1" in arrays and transposed:
        arrays["in1"], transposed = arrays["in1"].T, False
    has_c = call.optional(2) is not None
    return {
        **values,
        "arrays": arrays | (either(call, 2) if has_c else {}),
        "alpha": float(call.attribute("alpha", 1.0)),
        "beta": float(call.attribute("beta", 1.0)),
        "b_index": _matrix_index("k", "n", values["K"], values["N"], transposed),
        "has_c": has_c,
        "c_index": _bias_index(call.input(2), values) if has_c else "",
    }


def matmul_float(call: OpCall) -> dict[str, object]:
    """Source: ONNX MatMul-13 (numpy.matmul)."""
    return {**_matmul_sizes(call, 0, 1), "arrays": either(call, 0, 1)}


def gemm_int8(call: OpCall) -> dict[str, object]:
    """Exact sums, then one rounding; without ``y_scale`` the scaled sum itself.

    Source: ONNX Runtime com.microsoft QGemm-1 (ComputeOutputScale).
    """
    values = _gemm_sizes(call, 0, 3)
    bias = optional_constant(call, 6, "C")
    sums = _sums(call, values, bias, bool(call.attribute("transB", 0)))
    transposed = bool(call.attribute("transB", 0)) and "in3" not in sums["arrays"]
    a_scale = np.float32(call.attribute("alpha", 1.0)) * sums["a_scale"]
    real = call.optional(7) is None
    y = None if real else grid(call, 7, "y", call.input(0).dtype)
    scale = contraction_scale(
        a_scale, sums["b_scale"], np.ones((), np.float32) if y is None else y.scale
    )
    arrays = {**sums["arrays"], "scale": scale} | ({} if bias is None else {"bias": bias})
    return {
        **values,
        **sums,
        **(on_grid(y) if y else {}),
        "arrays": arrays,
        "helpers": (*(TO_GRID if y else ()), *(WRAP if sums["wraps"] else ())),
        "b_index": _matrix_index("k", "n", values["K"], values["N"], transposed),
        "has_bias": bias is not None,
        "c_index": _bias_index(call.input(6), values) if bias is not None else "",
        "real": real,
    }


def matmul_int8(call: OpCall) -> dict[str, object]:
    """Exact sums, then one rounding.

    Source: ONNX QLinearMatMul-21; ONNX Runtime MlasRequantizeOutput.
    """
    values = _matmul_sizes(call, 0, 3)
    sums = _sums(call, values, None, False)
    y = grid(call, 6, "y", call.input(0).dtype)
    scale = contraction_scale(sums["a_scale"], sums["b_scale"], y.scale)
    return {
        **values,
        **sums,
        **on_grid(y),
        "arrays": {**sums["arrays"], "scale": scale},
        "helpers": (*TO_GRID, *(WRAP if sums["wraps"] else ())),
    }


def _sums(
    call: OpCall, sizes: dict[str, Any], bias: Array | None, transposed: bool
) -> dict[str, Any]:
    """The sums of products of inputs 0 and 3: their zero points, scales, and how a sum is held."""
    a, b = call.input(0), call.input(3)
    for operand in (a, b):
        only_dtype(call, operand, *EIGHT_BITS)
    a_grid = grid(call, 1, "a", a.dtype)
    b_scale, b_zeros = channel_grid(call, 4, "b", sizes["N"])
    arrays, terms = either(call, 0), np.full((1, sizes["K"]), 255)
    if b.value is not None:
        right = b.numpy().T if transposed else b.numpy()
        centred = right.astype(np.int16) - b_zeros.astype(np.int16)
        terms = np.moveaxis(centred.reshape(-1, sizes["K"], sizes["N"]), 1, 2).reshape(
            -1, sizes["K"]
        )
        # Zero points that differ by column are taken off here; one for all, when it runs.
        arrays["in3"] = right if np.unique(b_zeros).size == 1 else centred
    elif np.unique(b_zeros).size != 1:
        raise refuse(call, "b is computed at run time and its zero point differs by column")
    largest_bias = np.abs(np.int64(0) if bias is None else bias.astype(np.int64)).max()
    held = accumulator(terms, reach(a_grid), largest_bias)
    return {
        **held,
        "arrays": arrays,
        "scratch": {"acc": (str(held["acc_type"]).removesuffix("_t"), sizes["N"])},
        "a_zero": a_grid.zero_point,
        "b_zero": int(b_zeros[0]) if np.unique(b_zeros).size == 1 else 0,
        "a_scale": a_grid.scale,
        "b_scale": b_scale,
        "exact": True,
        "notes": (f"no sum exceeds {held['bound']}",),
    }


def _gemm_sizes(call: OpCall, left: int, right: int) -> dict[str, Any]:
    a, b = call.input(left), call.input(right)
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise refuse(call, f"A {list(a.shape)} and B {list(b.shape)} are not both matrices")
    transposed = bool(call.attribute("transA", 0))
    k, m = a.shape if transposed else a.shape[::-1]
    n = call.output.shape[1]
    return {"M": m, "K": k, "N": n, "a_index": _matrix_index("m", "k", m, k, transposed)}


def _matmul_sizes(call: OpCall, left: int, right: int) -> dict[str, Any]:
    """Matrices M x K and K x N, and loops over the batches before them."""
    a, b = (call.input(i).shape for i in (left, right))
    rows, columns = (a if len(a) > 1 else (1, *a)), (b if len(b) > 1 else (*b, 1))
    batch = tuple(np.broadcast_shapes(rows[:-2], columns[:-2]))
    m, k, n = rows[-2], rows[-1], columns[-1]
    counts, (sa, sb, sy) = fused(
        batch,
        [s * m * k for s in broadcast(rows[:-2], batch)],
        [s * k * n for s in broadcast(columns[:-2], batch)],
        [s * m * n for s in row_major(batch)],
    )
    if len(counts) == 1 and sa == (m * k,) and sb == (0,):  # one matrix B: all rows of A in a row
        m, counts, sa, sy = m * counts[0], (1,), (0,), (0,)
    return {
        "M": m,
        "K": k,
        "N": n,
        "counts": counts,
        "a": index(sa),
        "b": index(sb),
        "y": index(sy),
    }


def _matrix_index(row: str, column: str, rows: int, columns: int, transposed: bool) -> str:
    return f"{column} * {rows} + {row}" if transposed else f"{row} * {columns} + {column}"


def _bias_index(c: Tensor, sizes: dict[str, Any]) -> str:
    steps = broadcast(c.shape, (sizes["M"], sizes["N"]))
    terms = [f"{name} * {step}" if step != 1 else name
             for name, step in zip("mn", steps, strict=True) if step]  # fmt: skip
    return " + ".join(terms) or "0"
