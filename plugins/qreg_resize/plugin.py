"""Resizing and sampling images: cost and dead channels."""

from qreg.hooks import hookimpl
from qreg.specs import LayerEstimatorSpec, ShortcutHandlerSpec, Spec

QREG_API = 1

UPSAMPLE = (
    "aten.upsample_nearest1d", "aten.upsample_nearest2d", "aten.upsample_nearest3d",
    "aten.upsample_linear1d", "aten.upsample_bilinear2d", "aten.upsample_trilinear3d",
    "aten.upsample_bicubic2d", "aten._upsample_nearest_exact1d",
    "aten._upsample_nearest_exact2d", "aten._upsample_nearest_exact3d",
)  # fmt: skip
SMOOTH = (
    "aten._upsample_bilinear2d_aa", "aten._upsample_bicubic2d_aa",
    "aten._upsample_lanczos2d_aa",
)  # fmt: skip
UPSAMPLE_BACKWARD = (
    "aten.upsample_nearest1d_backward", "aten.upsample_nearest2d_backward",
    "aten.upsample_nearest3d_backward", "aten.upsample_linear1d_backward",
    "aten.upsample_bilinear2d_backward", "aten.upsample_trilinear3d_backward",
    "aten.upsample_bicubic2d_backward", "aten._upsample_nearest_exact1d_backward",
    "aten._upsample_nearest_exact2d_backward", "aten._upsample_nearest_exact3d_backward",
)  # fmt: skip
SMOOTH_BACKWARD = (
    "aten._upsample_bilinear2d_aa_backward", "aten._upsample_bicubic2d_aa_backward",
    "aten._upsample_lanczos2d_aa_backward",
)  # fmt: skip
GRID_SAMPLE = (
    "onnx.GridSample", "com.microsoft.GridSample", "aten.grid_sampler", "aten.grid_sampler_2d",
    "aten.grid_sampler_3d", "aten._grid_sampler_2d_cpu_fallback", "aten.cudnn_grid_sampler",
)  # fmt: skip
GRID_SAMPLE_BACKWARD = (
    "aten.grid_sampler_2d_backward", "aten.grid_sampler_3d_backward",
    "aten._grid_sampler_2d_cpu_fallback_backward",
)  # fmt: skip
AFFINE_GRID = (
    "onnx.AffineGrid", "aten.affine_grid_generator", "aten.cudnn_affine_grid_generator",
)  # fmt: skip
NEAREST_STATES = (
    "aten._upsample_nearest_exact1d", "aten._upsample_nearest_exact2d",
    "aten._upsample_nearest_exact3d", "aten.upsample_nearest1d", "aten.upsample_nearest2d",
    "aten.upsample_nearest3d",
)  # fmt: skip
INTERPOLATED_STATES = (
    "aten._upsample_bilinear2d_aa", "aten.upsample_bilinear2d", "aten.upsample_linear1d",
    "aten.upsample_trilinear3d",
)  # fmt: skip
SAMPLED_STATES = (
    "onnx.GridSample", "com.microsoft.GridSample", "aten.grid_sampler", "aten.grid_sampler_2d",
    "aten.grid_sampler_3d",
)  # fmt: skip


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="resize",
            targets=("onnx.Resize", "onnx.Upsample", "com.microsoft.nchwc.Upsample"),
            summary="a weighted mean of neighbours per output element; none where nearest",
            source="ONNX Resize-19, Upsample-10",
            estimate="qreg_resize.cost:resize",
        ),
        LayerEstimatorSpec(
            name="upsample",
            targets=UPSAMPLE,
            summary="a weighted mean of neighbours per output element; none where nearest",
            source="PyTorch aten::upsample_bilinear2d",
            estimate="qreg_resize.aten:upsample",
        ),
        LayerEstimatorSpec(
            name="smooth",
            targets=SMOOTH,
            summary="weighted means along one axis after the other",
            source="PyTorch aten::_upsample_bilinear2d_aa",
            estimate="qreg_resize.aten:smooth",
        ),
        LayerEstimatorSpec(
            name="upsample_backward",
            targets=UPSAMPLE_BACKWARD,
            summary="product and addition per neighbour and element of the gradient",
            source="PyTorch aten::upsample_bilinear2d_backward",
            estimate="qreg_resize.aten:upsample_backward",
        ),
        LayerEstimatorSpec(
            name="smooth_backward",
            targets=SMOOTH_BACKWARD,
            summary="as the forward pass",
            source="PyTorch aten::_upsample_bilinear2d_aa_backward",
            estimate="qreg_resize.aten:smooth_backward",
        ),
        LayerEstimatorSpec(
            name="grid_sample",
            targets=GRID_SAMPLE,
            summary="weights per point, a weighted mean per output element",
            source="ONNX GridSample-22; PyTorch aten::grid_sampler",
            estimate="qreg_resize.grid:grid_sample",
        ),
        LayerEstimatorSpec(
            name="grid_sample_backward",
            targets=GRID_SAMPLE_BACKWARD,
            summary="weights per point; products and additions per neighbour",
            source="PyTorch aten::grid_sampler_2d_backward",
            estimate="qreg_resize.grid:grid_sample_backward",
        ),
        LayerEstimatorSpec(
            name="affine_grid",
            targets=AFFINE_GRID,
            summary="a product and an addition per axis and coordinate",
            source="ONNX AffineGrid-20; PyTorch aten::affine_grid_generator",
            estimate="qreg_resize.grid:affine_grid",
        ),
        LayerEstimatorSpec(
            name="affine_grid_backward",
            targets=("aten.affine_grid_generator_backward",),
            summary="products and additions per coordinate of the gradient",
            source="PyTorch aten::affine_grid_generator_backward",
            estimate="qreg_resize.grid:affine_grid_backward",
        ),
        ShortcutHandlerSpec(
            name="resize",
            targets=("onnx.Resize", "onnx.Upsample"),
            summary="neighbours move; interpolated where no live element has a part",
            propagate="qreg_channels.pooling:resize",
            needed="qreg_channels.backward_sets:interpolated",
        ),
        ShortcutHandlerSpec(
            name="nearest",
            targets=NEAREST_STATES,
            summary="states move with the elements",
            propagate="qreg_channels.movement:propagate",
            needed="qreg_channels.backward_moves:first",
        ),
        ShortcutHandlerSpec(
            name="interpolated",
            targets=INTERPOLATED_STATES,
            summary="known where no live element has a part",
            propagate="qreg_channels.pooling:propagate",
            needed="qreg_channels.backward_sets:by_channel",
        ),
        ShortcutHandlerSpec(
            name="cubic",
            targets=("aten._upsample_bicubic2d_aa", "aten.upsample_bicubic2d"),
            summary="known where no live element has a part",
            propagate="qreg_channels.pooling:cubic",
            needed="qreg_channels.backward_sets:by_channel",
        ),
        ShortcutHandlerSpec(
            name="sampled",
            targets=SAMPLED_STATES,
            summary="zero where a whole channel is",
            propagate="qreg_channels.vanishing:planes",
            needed="qreg_channels.backward_sets:by_channel",
        ),
    )
