"""Random numbers and dropout: cost and dead channels."""

from qreg.hooks import hookimpl
from qreg.specs import LayerEstimatorSpec, ShortcutHandlerSpec, Spec

QREG_API = 1

DRAW = (
    "onnx.RandomNormal", "onnx.RandomNormalLike", "onnx.RandomUniform",
    "onnx.RandomUniformLike", "aten.rand", "aten.rand_like", "aten.randn", "aten.randn_like",
    "aten.randint", "aten.randint_like", "aten.randperm", "aten.normal",
    "aten.normal_functional", "aten.uniform", "aten.random", "aten.log_normal", "aten.cauchy",
    "aten.exponential", "aten.geometric", "aten.poisson", "aten.binomial",
    "aten._standard_gamma", "aten._sample_dirichlet", "aten.normal_", "aten._no_grad_normal_",
    "aten._no_grad_uniform_", "aten._philox_normal", "aten._philox_uniform",
)  # fmt: skip
DROPOUT = (
    "onnx.Dropout", "com.microsoft.BitmaskDropout", "aten.dropout", "aten.native_dropout",
    "aten._fused_dropout", "aten.dropout_", "quantized.dropout",
)  # fmt: skip
FEATURE_DROPOUT = (
    "aten.feature_dropout", "aten.feature_alpha_dropout", "aten.feature_dropout_",
    "aten.feature_alpha_dropout_",
)  # fmt: skip
RANDOM_STATES = (
    "onnx.Bernoulli", "onnx.Multinomial", "onnx.RandomNormal", "onnx.RandomNormalLike",
    "onnx.RandomUniform", "onnx.RandomUniformLike", "aten.bernoulli", "aten.binomial",
    "aten.cauchy", "aten.exponential", "aten.geometric", "aten.log_normal", "aten.multinomial",
    "aten.normal", "aten.normal_functional", "aten.poisson", "aten.rand", "aten.rand_like",
    "aten.randint", "aten.randint_like", "aten.randn", "aten.randn_like", "aten.random",
    "aten.randperm", "aten.uniform",
)  # fmt: skip


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="draw",
            targets=DRAW,
            summary="one number drawn per output element",
            source="ONNX RandomNormal-22, RandomUniform-22; PyTorch aten::randn",
            estimate="qreg_random.cost:draw",
        ),
        LayerEstimatorSpec(
            name="bernoulli",
            targets=("onnx.Bernoulli", "aten.bernoulli"),
            summary="a number drawn and compared per output element",
            source="ONNX Bernoulli-22; PyTorch aten::bernoulli",
            estimate="qreg_random.cost:bernoulli",
        ),
        LayerEstimatorSpec(
            name="dropout",
            targets=DROPOUT,
            summary="nothing at inference; in training four operations per element",
            source="ONNX Dropout-22; PyTorch aten::native_dropout",
            estimate="qreg_random.cost:dropout",
        ),
        LayerEstimatorSpec(
            name="bias_dropout",
            targets=("com.microsoft.BiasDropout", "com.microsoft.BitmaskBiasDropout"),
            summary="additions and a dropout",
            source="com.microsoft BiasDropout-1",
            estimate="qreg_random.cost:bias_dropout",
        ),
        LayerEstimatorSpec(
            name="alpha_dropout",
            targets=("aten.alpha_dropout", "aten.alpha_dropout_"),
            summary="nothing at inference; in training eight operations per element",
            source="PyTorch aten::alpha_dropout",
            estimate="qreg_random.cost:alpha_dropout",
        ),
        LayerEstimatorSpec(
            name="feature_dropout",
            targets=FEATURE_DROPOUT,
            summary="nothing at inference; in training a mask per channel",
            source="PyTorch aten::feature_dropout",
            estimate="qreg_random.cost:feature_dropout",
        ),
        LayerEstimatorSpec(
            name="dropout_backward",
            targets=("aten.native_dropout_backward", "aten._masked_scale"),
            summary="two products per element",
            source="PyTorch aten::native_dropout_backward",
            estimate="qreg_random.cost:dropout_backward",
        ),
        LayerEstimatorSpec(
            name="noise_backward",
            targets=("aten.rrelu_with_noise_backward",),
            summary="one product per element",
            source="PyTorch aten::rrelu_with_noise_backward",
            estimate="qreg_random.cost:noise_backward",
        ),
        LayerEstimatorSpec(
            name="multinomial",
            targets=("onnx.Multinomial", "aten.multinomial"),
            summary="a running sum, and a binary search per sample",
            source="ONNX Multinomial-22; PyTorch aten::multinomial",
            estimate="qreg_random.cost:multinomial",
        ),
        ShortcutHandlerSpec(
            name="random",
            targets=RANDOM_STATES,
            summary="live: drawn by chance",
            propagate="qreg_channels.always_live:propagate",
        ),
    )
