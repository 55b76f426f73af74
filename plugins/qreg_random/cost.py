"""What random numbers and dropout cost. One number drawn is one operation, whatever generator and
distribution it comes from.

Source: the operator definitions of ONNX and PyTorch that the entries in ``plugin.py`` name.
"""

from math import prod

import numpy as np

from qreg.records import Cost, OpCall
from qreg_elementwise.operations import each_input, each_output, per_output, present

DROPOUT = "draw less mul mul"  # the mask, the product with it, the scale 1 / (1 - p)
# bernoulli; a * x * mask + b, with b computed from the mask
ALPHA_DROPOUT = "draw less mul mul add add mul mul"

draw = each_output("draw")
bernoulli = each_output("draw less")
dropout_backward = each_output("mul mul")
noise_backward = each_input("mul")


def is_training(call: OpCall) -> bool:
    """Whether a dropout drops: ONNX input 2, absent is no; PyTorch's flag, None is yes.

    A flag that is not known before the model runs is taken as yes.
    """
    if call.target.startswith("aten."):
        return call.attribute("train", True) is not False
    if call.target == "onnx.Dropout" and call.opset < 12:
        return False
    flag = call.optional(4 if "Bias" in call.op else 2)
    return flag is not None and (flag.value is None or bool(np.any(flag.numpy())))


def dropout(call: OpCall) -> Cost:
    """Nothing at inference, where PyTorch gives its input; in training the mask is drawn and
    multiplies with its scale.

    Source: ONNX Dropout-22; PyTorch ``aten::native_dropout``.
    """
    if is_training(call):
        return per_output(call, len(DROPOUT.split()))
    return Cost(moves=call.output.name != call.input(0).name)


def bias_dropout(call: OpCall) -> Cost:
    """Bias, dropout, residual, over data, bias, residual. Source: com.microsoft BiasDropout-1."""
    return per_output(call, present(call, 1, 2) + (4 if is_training(call) else 0))


def alpha_dropout(call: OpCall) -> Cost:
    """Nothing at inference, else eight operations per element.

    Source: PyTorch ``aten::alpha_dropout``.
    """
    return per_output(call, len(ALPHA_DROPOUT.split()) if is_training(call) else 0)


def feature_dropout(call: OpCall) -> Cost:
    """Nothing at inference; else one mask per channel, and two products per element.

    Source: PyTorch ``aten::feature_dropout``.
    """
    if not is_training(call):
        return Cost()
    channels = prod(call.output.shape[:2])
    alpha = "alpha" in call.op
    drawn = (2 + 3 if alpha else 2) * channels
    return Cost(elementwise_flops=drawn + (3 if alpha else 2) * call.output.elements)


def multinomial(call: OpCall) -> Cost:
    """A running sum of the weights, and per sample a draw and a binary search in it.

    ONNX gives logarithms of the weights: an exponential each.

    Source: ONNX Multinomial-22; PyTorch ``aten::multinomial``.
    """
    weights = call.input(0)
    search = max(1, weights.shape[-1].bit_length())
    each = 1 if call.target.startswith("aten.") else 2
    return Cost(elementwise_flops=each * weights.elements + (1 + search) * call.output.elements)
