"""What activation functions cost, by the expression that defines each; ``x`` is the input, ``g``
the gradient of the result. The quantised forms count what the float forms count.

Source: the operator definitions of ONNX, com.microsoft and PyTorch that the entries in
``plugin.py`` name; backward forms: PyTorch ``aten/src/ATen/native/cpu/Activation.cpp``.
"""

from qreg.records import Cost, OpCall
from qreg_elementwise.operations import each_output, per_output, present

SIGMOID = "neg exp add div"  # 1 / (1 + exp(-x))
GELU = "div erf add mul mul"  # x / 2 * (1 + erf(x / sqrt 2))
GELU_TANH = "pow mul add mul tanh add mul mul"  # x / 2 * (1 + tanh(k * (x + c * x ** 3)))

leaky_relu = each_output("max mul")
shrink = each_output("max sub")
elu = each_output("max exp sub mul")
selu = each_output("max exp sub mul mul")
celu = each_output("max div exp sub mul")
sigmoid = each_output(SIGMOID)
log_sigmoid = each_output(SIGMOID + " log")
hard_sigmoid = each_output("mul add clip")
hard_swish = each_output("mul add clip mul")
softsign = each_output("abs add div")
mish = each_output("exp add log tanh mul")  # x * tanh(log(1 + exp(x)))
glu = each_output(SIGMOID + " mul")

leaky_relu_backward = leaky_relu
prelu_backward = each_output("max mul mul")  # of x, and of the slope
elu_backward = each_output("max exp mul mul")
sigmoid_backward = each_output("sub mul mul")  # g * y * (1 - y)
tanh_backward = each_output("mul sub mul")  # g * (1 - y * y)
log_sigmoid_backward = each_output("exp add div")  # g / (1 + exp(x))
softplus_backward = each_output("exp add div mul")  # g * z / (1 + z), z = exp(x)
hard_sigmoid_backward = each_output("clip mul")
hard_swish_backward = each_output("clip mul add mul")  # g * (x / 3 + 1 / 2)
silu_backward = each_output(SIGMOID + " sub mul add mul mul")  # g * s * (1 + x * (1 - s))
mish_backward = each_output("exp add log tanh " + SIGMOID + " mul sub mul mul add mul")


def swish(call: OpCall) -> Cost:
    """``x * sigmoid(alpha * x)``: five operations, six where alpha is not 1.

    Source: ONNX Swish-24; com.microsoft QuickGelu-1 (alpha is 1.702 by default).
    """
    alpha = call.attribute("alpha", 1.702 if call.op == "QuickGelu" else 1)
    return per_output(call, 5 if alpha == 1 else 6)


def scaled_silu(call: OpCall) -> Cost:
    """``z * sigmoid(z)`` with ``z = scale * x``. Source: com.microsoft ScaledSiLU-1."""
    return per_output(call, 6)


def swiglu(call: OpCall) -> Cost:
    """A swish and one product. Source: ONNX SwiGLU-28."""
    return per_output(call, 6 if call.attribute("alpha", 1) == 1 else 7)


def softplus(call: OpCall) -> Cost:
    """``log(1 + exp(beta * x)) / beta``: three operations, five where beta is not 1.

    Source: ONNX Softplus-22; PyTorch ``aten::softplus``.
    """
    return per_output(call, 3 if call.attribute("beta", 1) == 1 else 5)


def rrelu(call: OpCall) -> Cost:
    """A leaky ReLU, in training with a slope drawn per element. Source: PyTorch ``aten::rrelu``."""
    return per_output(call, 3 if call.attribute("training", False) else 2)


def gelu(call: OpCall) -> Cost:
    """Five operations in the form with erf, eight in the form with tanh.

    Source: ONNX Gelu-20; PyTorch ``aten::gelu``.
    """
    tanh = call.attribute("approximate", "none") == "tanh"
    return per_output(call, len((GELU_TANH if tanh else GELU).split()))


def fast_gelu(call: OpCall) -> Cost:
    """The form with tanh, and the addition of a bias. Source: com.microsoft FastGelu-1."""
    return per_output(call, len(GELU_TANH.split()) + present(call, 1))


def bias_gelu(call: OpCall) -> Cost:
    """The addition of a bias, and the form with erf. Source: com.microsoft BiasGelu-1."""
    return per_output(call, 1 + len(GELU.split()))


def bias_split_gelu(call: OpCall) -> Cost:
    """Per output element two biased numbers, of which one goes through GELU, and their product.

    Source: com.microsoft BiasSplitGelu-1.
    """
    return per_output(call, 2 + len(GELU.split()) + 1)


def gelu_backward(call: OpCall) -> Cost:
    """``g * (cdf + x * pdf)``: 4 + 4 + 3 operations with erf, 18 with tanh.

    With ``t = tanh(k * (x + c * x ** 3))``:
    ``g * ((1 + t) / 2 + x / 2 * (1 - t * t) * k * (1 + 3 * c * x * x))``.

    Source: PyTorch ``aten::gelu_backward``.
    """
    tanh = call.attribute("approximate", "none") == "tanh"
    inner = "pow mul add mul tanh"
    outer = "add mul mul mul sub mul mul mul add mul mul add mul"
    exact = "mul erf add mul mul mul exp mul mul add mul"
    return per_output(call, len((f"{inner} {outer}" if tanh else exact).split()))


def glu_backward(call: OpCall) -> Cost:
    """Nine operations per element of g: the gradients ``s * g`` and ``(1 - s) * s * g * a``.

    Source: PyTorch ``aten::glu_backward``, s the sigmoid of the second half.
    """
    return Cost(elementwise_flops=(4 + 1 + 4) * call.input(0).elements)


def attention_gate(call: OpCall) -> Cost:
    """``decay_scale * softplus(a + dt_bias)``, and the sigmoid of b where it is given.

    Source: com.microsoft LinearAttentionGate-1.
    """
    gate = call.optional(3)
    return Cost(
        elementwise_flops=5 * call.output.elements + (0 if gate is None else 4 * gate.elements)
    )
