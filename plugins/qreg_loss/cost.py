"""What losses cost: an expression per element, and one addition each where they are summed up.

``x`` is the input, ``t`` the target, ``g`` the gradient. A piecewise loss counts its longest branch.

Source: the operator definitions of ONNX and PyTorch that the entries in ``plugin.py`` name;
PyTorch ``aten/src/ATen/native/Loss.cpp``, ``LossNLL.cpp``.
"""

from qreg.records import Cost, OpCall
from qreg_elementwise.operations import Estimate, present

LOG_SOFTMAX = 5  # qreg_norm: maximum, subtraction, exponential, sum, subtraction
NONE = (0, "none")  # of ``reduction``; 1 is a mean, 2 a sum


def sums(call: OpCall) -> int:
    """1 where the losses of all elements are added up, else 0."""
    return 0 if call.attribute("reduction", 1) in NONE else 1


def each_pair(operations: str, weight: int | None = None) -> Estimate:
    """An estimator: ``operations`` per element of the input, a product with input ``weight``, and
    the sum.
    """
    count = len(operations.split())

    def estimate(call: OpCall) -> Cost:
        weighted = 0 if weight is None else present(call, weight)
        return Cost(elementwise_flops=(count + weighted + sums(call)) * call.input(0).elements)

    return estimate


def each_gradient(operations: str, weight: int | None = None) -> Estimate:
    """An estimator: ``operations`` per element of the input's gradient, and a product."""
    count = len(operations.split())

    def estimate(call: OpCall) -> Cost:
        weighted = 0 if weight is None else present(call, weight)
        return Cost(elementwise_flops=(count + weighted) * call.input(1).elements)

    return estimate


absolute = each_pair("sub abs")
squared = each_pair("sub square")
smooth_absolute = each_pair("sub abs less mul mul div")  # |d| < b: d * d / 2 / b
huber = each_pair("sub abs less mul mul")
cross_entropy_of_probabilities = each_pair("log mul sub sub log mul add neg", 2)
soft_margin = each_pair("mul neg exp add log")  # log(1 + exp(-t * x))
hinge_embedding = each_pair("equal sub max")
margin_ranking = each_pair("sub neg mul add max")  # max(0, margin - t * (x - y))

squared_backward = each_gradient("sub mul mul")  # 2 / n * (x - t) * g
smooth_absolute_backward = each_gradient("sub less div mul")
huber_backward = each_gradient("sub less mul mul")
cross_entropy_of_probabilities_backward = each_gradient("sub sub mul max div mul", 3)
soft_margin_backward = each_gradient("mul neg exp add div mul mul")


def cross_entropy_of_logits(call: OpCall) -> Cost:
    """``(1 - t) * x - log(sigmoid(x))``: 3 + 5 operations, and products with the two weights.

    Source: PyTorch ``aten::binary_cross_entropy_with_logits``.
    """
    # The weight of positives multiplies the logarithm: (1 + (p - 1) * t) is two operations more.
    each = 8 + present(call, 2) + 3 * present(call, 3) + sums(call)
    return Cost(elementwise_flops=each * call.input(0).elements)


def divergence(call: OpCall) -> Cost:
    """``t * (log(t) - x)``, or ``exp(t) * (t - x)``. Source: PyTorch ``aten::kl_div``."""
    return Cost(elementwise_flops=(3 + sums(call)) * call.input(0).elements)


def poisson(call: OpCall) -> Cost:
    """``exp(x) - t * x``, or ``x - t * log(x + eps)``; Stirling's term is eight operations more:
    ``t * log(t) - t + log(2 * pi * t) / 2`` is added.

    Source: PyTorch ``aten::poisson_nll_loss``.
    """
    each = 3 if call.attribute("log_input", True) else 4
    each += 8 if call.attribute("full", False) else 0
    return Cost(elementwise_flops=(each + sums(call)) * call.input(0).elements)


def chosen(samples: int, weighted: bool, summed: int) -> int:
    """The negative of one number per sample, its product with a weight, and the sum."""
    return (1 + int(weighted) + summed) * samples


def negative_log_likelihood(call: OpCall) -> Cost:
    """Over the input (N, C, ...), the targets (N, ...), the weights of the classes.

    Source: ONNX NegativeLogLikelihoodLoss-22; PyTorch ``aten::nll_loss``.
    """
    samples = call.input(1).elements
    return Cost(elementwise_flops=chosen(samples, present(call, 2) > 0, sums(call)))


def negative_log_likelihood_backward(call: OpCall) -> Cost:
    """Over gradient, input, targets, weights. Source: PyTorch ``aten::nll_loss_backward``."""
    return Cost(elementwise_flops=(1 + present(call, 3)) * call.input(2).elements)


def cross_entropy(call: OpCall) -> Cost:
    """A log-softmax, and the loss of the chosen class; of all classes where the targets are
    probabilities. Smoothed labels take a sum over the classes, and three operations per sample.

    Source: ONNX SoftmaxCrossEntropyLoss-13; PyTorch ``aten::cross_entropy_loss``.
    """
    data, target = call.input(0), call.input(1)
    weighted, summed = present(call, 2) > 0, sums(call)
    smooth = call.attribute("label_smoothing", 0.0) > 0
    if target.shape == data.shape and target.dtype.startswith(("float", "bfloat")):
        each = 2 + int(weighted) + (2 if smooth else 0)  # product, sum; t * (1 - s) + s / C
        rest = each * data.elements + (1 + summed) * (data.elements // data.shape[1])
    else:
        rest = chosen(target.elements, weighted, summed)
        if smooth:
            rest += (1 + int(weighted)) * data.elements + 3 * target.elements
    return Cost(elementwise_flops=LOG_SOFTMAX * data.elements + rest)


def cosine_embedding(call: OpCall) -> Cost:
    """Three sums of products; per row epsilons, a product, a root, a division, two branches.

    Source: PyTorch ``aten::cosine_embedding_loss``.
    """
    data = call.input(0)
    rows = data.elements // data.shape[-1]
    return Cost(elementwise_flops=6 * data.elements + (9 + sums(call)) * rows)


def triplet_margin(call: OpCall) -> Cost:
    """Two distances, a third where the nearer negative is taken; margin, difference, comparison.

    A distance adds an epsilon to each difference. Source: PyTorch ``aten::triplet_margin_loss``.
    """
    data = call.input(0)
    rows = data.elements // data.shape[-1]
    swap = bool(call.attribute("swap", False))
    each = 4 if call.attribute("p", 2.0) in (1, 2) else 5
    per_row = 3 + int(swap) + sums(call)
    return Cost(elementwise_flops=(3 if swap else 2) * each * data.elements + per_row * rows)


def multi_margin(call: OpCall) -> Cost:
    """Per class ``max(0, margin - x[y] + x[i]) ** p``: three operations, the power and the weight.

    Source: PyTorch ``aten::multi_margin_loss``.
    """
    each = 3 + (0 if call.attribute("p", 1) == 1 else 1) + present(call, 2) + 1
    return Cost(elementwise_flops=each * call.input(0).elements)
