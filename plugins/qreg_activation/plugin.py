"""Activation functions: cost and dead channels."""

from qreg.hooks import hookimpl
from qreg.specs import LayerEstimatorSpec, OpSpec, ShortcutHandlerSpec, Spec

QREG_API = 1

LEAKY_RELU = (
    "onnx.LeakyRelu", "onnx.PRelu", "com.microsoft.QLinearLeakyRelu", "aten.leaky_relu",
    "aten.prelu", "aten._prelu_kernel", "aten.leaky_relu_backward", "quantized.leaky_relu",
    "quantized.prelu",
)  # fmt: skip
RRELU = (
    "aten.rrelu", "aten.rrelu_with_noise", "aten.rrelu_with_noise_functional",
    "aten.rrelu_with_noise_",
)  # fmt: skip
SIGMOID = (
    "onnx.Sigmoid", "com.microsoft.QLinearSigmoid", "aten.sigmoid", "aten.special_expit",
    "quantized.sigmoid",
)  # fmt: skip


ACTIVATION_STATES = (
    "onnx.Celu", "onnx.Elu", "onnx.Gelu", "onnx.HardSigmoid", "onnx.HardSwish", "onnx.Mish",
    "onnx.Selu", "onnx.Sigmoid", "onnx.Softplus", "onnx.Softsign", "onnx.Swish",
    "com.microsoft.BiasGelu", "com.microsoft.FastGelu", "com.microsoft.Gelu",
    "com.microsoft.QuickGelu", "aten.celu", "aten.elu", "aten.gelu", "aten.hardsigmoid",
    "aten.hardswish", "aten.log_sigmoid", "aten.log_sigmoid_forward", "aten.mish", "aten.selu",
    "aten.sigmoid", "aten.silu", "aten.softplus", "aten.special_expit",
)  # fmt: skip
STORED_PARAMETERS_STATES = (
    "com.microsoft.QLinearLeakyRelu", "com.microsoft.QLinearSigmoid", "aten._prelu_kernel",
    "aten.prelu",
)  # fmt: skip
SAME_SHAPE = (
    "com.microsoft.BiasGelu", "com.microsoft.FastGelu", "com.microsoft.Gelu",
    "com.microsoft.QLinearLeakyRelu", "com.microsoft.QLinearSigmoid", "com.microsoft.QuickGelu",
)  # fmt: skip


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="leaky_relu",
            targets=LEAKY_RELU,
            summary="comparison and product per element",
            source="ONNX LeakyRelu-16, PRelu-16; PyTorch aten::leaky_relu",
            estimate="qreg_activation.cost:leaky_relu",
        ),
        LayerEstimatorSpec(
            name="rrelu",
            targets=RRELU,
            summary="a leaky ReLU; in training the slope is drawn",
            source="PyTorch aten::rrelu",
            estimate="qreg_activation.cost:rrelu",
        ),
        LayerEstimatorSpec(
            name="shrink",
            targets=("onnx.Shrink", "aten.softshrink"),
            summary="comparison and subtraction per element",
            source="ONNX Shrink-9; PyTorch aten::softshrink",
            estimate="qreg_activation.cost:shrink",
        ),
        LayerEstimatorSpec(
            name="elu",
            targets=("onnx.Elu", "aten.elu", "quantized.elu"),
            summary="comparison, exponential, subtraction, product per element",
            source="ONNX Elu-22; PyTorch aten::elu",
            estimate="qreg_activation.cost:elu",
        ),
        LayerEstimatorSpec(
            name="selu",
            targets=("onnx.Selu", "aten.selu"),
            summary="an ELU and one product per element",
            source="ONNX Selu-22; PyTorch aten::selu",
            estimate="qreg_activation.cost:selu",
        ),
        LayerEstimatorSpec(
            name="celu",
            targets=("onnx.Celu", "aten.celu", "quantized.celu"),
            summary="an ELU and one division per element",
            source="ONNX Celu-12; PyTorch aten::celu",
            estimate="qreg_activation.cost:celu",
        ),
        LayerEstimatorSpec(
            name="sigmoid",
            targets=SIGMOID,
            summary="negation, exponential, addition, division per element",
            source="ONNX Sigmoid-13; com.microsoft QLinearSigmoid-1; PyTorch aten::sigmoid",
            estimate="qreg_activation.cost:sigmoid",
        ),
        LayerEstimatorSpec(
            name="log_sigmoid",
            targets=("aten.log_sigmoid", "aten.log_sigmoid_forward"),
            summary="a sigmoid and a logarithm per element",
            source="PyTorch aten::log_sigmoid: log(1 / (1 + exp(-x)))",
            estimate="qreg_activation.cost:log_sigmoid",
        ),
        LayerEstimatorSpec(
            name="swish",
            targets=("onnx.Swish", "com.microsoft.QuickGelu", "aten.silu"),
            summary="x * sigmoid(alpha * x), with a product less where alpha is 1",
            source="ONNX Swish-24; com.microsoft QuickGelu-1; PyTorch aten::silu",
            estimate="qreg_activation.cost:swish",
        ),
        LayerEstimatorSpec(
            name="scaled_silu",
            targets=("com.microsoft.ScaledSiLU",),
            summary="a product and a SiLU per element",
            source="com.microsoft ScaledSiLU-1",
            estimate="qreg_activation.cost:scaled_silu",
        ),
        LayerEstimatorSpec(
            name="hard_sigmoid",
            targets=("onnx.HardSigmoid", "aten.hardsigmoid"),
            summary="product, addition, clamp per element",
            source="ONNX HardSigmoid-22; PyTorch aten::hardsigmoid",
            estimate="qreg_activation.cost:hard_sigmoid",
        ),
        LayerEstimatorSpec(
            name="hard_swish",
            targets=("onnx.HardSwish", "aten.hardswish", "quantized.hardswish"),
            summary="a hard sigmoid and one product per element",
            source="ONNX HardSwish-22; PyTorch aten::hardswish",
            estimate="qreg_activation.cost:hard_swish",
        ),
        LayerEstimatorSpec(
            name="gelu",
            targets=("onnx.Gelu", "com.microsoft.Gelu", "com.microsoft.QOrderedGelu", "aten.gelu"),
            summary="five operations per element, eight in the form with tanh",
            source="ONNX Gelu-20; com.microsoft Gelu-1; PyTorch aten::gelu",
            estimate="qreg_activation.cost:gelu",
        ),
        LayerEstimatorSpec(
            name="fast_gelu",
            targets=("com.microsoft.FastGelu",),
            summary="eight operations per element, and a bias",
            source="com.microsoft FastGelu-1",
            estimate="qreg_activation.cost:fast_gelu",
        ),
        LayerEstimatorSpec(
            name="bias_gelu",
            targets=("com.microsoft.BiasGelu",),
            summary="a bias and five operations per element",
            source="com.microsoft BiasGelu-1",
            estimate="qreg_activation.cost:bias_gelu",
        ),
        LayerEstimatorSpec(
            name="bias_split_gelu",
            targets=("com.microsoft.BiasSplitGelu",),
            summary="two biases, a GELU and a product per output element",
            source="com.microsoft BiasSplitGelu-1",
            estimate="qreg_activation.cost:bias_split_gelu",
        ),
        LayerEstimatorSpec(
            name="mish",
            targets=("onnx.Mish", "aten.mish"),
            summary="exponential, addition, logarithm, tanh, product per element",
            source="ONNX Mish-22; PyTorch aten::mish",
            estimate="qreg_activation.cost:mish",
        ),
        LayerEstimatorSpec(
            name="softplus",
            targets=("onnx.Softplus", "aten.softplus"),
            summary="exponential, addition, logarithm; two products more where beta is not 1",
            source="ONNX Softplus-22; PyTorch aten::softplus",
            estimate="qreg_activation.cost:softplus",
        ),
        LayerEstimatorSpec(
            name="softsign",
            targets=("onnx.Softsign",),
            summary="absolute value, addition, division per element",
            source="ONNX Softsign-22",
            estimate="qreg_activation.cost:softsign",
        ),
        LayerEstimatorSpec(
            name="glu",
            targets=("aten.glu",),
            summary="a sigmoid and one product per output element",
            source="PyTorch aten::glu",
            estimate="qreg_activation.cost:glu",
        ),
        LayerEstimatorSpec(
            name="swiglu",
            targets=("onnx.SwiGLU",),
            summary="a swish and one product per element",
            source="ONNX SwiGLU-28",
            estimate="qreg_activation.cost:swiglu",
        ),
        LayerEstimatorSpec(
            name="attention_gate",
            targets=("com.microsoft.LinearAttentionGate",),
            summary="a biased softplus and a product, and a sigmoid",
            source="com.microsoft LinearAttentionGate-1",
            estimate="qreg_activation.cost:attention_gate",
        ),
        LayerEstimatorSpec(
            name="prelu_backward",
            targets=("aten._prelu_kernel_backward",),
            summary="three operations per element",
            source="PyTorch aten::_prelu_kernel_backward",
            estimate="qreg_activation.cost:prelu_backward",
        ),
        LayerEstimatorSpec(
            name="elu_backward",
            targets=("aten.elu_backward",),
            summary="comparison, exponential, two products per element",
            source="PyTorch aten::elu_backward",
            estimate="qreg_activation.cost:elu_backward",
        ),
        LayerEstimatorSpec(
            name="sigmoid_backward",
            targets=("aten.sigmoid_backward",),
            summary="g * y * (1 - y)",
            source="PyTorch aten::sigmoid_backward",
            estimate="qreg_activation.cost:sigmoid_backward",
        ),
        LayerEstimatorSpec(
            name="tanh_backward",
            targets=("aten.tanh_backward",),
            summary="g * (1 - y * y)",
            source="PyTorch aten::tanh_backward",
            estimate="qreg_activation.cost:tanh_backward",
        ),
        LayerEstimatorSpec(
            name="log_sigmoid_backward",
            targets=("aten.log_sigmoid_backward",),
            summary="g / (1 + exp(x))",
            source="PyTorch aten::log_sigmoid_backward",
            estimate="qreg_activation.cost:log_sigmoid_backward",
        ),
        LayerEstimatorSpec(
            name="softplus_backward",
            targets=("aten.softplus_backward",),
            summary="g * z / (1 + z), z = exp(x)",
            source="PyTorch aten::softplus_backward",
            estimate="qreg_activation.cost:softplus_backward",
        ),
        LayerEstimatorSpec(
            name="hard_sigmoid_backward",
            targets=("aten.hardsigmoid_backward",),
            summary="comparison and product per element",
            source="PyTorch aten::hardsigmoid_backward",
            estimate="qreg_activation.cost:hard_sigmoid_backward",
        ),
        LayerEstimatorSpec(
            name="hard_swish_backward",
            targets=("aten.hardswish_backward",),
            summary="comparison, product, addition, product per element",
            source="PyTorch aten::hardswish_backward",
            estimate="qreg_activation.cost:hard_swish_backward",
        ),
        LayerEstimatorSpec(
            name="silu_backward",
            targets=("aten.silu_backward",),
            summary="g * s * (1 + x * (1 - s)), s the sigmoid of x",
            source="PyTorch aten::silu_backward",
            estimate="qreg_activation.cost:silu_backward",
        ),
        LayerEstimatorSpec(
            name="mish_backward",
            targets=("aten.mish_backward",),
            summary="14 operations per element",
            source="PyTorch aten::mish_backward",
            estimate="qreg_activation.cost:mish_backward",
        ),
        LayerEstimatorSpec(
            name="gelu_backward",
            targets=("aten.gelu_backward",),
            summary="11 operations per element, 18 in the form with tanh",
            source="PyTorch aten::gelu_backward",
            estimate="qreg_activation.cost:gelu_backward",
        ),
        LayerEstimatorSpec(
            name="glu_backward",
            targets=("aten.glu_backward",),
            summary="nine operations per element of the gradient",
            source="PyTorch aten::glu_backward",
            estimate="qreg_activation.cost:glu_backward",
        ),
        ShortcutHandlerSpec(
            name="activation",
            targets=ACTIVATION_STATES,
            summary="known where the input is: sigmoid(0) is 0.5, gelu(0) is 0",
            propagate="qreg_channels.elementwise:smooth",
            needed="qreg_channels.backward_elements:elementwise",
        ),
        ShortcutHandlerSpec(
            name="stored_parameters",
            targets=STORED_PARAMETERS_STATES,
            summary="known where the input is; the parameters are constant",
            propagate="qreg_channels.elementwise:boundary",
            needed="qreg_channels.backward_elements:first",
        ),
        ShortcutHandlerSpec(
            name="shrink",
            targets=("onnx.Shrink",),
            summary="known where the input is, without error",
            propagate="qreg_channels.elementwise:exactly",
            needed="qreg_channels.backward_elements:elementwise",
        ),
        ShortcutHandlerSpec(
            name="gate",
            targets=("aten.glu",),
            summary="known where both halves are, or the gated one is zero",
            propagate="qreg_channels.absorbing:gated",
            needed="qreg_channels.backward_elements:gated",
        ),
        ShortcutHandlerSpec(
            name="leaky",
            targets=("onnx.LeakyRelu", "onnx.PRelu", "aten.leaky_relu", "aten.softshrink"),
            summary="known where the input is",
            propagate="qreg_channels.elementwise:propagate",
            needed="qreg_channels.backward_elements:elementwise",
        ),
        OpSpec(
            name="same_shape",
            targets=SAME_SHAPE,
            summary="types and shapes that ONNX does not infer",
            source="ONNX Runtime contrib operators, com.microsoft",
            shape="qreg_numerics.shapes:first_input",
        ),
    )
