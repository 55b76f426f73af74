"""Normalisation: cost, dead channels and C."""

from qreg.hooks import hookimpl
from qreg.specs import CEmitterSpec, LayerEstimatorSpec, OpSpec, ShortcutHandlerSpec, Spec

QREG_API = 1

BATCH_NORM_ATEN = (
    "aten.batch_norm", "aten.native_batch_norm", "aten._native_batch_norm_legit",
    "aten._native_batch_norm_legit_functional", "aten._native_batch_norm_legit_no_training",
    "aten._batch_norm_impl_index", "aten._batch_norm_with_update",
    "aten._batch_norm_with_update_functional", "aten._batch_norm_no_update",
    "aten.cudnn_batch_norm", "aten.miopen_batch_norm", "aten.quantized_batch_norm",
    "aten.batch_norm_elemt", "aten.instance_norm", "quantized.batch_norm",
    "quantized.batch_norm1d", "quantized.batch_norm2d", "quantized.batch_norm3d",
)  # fmt: skip
BATCH_NORM_RELU = (
    "quantized.batch_norm_relu", "quantized.batch_norm1d_relu", "quantized.batch_norm2d_relu",
    "quantized.batch_norm3d_relu",
)  # fmt: skip
LAYER_NORM = (
    "onnx.LayerNormalization", "onnx.GroupNormalization", "onnx.InstanceNormalization",
    "com.microsoft.QOrderedLayerNormalization", "aten.layer_norm", "aten.native_layer_norm",
    "aten.group_norm", "aten.native_group_norm", "quantized.layer_norm", "quantized.group_norm",
    "quantized.instance_norm",
)  # fmt: skip
RMS_NORM = (
    "onnx.RMSNormalization", "onnx.SimplifiedLayerNormalization",
    "com.microsoft.BranchwiseRMSNorm", "aten.rms_norm", "aten._fused_rms_norm",
)  # fmt: skip
SOFTMAX = (
    "onnx.Softmax", "com.microsoft.QLinearSoftmax", "aten.softmax", "aten._softmax",
    "aten.special_softmax", "aten._safe_softmax", "quantized.softmax",
)  # fmt: skip
LOG_SOFTMAX = (
    "onnx.LogSoftmax", "aten.log_softmax", "aten._log_softmax", "aten.special_log_softmax",
)  # fmt: skip
EMBED_LAYER_NORM = (
    "com.microsoft.EmbedLayerNormalization", "com.microsoft.QEmbedLayerNormalization",
)  # fmt: skip
BATCH_NORM_BACKWARD = (
    "aten.native_batch_norm_backward", "aten.batch_norm_backward",
    "aten.cudnn_batch_norm_backward", "aten.miopen_batch_norm_backward",
)  # fmt: skip


BATCH_NORM_STATES = (
    "onnx.BatchNormalization", "aten._batch_norm_impl_index", "aten._batch_norm_no_update",
    "aten._native_batch_norm_legit", "aten._native_batch_norm_legit_functional",
    "aten._native_batch_norm_legit_no_training", "aten.batch_norm", "aten.cudnn_batch_norm",
    "aten.miopen_batch_norm", "aten.native_batch_norm",
)  # fmt: skip
RMS_NORM_STATES = (
    "onnx.RMSNormalization", "onnx.SimplifiedLayerNormalization", "aten._fused_rms_norm",
    "aten.rms_norm",
)  # fmt: skip
SOFTMAX_STATES = (
    "onnx.LogSoftmax", "onnx.Softmax", "com.microsoft.QLinearSoftmax", "aten._log_softmax",
    "aten._safe_softmax", "aten._softmax", "aten.log_softmax", "aten.softmax",
    "aten.special_log_softmax", "aten.special_softmax",
)  # fmt: skip


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="batch_norm",
            targets=("onnx.BatchNormalization",),
            summary="one multiply and one add per element",
            source="ONNX BatchNormalization-15, inference",
            estimate="qreg_norm.cost:batch_norm",
        ),
        LayerEstimatorSpec(
            name="batch_norm_aten",
            targets=BATCH_NORM_ATEN,
            summary="two operations per element; statistics of the batch as layer norm",
            source="PyTorch aten::batch_norm, aten::instance_norm",
            estimate="qreg_norm.aten:batch_norm",
        ),
        LayerEstimatorSpec(
            name="batch_norm_relu",
            targets=BATCH_NORM_RELU,
            summary="three operations per element",
            source="PyTorch quantized::batch_norm2d_relu",
            estimate="qreg_norm.aten:batch_norm_relu",
        ),
        LayerEstimatorSpec(
            name="layer_norm",
            targets=LAYER_NORM,
            summary="five operations per element, one for scale and for shift",
            source="ONNX LayerNormalization-17, GroupNormalization-21; PyTorch aten::layer_norm",
            estimate="qreg_norm.cost:layer_norm",
        ),
        LayerEstimatorSpec(
            name="rms_norm",
            targets=RMS_NORM,
            summary="three operations per element, one for scale",
            source="ONNX RMSNormalization-23; PyTorch aten::rms_norm",
            estimate="qreg_norm.cost:rms_norm",
        ),
        LayerEstimatorSpec(
            name="mean_variance",
            targets=("onnx.MeanVarianceNormalization",),
            summary="five operations per element",
            source="ONNX MeanVarianceNormalization-13",
            estimate="qreg_norm.cost:mean_variance",
        ),
        LayerEstimatorSpec(
            name="local_response",
            targets=("onnx.LRN",),
            summary="the window's size and five operations per element",
            source="ONNX LRN-13",
            estimate="qreg_norm.cost:local_response",
        ),
        LayerEstimatorSpec(
            name="unit_norm",
            targets=("onnx.LpNormalization",),
            summary="square, sum, division per element",
            source="ONNX LpNormalization-22",
            estimate="qreg_norm.cost:unit_norm",
        ),
        LayerEstimatorSpec(
            name="unit_row",
            targets=("ai.onnx.ml.Normalizer",),
            summary="three operations per element; two where the largest divides",
            source="ai.onnx.ml Normalizer-1",
            estimate="qreg_norm.cost:unit_row",
        ),
        LayerEstimatorSpec(
            name="affine",
            targets=("ai.onnx.ml.Scaler",),
            summary="subtraction and product per element",
            source="ai.onnx.ml Scaler-1",
            estimate="qreg_norm.cost:affine",
        ),
        LayerEstimatorSpec(
            name="weight_norm",
            targets=("aten._weight_norm", "aten._weight_norm_interface"),
            summary="square, sum, product per element",
            source="PyTorch aten::_weight_norm",
            estimate="qreg_norm.cost:weight_norm",
        ),
        LayerEstimatorSpec(
            name="weight_norm_backward",
            targets=("aten._weight_norm_interface_backward",),
            summary="five operations per element",
            source="PyTorch aten::_weight_norm_interface_backward",
            estimate="qreg_norm.aten:weight_norm_backward",
        ),
        LayerEstimatorSpec(
            name="softmax",
            targets=SOFTMAX,
            summary="five operations per element",
            source="ONNX Softmax-13; com.microsoft QLinearSoftmax-1; PyTorch aten::softmax",
            estimate="qreg_norm.cost:softmax",
        ),
        LayerEstimatorSpec(
            name="log_softmax",
            targets=LOG_SOFTMAX,
            summary="five operations per element",
            source="ONNX LogSoftmax-13; PyTorch aten::log_softmax",
            estimate="qreg_norm.cost:log_softmax",
        ),
        LayerEstimatorSpec(
            name="masked_softmax",
            targets=("aten._masked_softmax",),
            summary="a choice and a softmax: six operations per element",
            source="PyTorch aten::_masked_softmax",
            estimate="qreg_norm.cost:masked_softmax",
        ),
        LayerEstimatorSpec(
            name="biased_softmax",
            targets=("com.microsoft.BiasSoftmax",),
            summary="an addition and a softmax: six operations per element",
            source="com.microsoft BiasSoftmax-1",
            estimate="qreg_norm.cost:biased_softmax",
        ),
        LayerEstimatorSpec(
            name="hardmax",
            targets=("onnx.Hardmax",),
            summary="one comparison per element",
            source="ONNX Hardmax-13",
            estimate="qreg_norm.cost:hardmax",
        ),
        LayerEstimatorSpec(
            name="cosine_similarity",
            targets=("aten.cosine_similarity",),
            summary="three sums of products",
            source="PyTorch aten::cosine_similarity",
            estimate="qreg_norm.aten:cosine_similarity",
        ),
        LayerEstimatorSpec(
            name="skip_layer_norm",
            targets=("com.microsoft.SkipLayerNormalization",),
            summary="additions and a layer norm",
            source="com.microsoft SkipLayerNormalization-1",
            estimate="qreg_norm.fused:skip_layer_norm",
        ),
        LayerEstimatorSpec(
            name="skip_rms_norm",
            targets=("com.microsoft.SkipSimplifiedLayerNormalization",),
            summary="additions and an RMS norm",
            source="com.microsoft SkipSimplifiedLayerNormalization-1",
            estimate="qreg_norm.fused:skip_rms_norm",
        ),
        LayerEstimatorSpec(
            name="group_norm",
            targets=("com.microsoft.GroupNorm", "com.microsoft.SkipGroupNorm"),
            summary="additions, a group norm and its activation",
            source="com.microsoft GroupNorm-1, SkipGroupNorm-1",
            estimate="qreg_norm.fused:group_norm",
        ),
        LayerEstimatorSpec(
            name="embed_layer_norm",
            targets=EMBED_LAYER_NORM,
            summary="a sum of embeddings and a layer norm",
            source="com.microsoft EmbedLayerNormalization-1",
            estimate="qreg_norm.fused:embed_layer_norm",
        ),
        LayerEstimatorSpec(
            name="gated_rms_norm",
            targets=("com.microsoft.GatedRMSNorm",),
            summary="an RMS norm times an activation",
            source="com.microsoft GatedRMSNorm-1",
            estimate="qreg_norm.fused:gated_rms_norm",
        ),
        LayerEstimatorSpec(
            name="softmax_backward",
            targets=("aten._softmax_backward_data",),
            summary="y * (g - sum(g * y))",
            source="PyTorch aten::_softmax_backward_data",
            estimate="qreg_norm.aten:softmax_backward",
        ),
        LayerEstimatorSpec(
            name="log_softmax_backward",
            targets=("aten._log_softmax_backward_data",),
            summary="g - exp(y) * sum(g)",
            source="PyTorch aten::_log_softmax_backward_data",
            estimate="qreg_norm.aten:log_softmax_backward",
        ),
        LayerEstimatorSpec(
            name="masked_softmax_backward",
            targets=("aten._masked_softmax_backward",),
            summary="a choice and four operations per element",
            source="PyTorch aten::_masked_softmax_backward",
            estimate="qreg_norm.aten:masked_softmax_backward",
        ),
        LayerEstimatorSpec(
            name="layer_norm_backward",
            targets=("aten.native_layer_norm_backward", "aten.native_group_norm_backward"),
            summary="up to 15 operations per element, by the gradients asked for",
            source="PyTorch aten::native_layer_norm_backward",
            estimate="qreg_norm.aten:layer_norm_backward",
        ),
        LayerEstimatorSpec(
            name="batch_norm_backward",
            targets=BATCH_NORM_BACKWARD,
            summary="as layer norm; with stored statistics one operation",
            source="PyTorch aten::native_batch_norm_backward",
            estimate="qreg_norm.aten:batch_norm_backward",
        ),
        LayerEstimatorSpec(
            name="rms_norm_backward",
            targets=("aten._fused_rms_norm_backward",),
            summary="up to nine operations per element",
            source="PyTorch aten::_fused_rms_norm_backward",
            estimate="qreg_norm.aten:rms_norm_backward",
        ),
        ShortcutHandlerSpec(
            name="batch_norm",
            targets=BATCH_NORM_STATES,
            summary="known where the input is, or where the scale is zero",
            propagate="qreg_channels.scaling:propagate",
            needed="qreg_channels.backward_elements:first",
            offsets=(2, 3),
        ),
        ShortcutHandlerSpec(
            name="softmax",
            targets=SOFTMAX_STATES,
            summary="known where the whole axis is known",
            propagate="qreg_channels.whole_axis:propagate",
            needed="qreg_channels.backward_sets:softmax",
        ),
        ShortcutHandlerSpec(
            name="layer_norm",
            targets=("onnx.LayerNormalization", "aten.layer_norm", "aten.native_layer_norm"),
            summary="known where all that is normalised is, or the scale is zero",
            propagate="qreg_channels.normalisation:layer",
            needed="qreg_channels.backward_sets:normalised",
            offsets=(2,),
        ),
        ShortcutHandlerSpec(
            name="group_norm",
            targets=("onnx.GroupNormalization", "aten.group_norm", "aten.native_group_norm"),
            summary="known where the whole group is, or the scale is zero",
            propagate="qreg_channels.normalisation:group",
            needed="qreg_channels.backward_sets:grouped",
            offsets=(2,),
        ),
        ShortcutHandlerSpec(
            name="instance_norm",
            targets=("onnx.InstanceNormalization", "aten.instance_norm"),
            summary="known where the whole channel is, or the scale is zero",
            propagate="qreg_channels.normalisation:instance",
            needed="qreg_channels.backward_sets:by_channel",
            offsets=(2,),
        ),
        ShortcutHandlerSpec(
            name="rms_norm",
            targets=RMS_NORM_STATES,
            summary="known where all that is normalised is, or the scale is zero",
            propagate="qreg_channels.normalisation:root_mean_square",
            needed="qreg_channels.backward_sets:normalised",
        ),
        ShortcutHandlerSpec(
            name="hardmax",
            targets=("onnx.Hardmax",),
            summary="known where the whole axis is, without error",
            propagate="qreg_channels.whole_axis:largest",
            needed="qreg_channels.backward_sets:softmax",
        ),
        ShortcutHandlerSpec(
            name="divided",
            targets=("onnx.LRN", "onnx.LpNormalization"),
            summary="zero where the input is",
            propagate="qreg_channels.vanishing:elements",
        ),
        ShortcutHandlerSpec(
            name="trained_norm",
            targets=("aten._batch_norm_with_update", "aten._batch_norm_with_update_functional"),
            summary="live: statistics of the batch",
            propagate="qreg_channels.always_live:propagate",
        ),
        ShortcutHandlerSpec(
            name="skip_layer_norm",
            targets=("com.microsoft.SkipLayerNormalization",),
            summary="as layer norm, of a sum",
            propagate="qreg_channels.normalisation:skip_layer",
            offsets=(3, 4),
        ),
        ShortcutHandlerSpec(
            name="skip_rms_norm",
            targets=("com.microsoft.SkipSimplifiedLayerNormalization",),
            summary="as RMS norm, of a sum",
            propagate="qreg_channels.normalisation:skip_root_mean_square",
            offsets=(3,),
        ),
        OpSpec(
            name="same_shape",
            targets=(
                "onnx.GroupNormalization",
                "onnx.MeanVarianceNormalization",
                "onnx.SimplifiedLayerNormalization",
            ),
            summary="types and shapes that ONNX does not infer",
            source="ONNX GroupNormalization-21, MeanVarianceNormalization-13",
            shape="qreg_numerics.shapes:first_input",
        ),
        CEmitterSpec(
            name="batch_norm_float",
            targets=("onnx.BatchNormalization",),
            dtypes=("float32",),
            summary="float batch normalisation",
            template="qreg_c:batch_norm_float.c.j2",
            context="qreg_norm.emit:batch_norm_float",
        ),
        CEmitterSpec(
            name="softmax_float",
            targets=("onnx.Softmax",),
            dtypes=("float32",),
            summary="float softmax on any axis",
            template="qreg_c:softmax_float.c.j2",
            context="qreg_norm.emit:softmax_float",
        ),
        CEmitterSpec(
            name="softmax_int8",
            targets=("com.microsoft.QLinearSoftmax",),
            dtypes=("int8", "uint8"),
            summary="8-bit softmax, exact",
            template="qreg_c:softmax_int8.c.j2",
            context="qreg_norm.emit:softmax_int8",
        ),
    )
