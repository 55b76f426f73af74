"""How every spelling of a matrix product reads its operands."""

from attrs import evolve

from qreg.records import OpCall
from qreg_channels.geometry import Geometry
from qreg_channels.products import Matrices
from qreg_channels.state import States

PLAIN = ("MatMul", "MatMulInteger", "matmul", "linalg_matmul", "mm", "bmm", "mv", "dot", "vdot")
ADDED_FIRST = ("addmm", "baddbmm", "addmv")  # PyTorch's: bias, left, right


def matrices(call: OpCall) -> Matrices | None:
    """The operands by position; None for an op of another kind.

    Source: ONNX Gemm-13, MatMul-13; com.microsoft QGemm-1; PyTorch, torch.addmm, linear, matmul.
    """
    if call.op in PLAIN:
        return Matrices()
    if call.op == "linear":
        return Matrices(bias=2, right_turned=True)
    if call.op in ADDED_FIRST:
        return Matrices(left=1, right=2, bias=0)
    if call.op in ("Gemm", "QGemm"):
        quantised = call.op == "QGemm"
        return Matrices(
            right=3 if quantised else 1,
            bias=6 if quantised else 2,
            left_turned=bool(call.attribute("transA", 0)),
            right_turned=bool(call.attribute("transB", 0)),
        )
    return Matrices(right=3) if call.op == "QLinearMatMul" else None


def linear(call: OpCall, states: States) -> Geometry | None:
    """The product as a linear layer, where one operand is a stored matrix; else None."""
    found = matrices(call)
    if found is None:
        return None
    factors = Geometry(
        bias=found.bias,
        factor=float(call.attribute("alpha", 1.0)),
        bias_factor=float(call.attribute("beta", 1.0)),
    )
    if _is_stored_matrix(call, states, found.right):
        axes = (1, 0) if found.right_turned else (0, 1)
        data_axis = 0 if found.left_turned else -1
        return evolve(
            factors, data=found.left, weight=found.right, in_axis=axes[0], out_axis=axes[1],
            data_axis=data_axis, output_axis=-1,
        )  # fmt: skip
    if _is_stored_matrix(call, states, found.left):
        axes = (0, 1) if found.left_turned else (1, 0)
        vector = len(call.input(found.right).shape) == 1
        columns = -1 if found.right_turned or vector else -2
        return evolve(
            factors, data=found.right, weight=found.left, in_axis=axes[0], out_axis=axes[1],
            data_axis=columns, output_axis=-1 if vector else -2,
        )  # fmt: skip
    return None


def _is_stored_matrix(call: OpCall, states: States, index: int) -> bool:
    found = states[index]
    return found is not None and found.is_constant and len(call.input(index).shape) == 2
