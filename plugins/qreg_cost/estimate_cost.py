"""What one op costs, from registry ``layer_estimators``."""

from qreg.catalogue import Catalogue
from qreg.records import Cost, OpCall
from qreg.specs import LayerEstimatorSpec


def cost_of(call: OpCall, catalogue: Catalogue) -> Cost | None:
    """The cost by the estimator that serves the op; None where none does: unknown, never 0.

    An estimator may say None too, of a call whose sizes do not tell. An op whose outputs have no known shape is unknown too.
    """
    entry = catalogue.choose(LayerEstimatorSpec, call.target, call.opset)
    if entry is None or not call.outputs:
        return None
    about = f"node {call.name!r} ({call.target})"
    cost = entry.call("estimate", call, about=about)
    if cost is None:  # the sizes alone do not say
        return None
    if not isinstance(cost, Cost):
        raise entry.wrong("estimate", cost, about)
    return cost


def sum_of(costs: tuple[Cost, ...]) -> Cost:
    """The costs of several ops as one."""
    contractions = tuple(c for cost in costs for c in cost.contractions)
    return Cost(contractions, sum(cost.elementwise_flops for cost in costs))
