"""Convolution: cost, dead channels and C."""

from qreg.hooks import hookimpl
from qreg.specs import CEmitterSpec, LayerEstimatorSpec, ShortcutHandlerSpec, Spec

QREG_API = 1

CONV_STATES = (
    "onnx.Conv", "onnx.ConvTranspose", "aten._conv_depthwise2d", "aten._convolution",
    "aten._convolution_mode", "aten._slow_conv2d_forward", "aten.conv1d", "aten.conv2d",
    "aten.conv3d", "aten.conv_depthwise3d", "aten.conv_transpose1d", "aten.conv_transpose2d",
    "aten.conv_transpose3d", "aten.convolution", "aten.cudnn_convolution",
    "aten.mkldnn_convolution", "aten.slow_conv3d", "aten.slow_conv_dilated2d",
    "aten.slow_conv_dilated3d", "aten.slow_conv_transpose2d", "aten.slow_conv_transpose3d",
    "aten.thnn_conv2d",
)  # fmt: skip


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="conv",
            targets=(
                "onnx.Conv", "onnx.ConvInteger", "onnx.QLinearConv", "onnx.CausalConvWithState",
                "com.microsoft.CausalConvWithState", "com.microsoft.FusedConv",
                "com.microsoft.NhwcConv", "com.microsoft.NhwcFusedConv",
                "com.microsoft.QLinearConv",
            ),
            summary="dense, grouped, depthwise and dilated convolution",
            source="ONNX Conv-22, ConvInteger-10, QLinearConv-10; com.microsoft FusedConv-1",
            estimate="qreg_conv.cost:conv",
        ),
        LayerEstimatorSpec(
            name="conv_transpose",
            targets=("onnx.ConvTranspose", "com.microsoft.ConvTransposeWithDynamicPads"),
            summary="transposed convolution, by its input pixels",
            source="ONNX ConvTranspose-22; com.microsoft ConvTransposeWithDynamicPads-1",
            estimate="qreg_conv.cost:conv_transpose",
        ),
        LayerEstimatorSpec(
            name="deform_conv",
            targets=("onnx.DeformConv",),
            summary="a convolution, and the interpolation of every tap",
            source="ONNX DeformConv-22",
            estimate="qreg_conv.cost:deform_conv",
        ),
        LayerEstimatorSpec(
            name="aten_conv",
            targets=(
                "aten.conv1d", "aten.conv2d", "aten.conv3d", "aten.conv_transpose1d",
                "aten.conv_transpose2d", "aten.conv_transpose3d", "aten.convolution",
                "aten._convolution", "aten._convolution_mode", "aten.convolution_overrideable",
                "aten._conv_depthwise2d", "aten.conv_depthwise3d", "aten.cudnn_convolution",
                "aten.cudnn_convolution_relu", "aten.cudnn_convolution_add_relu",
                "aten.cudnn_convolution_transpose", "aten.miopen_convolution",
                "aten.miopen_convolution_relu", "aten.miopen_convolution_add_relu",
                "aten.miopen_convolution_transpose", "aten.miopen_depthwise_convolution",
                "aten.mkldnn_convolution", "aten._nnpack_spatial_convolution",
                "aten._slow_conv2d_forward", "aten.slow_conv3d", "aten.slow_conv3d_forward",
                "aten.slow_conv_dilated2d", "aten.slow_conv_dilated3d",
                "aten.slow_conv_transpose2d", "aten.slow_conv_transpose3d", "aten.thnn_conv2d",
            ),
            summary="convolution of any kind, with or without a batch",
            source="PyTorch aten::convolution and the ops behind it",
            estimate="qreg_conv.aten:conv",
        ),
        LayerEstimatorSpec(
            name="quantised_conv",
            targets=(
                "quantized.conv1d", "quantized.conv1d_relu", "quantized.conv1d_dynamic",
                "quantized.conv2d", "quantized.conv2d_relu", "quantized.conv2d_dynamic",
                "quantized.conv2d_add", "quantized.conv2d_add_relu", "quantized.conv3d",
                "quantized.conv3d_relu", "quantized.conv3d_dynamic",
                "quantized.conv_transpose1d", "quantized.conv_transpose2d",
                "quantized.conv_transpose3d", "quantized.conv_transpose1d_dynamic",
                "quantized.conv_transpose2d_dynamic", "quantized.conv_transpose3d_dynamic",
            ),
            summary="a convolution of integers, its weight unpacked",
            source="PyTorch quantized::conv2d",
            estimate="qreg_conv.aten:quantised",
        ),
        LayerEstimatorSpec(
            name="conv_tbc",
            targets=("aten.conv_tbc",),
            summary="convolution along time, channels last",
            source="PyTorch aten::conv_tbc",
            estimate="qreg_conv.aten:conv_tbc",
        ),
        LayerEstimatorSpec(
            name="conv_tbc_backward",
            targets=("aten.conv_tbc_backward",),
            summary="both gradients cost one forward pass each",
            source="PyTorch aten::conv_tbc_backward",
            estimate="qreg_conv.aten:conv_tbc_backward",
        ),
        LayerEstimatorSpec(
            name="conv_backward",
            targets=("aten.convolution_backward", "aten.convolution_backward_overrideable"),
            summary="each gradient asked for costs one forward pass",
            source="PyTorch aten::convolution_backward",
            estimate="qreg_conv.aten:backward",
        ),
        ShortcutHandlerSpec(
            name="conv",
            targets=CONV_STATES,
            summary="an output is known where every live input meets a zero weight",
            propagate="qreg_conv.channels:propagate",
            needed="qreg_conv.channels:needed",
            offsets=(2,),
        ),
        ShortcutHandlerSpec(
            name="qlinear_conv",
            targets=("onnx.QLinearConv",),
            summary="as Conv, through the dequantised operands",
            propagate="qreg_conv.channels:propagate_quantized",
            needed="qreg_conv.channels:needed_quantized",
            offsets=(8,),
        ),
        ShortcutHandlerSpec(
            name="conv_integer",
            targets=("onnx.ConvInteger",),
            summary="known where every live input meets a weight at its zero-point",
            propagate="qreg_channels.integers:product",
            needed="qreg_conv.channels:needed_quantized",
        ),
        ShortcutHandlerSpec(
            name="fused_conv",
            targets=("com.microsoft.FusedConv",),
            summary="as its parts: a convolution, a sum, an activation",
            propagate="qreg_channels.fused:convolution",
            offsets=(2,),
        ),
        CEmitterSpec(
            name="conv_float",
            targets=("onnx.Conv",),
            dtypes=("float32",),
            summary="float convolution over one or two spatial axes",
            template="qreg_c:conv_float.c.j2",
            context="qreg_conv.emit:conv_float",
        ),
        CEmitterSpec(
            name="conv_int8",
            targets=("onnx.QLinearConv",),
            dtypes=("int8", "uint8"),
            summary="8-bit convolution, exact",
            template="qreg_c:conv_int8.c.j2",
            context="qreg_conv.emit:conv_int8",
        ),
    )  # fmt: skip
