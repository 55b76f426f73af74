"""What factorising and solving costs: all operations on numbers, products and sums alike.

They are no contraction: every step needs the result of the one before. Eigenvalues and singular
values have no estimator: how many sweeps they take is data. What is done once per row (pivoting,
signs) is not counted.

Source: Anderson et al., "LAPACK Users' Guide", third edition, and Blackford, Dongarra, "Installation
Guide for LAPACK" (LAPACK Working Note 41), appendix on operation counts; Golub, Van Loan, "Matrix
Computations", algorithms 3.1.1, 3.2.1, 4.2.2, 5.2.1.
"""

from math import prod

from qreg.records import Cost, OpCall


def lu_operations(rows: int, columns: int) -> int:
    """Step i divides the column under the pivot, and takes off it a product of column and row."""
    steps = min(rows, columns)
    return sum((rows - i) * (1 + 2 * (columns - i)) for i in range(1, steps + 1))


def cholesky_operations(size: int) -> int:
    """Step i takes a root, divides a column, and subtracts products from half a square."""
    return sum(1 + (size - i) + (size - i) * (size - i + 1) for i in range(1, size + 1))


def triangular_operations(size: int, columns: int, unit: bool = False) -> int:
    """Per column: element i takes i - 1 products and subtractions, and a division."""
    return columns * (size * (size - 1) + (0 if unit else size))


def solve_operations(size: int, columns: int) -> int:
    """Both triangles of an LU factorisation, of which one has ones on its diagonal."""
    return triangular_operations(size, columns, unit=True) + triangular_operations(size, columns)


def qr_operations(rows: int, columns: int) -> int:
    """``2 * n * n * (m - n / 3)`` by Householder reflections of m rows and n columns; m >= n.

    Source: Golub, Van Loan, "Matrix Computations", algorithm 5.2.1.
    """
    long, short = max(rows, columns), min(rows, columns)
    return 2 * short * short * (3 * long - short) // 3


def _matrices(call: OpCall, index: int = 0) -> tuple[int, int, int]:
    """How many matrices, their rows, their columns."""
    *batch, rows, columns = call.input(index).shape
    return prod(batch), rows, columns


def lu(call: OpCall) -> Cost:
    """Source: PyTorch ``aten::linalg_lu_factor``."""
    count, rows, columns = _matrices(call)
    return Cost(elementwise_flops=count * lu_operations(rows, columns))


def determinant(call: OpCall) -> Cost:
    """An LU factorisation, and the product of its diagonal. Source: ONNX Det-22."""
    count, size, _ = _matrices(call)
    return Cost(elementwise_flops=count * (lu_operations(size, size) + size - 1))


def log_determinant(call: OpCall) -> Cost:
    """An LU factorisation, and the sum of the logarithms of its diagonal's absolute values.

    Source: PyTorch ``aten::linalg_slogdet``.
    """
    count, size, _ = _matrices(call)
    return Cost(elementwise_flops=count * (lu_operations(size, size) + 3 * size))


def inverse(call: OpCall) -> Cost:
    """An LU factorisation, and the solution for the columns of the identity.

    Source: PyTorch ``aten::linalg_inv_ex``, which solves; com.microsoft Inverse-1.
    """
    count, size, _ = _matrices(call)
    return Cost(
        elementwise_flops=count * (lu_operations(size, size) + solve_operations(size, size))
    )


def cholesky(call: OpCall) -> Cost:
    """Source: PyTorch ``aten::linalg_cholesky_ex``."""
    count, size, _ = _matrices(call)
    return Cost(elementwise_flops=count * cholesky_operations(size))


def solve(call: OpCall) -> Cost:
    """An LU factorisation, and both triangles per right-hand side.

    Source: PyTorch ``aten::linalg_solve_ex``.
    """
    count, size, _ = _matrices(call)
    solved = solve_operations(size, call.output.elements // size)
    return Cost(elementwise_flops=count * lu_operations(size, size) + solved)


def solve_factorised(call: OpCall) -> Cost:
    """Both triangles per right-hand side. Source: PyTorch ``aten::linalg_lu_solve``."""
    unit = call.op != "cholesky_solve"
    factors = 0 if call.op == "linalg_lu_solve" else 1
    size = call.input(factors).shape[-1]
    columns = call.output.elements // size
    return Cost(
        elementwise_flops=triangular_operations(size, columns, unit)
        + triangular_operations(size, columns)
    )


def solve_triangular(call: OpCall) -> Cost:
    """One triangle per right-hand side. Source: PyTorch ``aten::linalg_solve_triangular``."""
    size = call.input(1 if call.op == "triangular_solve" else 0).shape[-1]
    unit = bool(call.attribute("unitriangular", False))
    columns = call.output.elements // size
    return Cost(elementwise_flops=triangular_operations(size, columns, unit))


def qr(call: OpCall) -> Cost:
    """The factor R, and Q at the same price where it is wanted.

    Source: PyTorch ``aten::linalg_qr``, ``aten::geqrf``.
    """
    count, rows, columns = _matrices(call)
    factors = 1 if call.op == "geqrf" or call.attribute("mode", "reduced") == "r" else 2
    return Cost(elementwise_flops=factors * count * qr_operations(rows, columns))
