"""What one op costs, from registry ``layer_estimators``."""

from typing import Any

from qreg.catalogue import Catalogue, Entry
from qreg.errors import QregError
from qreg.records import Cost, OpCall
from qreg.specs import LayerEstimatorSpec, Spec


def cost_of(call: OpCall, catalogue: Catalogue) -> Cost | None:
    """The cost by the estimator that serves the op; None where none does: unknown, never 0.

    An op whose outputs have no known shape is unknown too.
    """
    entry = catalogue.choose(LayerEstimatorSpec, call.target, call.opset)
    if entry is None or not call.outputs:
        return None
    about = f"node {call.name!r} ({call.target})"
    cost = entry.call("estimate", call, about=about)
    if not isinstance(cost, Cost):
        raise wrong_answer(entry, cost, "(OpCall) -> Cost", about)
    return cost


def wrong_answer(entry: Entry[Spec], answer: Any, contract: str, about: str) -> QregError:
    """The error for a plugin's callable that gave what its contract does not allow."""
    whose = f"{entry.spec.registry} {entry.id} ({entry.distribution} {entry.version})"
    return QregError(
        f"{about}: {whose} gave {type(answer).__name__}; its contract is {contract}; that is a "
        "fault of the plugin"
    )


def sum_of(costs: tuple[Cost, ...]) -> Cost:
    """The costs of several ops as one."""
    contractions = tuple(c for cost in costs for c in cost.contractions)
    return Cost(contractions, sum(cost.elementwise_flops for cost in costs))
