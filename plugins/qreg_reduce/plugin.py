"""Reductions, scans, sorting and searching: cost and dead channels."""

from qreg.hooks import hookimpl
from qreg.specs import LayerEstimatorSpec, ShortcutHandlerSpec, Spec

QREG_API = 1

REDUCE = (
    "onnx.ReduceSum", "onnx.ReduceMean", "onnx.ReduceMax", "onnx.ReduceMin", "onnx.ReduceProd",
    "onnx.ReduceLogSum", "onnx.ArgMax", "onnx.ArgMin", "onnx.CumSum", "onnx.CumProd",
    "onnx.NonZero", "com.microsoft.ReduceSumInteger", "com.microsoft.QLinearReduceMean",
    "aten.sum", "aten.mean", "aten.prod", "aten.max", "aten.min", "aten.amax", "aten.amin",
    "aten.argmax", "aten.argmin", "aten.any", "aten.all", "aten._is_any_true",
    "aten._is_all_true", "aten.cumsum", "aten.cumprod", "aten.cummax", "aten.cummin",
    "aten.cummaxmin_backward", "aten.bincount", "aten.segment_reduce", "aten.nonzero",
    "aten.nonzero_static", "aten.nonzero_numpy", "aten.argwhere", "aten.where.default",
    "aten.sum_to_size", "aten._grad_sum_to_size",
)  # fmt: skip
SUM_OF_SQUARES = (
    "onnx.ReduceL2", "onnx.ReduceSumSquare", "aten.frobenius_norm", "aten.norm_except_dim",
)  # fmt: skip
VECTOR_NORM = (
    "aten.norm", "aten.linalg_vector_norm", "aten.native_norm", "aten.linalg__powsum",
)  # fmt: skip
SORT = (
    "aten.sort", "aten.argsort", "aten.msort", "aten.quantile", "aten.nanquantile",
)  # fmt: skip
RUNS = (
    "onnx.Unique", "com.microsoft.Unique", "aten.mode", "aten._unique", "aten._unique2",
    "aten.unique_dim",
)  # fmt: skip


REDUCTION_STATES = (
    "onnx.ArgMax", "onnx.ArgMin", "onnx.ReduceL1", "onnx.ReduceL2", "onnx.ReduceLogSum",
    "onnx.ReduceLogSumExp", "onnx.ReduceMax", "onnx.ReduceMean", "onnx.ReduceMin",
    "onnx.ReduceProd", "onnx.ReduceSum", "onnx.ReduceSumSquare",
    "aten.all", "aten.amax", "aten.amin", "aten.aminmax",
    "aten.any", "aten.argmax", "aten.argmin", "aten.count_nonzero", "aten.linalg_vector_norm",
    "aten.logsumexp", "aten.max", "aten.mean", "aten.min", "aten.norm", "aten.prod",
    "aten.special_logsumexp", "aten.std", "aten.std_mean", "aten.sum", "aten.var",
    "aten.var_mean",
)  # fmt: skip
ORDER_STATES = (
    "onnx.NonZero", "onnx.TopK", "onnx.Unique", "aten.argsort", "aten.kthvalue", "aten.median",
    "aten.mode", "aten.msort", "aten.nonzero", "aten.sort", "aten.topk",
)  # fmt: skip


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="reduce",
            targets=REDUCE,
            summary="one operation per input element",
            source="ONNX ReduceSum-13, ArgMax-13, CumSum-14; PyTorch aten::sum, aten::cumsum",
            estimate="qreg_reduce.cost:one_per_input",
        ),
        LayerEstimatorSpec(
            name="sum_of_absolutes",
            targets=("onnx.ReduceL1",),
            summary="absolute value and addition per input element",
            source="ONNX ReduceL1-18",
            estimate="qreg_reduce.cost:sum_of_absolutes",
        ),
        LayerEstimatorSpec(
            name="sum_of_squares",
            targets=SUM_OF_SQUARES,
            summary="product and addition per input element",
            source="ONNX ReduceL2-18, ReduceSumSquare-18; PyTorch aten::frobenius_norm",
            estimate="qreg_reduce.cost:sum_of_squares",
        ),
        LayerEstimatorSpec(
            name="log_of_exponentials",
            targets=("onnx.ReduceLogSumExp", "aten.logsumexp", "aten.special_logsumexp"),
            summary="maximum, subtraction, exponential, sum per input element",
            source="ONNX ReduceLogSumExp-18; PyTorch aten::logsumexp",
            estimate="qreg_reduce.cost:log_of_exponentials",
        ),
        LayerEstimatorSpec(
            name="running_log",
            targets=("aten.logcumsumexp", "aten._logcumsumexp"),
            summary="four operations per input element",
            source="PyTorch aten::logcumsumexp",
            estimate="qreg_reduce.cost:running_log_of_exponentials",
        ),
        LayerEstimatorSpec(
            name="variance",
            targets=("aten.var", "aten.var_mean", "aten.std", "aten.std_mean"),
            summary="mean, difference, its square, their mean per input element",
            source="PyTorch aten::var",
            estimate="qreg_reduce.cost:variance",
        ),
        LayerEstimatorSpec(
            name="sum_of_numbers",
            targets=("aten.nansum", "aten.nanmean"),
            summary="comparison and addition per input element",
            source="PyTorch aten::nansum",
            estimate="qreg_reduce.cost:sum_of_numbers",
        ),
        LayerEstimatorSpec(
            name="count_of_nonzero",
            targets=("aten.count_nonzero",),
            summary="comparison and addition per input element",
            source="PyTorch aten::count_nonzero",
            estimate="qreg_reduce.cost:count_of_nonzero",
        ),
        LayerEstimatorSpec(
            name="both_extremes",
            targets=("aten.aminmax", "aten._aminmax"),
            summary="two comparisons per input element",
            source="PyTorch aten::aminmax",
            estimate="qreg_reduce.cost:both_extremes",
        ),
        LayerEstimatorSpec(
            name="vector_norm",
            targets=VECTOR_NORM,
            summary="two operations per input element, three with a power",
            source="PyTorch aten::linalg_vector_norm",
            estimate="qreg_reduce.cost:vector_norm",
        ),
        LayerEstimatorSpec(
            name="norm",
            targets=("aten.linalg_norm", "aten.linalg_matrix_norm"),
            summary="as a vector norm; unknown where it needs singular values",
            source="PyTorch aten::linalg_norm",
            estimate="qreg_reduce.cost:norm",
        ),
        LayerEstimatorSpec(
            name="distance",
            targets=("aten.dist",),
            summary="difference and norm per element",
            source="PyTorch aten::dist",
            estimate="qreg_reduce.cost:distance",
        ),
        LayerEstimatorSpec(
            name="scaled_to_norm",
            targets=("aten.renorm",),
            summary="norm and product per input element",
            source="PyTorch aten::renorm",
            estimate="qreg_reduce.cost:scaled_to_norm",
        ),
        LayerEstimatorSpec(
            name="trace",
            targets=("aten.trace",),
            summary="one addition per element of the diagonal",
            source="PyTorch aten::trace",
            estimate="qreg_reduce.cost:diagonal_sum",
        ),
        LayerEstimatorSpec(
            name="differences",
            targets=("aten.diff",),
            summary="subtractions of neighbours",
            source="PyTorch aten::diff",
            estimate="qreg_reduce.cost:differences",
        ),
        LayerEstimatorSpec(
            name="area",
            targets=("aten.trapezoid", "aten.trapz", "aten.cumulative_trapezoid"),
            summary="three operations per input element, four with places",
            source="PyTorch aten::trapezoid",
            estimate="qreg_reduce.cost:area",
        ),
        LayerEstimatorSpec(
            name="bins",
            targets=("aten.histc",),
            summary="three operations per input element",
            source="PyTorch aten::histc",
            estimate="qreg_reduce.cost:bins",
        ),
        LayerEstimatorSpec(
            name="running_product_backward",
            targets=("aten.cumprod_backward",),
            summary="three operations per element of the gradient",
            source="PyTorch aten::cumprod_backward",
            estimate="qreg_reduce.cost:running_product_backward",
        ),
        LayerEstimatorSpec(
            name="top",
            targets=("onnx.TopK", "aten.topk"),
            summary="n ceil(log2 k) comparisons per row",
            source="ONNX TopK-24; PyTorch aten::topk",
            estimate="qreg_reduce.order:top",
        ),
        LayerEstimatorSpec(
            name="kth",
            targets=("aten.kthvalue",),
            summary="n ceil(log2 k) comparisons per row",
            source="PyTorch aten::kthvalue",
            estimate="qreg_reduce.order:kth",
        ),
        LayerEstimatorSpec(
            name="middle",
            targets=("aten.median", "aten.nanmedian"),
            summary="n ceil(log2 n/2) comparisons per row",
            source="PyTorch aten::median",
            estimate="qreg_reduce.order:middle",
        ),
        LayerEstimatorSpec(
            name="sort",
            targets=SORT,
            summary="n ceil(log2 n) comparisons per row",
            source="PyTorch aten::sort",
            estimate="qreg_reduce.order:sort",
        ),
        LayerEstimatorSpec(
            name="runs",
            targets=RUNS,
            summary="a sort, and one comparison per element",
            source="ONNX Unique-11; PyTorch aten::_unique2",
            estimate="qreg_reduce.order:runs",
        ),
        LayerEstimatorSpec(
            name="neighbours",
            targets=("aten.unique_consecutive", "aten.unique_dim_consecutive"),
            summary="one comparison per element",
            source="PyTorch aten::unique_consecutive",
            estimate="qreg_reduce.cost:one_per_input",
        ),
        LayerEstimatorSpec(
            name="search",
            targets=("aten.searchsorted", "aten.bucketize"),
            summary="ceil(log2(m + 1)) comparisons per result",
            source="PyTorch aten::searchsorted",
            estimate="qreg_reduce.order:search",
        ),
        LayerEstimatorSpec(
            name="membership",
            targets=("aten.isin",),
            summary="a sort and a search per element",
            source="PyTorch aten::isin",
            estimate="qreg_reduce.order:membership",
        ),
        LayerEstimatorSpec(
            name="pairs",
            targets=("aten.pdist", "aten._pdist_forward"),
            summary="difference and norm per pair of numbers",
            source="PyTorch aten::pdist",
            estimate="qreg_reduce.pairs:within",
        ),
        LayerEstimatorSpec(
            name="aligned_pairs",
            targets=("aten.pairwise_distance",),
            summary="difference, epsilon and norm per pair of numbers",
            source="PyTorch aten::pairwise_distance",
            estimate="qreg_reduce.pairs:aligned",
        ),
        LayerEstimatorSpec(
            name="pairs_backward",
            targets=("aten._cdist_backward", "aten._pdist_backward"),
            summary="three operations per pair of numbers",
            source="PyTorch aten::_cdist_backward",
            estimate="qreg_reduce.pairs:between_backward",
        ),
        ShortcutHandlerSpec(
            name="reduction",
            targets=REDUCTION_STATES,
            summary="known where everything along the axes is known",
            propagate="qreg_channels.reduction:propagate",
            needed="qreg_channels.backward_sets:reduced",
        ),
        ShortcutHandlerSpec(
            name="running_sum",
            targets=("onnx.CumSum", "aten.cumsum"),
            summary="known where no live element comes before",
            propagate="qreg_channels.pooling:propagate",
        ),
        ShortcutHandlerSpec(
            name="order",
            targets=ORDER_STATES,
            summary="live: any element may come anywhere",
            propagate="qreg_channels.always_live:propagate",
        ),
    )
