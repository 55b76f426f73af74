"""The registry of cut rules: light, for plugins to declare entries with."""

from attrs import field, frozen
from attrs.converters import optional

from qreg.specs import Ref, Spec, call


@frozen(kw_only=True, eq=False, repr=False, slots=False)
class CutRuleSpec(Spec):
    """Which places of an op's tensors leave together when a model is pruned.

    ``couplings`` gives records of ``qreg_prune.records``; what none of them names stays. ``resized``
    says which attributes and constants depend on the sizes that are left.

    For ops that sum over channels: ``remainder`` is what some input channels add to the result, in
    steps of the bias where the op is quantised, None where that is nothing, NaN where nobody can
    say; ``biased`` puts a vector, one number per output channel, into the op's bias.
    """

    registry = "cut_rules"
    couplings: Ref = field(
        converter=Ref, metadata=call(1, "(OpCall) -> tuple[Tie | Groups | Regroup, ...]")
    )
    resized: Ref | None = field(
        default=None, converter=optional(Ref), metadata=call(2, "(OpCall, Kept) -> Change")
    )
    remainder: Ref | None = field(
        default=None,
        converter=optional(Ref),
        metadata=call(4, "(OpCall, states, channels, Evaluate) -> array | None"),
    )
    biased: Ref | None = field(
        default=None,
        converter=optional(Ref),
        metadata=call(3, "(OpCall, vector, bias | None) -> Change"),
    )
    bias: int | None = None  # the input that holds it
