"""Steps of optimisers, and functions over lists of tensors: cost."""

from qreg.hooks import hookimpl
from qreg.specs import LayerEstimatorSpec, Spec

QREG_API = 1

FOREACH = (
    "aten._foreach_abs", "aten._foreach_acos", "aten._foreach_asin", "aten._foreach_atan",
    "aten._foreach_ceil", "aten._foreach_clamp_max", "aten._foreach_clamp_min",
    "aten._foreach_cos", "aten._foreach_cosh", "aten._foreach_div", "aten._foreach_erf",
    "aten._foreach_erfc", "aten._foreach_exp", "aten._foreach_expm1", "aten._foreach_floor",
    "aten._foreach_lgamma", "aten._foreach_log", "aten._foreach_log10", "aten._foreach_log1p",
    "aten._foreach_log2", "aten._foreach_max", "aten._foreach_maximum", "aten._foreach_minimum",
    "aten._foreach_mul", "aten._foreach_neg", "aten._foreach_reciprocal", "aten._foreach_round",
    "aten._foreach_rsqrt", "aten._foreach_sign", "aten._foreach_sin", "aten._foreach_sinh",
    "aten._foreach_sqrt", "aten._foreach_tan", "aten._foreach_tanh", "aten._foreach_trunc",
)  # fmt: skip
ONNX_STEP = (
    "ai.onnx.preview.training.Adagrad", "ai.onnx.preview.training.Adam",
    "ai.onnx.preview.training.Momentum",
)  # fmt: skip


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="foreach",
            targets=FOREACH,
            summary="one operation per element of the first list",
            source="PyTorch foreach functions",
            estimate="qreg_optimizer.cost:one",
        ),
        LayerEstimatorSpec(
            name="foreach_copy",
            targets=("aten._foreach_clone", "aten._foreach_copy", "aten._foreach_zero"),
            summary="moves or writes data",
            source="PyTorch aten::_foreach_copy",
            estimate="qreg_optimizer.cost:nothing",
        ),
        LayerEstimatorSpec(
            name="foreach_add",
            targets=("aten._foreach_add", "aten._foreach_sub"),
            summary="one addition per element, and a product by a factor",
            source="PyTorch aten::_foreach_add",
            estimate="qreg_optimizer.cost:sum_with_factor",
        ),
        LayerEstimatorSpec(
            name="foreach_product_sum",
            targets=("aten._foreach_addcmul", "aten._foreach_addcdiv"),
            summary="product, sum, and a product by a factor per element",
            source="PyTorch aten::_foreach_addcmul",
            estimate="qreg_optimizer.cost:product_sum",
        ),
        LayerEstimatorSpec(
            name="foreach_pow",
            targets=("aten._foreach_pow",),
            summary="one power per element",
            source="PyTorch aten::_foreach_pow",
            estimate="qreg_optimizer.cost:power",
        ),
        LayerEstimatorSpec(
            name="foreach_lerp",
            targets=("aten._foreach_lerp",),
            summary="subtraction, product, addition per element",
            source="PyTorch aten::_foreach_lerp",
            estimate="qreg_optimizer.cost:interpolation",
        ),
        LayerEstimatorSpec(
            name="foreach_frac",
            targets=("aten._foreach_frac",),
            summary="truncation and subtraction per element",
            source="PyTorch aten::_foreach_frac",
            estimate="qreg_optimizer.cost:fraction",
        ),
        LayerEstimatorSpec(
            name="foreach_sigmoid",
            targets=("aten._foreach_sigmoid",),
            summary="four operations per element",
            source="PyTorch aten::_foreach_sigmoid",
            estimate="qreg_optimizer.cost:sigmoid",
        ),
        LayerEstimatorSpec(
            name="foreach_norm",
            targets=("aten._foreach_norm", "aten._foreach_powsum"),
            summary="power and sum per element",
            source="PyTorch aten::_foreach_norm",
            estimate="qreg_optimizer.cost:norm",
        ),
        LayerEstimatorSpec(
            name="check_and_scale",
            targets=("aten._amp_foreach_non_finite_check_and_unscale",),
            summary="comparison and product per element",
            source="PyTorch aten::_amp_foreach_non_finite_check_and_unscale",
            estimate="qreg_optimizer.cost:check_and_scale",
        ),
        LayerEstimatorSpec(
            name="adam",
            targets=("aten._fused_adam", "aten._fused_adamw"),
            summary="13 operations per parameter, and what is asked for",
            source="PyTorch aten::_fused_adam",
            estimate="qreg_optimizer.cost:adam",
        ),
        LayerEstimatorSpec(
            name="sgd",
            targets=("aten._fused_sgd",),
            summary="two operations per parameter, and what is asked for",
            source="PyTorch aten::_fused_sgd",
            estimate="qreg_optimizer.cost:sgd",
        ),
        LayerEstimatorSpec(
            name="adagrad",
            targets=("aten._fused_adagrad",),
            summary="seven operations per parameter, and what is asked for",
            source="PyTorch aten::_fused_adagrad",
            estimate="qreg_optimizer.cost:adagrad",
        ),
        LayerEstimatorSpec(
            name="onnx_step",
            targets=ONNX_STEP,
            summary="7 to 15 operations per parameter",
            source="ai.onnx.preview.training Adagrad-1, Adam-1, Momentum-1",
            estimate="qreg_optimizer.cost:onnx_step",
        ),
    )
