"""Embeddings, looking up and writing by index: cost and dead channels."""

from qreg.hooks import hookimpl
from qreg.specs import LayerEstimatorSpec, ShortcutHandlerSpec, Spec

QREG_API = 1

LOOK_UP = (
    "onnx.Gather", "onnx.GatherElements", "onnx.GatherND", "onnx.OneHot", "onnx.Compress",
    "onnx.TensorScatter", "ai.onnx.ml.ArrayFeatureExtractor", "ai.onnx.ml.FeatureVectorizer",
    "ai.onnx.ml.OneHotEncoder", "ai.onnx.ml.LabelEncoder", "com.microsoft.GatherND",
    "com.microsoft.TorchEmbedding", "com.microsoft.RelativePositionBias", "aten.embedding",
    "aten.one_hot", "aten.index", "aten._unsafe_index", "aten.index_select", "aten.gather",
    "aten.take", "aten.take_along_dim", "aten.masked_select", "aten.masked_scatter",
    "aten.index_copy", "aten.index_fill", "aten.repeat_interleave", "aten._unsafe_masked_index",
    "aten.masked_select_backward", "aten.masked_scatter_backward",
)  # fmt: skip
EMBEDDING_BAG = (
    "aten.embedding_bag", "aten._embedding_bag", "aten._embedding_bag_forward_only",
)  # fmt: skip
SUM_OF_GRADIENTS = (
    "aten.embedding_dense_backward", "aten.embedding_backward", "aten.index_select_backward",
    "aten.gather_backward",
)  # fmt: skip
ROTATED = (
    "onnx.RotaryEmbedding", "com.microsoft.RotaryEmbedding", "com.microsoft.MRotaryEmbedding",
)  # fmt: skip
LOOKUP_STATES = (
    "onnx.Gather", "onnx.GatherElements", "aten.embedding", "aten.gather", "aten.index_select",
)  # fmt: skip
SCATTER_STATES = (
    "onnx.Scatter", "onnx.ScatterElements", "onnx.ScatterND", "aten.index_copy", "aten.index_put",
    "aten.scatter.src",
)  # fmt: skip


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="look_up",
            targets=LOOK_UP,
            summary="copies by index, computes nothing",
            source="ONNX Gather-13; PyTorch aten::embedding, aten::index",
            estimate="qreg_embedding.cost:look_up",
        ),
        LayerEstimatorSpec(
            name="scatter",
            targets=("onnx.ScatterElements", "onnx.ScatterND", "onnx.Scatter"),
            summary="one operation per update where it reduces",
            source="ONNX ScatterElements-18, ScatterND-18",
            estimate="qreg_embedding.cost:scatter",
        ),
        LayerEstimatorSpec(
            name="scatter_aten",
            targets=("aten.scatter", "aten.scatter_reduce"),
            summary="one operation per index where it reduces",
            source="PyTorch aten::scatter, aten::scatter_reduce",
            estimate="qreg_embedding.aten:scatter",
        ),
        LayerEstimatorSpec(
            name="scatter_add",
            targets=("aten.scatter_add",),
            summary="one addition per index",
            source="PyTorch aten::scatter_add",
            estimate="qreg_embedding.aten:scatter_add",
        ),
        LayerEstimatorSpec(
            name="index_add",
            targets=("aten.index_add", "aten.index_reduce"),
            summary="one operation per element of the source",
            source="PyTorch aten::index_add",
            estimate="qreg_embedding.aten:index_add",
        ),
        LayerEstimatorSpec(
            name="index_put",
            targets=("aten.index_put", "aten._index_put_impl", "aten._unsafe_index_put"),
            summary="one addition per element written where it accumulates",
            source="PyTorch aten::index_put",
            estimate="qreg_embedding.aten:index_put",
        ),
        LayerEstimatorSpec(
            name="put",
            targets=("aten.put",),
            summary="one addition per index where it accumulates",
            source="PyTorch aten::put",
            estimate="qreg_embedding.aten:put",
        ),
        LayerEstimatorSpec(
            name="embedding_bag",
            targets=EMBEDDING_BAG,
            summary="one operation per element looked up, two where rows have weights",
            source="PyTorch aten::embedding_bag",
            estimate="qreg_embedding.aten:embedding_bag",
        ),
        LayerEstimatorSpec(
            name="embedding_bag_backward",
            targets=("aten._embedding_bag_dense_backward",),
            summary="one operation per element looked up, two where rows have weights",
            source="PyTorch aten::_embedding_bag_dense_backward",
            estimate="qreg_embedding.aten:embedding_bag_backward",
        ),
        LayerEstimatorSpec(
            name="embedding_renorm",
            targets=("aten.embedding_renorm",),
            summary="norm and product per element of the rows named",
            source="PyTorch aten::embedding_renorm",
            estimate="qreg_embedding.aten:embedding_renorm",
        ),
        LayerEstimatorSpec(
            name="sum_of_gradients",
            targets=SUM_OF_GRADIENTS,
            summary="one addition per element of the gradient",
            source="PyTorch aten::embedding_dense_backward",
            estimate="qreg_embedding.cost:sum_of_gradients",
        ),
        LayerEstimatorSpec(
            name="dequantised_rows",
            targets=("com.microsoft.GatherBlockQuantized",),
            summary="subtraction and product per output element",
            source="com.microsoft GatherBlockQuantized-1",
            estimate="qreg_embedding.cost:dequantised_rows",
        ),
        LayerEstimatorSpec(
            name="rotated",
            targets=ROTATED,
            summary="two products and a sum per rotated number",
            source="ONNX RotaryEmbedding-23; com.microsoft RotaryEmbedding-1",
            estimate="qreg_embedding.cost:rotated",
        ),
        LayerEstimatorSpec(
            name="rotated_pair",
            targets=("com.microsoft.GemmaRotaryEmbedding",),
            summary="sine and cosine; two products and a sum per number",
            source="com.microsoft GemmaRotaryEmbedding-1",
            estimate="qreg_embedding.cost:rotated_pair",
        ),
        ShortcutHandlerSpec(
            name="lookup",
            targets=LOOKUP_STATES,
            summary="states move; by live indices, what is the same at every index",
            propagate="qreg_channels.lookup:propagate",
            needed="qreg_channels.backward_moves:first",
        ),
        ShortcutHandlerSpec(
            name="lookup_tuples",
            targets=("onnx.GatherND", "com.microsoft.GatherND"),
            summary="states move; by live indices, what is the same at every index",
            propagate="qreg_channels.lookup:tuples",
            needed="qreg_channels.backward_moves:first",
        ),
        ShortcutHandlerSpec(
            name="index",
            targets=("aten._unsafe_index", "aten.index.Tensor"),
            summary="states move where the indices are constant",
            propagate="qreg_channels.movement:propagate",
            needed="qreg_channels.backward_moves:first",
        ),
        ShortcutHandlerSpec(
            name="scatter",
            targets=SCATTER_STATES,
            summary="states of both in their places, where these are constant",
            propagate="qreg_channels.movement:scatter",
            needed="qreg_channels.backward_moves:scatter",
        ),
        ShortcutHandlerSpec(
            name="one_hot",
            targets=("onnx.OneHot", "aten.one_hot"),
            summary="live: every result depends on the index",
            propagate="qreg_channels.always_live:propagate",
        ),
    )
