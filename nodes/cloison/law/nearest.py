"""Why nothing permits: the permits that came near, and what each lacked."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from cedarpy import pst

from cloison.law.conditions import about_purpose, met
from cloison.law.policy_set import PolicySet, in_force
from cloison.law.question import Decision, NearestPermit, Outcome
from cloison.law.rules import Rule, nodes_of
from cloison.law.shape import Shape
from cloison.law.words import condition_words, phrase

_SHOWN = 3


def default_deny(policy: PolicySet, shape: Shape, purpose: str, day: date) -> Decision:
    """The deny of a question that no permit covers for `purpose` on `day`.

    `NO_TEXT`: no permit in force is for this activity, these data and this purpose; the nearest are
    those of other days, else those in force for another purpose of the same family. Otherwise
    `CONDITION_NOT_MET`, or `TEXT_NOT_IN_FORCE` where the text relied on is not.
    """
    permits = (rule for rule in policy.slices.at(shape.place) if rule.permits)
    gaps = [gap for rule in permits if (gap := _gap(policy, rule, shape, purpose)) is not None]
    exact = [gap for gap in gaps if gap.same_purpose]
    open_today = [gap for gap in exact if gap.rule.in_force(day)]
    kin = [gap for gap in gaps if gap.rule.in_force(day)]
    shown = sorted(
        (_nearest(gap, shape, purpose, day) for gap in open_today or exact or kin),
        key=lambda permit: (len(permit.failed), permit.rule.text, permit.rule.rule),
    )
    if not open_today:
        reason = "NO_TEXT"
    elif in_force(policy.texts[shape.legal_basis], day):
        reason = "CONDITION_NOT_MET"
    else:
        reason = "TEXT_NOT_IN_FORCE"
    return Decision(outcome=Outcome.DENY, reason=reason, nearest=tuple(shown[:_SHOWN]))


@dataclass(frozen=True, slots=True)
class _Gap:
    """What a question lacks for a permit meant for its activity, data and family of purposes."""

    rule: Rule
    same_purpose: bool
    lacks: tuple[str, ...]


def _nearest(gap: _Gap, shape: Shape, purpose: str, day: date) -> NearestPermit:
    rule, failed = gap.rule, list(gap.lacks)
    if not rule.in_force(day):
        failed.append(_days(rule))
    if purpose == shape.purpose and rule.ref.text != shape.legal_basis:
        failed.append(phrase("relies", f"`{rule.ref.text}`"))
    if purpose != shape.purpose:
        failed = [phrase("also", f"`{purpose}`", words) for words in failed]
    return NearestPermit(rule=rule.ref, failed=tuple(failed))


def _days(rule: Rule) -> str:
    if rule.end_day is None:
        return phrase("from", rule.first_day.isoformat())
    return phrase("from_until", rule.first_day.isoformat(), rule.end_day.isoformat())


def _gap(policy: PolicySet, rule: Rule, shape: Shape, purpose: str) -> _Gap | None:
    """What the question lacks for `rule`; None where the rule is for others or for other ends."""
    [holding] = met(policy, rule, shape, [purpose])
    unmet = [condition for index, condition in enumerate(rule.conditions) if index not in holding]
    if any(_about_others(condition) for condition in unmet):
        return None
    same_purpose = not any(about_purpose(condition) for condition in unmet)
    if not same_purpose and not _covers_family(policy, rule, shape, purpose):
        return None
    return _Gap(rule, same_purpose, tuple(condition_words(condition) for condition in unmet))


def _covers_family(policy: PolicySet, rule: Rule, shape: Shape, purpose: str) -> bool:
    """Whether the rule's conditions on the purpose hold for some purpose of the same family."""
    family = policy.family(purpose)
    kin = [other for other in policy.purposes if policy.family(other) == family]
    wanted = {i for i, condition in enumerate(rule.conditions) if about_purpose(condition)}
    return any(wanted <= holding for holding in met(policy, rule, shape, kin))


@lru_cache(maxsize=4096)
def _about_others(condition: pst.Expr) -> bool:
    """Whether it asks for another activity or other data, which no better question would change."""
    names = {node.name for node in nodes_of(condition) if isinstance(node, pst.Var)}
    return "principal" in names or ("resource" in names and not about_purpose(condition))
