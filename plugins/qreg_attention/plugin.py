"""Attention: cost and dead channels."""

from qreg.hooks import hookimpl
from qreg.specs import LayerEstimatorSpec, ShortcutHandlerSpec, Spec

QREG_API = 1

ATTENTION_STATES = (
    "aten._scaled_dot_product_attention_math", "aten._scaled_dot_product_cudnn_attention",
    "aten._scaled_dot_product_efficient_attention", "aten._scaled_dot_product_flash_attention",
    "aten._scaled_dot_product_flash_attention_for_cpu",
    "aten._scaled_dot_product_fused_attention_overrideable", "aten.scaled_dot_product_attention",
)  # fmt: skip


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="attention",
            targets=(
                "aten.scaled_dot_product_attention", "aten._scaled_dot_product_attention_math",
                "aten._scaled_dot_product_flash_attention",
                "aten._scaled_dot_product_flash_attention_for_cpu",
                "aten._scaled_dot_product_efficient_attention",
                "aten._scaled_dot_product_cudnn_attention",
                "aten._scaled_dot_product_fused_attention_overrideable",
            ),
            summary="scores and weighted values in full; what a causal mask drops is told",
            source="PyTorch scaled_dot_product_attention; Vaswani et al. 2017",
            estimate="qreg_attention.aten:attend",
        ),
        LayerEstimatorSpec(
            name="attention_backward",
            targets=(
                "aten._scaled_dot_product_flash_attention_backward",
                "aten._scaled_dot_product_flash_attention_for_cpu_backward",
                "aten._scaled_dot_product_efficient_attention_backward",
                "aten._scaled_dot_product_cudnn_attention_backward",
                "aten._scaled_dot_product_fused_attention_overrideable_backward",
            ),
            summary="the four products of the gradients; nothing computed anew",
            source="Dao et al. 2022, FlashAttention, appendix B.2",
            estimate="qreg_attention.aten:attend_backward",
        ),
        LayerEstimatorSpec(
            name="native_multi_head",
            targets=("aten._native_multi_head_attention",),
            summary="projections and attention in one op",
            source="PyTorch aten::_native_multi_head_attention",
            estimate="qreg_attention.aten:multi_head",
        ),
        LayerEstimatorSpec(
            name="encoder_layer",
            targets=("aten._transformer_encoder_layer_fwd",),
            summary="a whole encoder layer in one op",
            source="PyTorch aten::_transformer_encoder_layer_fwd",
            estimate="qreg_attention.aten:encoder_layer",
        ),
        LayerEstimatorSpec(
            name="onnx_attention",
            targets=("onnx.Attention",),
            summary="scores and weighted values, with a cache, a band or a causal mask",
            source="ONNX Attention-25",
            estimate="qreg_attention.onnx:attend",
        ),
        LayerEstimatorSpec(
            name="projected",
            targets=("com.microsoft.Attention", "com.microsoft.DecoderMaskedSelfAttention",
                     "com.microsoft.QAttention"),
            summary="one product for query, key and value, then attention",
            source="com.microsoft Attention-1, DecoderMaskedSelfAttention-1, QAttention-1",
            estimate="qreg_attention.onnx:projected",
        ),
        LayerEstimatorSpec(
            name="packed_projected",
            targets=("com.microsoft.PackedAttention",),
            summary="tokens without padding, scores counted with it",
            source="com.microsoft PackedAttention-1",
            estimate="qreg_attention.onnx:packed_projected",
        ),
        LayerEstimatorSpec(
            name="ordered",
            targets=("com.microsoft.QOrderedAttention",),
            summary="three int8 products, then attention",
            source="com.microsoft QOrderedAttention-1",
            estimate="qreg_attention.onnx:ordered",
        ),
        LayerEstimatorSpec(
            name="multi_head",
            targets=("com.microsoft.MultiHeadAttention",),
            summary="attention of heads that lie side by side or packed",
            source="com.microsoft MultiHeadAttention-1",
            estimate="qreg_attention.onnx:multi_head",
        ),
        LayerEstimatorSpec(
            name="decoder",
            targets=("com.microsoft.DecoderMaskedMultiHeadAttention",),
            summary="one query over a cache",
            source="com.microsoft DecoderMaskedMultiHeadAttention-1",
            estimate="qreg_attention.onnx:decoder",
        ),
        LayerEstimatorSpec(
            name="packed_multi_head",
            targets=("com.microsoft.PackedMultiHeadAttention",),
            summary="attention counted with the padding that was left out",
            source="com.microsoft PackedMultiHeadAttention-1",
            estimate="qreg_attention.onnx:packed_multi_head",
        ),
        LayerEstimatorSpec(
            name="grouped",
            targets=("com.microsoft.GroupQueryAttention",),
            summary="attention of more query than key heads over a cache, causal",
            source="com.microsoft GroupQueryAttention-1",
            estimate="qreg_attention.onnx:grouped",
        ),
        ShortcutHandlerSpec(
            name="attention",
            targets=ATTENTION_STATES,
            summary="known columns of the values come out as they are",
            propagate="qreg_channels.attention:dispatched",
            needed="qreg_channels.backward_sums:attention",
        ),
        ShortcutHandlerSpec(
            name="onnx_attention",
            targets=("onnx.Attention",),
            summary="known columns of the values come out as they are",
            propagate="qreg_channels.attention:onnx",
        ),
        ShortcutHandlerSpec(
            name="multi_head",
            targets=("com.microsoft.MultiHeadAttention",),
            summary="known columns of the values come out as they are",
            propagate="qreg_channels.fused:multi_head",
        ),
        ShortcutHandlerSpec(
            name="projected_attention",
            targets=("aten._native_multi_head_attention",),
            summary="the bias where a row of the last weight is zero",
            propagate="qreg_channels.fused:projected",
            offsets=(6,),
        ),
        ShortcutHandlerSpec(
            name="encoder_layer",
            targets=("aten._transformer_encoder_layer_fwd",),
            summary="the last norm's shift where that has no scale",
            propagate="qreg_channels.fused:encoder",
        ),
    )  # fmt: skip
