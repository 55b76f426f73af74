"""Pooling: cost, dead channels and C."""

from qreg.hooks import hookimpl
from qreg.specs import CEmitterSpec, LayerEstimatorSpec, ShortcutHandlerSpec, Spec

QREG_API = 1

POOL = (
    "onnx.AveragePool", "onnx.MaxPool", "com.microsoft.QLinearAveragePool",
    "com.microsoft.MaxpoolWithMask", "com.microsoft.NhwcMaxPool",
    "com.microsoft.nchwc.AveragePool", "com.microsoft.nchwc.MaxPool",
)  # fmt: skip
GLOBAL_POOL = (
    "onnx.GlobalAveragePool", "onnx.GlobalMaxPool", "com.microsoft.QLinearGlobalAveragePool",
    "com.microsoft.nchwc.GlobalAveragePool", "com.microsoft.nchwc.GlobalMaxPool",
)  # fmt: skip
POOL_ATEN = (
    "aten.avg_pool1d", "aten.avg_pool2d", "aten.avg_pool3d", "aten.max_pool1d",
    "aten.max_pool2d", "aten.max_pool3d", "aten.max_pool1d_with_indices",
    "aten.max_pool2d_with_indices", "aten.max_pool3d_with_indices",
    "aten.fractional_max_pool2d", "aten.fractional_max_pool3d", "aten.quantized_max_pool1d",
    "aten.quantized_max_pool2d", "aten.quantized_max_pool3d", "aten.mkldnn_max_pool2d",
    "aten.mkldnn_max_pool3d", "quantized.max_pool1d", "quantized.max_pool2d",
)  # fmt: skip
ADAPTIVE_POOL = (
    "aten.adaptive_avg_pool1d", "aten.adaptive_avg_pool2d", "aten.adaptive_avg_pool3d",
    "aten._adaptive_avg_pool2d", "aten._adaptive_avg_pool3d", "aten.mkldnn_adaptive_avg_pool2d",
    "aten.adaptive_max_pool1d", "aten.adaptive_max_pool2d", "aten.adaptive_max_pool3d",
)  # fmt: skip
ADAPTIVE_AVERAGE_BACKWARD = (
    "aten.adaptive_avg_pool3d_backward", "aten._adaptive_avg_pool2d_backward",
    "aten._adaptive_avg_pool3d_backward", "aten.mkldnn_adaptive_avg_pool2d_backward",
)  # fmt: skip
MAXIMUM_BACKWARD = (
    "aten.max_pool2d_backward", "aten.max_pool2d_with_indices_backward",
    "aten.max_pool3d_with_indices_backward", "aten.adaptive_max_pool2d_backward",
    "aten.adaptive_max_pool3d_backward", "aten.fractional_max_pool2d_backward",
    "aten.fractional_max_pool3d_backward", "aten.mkldnn_max_pool2d_backward",
    "aten.mkldnn_max_pool3d_backward",
)  # fmt: skip


POOL_STATES = (
    "onnx.AveragePool", "onnx.MaxPool", "onnx.GlobalAveragePool",
    "com.microsoft.QLinearAveragePool", "com.microsoft.QLinearGlobalAveragePool",
)  # fmt: skip
POOL_BY_ITSELF_STATES = (
    "onnx.GlobalLpPool", "onnx.GlobalMaxPool", "onnx.LpPool", "aten._adaptive_avg_pool2d",
    "aten._adaptive_avg_pool3d", "aten.adaptive_avg_pool1d", "aten.adaptive_avg_pool2d",
    "aten.adaptive_avg_pool3d", "aten.adaptive_max_pool1d", "aten.adaptive_max_pool2d",
    "aten.adaptive_max_pool3d", "aten.avg_pool1d", "aten.avg_pool2d", "aten.avg_pool3d",
    "aten.max_pool1d", "aten.max_pool1d_with_indices", "aten.max_pool2d",
    "aten.max_pool2d_with_indices", "aten.max_pool3d", "aten.max_pool3d_with_indices",
    "aten.mkldnn_adaptive_avg_pool2d", "aten.mkldnn_max_pool2d", "aten.mkldnn_max_pool3d",
)  # fmt: skip


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="pool",
            targets=POOL,
            summary="one operation per tap",
            source="ONNX AveragePool-22, MaxPool-22; com.microsoft QLinearAveragePool-1",
            estimate="qreg_pool.cost:window",
        ),
        LayerEstimatorSpec(
            name="global_pool",
            targets=GLOBAL_POOL,
            summary="one addition per input element",
            source="ONNX GlobalAveragePool-22; com.microsoft QLinearGlobalAveragePool-1",
            estimate="qreg_pool.cost:whole",
        ),
        LayerEstimatorSpec(
            name="lp_pool",
            targets=("onnx.LpPool",),
            summary="power and addition per tap",
            source="ONNX LpPool-22",
            estimate="qreg_pool.cost:lp_window",
        ),
        LayerEstimatorSpec(
            name="global_lp_pool",
            targets=("onnx.GlobalLpPool",),
            summary="power and addition per input element",
            source="ONNX GlobalLpPool-22",
            estimate="qreg_pool.cost:lp_whole",
        ),
        LayerEstimatorSpec(
            name="pool_aten",
            targets=POOL_ATEN,
            summary="one operation per tap",
            source="PyTorch aten::avg_pool2d, aten::max_pool2d",
            estimate="qreg_pool.aten:window",
        ),
        LayerEstimatorSpec(
            name="adaptive_pool",
            targets=ADAPTIVE_POOL,
            summary="one operation per tap of windows that may overlap",
            source="PyTorch aten::adaptive_avg_pool2d",
            estimate="qreg_pool.aten:adaptive",
        ),
        LayerEstimatorSpec(
            name="average_backward",
            targets=("aten.avg_pool2d_backward", "aten.avg_pool3d_backward"),
            summary="a division, and an addition per tap",
            source="PyTorch aten::avg_pool2d_backward",
            estimate="qreg_pool.aten:average_backward",
        ),
        LayerEstimatorSpec(
            name="adaptive_average_backward",
            targets=ADAPTIVE_AVERAGE_BACKWARD,
            summary="a division, and an addition per tap",
            source="PyTorch aten::_adaptive_avg_pool2d_backward",
            estimate="qreg_pool.aten:adaptive_average_backward",
        ),
        LayerEstimatorSpec(
            name="maximum_backward",
            targets=MAXIMUM_BACKWARD,
            summary="one addition per element of the gradient",
            source="PyTorch aten::max_pool2d_with_indices_backward",
            estimate="qreg_pool.aten:maximum_backward",
        ),
        LayerEstimatorSpec(
            name="unpool",
            targets=("onnx.MaxUnpool", "aten.max_unpool2d", "aten.max_unpool3d"),
            summary="moves data, computes nothing",
            source="ONNX MaxUnpool-22; PyTorch aten::max_unpool2d",
            estimate="qreg_pool.cost:unpool",
        ),
        LayerEstimatorSpec(
            name="roi_align",
            targets=("onnx.RoiAlign", "torchvision.roi_align"),
            summary="bilinear points; unknown where their number follows from the data",
            source="ONNX RoiAlign-22",
            estimate="qreg_pool.regions:roi_align",
        ),
        LayerEstimatorSpec(
            name="crop_and_resize",
            targets=("com.microsoft.CropAndResize",),
            summary="seven operations per output element",
            source="com.microsoft CropAndResize-1",
            estimate="qreg_pool.regions:crop_and_resize",
        ),
        ShortcutHandlerSpec(
            name="pool",
            targets=POOL_STATES,
            summary="known where the whole window is known",
            propagate="qreg_channels.window:propagate",
            needed="qreg_pool.channels:needed",
        ),
        ShortcutHandlerSpec(
            name="pool_by_itself",
            targets=POOL_BY_ITSELF_STATES,
            summary="known where no live element is in the window",
            propagate="qreg_channels.pooling:propagate",
            needed="qreg_pool.channels:needed",
        ),
        ShortcutHandlerSpec(
            name="planes",
            targets=("onnx.MaxUnpool", "onnx.RoiAlign", "aten.max_unpool2d", "aten.max_unpool3d"),
            summary="zero where a whole channel is",
            propagate="qreg_channels.vanishing:planes",
        ),
        CEmitterSpec(
            name="average_pool_float",
            targets=("onnx.AveragePool", "onnx.GlobalAveragePool"),
            dtypes=("float32",),
            summary="float average pooling",
            template="qreg_c:average_pool_float.c.j2",
            context="qreg_pool.emit:average_pool_float",
        ),
        CEmitterSpec(
            name="average_pool_int8",
            targets=("com.microsoft.QLinearAveragePool", "com.microsoft.QLinearGlobalAveragePool"),
            dtypes=("int8", "uint8"),
            summary="8-bit average pooling, exact",
            template="qreg_c:average_pool_int8.c.j2",
            context="qreg_pool.emit:average_pool_int8",
        ),
        CEmitterSpec(
            name="max_pool",
            targets=("onnx.MaxPool",),
            dtypes=("float32", "int8", "uint8"),
            summary="max pooling",
            template="qreg_c:max_pool.c.j2",
            context="qreg_pool.emit:max_pool",
        ),
    )
