"""Why nothing permits: the permits that came near, and what each lacked."""

from collections.abc import Iterable
from datetime import date

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

    `NO_TEXT`: no permit for this family of purposes is in force for this body and dataset; the
    nearest are then those of other days. Else `CONDITION_NOT_MET`, or `TEXT_NOT_IN_FORCE` where the text
    relied on is not.
    """
    permits = (rule for rule in policy.slices.at(shape.place) if rule.permits)
    near = [
        (rule, lacks)
        for rule in permits
        if (lacks := _lacks(policy, rule, shape, purpose)) is not None
    ]
    open_today = [(rule, lacks) for rule, lacks in near if rule.in_force(day)]
    shown = sorted(
        (_nearest(rule, lacks, shape, purpose, day) for rule, lacks in open_today or near),
        key=lambda permit: (len(permit.failed), permit.rule.text, permit.rule.rule),
    )
    basis_in_force = in_force(policy.texts[shape.legal_basis], day)
    if not open_today:
        reason = "NO_TEXT"
    else:
        reason = "CONDITION_NOT_MET" if basis_in_force else "TEXT_NOT_IN_FORCE"
    return Decision(outcome=Outcome.DENY, reason=reason, nearest=tuple(shown[:_SHOWN]))


def _nearest(
    rule: Rule, lacks: Iterable[str], shape: Shape, purpose: str, day: date
) -> NearestPermit:
    failed = list(lacks)
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


def _lacks(policy: PolicySet, rule: Rule, shape: Shape, purpose: str) -> list[str] | None:
    """The conditions the question does not meet, in words; None where the permit is not near.

    Near: meant for this activity and these data, and for a purpose of the same family.
    """
    holding = met(policy, rule, shape, purpose)
    unmet = [condition for index, condition in enumerate(rule.conditions) if index not in holding]
    if any(_about_others(condition) for condition in unmet):
        return None
    if any(about_purpose(condition) for condition in unmet) and not _covers_family(
        policy, rule, shape, purpose
    ):
        return None
    return [condition_words(condition) for condition in unmet]


def _covers_family(policy: PolicySet, rule: Rule, shape: Shape, purpose: str) -> bool:
    """Whether the rule's conditions on the purpose hold for some purpose of the same family."""
    family = policy.family(purpose)
    wanted = {i for i, condition in enumerate(rule.conditions) if about_purpose(condition)}
    return any(
        wanted <= met(policy, rule, shape, other)
        for other in policy.purposes
        if policy.family(other) == family
    )


def _about_others(condition: pst.Expr) -> bool:
    """Whether it asks for another activity or other data, which no better question would change."""
    names = {node.name for node in nodes_of(condition) if isinstance(node, pst.Var)}
    return "principal" in names or ("resource" in names and not about_purpose(condition))
