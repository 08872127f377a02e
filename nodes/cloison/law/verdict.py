"""From what an evaluator said of each rule to the decision: the same steps for either evaluator."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cloison.law.question import Decision, Obligation, Outcome, RuleRef
from cloison.law.rules import OBLIGATION_KINDS, Rule


class Said(NamedTuple):
    """What an evaluator said of the rules of a slice, for one purpose.

    Attributes:
        reasons: Ids of the permits that made it allowed, or of the forbids that did not.
        errors: A text for each rule that erred; it holds the rule's id.
        undecided: The evaluator gave no decision at all.
    """

    allowed: bool
    reasons: frozenset[str]
    errors: tuple[str, ...] = ()
    undecided: bool = False


NOTHING = Said(allowed=False, reasons=frozenset())
"""Where there is no rule, no permit holds and no forbid."""


class Verdict(NamedTuple):
    """What that means for one purpose.

    Attributes:
        permits: Those that count.
        obligations: Of every permit satisfied, whether it counts or not.
    """

    permits: tuple[Rule, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    forbids: tuple[Rule, ...] = ()
    errors: tuple[RuleRef, ...] = ()


def verdict_of(rules: Mapping[str, Rule], said: Said, relied: str, *, only: bool) -> Verdict:
    """What one answer means.

    Args:
        rules: Those of the slice.
        said: The evaluator's answer.
        relied: The text the question relies on: its permits are taken first.
        only: No other text's permit counts.
    """
    if said.errors or said.undecided:
        # INVARIANT: Cedar would skip an erring forbid; here one error denies.
        named = [
            rule.ref for rule in rules.values() if any(rule.id in text for text in said.errors)
        ]
        return Verdict(errors=tuple(named or (rule.ref for rule in rules.values())))
    decided = tuple(rules[name] for name in sorted(said.reasons))
    if not said.allowed:
        return Verdict(forbids=decided)
    own = tuple(rule for rule in decided if rule.ref.text == relied)
    return Verdict(
        permits=own if own or only else decided,
        obligations=tuple(one for rule in decided for one in rule.obligations),
    )


def conclusion(verdicts: Sequence[Verdict]) -> Decision | None:
    """The decision on the verdicts of all purposes; None where some purpose has no permit."""
    if errors := [ref for verdict in verdicts for ref in verdict.errors]:
        return Decision(outcome=Outcome.DENY, reason="RULE_ERROR", rules=_distinct(errors))
    if forbids := [rule.ref for verdict in verdicts for rule in verdict.forbids]:
        return Decision(
            outcome=Outcome.DENY,
            reason="FORBIDDEN",
            rules=_distinct(forbids),
            provisional=any(ref.provisional for ref in forbids),
        )
    return _permit(verdicts) if all(verdict.permits for verdict in verdicts) else None


def _permit(verdicts: Sequence[Verdict]) -> Decision:
    rules = [rule for verdict in verdicts for rule in verdict.permits]
    obligations = {one for verdict in verdicts for one in verdict.obligations}
    return Decision(
        outcome=Outcome.PERMIT_WITH_OBLIGATIONS if obligations else Outcome.PERMIT,
        reason="PERMITTED",
        rules=_distinct(rule.ref for rule in rules),
        obligations=tuple(sorted(obligations, key=_obligation_order)),
        provisional=any(rule.ref.provisional for rule in rules),
        text=verdicts[0].permits[0].ref.text,
    )


def _obligation_order(obligation: Obligation) -> tuple[int, str, str]:
    return OBLIGATION_KINDS.index(obligation.kind), obligation.rule, obligation.value


def _distinct(refs: Iterable[RuleRef]) -> tuple[RuleRef, ...]:
    return tuple(dict.fromkeys(refs))
