"""Losses: cost."""

from qreg.hooks import hookimpl
from qreg.specs import LayerEstimatorSpec, Spec

QREG_API = 1

NEGATIVE_LOG_LIKELIHOOD = (
    "onnx.NegativeLogLikelihoodLoss", "aten.nll_loss", "aten.nll_loss_forward",
    "aten.nll_loss_nd", "aten.nll_loss2d", "aten.nll_loss2d_forward",
)  # fmt: skip


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        LayerEstimatorSpec(
            name="absolute",
            targets=("aten.l1_loss",),
            summary="difference and absolute value per element, and the sum",
            source="PyTorch aten::l1_loss",
            estimate="qreg_loss.cost:absolute",
        ),
        LayerEstimatorSpec(
            name="squared",
            targets=("aten.mse_loss",),
            summary="difference and square per element, and the sum",
            source="PyTorch aten::mse_loss",
            estimate="qreg_loss.cost:squared",
        ),
        LayerEstimatorSpec(
            name="smooth_absolute",
            targets=("aten.smooth_l1_loss",),
            summary="six operations per element, and the sum",
            source="PyTorch aten::smooth_l1_loss",
            estimate="qreg_loss.cost:smooth_absolute",
        ),
        LayerEstimatorSpec(
            name="huber",
            targets=("aten.huber_loss",),
            summary="five operations per element, and the sum",
            source="PyTorch aten::huber_loss",
            estimate="qreg_loss.cost:huber",
        ),
        LayerEstimatorSpec(
            name="cross_entropy_of_probabilities",
            targets=("aten.binary_cross_entropy",),
            summary="eight operations per element, a weight, and the sum",
            source="PyTorch aten::binary_cross_entropy",
            estimate="qreg_loss.cost:cross_entropy_of_probabilities",
        ),
        LayerEstimatorSpec(
            name="cross_entropy_of_logits",
            targets=("aten.binary_cross_entropy_with_logits",),
            summary="eight operations per element, weights, and the sum",
            source="PyTorch aten::binary_cross_entropy_with_logits",
            estimate="qreg_loss.cost:cross_entropy_of_logits",
        ),
        LayerEstimatorSpec(
            name="soft_margin",
            targets=("aten.soft_margin_loss",),
            summary="five operations per element, and the sum",
            source="PyTorch aten::soft_margin_loss",
            estimate="qreg_loss.cost:soft_margin",
        ),
        LayerEstimatorSpec(
            name="hinge_embedding",
            targets=("aten.hinge_embedding_loss",),
            summary="three operations per element, and the sum",
            source="PyTorch aten::hinge_embedding_loss",
            estimate="qreg_loss.cost:hinge_embedding",
        ),
        LayerEstimatorSpec(
            name="margin_ranking",
            targets=("aten.margin_ranking_loss",),
            summary="five operations per element, and the sum",
            source="PyTorch aten::margin_ranking_loss",
            estimate="qreg_loss.cost:margin_ranking",
        ),
        LayerEstimatorSpec(
            name="divergence",
            targets=("aten.kl_div",),
            summary="three operations per element, and the sum",
            source="PyTorch aten::kl_div",
            estimate="qreg_loss.cost:divergence",
        ),
        LayerEstimatorSpec(
            name="poisson",
            targets=("aten.poisson_nll_loss",),
            summary="three to twelve operations per element, and the sum",
            source="PyTorch aten::poisson_nll_loss",
            estimate="qreg_loss.cost:poisson",
        ),
        LayerEstimatorSpec(
            name="negative_log_likelihood",
            targets=NEGATIVE_LOG_LIKELIHOOD,
            summary="negation, weight and sum per sample",
            source="ONNX NegativeLogLikelihoodLoss-22; PyTorch aten::nll_loss",
            estimate="qreg_loss.cost:negative_log_likelihood",
        ),
        LayerEstimatorSpec(
            name="cross_entropy",
            targets=("onnx.SoftmaxCrossEntropyLoss", "aten.cross_entropy_loss"),
            summary="a log-softmax; negation, weight and sum per sample",
            source="ONNX SoftmaxCrossEntropyLoss-13; PyTorch aten::cross_entropy_loss",
            estimate="qreg_loss.cost:cross_entropy",
        ),
        LayerEstimatorSpec(
            name="cosine_embedding",
            targets=("aten.cosine_embedding_loss",),
            summary="three sums of products, ten operations per row",
            source="PyTorch aten::cosine_embedding_loss",
            estimate="qreg_loss.cost:cosine_embedding",
        ),
        LayerEstimatorSpec(
            name="triplet_margin",
            targets=("aten.triplet_margin_loss",),
            summary="two or three distances, four operations per row",
            source="PyTorch aten::triplet_margin_loss",
            estimate="qreg_loss.cost:triplet_margin",
        ),
        LayerEstimatorSpec(
            name="multi_margin",
            targets=("aten.multi_margin_loss",),
            summary="four operations per element, power and weight",
            source="PyTorch aten::multi_margin_loss",
            estimate="qreg_loss.cost:multi_margin",
        ),
        LayerEstimatorSpec(
            name="squared_backward",
            targets=("aten.mse_loss_backward",),
            summary="three operations per element",
            source="PyTorch aten::mse_loss_backward",
            estimate="qreg_loss.cost:squared_backward",
        ),
        LayerEstimatorSpec(
            name="smooth_absolute_backward",
            targets=("aten.smooth_l1_loss_backward",),
            summary="four operations per element",
            source="PyTorch aten::smooth_l1_loss_backward",
            estimate="qreg_loss.cost:smooth_absolute_backward",
        ),
        LayerEstimatorSpec(
            name="huber_backward",
            targets=("aten.huber_loss_backward",),
            summary="four operations per element",
            source="PyTorch aten::huber_loss_backward",
            estimate="qreg_loss.cost:huber_backward",
        ),
        LayerEstimatorSpec(
            name="cross_entropy_backward",
            targets=("aten.binary_cross_entropy_backward",),
            summary="six operations per element, and a weight",
            source="PyTorch aten::binary_cross_entropy_backward",
            estimate="qreg_loss.cost:cross_entropy_of_probabilities_backward",
        ),
        LayerEstimatorSpec(
            name="soft_margin_backward",
            targets=("aten.soft_margin_loss_backward",),
            summary="seven operations per element",
            source="PyTorch aten::soft_margin_loss_backward",
            estimate="qreg_loss.cost:soft_margin_backward",
        ),
        LayerEstimatorSpec(
            name="negative_log_likelihood_backward",
            targets=("aten.nll_loss_backward", "aten.nll_loss2d_backward"),
            summary="negation and weight per sample",
            source="PyTorch aten::nll_loss_backward",
            estimate="qreg_loss.cost:negative_log_likelihood_backward",
        ),
    )
