"""What mathematical functions cost: one operation where a library has the function under one name,
else the operations of the expression that defines it.

Source: the operator definitions of ONNX and PyTorch, as the entries in ``plugin.py`` name them.
"""

from qreg.records import Cost, OpCall
from qreg_elementwise.operations import each_output, per_output

evaluation = each_output("function")
fractional_part = each_output("trunc sub")
logit = each_output("sub div log")  # log(x / (1 - x))
logit_backward = each_output("sub mul div")  # g / (x * (1 - x))
product_with_log = each_output("log mul")  # x * log(y)
entropy = each_output("log mul neg")
normalised_sine = each_output("mul sin div")  # sin(pi x) / (pi x)
log_of_sum = each_output("exp exp add log")  # log(exp(x) + exp(y))
polar = each_output("cos mul sin mul")
log_sequence = each_output("mul add pow")  # base ** (start + i * step)


def sums_of_log_gamma(call: OpCall) -> Cost:
    """``2 * p`` per output element: ``p`` evaluations, shifted and added up.

    Source: PyTorch ``aten::mvlgamma``: the sum of lgamma(a - i / 2) for i < p, and a constant.
    """
    return per_output(call, 2 * call.attribute("p"))
