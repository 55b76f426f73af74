"""A quantisation rule of ours: requantising becomes a shift."""

import numpy as np
from attrs import evolve, frozen

from qreg.records import OpCall
from qreg_quant.params import Static
from qreg_quant.ranges import Ranges
from qreg_quant.records import NodePlan, QParams
from qreg_quant.static import apply as static


@frozen(kw_only=True)
class PowerOfTwo(Static):
    """The keys of the static rule."""


def apply(rule: PowerOfTwo, call: OpCall, ranges: Ranges) -> NodePlan:
    """The static rule's plan with every scale rounded up to a power of two."""
    return static(rule, call, ranges).map(_rounded_up)


def _rounded_up(params: QParams) -> QParams:
    return evolve(params, scale=np.exp2(np.ceil(np.log2(params.scale))))
