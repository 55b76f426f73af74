"""What one op costs, from registry ``layer_estimators``."""

from qreg.catalogue import Catalogue, cause_of
from qreg.errors import QregError
from qreg.records import Cost, OpCall
from qreg.specs import LayerEstimatorSpec


def cost_of(call: OpCall, catalogue: Catalogue) -> Cost | None:
    """The cost by the estimator that serves the op; None where none does: unknown, never 0.

    An op whose outputs have no known shape is unknown too.
    """
    entry = catalogue.choose(LayerEstimatorSpec, call.target, call.opset)
    if entry is None or not call.outputs:
        return None
    estimate = entry.spec.estimate.load()
    try:
        cost: Cost = estimate(call)
    except Exception as exc:
        raise QregError(
            f"layer estimator {entry.id} ({entry.distribution}) fails on node {call.name!r} "
            f"({call.target}): {cause_of(exc)}"
        ) from exc
    return cost


def sum_of(costs: tuple[Cost, ...]) -> Cost:
    """The costs of several ops as one."""
    contractions = tuple(c for cost in costs for c in cost.contractions)
    return Cost(contractions, sum(cost.elementwise_flops for cost in costs))
