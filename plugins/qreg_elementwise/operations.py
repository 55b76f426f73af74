"""Formulas of ops that do the same to every element, written as the operations they do.

One addition, multiplication, division, comparison, choice, logical or bit operation is one
operation, of whatever type. So is one evaluation of a function that a mathematics library has under
one name: ``exp``, ``log``, ``pow``, ``tanh``, ``erf``, a root, a Bessel function. A comparison that
picks its result (a maximum, a limit, the branch of a piecewise function) is one in all. What
happens once per row, window or tensor and not per element is not counted, nor is what depends on
attributes alone. Moving, copying and converting are no arithmetic.

Source: Golub, Van Loan, "Matrix Computations", chapter 1: a flop is one floating-point addition,
subtraction, multiplication or division. The expressions are those of the standards that the
entries name.
"""

from collections.abc import Callable

from qreg.records import Cost, OpCall

Estimate = Callable[[OpCall], Cost]


def each_output(operations: str) -> Estimate:
    """An estimator: every word of ``operations`` is done once per element of the first result."""
    count = len(operations.split())

    def estimate(call: OpCall) -> Cost:
        return Cost(elementwise_flops=count * call.output.elements)

    return estimate


def each_input(operations: str) -> Estimate:
    """An estimator: every word of ``operations`` is done once per element of the first input."""
    count = len(operations.split())

    def estimate(call: OpCall) -> Cost:
        return Cost(elementwise_flops=count * call.input(0).elements)

    return estimate


def per_output(call: OpCall, count: int) -> Cost:
    """``count`` operations per element of the first result."""
    return Cost(elementwise_flops=count * call.output.elements)


def per_input(call: OpCall, count: int) -> Cost:
    """``count`` operations per element of the first input."""
    return Cost(elementwise_flops=count * call.input(0).elements)


def present(call: OpCall, *indices: int) -> int:
    """How many of these inputs are given."""
    return sum(call.optional(index) is not None for index in indices)
