"""Which rule takes which layer, and what is wrong with a rule that takes none."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from attrs import field, frozen
from attrs.validators import min_len

from qreg.catalogue import NONE, Catalogue, rank_of
from qreg.errors import Mistakes, QregError, StructureError
from qreg.pipeline import located, read_toml
from qreg.records import OpCall
from qreg.specs import QuantRuleSpec
from qreg.structure import Use, structure
from qreg_quant.follow import follower
from qreg_quant.forms import form_of
from qreg_quant.params import Quantize, Static
from qreg_quant.records import LayerReport, RuleCoverage

DEFAULT = "quant/static"
NEAREST = 3


@frozen
class RulesFile:
    rule: tuple[Use[QuantRuleSpec], ...] = field(validator=min_len(1))


@frozen
class NumberedRule:
    """One rule in its place; rules count from 1."""

    number: int
    use: Use[QuantRuleSpec]

    @property
    def match(self) -> str:
        return str(self.use.params.match)

    @property
    def op(self) -> tuple[str, ...]:
        return tuple(getattr(self.use.params, "op", ()))

    @property
    def title(self) -> str:
        """``rule 2 (static, match '.*fc.*')``."""
        kinds = f", op {' '.join(self.op)}" if self.op else ""
        return f"rule {self.number} ({self.use.entry.spec.name}, match {self.match!r}{kinds})"

    def takes(self, call: OpCall) -> bool:
        return self._names(call) and self._of_kind(call)

    def means(self, call: OpCall) -> bool:
        """Whether the rule is about this very layer or kind of op, not whatever a pattern meets."""
        never = form_of(call) is None and follower(call) is None
        return self.match in (call.name, re.escape(call.name)) or (bool(self.op) and never)

    def _names(self, call: OpCall) -> bool:
        return re.fullmatch(self.match, call.name, re.DOTALL) is not None

    def _of_kind(self, call: OpCall) -> bool:
        """An op among the rule's, that its entry is written for."""
        spec = self.use.entry.spec
        served = not spec.targets or rank_of(spec, call.target) > NONE
        return served and (not self.op or call.op in self.op or call.target in self.op)

    def why_nothing(self, calls: Iterable[OpCall], folded: Mapping[str, str]) -> str:
        """What to change in a rule that matches no layer."""
        calls = tuple(calls)
        named = [c for c in calls if self._names(c)]
        if named:
            kinds = ", ".join(sorted({c.op for c in named}))
            return f"it fits {_listed([c.name for c in named])}, which it is not for: {kinds}"
        gone = [name for name in folded if re.fullmatch(self.match, name, re.DOTALL)]
        if gone:
            return f"{gone[0]!r} was folded into {folded[gone[0]]!r}: match that layer"
        begun = [c.name for c in calls if re.match(self.match, c.name, re.DOTALL)]
        if begun:
            return (
                f"the whole name must match: {self.match!r} only begins {_listed(begun)}; add '.*'"
            )
        near = _nearest(self.match, [c.name for c in calls])
        if near:
            return f"the nearest layers are {_listed(near)}"
        return f"there are {_listed([c.name for c in calls])}"


def rules_of(params: Quantize, catalogue: Catalogue) -> tuple[NumberedRule, ...]:
    """The rules of the step, of its file, or the one that takes everything."""
    if params.rule and params.rules:
        raise QregError(f"rules are given in the step and in {params.rules}; keep one of them")
    uses = params.rule
    if params.rules:
        uses = _read(params.rules, catalogue)
    if not uses:
        entry = catalogue.find(QuantRuleSpec, DEFAULT)
        return (NumberedRule(1, Use(entry, Static())),)
    for use in uses:
        if not hasattr(use.params, "match"):
            raise QregError(
                f"rule {use.entry.id} ({use.entry.distribution}): its params have no field 'match'; "
                "inherit qreg_quant.params.Rule"
            )
    return tuple(NumberedRule(i, use) for i, use in enumerate(uses, 1))


def assign(
    rules: tuple[NumberedRule, ...], calls: tuple[OpCall, ...], folded: Mapping[str, str]
) -> tuple[dict[str, NumberedRule], list[str]]:
    """Layer -> the first rule that takes it, and the faults of rules that take nothing."""
    taken = {c.name: next((r for r in rules if r.takes(c)), None) for c in calls}
    faults = []
    for rule in rules:
        fitting = [c.name for c in calls if rule.takes(c)]
        if not fitting:
            faults.append(f"{rule.title} matches no layer: {rule.why_nothing(calls, folded)}")
        elif all(taken[n] is not rule for n in fitting):
            before = sorted({r.number for n in fitting if (r := taken[n])})
            numbers = " and ".join(map(str, before))
            faults.append(
                f"{rule.title} is shadowed: rule {numbers} takes all it fits, {_listed(fitting)}; "
                "first match wins, so put it before, or narrow the other"
            )
    return {n: r for n, r in taken.items() if r is not None}, faults


def coverage(
    rules: tuple[NumberedRule, ...],
    calls: tuple[OpCall, ...],
    taken: Mapping[str, NumberedRule],
    layers: Mapping[str, LayerReport],
) -> tuple[tuple[RuleCoverage, ...], list[str]]:
    """What became of every rule, and the faults of rules that meet what they cannot quantise.

    A pattern may meet such layers on its way; a rule that names one, or meets nothing else, not.
    """
    found, faults = [], []
    for rule in rules:
        matched = [c for c in calls if taken.get(c.name) is rule]
        done = [c for c in matched if layers[c.name].outcome != "unsupported"]
        lost = [c for c in matched if c not in done]
        blamed = [c for c in lost if not done or rule.means(c)]
        faults += [
            f"{rule.title} cannot quantise {c.op} {c.name!r}: {layers[c.name].note}; "
            "narrow the rule, or leave the layer out"
            for c in blamed[:NEAREST]
        ]
        found.append(_coverage(rule, calls, matched, done, lost))
    return tuple(found), faults


def _coverage(
    rule: NumberedRule,
    calls: tuple[OpCall, ...],
    matched: list[OpCall],
    done: list[OpCall],
    lost: list[OpCall],
) -> RuleCoverage:
    names = {c.name for c in matched}
    return RuleCoverage(
        rule=rule.title,
        use=rule.use.entry.id,
        match=rule.match,
        op=rule.op,
        matched=tuple(c.name for c in matched),
        quantized=tuple(c.name for c in done),
        shadowed=tuple(c.name for c in calls if rule.takes(c) and c.name not in names),
        unsupported=tuple(c.name for c in lost),
    )


def _read(path: Path, catalogue: Catalogue) -> tuple[Use[QuantRuleSpec], ...]:
    text, table = read_toml(path)
    try:
        return structure(table, RulesFile, catalogue, path.parent).rule
    except StructureError as exc:
        raise Mistakes(located(path, text, exc.problems)) from exc


def _nearest(pattern: str, names: list[str]) -> list[str]:
    """Layer names most like the plain part of a pattern."""
    plain = re.sub(r"\\[a-zA-Z]|[\\^$*+?()\[\]{}|]", "", pattern).replace(".", "")
    stripped: dict[str, Any] = {}
    for name in names:
        stripped.setdefault(name.replace(".", ""), name)
    near = get_close_matches(plain, stripped, NEAREST, cutoff=0.4)
    return [stripped[n] for n in near]


def _listed(names: list[str]) -> str:
    """The first few names, and how many more."""
    more = f" and {len(names) - NEAREST} more" if len(names) > NEAREST else ""
    return ", ".join(map(repr, names[:NEAREST])) + more
