"""The boundary between real and quantised numbers: cost, dead channels and C."""

from qreg.hooks import hookimpl
from qreg.specs import CEmitterSpec, LayerEstimatorSpec, ShortcutHandlerSpec, Spec

QREG_API = 1

BOUNDARY = (
    "onnx.QuantizeLinear", "onnx.DequantizeLinear", "com.microsoft.QuantizeLinear",
    "com.microsoft.DequantizeLinear", "com.microsoft.QuantizeWithOrder",
    "com.microsoft.DequantizeWithOrder", "aten.quantize_per_tensor",
    "aten.quantize_per_channel", "aten.dequantize", "quantized_decomposed.quantize_per_tensor",
    "quantized_decomposed.quantize_per_channel", "quantized_decomposed.quantize_per_token",
    "quantized_decomposed.quantize_per_channel_group",
    "quantized_decomposed.dequantize_per_tensor", "quantized_decomposed.dequantize_per_channel",
    "quantized_decomposed.dequantize_per_token",
    "quantized_decomposed.dequantize_per_channel_group",
)  # fmt: skip
EXTREMES = (
    "aten._choose_qparams_per_tensor", "quantized_decomposed.choose_qparams",
    "quantized_decomposed.choose_qparams_symmetric",
    "quantized_decomposed.choose_qparams_per_token",
    "quantized_decomposed.choose_qparams_per_token_asymmetric",
)  # fmt: skip
THERE_AND_BACK = (
    "aten.fake_quantize_per_tensor_affine", "aten.fake_quantize_per_channel_affine",
    "aten.fake_quantize_per_tensor_affine_cachemask",
    "aten.fake_quantize_per_channel_affine_cachemask",
    "aten._fake_quantize_per_tensor_affine_cachemask_tensor_qparams",
    "aten._fake_quantize_learnable_per_tensor_affine",
    "aten._fake_quantize_learnable_per_channel_affine",
    "quantized_decomposed.fake_quant_per_channel",
)  # fmt: skip
RANGE_THERE_AND_BACK = (
    "aten.fused_moving_avg_obs_fake_quant", "aten._fused_moving_avg_obs_fq_helper",
    "aten._fused_moving_avg_obs_fq_helper_functional",
)  # fmt: skip
MASKED_GRADIENT = (
    "aten.fake_quantize_per_tensor_affine_cachemask_backward",
    "aten.fake_quantize_per_channel_affine_cachemask_backward",
)  # fmt: skip
LEARNED_BACKWARD = (
    "aten._fake_quantize_learnable_per_tensor_affine_backward",
    "aten._fake_quantize_learnable_per_channel_affine_backward",
)  # fmt: skip
AS_INTEGERS = (
    "aten.int_repr", "aten.q_scale", "aten.q_zero_point", "aten.q_per_channel_scales",
    "aten.q_per_channel_zero_points", "aten.q_per_channel_axis", "aten.qscheme",
    "aten._make_per_tensor_quantized_tensor", "aten._make_per_channel_quantized_tensor",
)  # fmt: skip


BOUNDARY_STATES = (
    "onnx.DequantizeLinear", "onnx.QuantizeLinear", "com.microsoft.DequantizeLinear",
    "com.microsoft.QuantizeLinear", "aten._fake_quantize_learnable_per_channel_affine",
    "aten._fake_quantize_learnable_per_tensor_affine",
    "aten._fake_quantize_per_tensor_affine_cachemask_tensor_qparams",
    "aten.fake_quantize_per_channel_affine", "aten.fake_quantize_per_channel_affine_cachemask",
    "aten.fake_quantize_per_tensor_affine", "aten.fake_quantize_per_tensor_affine_cachemask",
    "quantized_decomposed.dequantize_per_channel", "quantized_decomposed.dequantize_per_tensor",
    "quantized_decomposed.quantize_per_channel", "quantized_decomposed.quantize_per_tensor",
)  # fmt: skip


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="boundary",
            targets=BOUNDARY,
            summary="two operations per element",
            source="ONNX QuantizeLinear-21, DequantizeLinear-21; PyTorch aten::quantize_per_tensor",
            estimate="qreg_qdq.cost:boundary",
        ),
        LayerEstimatorSpec(
            name="range_and_boundary",
            targets=("onnx.DynamicQuantizeLinear", "aten.quantize_per_tensor_dynamic"),
            summary="two comparisons and two operations per element",
            source="ONNX DynamicQuantizeLinear-11",
            estimate="qreg_qdq.cost:range_and_boundary",
        ),
        LayerEstimatorSpec(
            name="extremes",
            targets=EXTREMES,
            summary="two comparisons per element",
            source="PyTorch aten::_choose_qparams_per_tensor",
            estimate="qreg_qdq.cost:extremes",
        ),
        LayerEstimatorSpec(
            name="there_and_back",
            targets=THERE_AND_BACK,
            summary="four operations per element",
            source="PyTorch aten::fake_quantize_per_tensor_affine",
            estimate="qreg_qdq.cost:there_and_back",
        ),
        LayerEstimatorSpec(
            name="range_there_and_back",
            targets=RANGE_THERE_AND_BACK,
            summary="two comparisons and four operations per element",
            source="PyTorch aten::fused_moving_avg_obs_fake_quant",
            estimate="qreg_qdq.cost:range_there_and_back",
        ),
        LayerEstimatorSpec(
            name="masked_gradient",
            targets=MASKED_GRADIENT,
            summary="one product per element",
            source="PyTorch aten::fake_quantize_per_tensor_affine_cachemask_backward",
            estimate="qreg_qdq.cost:masked_gradient",
        ),
        LayerEstimatorSpec(
            name="learned_backward",
            targets=LEARNED_BACKWARD,
            summary="six operations per element",
            source="PyTorch aten::_fake_quantize_learnable_per_tensor_affine_backward",
            estimate="qreg_qdq.cost:learned_backward",
        ),
        LayerEstimatorSpec(
            name="as_integers",
            targets=AS_INTEGERS,
            summary="reads or joins integers and scales, computes nothing",
            source="PyTorch aten::int_repr",
            estimate="qreg_qdq.cost:as_integers",
        ),
        ShortcutHandlerSpec(
            name="boundary",
            targets=BOUNDARY_STATES,
            summary="known where the input is known",
            propagate="qreg_channels.elementwise:boundary",
            needed="qreg_channels.backward_elements:first",
        ),
        ShortcutHandlerSpec(
            name="dynamic",
            targets=("onnx.DynamicQuantizeLinear",),
            summary="live: the scale depends on the whole input",
            propagate="qreg_channels.always_live:propagate",
        ),
        CEmitterSpec(
            name="quantize",
            targets=("onnx.QuantizeLinear",),
            dtypes=("float32",),
            summary="float to 8 bits, exact",
            template="qreg_c:quantize.c.j2",
            context="qreg_qdq.emit:quantize",
        ),
        CEmitterSpec(
            name="dequantize",
            targets=("onnx.DequantizeLinear",),
            dtypes=("int8", "uint8"),
            summary="8 bits to float, exact",
            template="qreg_c:dequantize.c.j2",
            context="qreg_qdq.emit:dequantize",
        ),
    )
