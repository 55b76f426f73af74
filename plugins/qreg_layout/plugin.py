"""Data movement: cost, dead channels and C."""

from qreg.hooks import hookimpl
from qreg.specs import CEmitterSpec, LayerEstimatorSpec, OpSpec, ShortcutHandlerSpec, Spec

QREG_API = 1

VIEW = (
    "aten.view", "aten._unsafe_view", "aten.reshape", "aten._reshape_alias", "aten.view_as",
    "aten.reshape_as", "aten.flatten", "aten.unflatten", "aten.ravel", "aten.squeeze",
    "aten.unsqueeze", "aten.permute", "aten.transpose", "aten.t", "aten.swapaxes",
    "aten.swapdims", "aten.movedim", "aten.moveaxis", "aten.numpy_T", "aten.matrix_H",
    "aten.mT", "aten.mH", "aten.adjoint", "aten.expand", "aten.expand_as", "aten.broadcast_to",
    "aten.broadcast_tensors", "aten.select", "aten.slice", "aten.narrow", "aten.split",
    "aten.split_with_sizes", "aten.tensor_split", "aten.unsafe_split",
    "aten.unsafe_split_with_sizes", "aten.chunk", "aten.unsafe_chunk", "aten.hsplit",
    "aten.vsplit", "aten.dsplit", "aten.unbind", "aten.diagonal", "aten.linalg_diagonal",
    "aten.as_strided", "aten.unfold", "aten.alias", "aten.detach", "aten.lift",
    "aten.lift_fresh", "aten.positive", "aten.data", "aten.real", "aten.imag", "aten.conj",
    "aten._conj", "aten._neg_view", "aten.view_as_real", "aten.view_as_complex",
    "aten.atleast_1d", "aten.atleast_2d", "aten.atleast_3d", "aten.requires_grad_",
    "aten._fw_primal", "aten._make_dual", "aten._unpack_dual", "aten.slice_inverse",
    "aten.meshgrid",
)  # fmt: skip
CONVERT = (
    "aten.to", "aten.contiguous", "aten.type_as", "aten.cpu", "aten.cuda", "aten._to_cpu",
    "aten.pin_memory", "aten.resolve_conj", "aten.resolve_neg", "aten.to_dense",
    "aten._to_dense",
)  # fmt: skip
MOVE = (
    "onnx.Transpose", "onnx.Pad", "onnx.Concat", "onnx.Slice", "onnx.Split", "onnx.Tile",
    "onnx.Expand", "onnx.DepthToSpace", "onnx.SpaceToDepth", "onnx.ReverseSequence",
    "onnx.Trilu", "onnx.CenterCropPad", "onnx.Cast", "onnx.CastLike", "onnx.BitCast",
    "onnx.ConcatFromSequence", "onnx.SplitToSequence", "onnx.SequenceConstruct",
    "onnx.SequenceEmpty", "onnx.SequenceInsert", "onnx.SequenceErase", "onnx.SequenceAt",
    "onnx.Optional", "onnx.OptionalGetElement", "com.microsoft.QLinearConcat",
    "com.microsoft.Pad", "com.microsoft.Trilu", "com.microsoft.UnfoldTensor",
    "com.microsoft.RemovePadding", "com.microsoft.RestorePadding",
    "com.microsoft.nchwc.ReorderInput", "com.microsoft.nchwc.ReorderOutput", "aten.cat",
    "aten.concat", "aten.concatenate", "aten.stack", "aten._stack", "aten.hstack",
    "aten.vstack", "aten.row_stack", "aten.dstack", "aten.column_stack", "aten.block_diag",
    "aten._chunk_cat", "aten.clone", "aten._lazy_clone", "aten.copy", "aten._to_copy",
    "aten._pin_memory", "aten._cast_Byte", "aten._cast_Char", "aten._cast_Double",
    "aten._cast_Float", "aten._cast_Half", "aten._cast_Int", "aten._cast_Long",
    "aten._cast_Short", "aten.complex", "aten.pad", "aten.constant_pad_nd",
    "aten._pad_circular", "aten._pad_enum", "aten.reflection_pad1d", "aten.reflection_pad2d",
    "aten.reflection_pad3d", "aten.replication_pad1d", "aten.replication_pad2d",
    "aten.replication_pad3d", "aten.repeat", "aten.tile", "aten.flip", "aten.fliplr",
    "aten.flipud", "aten.rot90", "aten.roll", "aten.tril", "aten.triu", "aten.diag",
    "aten.diag_embed", "aten.diagflat", "aten.pixel_shuffle", "aten.pixel_unshuffle",
    "aten.channel_shuffle", "aten.native_channel_shuffle", "aten.im2col", "aten.fft_fftshift",
    "aten.fft_ifftshift", "aten.cartesian_prod", "aten.combinations", "aten.pad_sequence",
    "aten._pad_packed_sequence", "aten._pack_padded_sequence",
    "aten._pack_padded_sequence_backward", "aten._pack_sequence", "aten.flatten_dense_tensors",
    "aten.unflatten_dense_tensors", "aten.resize", "aten.resize_as", "aten.resize_", "aten.set",
    "aten.view_copy", "aten.alias_copy", "aten.as_strided_copy", "aten.detach_copy",
    "aten.diagonal_copy", "aten.expand_copy", "aten.lift_fresh_copy", "aten.narrow_copy",
    "aten.permute_copy", "aten._reshape_copy", "aten._reshape_alias_copy", "aten._conj_copy",
    "aten._neg_view_copy", "aten.select_copy", "aten.slice_copy", "aten.split_copy",
    "aten.split_with_sizes_copy", "aten.squeeze_copy", "aten.t_copy", "aten.transpose_copy",
    "aten.unbind_copy", "aten.unfold_copy", "aten.unsqueeze_copy", "aten.view_as_real_copy",
    "aten.view_as_complex_copy", "aten.select_scatter", "aten.slice_scatter",
    "aten.diagonal_scatter", "aten.as_strided_scatter", "aten.select_backward",
    "aten.slice_backward", "aten.diagonal_backward", "aten.trace_backward",
    "aten.value_selecting_reduction_backward", "onnx.Flatten", "onnx.Reshape", "onnx.Identity",
    "onnx.Squeeze", "onnx.Unsqueeze", "com.microsoft.ExpandDims", "aten.lu_unpack",
    "aten.chalf", "quantized.cat",
)  # fmt: skip
CREATE = (
    "onnx.Constant", "onnx.ConstantOfShape", "onnx.EyeLike", "aten.empty", "aten.empty_like",
    "aten.empty_strided", "aten.empty_permuted", "aten.new_empty", "aten.new_empty_strided",
    "aten._efficientzerotensor", "aten.zeros", "aten.zeros_like", "aten.new_zeros", "aten.zero",
    "aten._new_zeros_with_same_feature_meta", "aten.ones", "aten.ones_like", "aten.new_ones",
    "aten.full", "aten.full_like", "aten.new_full", "aten.fill", "aten.eye",
    "aten.scalar_tensor", "aten.tril_indices", "aten.triu_indices", "aten._dim_arange",
    "aten._shape_as_tensor", "aten.fill_diagonal_", "aten._no_grad_fill_",
    "aten._no_grad_zero_",
)  # fmt: skip
ASK = (
    "onnx.Shape", "onnx.Size", "onnx.SequenceLength", "onnx.OptionalHasElement",
    "aten._local_scalar_dense", "aten.item", "aten.size", "aten.stride", "aten.storage_offset",
    "aten.numel", "aten.dim", "aten.sym_size", "aten.sym_stride", "aten.sym_numel",
    "aten.sym_storage_offset", "aten.sym_is_contiguous", "aten.is_contiguous",
    "aten.is_floating_point", "aten.is_complex", "aten.is_nonzero", "aten.is_same_size",
    "aten._has_same_storage_numel", "aten.result_type", "aten.can_cast", "aten.promote_types",
    "aten._assert_async", "aten._assert_scalar", "aten._assert_tensor_metadata",
    "aten._functional_assert_async", "aten._functional_assert_scalar",
    "aten.sym_constrain_range", "aten.sym_constrain_range_for_size",
    "aten._functional_sym_constrain_range", "aten._functional_sym_constrain_range_for_size",
    "aten.record_stream", "aten._print",
)  # fmt: skip
OVERLAP = (
    "onnx.Col2Im", "aten.col2im", "aten.unfold_backward", "aten.reflection_pad1d_backward",
    "aten.reflection_pad2d_backward", "aten.reflection_pad3d_backward",
    "aten.replication_pad1d_backward", "aten.replication_pad2d_backward",
    "aten.replication_pad3d_backward",
)  # fmt: skip


MOVE_STATES = (
    "com.microsoft.ExpandDims", "onnx.CenterCropPad", "onnx.DepthToSpace", "onnx.Expand",
    "onnx.Flatten", "onnx.Identity", "onnx.Reshape", "onnx.ReverseSequence", "onnx.Slice",
    "onnx.SpaceToDepth", "onnx.Split", "onnx.Squeeze", "onnx.Tile", "onnx.Transpose",
    "onnx.Unsqueeze",
)  # fmt: skip
MOVE_ATEN_STATES = (
    "aten._conj", "aten._pad_circular", "aten._pin_memory", "aten._reshape_copy", "aten._to_cpu",
    "aten._to_dense", "aten._unsafe_view", "aten.adjoint", "aten.alias", "aten.alias_copy",
    "aten.atleast_1d", "aten.atleast_2d", "aten.atleast_3d", "aten.broadcast_to",
    "aten.channel_shuffle", "aten.chunk", "aten.clone", "aten.contiguous", "aten.cpu",
    "aten.cuda", "aten.detach", "aten.detach_copy", "aten.diagonal", "aten.diagonal_copy",
    "aten.dsplit", "aten.expand", "aten.expand_copy", "aten.fft_fftshift", "aten.fft_ifftshift",
    "aten.flatten", "aten.flip", "aten.fliplr", "aten.flipud", "aten.hsplit", "aten.lift",
    "aten.lift_fresh", "aten.lift_fresh_copy", "aten.linalg_diagonal", "aten.mH", "aten.mT",
    "aten.matrix_H", "aten.moveaxis", "aten.movedim", "aten.narrow", "aten.narrow_copy",
    "aten.native_channel_shuffle", "aten.numpy_T", "aten.permute", "aten.permute_copy",
    "aten.pin_memory", "aten.pixel_shuffle", "aten.pixel_unshuffle", "aten.ravel", "aten.real",
    "aten.reflection_pad1d", "aten.reflection_pad2d", "aten.reflection_pad3d", "aten.repeat",
    "aten.replication_pad1d", "aten.replication_pad2d", "aten.replication_pad3d", "aten.reshape",
    "aten.resolve_conj", "aten.resolve_neg", "aten.roll", "aten.rot90", "aten.select",
    "aten.select_copy", "aten.slice", "aten.slice_copy", "aten.split", "aten.split_copy",
    "aten.split_with_sizes", "aten.split_with_sizes_copy", "aten.squeeze", "aten.squeeze_copy",
    "aten.swapaxes", "aten.swapdims", "aten.t", "aten.t_copy", "aten.tensor_split", "aten.tile",
    "aten.transpose", "aten.transpose_copy", "aten.unbind", "aten.unbind_copy", "aten.unflatten",
    "aten.unfold", "aten.unfold_copy", "aten.unsafe_chunk", "aten.unsafe_split",
    "aten.unsafe_split_with_sizes", "aten.unsqueeze", "aten.unsqueeze_copy", "aten.view.default",
    "aten.view_copy.default", "aten.vsplit",
)  # fmt: skip
JOIN_STATES = (
    "aten.column_stack", "aten.copy", "aten.diagonal_scatter", "aten.dstack", "aten.fill.Tensor",
    "aten.hstack", "aten.row_stack", "aten.select_scatter", "aten.slice_scatter", "aten.stack",
    "aten.vstack",
)  # fmt: skip
MASKED_STATES = (
    "onnx.Col2Im", "onnx.Trilu", "com.microsoft.Trilu", "aten.col2im", "aten.diag",
    "aten.diag_embed", "aten.diagflat", "aten.im2col", "aten.tril", "aten.triu",
)  # fmt: skip
CAST_STATES = (
    "onnx.Cast", "onnx.CastLike", "aten._cast_Byte", "aten._cast_Char", "aten._cast_Double",
    "aten._cast_Float", "aten._cast_Half", "aten._cast_Int", "aten._cast_Long",
    "aten._cast_Short", "aten._to_copy", "aten.to", "aten.type_as",
)  # fmt: skip
MADE_STATES = (
    "onnx.ConstantOfShape", "onnx.EyeLike", "onnx.Shape", "onnx.Size", "aten.arange", "aten.eye",
    "aten.fill.Scalar", "aten.full", "aten.full_like", "aten.linspace", "aten.new_full",
    "aten.new_ones", "aten.new_zeros", "aten.ones", "aten.ones_like", "aten.range",
    "aten.scalar_tensor", "aten.tril_indices", "aten.triu_indices", "aten.zero", "aten.zeros",
    "aten.zeros_like",
)  # fmt: skip
EMPTY_STATES = (
    "aten.empty", "aten.empty_like", "aten.empty_permuted", "aten.empty_strided",
    "aten.new_empty", "aten.new_empty_strided",
)  # fmt: skip
DROPOUT_STATES = (
    "onnx.Dropout", "aten.alpha_dropout", "aten.dropout", "aten.feature_alpha_dropout",
    "aten.feature_dropout", "aten.native_dropout",
)  # fmt: skip


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="view",
            targets=VIEW,
            summary="the same elements under another shape",
            source="PyTorch view operations",
            estimate="qreg_layout.cost:view",
        ),
        LayerEstimatorSpec(
            name="convert",
            targets=CONVERT,
            summary="moves data where it is not in place already",
            source="PyTorch aten::to, aten::contiguous",
            estimate="qreg_layout.cost:convert",
        ),
        LayerEstimatorSpec(
            name="move",
            targets=MOVE,
            summary="moves, repeats, writes or converts data",
            source="ONNX and PyTorch operator definitions",
            estimate="qreg_layout.cost:move",
        ),
        LayerEstimatorSpec(
            name="create",
            targets=CREATE,
            summary="writes constants",
            source="ONNX ConstantOfShape-25; PyTorch aten::full",
            estimate="qreg_layout.cost:move",
        ),
        LayerEstimatorSpec(
            name="ask",
            targets=ASK,
            summary="asks for a size, a type or one number",
            source="ONNX Shape-25; PyTorch aten::sym_size",
            estimate="qreg_layout.cost:view",
        ),
        LayerEstimatorSpec(
            name="overlap",
            targets=OVERLAP,
            summary="one addition per input element",
            source="ONNX Col2Im-18; PyTorch aten::col2im",
            estimate="qreg_layout.cost:overlap",
        ),
        ShortcutHandlerSpec(
            name="move",
            targets=MOVE_STATES,
            summary="states move with the elements",
            propagate="qreg_channels.movement:propagate",
            needed="qreg_channels.backward_moves:first",
        ),
        ShortcutHandlerSpec(
            name="concat",
            targets=("onnx.Concat", "aten.cat", "aten.concat", "aten.concatenate"),
            summary="states of all parts side by side",
            propagate="qreg_channels.movement:concatenate",
            needed="qreg_channels.backward_moves:concatenate",
        ),
        ShortcutHandlerSpec(
            name="pad",
            targets=("onnx.Pad", "com.microsoft.Pad"),
            summary="padding is known; the rest moves",
            propagate="qreg_channels.movement:pad",
            needed="qreg_channels.backward_moves:pad",
        ),
        ShortcutHandlerSpec(
            name="move_aten",
            targets=MOVE_ATEN_STATES,
            summary="states move with the elements",
            propagate="qreg_channels.movement:propagate",
            needed="qreg_channels.backward_moves:first",
        ),
        ShortcutHandlerSpec(
            name="move_as",
            targets=("aten.expand_as", "aten.reshape_as", "aten.view_as"),
            summary="states move into the shape of another tensor",
            propagate="qreg_channels.movement:as_other",
            needed="qreg_channels.backward_moves:as_other",
        ),
        ShortcutHandlerSpec(
            name="join",
            targets=JOIN_STATES,
            summary="states of all parts in their places",
            propagate="qreg_channels.movement:join",
            needed="qreg_channels.backward_moves:join",
        ),
        ShortcutHandlerSpec(
            name="qlinear_concat",
            targets=("com.microsoft.QLinearConcat",),
            summary="states of all parts side by side, rescaled",
            propagate="qreg_channels.integers:concatenated",
            needed="qreg_channels.backward_moves:concatenate_quantized",
        ),
        ShortcutHandlerSpec(
            name="pad_aten",
            targets=("aten.constant_pad_nd", "aten.pad"),
            summary="padding is known; the rest moves",
            propagate="qreg_channels.movement:pad_by_number",
            needed="qreg_channels.backward_moves:first",
        ),
        ShortcutHandlerSpec(
            name="masked",
            targets=MASKED_STATES,
            summary="known where no live element comes",
            propagate="qreg_channels.pooling:propagate",
            needed="qreg_channels.backward_moves:masked",
        ),
        ShortcutHandlerSpec(
            name="cast",
            targets=CAST_STATES,
            summary="known where the input is, and rounding leaves it a value",
            propagate="qreg_channels.comparison:cast",
            needed="qreg_channels.backward_elements:first",
        ),
        ShortcutHandlerSpec(
            name="made",
            targets=MADE_STATES,
            summary="known: only the shape of the input matters",
            propagate="qreg_channels.movement:made",
        ),
        ShortcutHandlerSpec(
            name="dropout",
            targets=DROPOUT_STATES,
            summary="the input where nothing is trained",
            propagate="qreg_channels.movement:dropout",
            needed="qreg_channels.backward_elements:first",
        ),
        ShortcutHandlerSpec(
            name="empty",
            targets=EMPTY_STATES,
            summary="live: holds nothing in particular",
            propagate="qreg_channels.always_live:propagate",
        ),
        OpSpec(
            name="qlinear_concat",
            targets=("com.microsoft.QLinearConcat",),
            summary="types and shapes that ONNX does not infer",
            source="com.microsoft QLinearConcat-1",
            shape="qreg_layout.shapes:qlinear_concat",
        ),
        CEmitterSpec(
            name="reshape",
            targets=(
                "onnx.Flatten",
                "onnx.Reshape",
                "onnx.Identity",
                "onnx.Squeeze",
                "onnx.Unsqueeze",
            ),
            dtypes=("float32", "int8", "uint8"),
            summary="the same elements under another shape",
            template="qreg_c:reshape.c.j2",
            context="qreg_layout.emit:reshape",
        ),
        CEmitterSpec(
            name="transpose",
            targets=("onnx.Transpose",),
            dtypes=("float32", "int8", "uint8"),
            summary="permuted axes",
            template="qreg_c:transpose.c.j2",
            context="qreg_layout.emit:transpose",
        ),
        CEmitterSpec(
            name="pad",
            targets=("onnx.Pad",),
            dtypes=("float32", "int8", "uint8"),
            summary="constant padding",
            template="qreg_c:pad.c.j2",
            context="qreg_layout.emit:pad",
        ),
    )
