"""Factorising and solving: cost."""

from qreg.hooks import hookimpl
from qreg.specs import LayerEstimatorSpec, Spec

QREG_API = 1

INVERSE = (
    "com.microsoft.Inverse", "aten.inverse", "aten.linalg_inv", "aten.linalg_inv_ex",
)  # fmt: skip
LU = (
    "aten.linalg_lu", "aten.linalg_lu_factor", "aten.linalg_lu_factor_ex", "aten._lu_with_info",
)  # fmt: skip


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="determinant",
            targets=("onnx.Det", "aten.det", "aten.linalg_det", "aten._linalg_det"),
            summary="an LU factorisation and a product",
            source="ONNX Det-22; PyTorch aten::linalg_det",
            estimate="qreg_linalg.cost:determinant",
        ),
        LayerEstimatorSpec(
            name="log_determinant",
            targets=("aten.logdet", "aten.slogdet", "aten.linalg_slogdet", "aten._linalg_slogdet"),
            summary="an LU factorisation and logarithms",
            source="PyTorch aten::linalg_slogdet",
            estimate="qreg_linalg.cost:log_determinant",
        ),
        LayerEstimatorSpec(
            name="inverse",
            targets=INVERSE,
            summary="an LU factorisation and a solution per column",
            source="com.microsoft Inverse-1; PyTorch aten::linalg_inv_ex",
            estimate="qreg_linalg.cost:inverse",
        ),
        LayerEstimatorSpec(
            name="lu",
            targets=LU,
            summary="2/3 n ** 3 operations, exactly",
            source="PyTorch aten::linalg_lu_factor; LAPACK Working Note 41",
            estimate="qreg_linalg.cost:lu",
        ),
        LayerEstimatorSpec(
            name="cholesky",
            targets=("aten.cholesky", "aten.linalg_cholesky", "aten.linalg_cholesky_ex"),
            summary="1/3 n ** 3 operations, exactly",
            source="PyTorch aten::linalg_cholesky_ex; LAPACK Working Note 41",
            estimate="qreg_linalg.cost:cholesky",
        ),
        LayerEstimatorSpec(
            name="solve",
            targets=("aten.linalg_solve", "aten.linalg_solve_ex", "aten._linalg_solve_ex"),
            summary="an LU factorisation and two triangles per column",
            source="PyTorch aten::linalg_solve_ex",
            estimate="qreg_linalg.cost:solve",
        ),
        LayerEstimatorSpec(
            name="solve_factorised",
            targets=("aten.linalg_lu_solve", "aten.lu_solve", "aten.cholesky_solve"),
            summary="two triangles per column",
            source="PyTorch aten::linalg_lu_solve",
            estimate="qreg_linalg.cost:solve_factorised",
        ),
        LayerEstimatorSpec(
            name="solve_triangular",
            targets=("aten.linalg_solve_triangular", "aten.triangular_solve"),
            summary="n ** 2 operations per column",
            source="PyTorch aten::linalg_solve_triangular",
            estimate="qreg_linalg.cost:solve_triangular",
        ),
        LayerEstimatorSpec(
            name="qr",
            targets=("aten.linalg_qr", "aten.geqrf", "aten.qr"),
            summary="2 n * n * (m - n / 3) operations, twice where Q is wanted",
            source="PyTorch aten::linalg_qr; Golub, Van Loan, algorithm 5.2.1",
            estimate="qreg_linalg.cost:qr",
        ),
    )
