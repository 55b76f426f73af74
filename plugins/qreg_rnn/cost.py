"""What recurrent networks cost: the formulas, and ONNX ops."""

from collections.abc import Sequence
from math import prod

from attrs import frozen

from qreg.records import Contraction, Cost, OpCall, Weight
from qreg_linear.activations import flops_of
from qreg_linear.cost import NOWHERE, hidden


@frozen
class Cell:
    """A kind of cell: how many matrices its gates stack up, their activations, and the operations
    on every element of the state besides gate sums and activations.
    """

    gates: int
    activations: tuple[str, ...]  # by ONNX, one of each attribute ``activations``
    times: tuple[int, ...]  # how often each of them is evaluated
    state: str


# Source: ONNX RNN-22, GRU-22, LSTM-22: their equations.
RNN = Cell(1, ("tanh",), (1,), "")
GRU = Cell(3, ("sigmoid", "tanh"), (2, 1), "mul sub mul mul add")  # r * .., (1 - z) * n + z * h
LSTM = Cell(4, ("sigmoid", "tanh", "tanh"), (3, 1, 1), "mul mul add mul")  # f * c + i * n, o * ..
PEEPHOLES = "mul add mul add mul add"


def per_element(cell: Cell, biases: int, activations: Sequence[str] = ()) -> int:
    """FLOPs of a cell on one element of its state in one step: the sum of both products and of
    ``biases`` for each gate, the activations, the new state.
    """
    names = activations or cell.activations
    evaluated = sum(n * flops_of(name) for n, name in zip(cell.times, names, strict=True))
    return cell.gates * (1 + biases) + evaluated + len(cell.state.split())


def steps(
    rows: int, outputs: int, inputs: int, weight: Weight | None, count: int = 1
) -> Contraction:
    """One weight matrix of a layer: its product with every step of every sequence of the batch."""
    return Contraction(m=rows, n=outputs, k=inputs, count=count, weight=weight)


def onnx_rnn(call: OpCall) -> Cost:
    """LSTM, GRU, RNN: both weights with every step, in each direction, and the cells' arithmetic.

    Lengths of sequences are data: the full length is counted. Weights of DynamicQuantizeLSTM lie
    the other way round. Source: ONNX RNN-22, GRU-22, LSTM-22; ONNX Runtime DynamicQuantizeLSTM-1.
    """
    cell = {"RNN": RNN, "GRU": GRU}.get(call.op, LSTM)
    turned = call.op == "DynamicQuantizeLSTM"
    x, weight, recurrent = call.input(0), call.input(1), call.input(2)
    rows, directions = prod(x.shape[:2]), weight.shape[0]
    size = recurrent.shape[1 if turned else 2]
    axes = (1, 2) if turned else (2, 1)
    of_input = Weight(
        input=1, in_axis=axes[0], out_axis=axes[1], zero_point=9 if turned else None, data_axis=2,
        output_axis=NOWHERE,
    )  # fmt: skip
    products = (
        steps(rows, cell.gates * size, x.shape[2], of_input, directions),
        steps(rows, cell.gates * size, size, hidden(2, *axes), directions),
    )
    biases = 2 if call.optional(3) is not None else 0
    names = call.attribute("activations") or cell.activations
    each = per_element(cell, biases, tuple(map(str, names[: len(cell.activations)])))
    peepholes = call.op.endswith("LSTM") and call.optional(7) is not None
    each += len(PEEPHOLES.split()) if peepholes else 0
    return Cost(products, rows * directions * size * each)
