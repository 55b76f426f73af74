"""What the steps of optimisers cost: an expression per parameter that is updated.

An op on lists of tensors counts the elements of its first list: its inputs are all lists written
out, the length of the first is in attribute ``self``.
"""

from qreg.records import Cost, OpCall
from qreg_elementwise.operations import Estimate

SIGMOID = "neg exp add div"


def updated(call: OpCall, skipped: int = 0) -> int:
    """Elements of the first list, ``skipped`` inputs after the start."""
    count = call.attribute("self", 1)
    tensors = call.inputs[skipped : skipped + count]
    return sum(t.elements for t in tensors if t is not None)


def each_of_list(operations: str) -> Estimate:
    """An estimator: every word of ``operations`` is done once per element of the first list."""
    count = len(operations.split())

    def estimate(call: OpCall) -> Cost:
        return Cost(elementwise_flops=count * updated(call))

    return estimate


one = each_of_list("any")
nothing = each_of_list("")
fraction = each_of_list("trunc sub")
sigmoid = each_of_list(SIGMOID)
interpolation = each_of_list("sub mul add")
check_and_scale = each_of_list("isfinite mul")
norm = each_of_list("square sum")


def sum_with_factor(call: OpCall) -> Cost:
    """An addition, and a product where the second list has a factor.

    Source: PyTorch ``aten::_foreach_add``.
    """
    return Cost(elementwise_flops=(1 if call.attribute("alpha", 1) == 1 else 2) * updated(call))


def product_sum(call: OpCall) -> Cost:
    """``self + value * a * b``: two operations, three where there are factors.

    Source: PyTorch ``aten::_foreach_addcmul``.
    """
    factors = "scalars" in call.attributes or call.attribute("value", 1) != 1
    factors = factors or call.target.endswith(".Tensor")
    return Cost(elementwise_flops=(3 if factors else 2) * updated(call))


def power(call: OpCall) -> Cost:
    """One power each; the list is the second argument where the base is a number.

    Source: PyTorch ``aten::_foreach_pow``.
    """
    if not call.target.endswith(".ScalarAndTensor"):
        return one(call)
    return Cost(elementwise_flops=sum(t.elements for t in call.inputs if t is not None))


def adam(call: OpCall) -> Cost:
    """13 operations per parameter: ``m = m + (g - m) * b`` is 3, ``v = v * c + g * g * d`` 4,
    ``sqrt(v) / e + eps`` 3, ``p = p - s * m / denominator`` 3. Weight decay takes 2 more, the
    negative of g and the maximum of v 1 each.

    Source: PyTorch ``torch/optim/adam.py``, ``adamw.py``; ``aten::_fused_adam``.
    """
    each = 13 + 2 * (call.attribute("weight_decay", 0.0) != 0)
    each += bool(call.attribute("amsgrad", False)) + bool(call.attribute("maximize", False))
    return Cost(elementwise_flops=each * updated(call))


def sgd(call: OpCall) -> Cost:
    """``p = p - s * g`` is 2; weight decay 2, momentum ``b = b * m + g * (1 - d)`` 3, 2 without
    dampening, none in the first step; Nesterov's form 2; the negative of g 1.

    Source: PyTorch ``torch/optim/sgd.py``; ``aten::_fused_sgd``.
    """
    each = 2 + 2 * (call.attribute("weight_decay", 0.0) != 0)
    if call.attribute("momentum", 0.0) != 0:
        first = call.attribute("is_first_step", False)
        each += 0 if first else 2 + (call.attribute("dampening", 0.0) != 0)
        each += 2 * bool(call.attribute("nesterov", False))
    return Cost(elementwise_flops=(each + bool(call.attribute("maximize", False))) * updated(call))


def adagrad(call: OpCall) -> Cost:
    """``h = h + g * g`` is 2, ``p = p - s * g / (sqrt(h) + eps)`` 5; weight decay 2, the negative 1.

    Source: PyTorch ``torch/optim/adagrad.py``; ``aten::_fused_adagrad``.
    """
    each = 7 + 2 * (call.attribute("weight_decay", 0.0) != 0)
    return Cost(elementwise_flops=(each + bool(call.attribute("maximize", False))) * updated(call))


def onnx_step(call: OpCall) -> Cost:
    """Per parameter: the regularised gradient ``norm * x + g`` is 2; Adagrad 7 more, Adam 12 and 1
    where it shrinks afterwards, Momentum 5 and 2 in Nesterov's form.

    Inputs: the rate, the step, then as many parameters as gradients as states (Adam has two).

    Source: ai.onnx.preview.training Adagrad-1, Adam-1, Momentum-1.
    """
    kinds = 4 if call.op == "Adam" else 3
    parameters = call.inputs[2 : 2 + (len(call.inputs) - 2) // kinds]
    each = 2 + {"Adagrad": 7, "Adam": 12, "Momentum": 5}[call.op]
    each += call.op == "Adam" and call.attribute("norm_coefficient_post", 0.0) != 0
    each += 2 * (call.attribute("mode", "standard") == "nesterov")
    return Cost(elementwise_flops=each * sum(t.elements for t in parameters if t is not None))
