"""The decision: permit, permit with obligations, or deny; closed by default.

A question is decided for every purpose its activity declares, since one key serves them all: all
must permit. A permit counts only if its text is the one the question relies on (for the activity's
other purposes: one the activity relies on). A forbid counts always. Obligations come from every
permit satisfied of every text the activity relies on: to rely on one sheds none that another sets.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

import cedarpy

from cloison.law.conditions import stand_ins
from cloison.law.nearest import default_deny
from cloison.law.paris import paris_day
from cloison.law.policy_set import PolicySet
from cloison.law.question import Decision, Facts, Obligation, Outcome, Question, RuleRef
from cloison.law.records import Activity
from cloison.law.rules import OBLIGATION_KINDS, Rule
from cloison.law.shape import Shape, requests_of, shape_of


def decide(policy: PolicySet, question: Question, facts: Facts, now: datetime) -> Decision:
    """What the law in force at `now` answers. Never raises for a question, however wrong.

    Args:
        policy: The holder's policy set.
        question: What is asked, without any person in it.
        facts: What was gathered about it.
        now: The holder's clock, aware. It alone says which texts are in force.

    Raises:
        InputError: `NAIVE_TIME`.
    """
    return _decided(policy, *_shaped(policy, question, facts, now))


def decide_anew(policy: PolicySet, question: Question, facts: Facts, now: datetime) -> Decision:
    """As `decide`, without keeping the answer: for who tries questions out."""
    return decide_shape(policy, *_shaped(policy, question, facts, now))


def _shaped(
    policy: PolicySet, question: Question, facts: Facts, now: datetime
) -> tuple[Shape, int]:
    epoch = policy.epoch(paris_day(now))
    activity = policy.activities.get(question.activity)
    counts = ("questions_before" in policy.attributes, "persons" in policy.attributes)
    return shape_of(question, facts, now, _own(activity, facts), counts), epoch


def _own(activity: Activity | None, facts: Facts) -> bool:
    case = facts.case
    return (
        activity is not None
        and case is not None
        and case.activity == activity.id
        and activity.case_type(case.type) is not None
    )


def decide_shape(policy: PolicySet, shape: Shape, epoch: int) -> Decision:
    """The decision on a shape in an epoch, worked out anew."""
    reason = _outside_record(policy, shape)
    if reason is not None:
        return Decision(outcome=Outcome.DENY, reason=reason)
    day = policy.epoch_day(epoch)
    activity = policy.activities[shape.activity]
    purposes = (shape.purpose, *(other for other in activity.purposes if other != shape.purpose))
    verdicts = _verdicts(policy, shape, purposes, day)
    if errors := [ref for verdict in verdicts for ref in verdict.errors]:
        return Decision(outcome=Outcome.DENY, reason="RULE_ERROR", rules=_distinct(errors))
    if forbids := [rule.ref for verdict in verdicts for rule in verdict.forbids]:
        return Decision(
            outcome=Outcome.DENY,
            reason="FORBIDDEN",
            rules=_distinct(forbids),
            provisional=any(ref.provisional for ref in forbids),
        )
    for purpose, verdict in zip(purposes, verdicts, strict=True):
        if not verdict.permits:
            return default_deny(policy, shape, purpose, day)
    return _permit(verdicts)


_decided = lru_cache(maxsize=65536)(decide_shape)


def _outside_record(policy: PolicySet, shape: Shape) -> str | None:
    """Why the question is not one its activity can put at all; None where it is."""
    activity = policy.activities.get(shape.activity)
    dataset = policy.datasets.get((shape.holder, shape.dataset))
    if activity is None:
        return "UNKNOWN_ACTIVITY"
    if shape.purpose not in policy.purposes:
        return "UNKNOWN_PURPOSE"
    if shape.legal_basis not in policy.texts:
        return "UNKNOWN_TEXT"
    if dataset is None:
        return "UNKNOWN_DATASET"
    if not set(dataset.fields).issuperset(shape.fields):
        return "UNKNOWN_FIELD"
    return _against_record(policy, shape, activity)


def _against_record(policy: PolicySet, shape: Shape, activity: Activity) -> str | None:
    """Why the record of this activity does not cover the question; None where it does."""
    fields = activity.fields_of(shape.holder, shape.dataset)
    if activity.body != shape.requester:
        return "ACTIVITY_OF_ANOTHER_BODY"
    if shape.purpose not in activity.purposes:
        return "PURPOSE_NOT_DECLARED"
    if shape.legal_basis not in activity.legal_bases:
        return "BASIS_NOT_DECLARED"
    if fields is None:
        return "DATASET_NOT_IN_RECORD"
    if not fields.issuperset(shape.fields):
        return "FIELD_NOT_IN_RECORD"
    return _badly_put(policy, shape)


def _badly_put(policy: PolicySet, shape: Shape) -> str | None:
    """Why the question makes no sense in itself; None where it does."""
    if not shape.fields or shape.months < 1:
        return "BAD_QUESTION"
    return "UNKNOWN_LABEL" if shape.received and not _known_label(policy, shape) else None


def _known_label(policy: PolicySet, shape: Shape) -> bool:
    """Whether some activity may have received these data for that purpose."""
    receiver = policy.activities.get(shape.received_by)
    return (
        receiver is not None
        and shape.received_for in receiver.purposes
        and receiver.fields_of(shape.holder, shape.dataset) is not None
    )


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What Cedar said for one purpose.

    Attributes:
        permits: Those that count.
        obligations: Of every permit satisfied, whether it counts or not.
    """

    permits: tuple[Rule, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    forbids: tuple[Rule, ...] = ()
    errors: tuple[RuleRef, ...] = ()


def _verdicts(
    policy: PolicySet, shape: Shape, purposes: tuple[str, ...], day: date
) -> list[_Verdict]:
    """One verdict a purpose, in order."""
    texts = frozenset(policy.activities[shape.activity].legal_bases)
    found = policy.slices.slice(shape.place, day, texts)
    if found.policies is None:
        return [_Verdict() for _ in purposes]
    stand_in = stand_ins(policy, shape.place, day, texts)
    asked = list(dict.fromkeys(stand_in[purpose] for purpose in purposes))
    requests = requests_of(shape, asked, found.attributes)
    results = cedarpy.is_authorized_batch(requests, found.policies, policy.entities)
    answers = dict(zip(asked, results, strict=True))
    return [
        _verdict(found.rules, answers[stand_in[purpose]], shape.legal_basis, only=not other)
        for other, purpose in enumerate(purposes)
    ]


def _verdict(
    rules: Mapping[str, Rule], result: cedarpy.AuthzResult, relied: str, *, only: bool
) -> _Verdict:
    """What one answer of Cedar means.

    Args:
        rules: Those of the slice.
        result: Cedar's answer.
        relied: The text the question relies on: its permits are taken first.
        only: No other text's permit counts.
    """
    errors = result.diagnostics.errors
    if errors or result.decision is cedarpy.Decision.NoDecision:
        # INVARIANT: Cedar would skip an erring forbid; here one error denies.
        named = [rule.ref for rule in rules.values() if any(rule.id in text for text in errors)]
        return _Verdict(errors=tuple(named or (rule.ref for rule in rules.values())))
    decided = tuple(rules[name] for name in sorted(result.diagnostics.reasons))
    if not result.allowed:
        return _Verdict(forbids=decided)
    own = tuple(rule for rule in decided if rule.ref.text == relied)
    return _Verdict(
        permits=own if own or only else decided,
        obligations=tuple(one for rule in decided for one in rule.obligations),
    )


def _permit(verdicts: list[_Verdict]) -> Decision:
    rules = [rule for verdict in verdicts for rule in verdict.permits]
    obligations = sorted(
        {one for verdict in verdicts for one in verdict.obligations}, key=_obligation_order
    )
    return Decision(
        outcome=Outcome.PERMIT_WITH_OBLIGATIONS if obligations else Outcome.PERMIT,
        reason="PERMITTED",
        rules=_distinct(rule.ref for rule in rules),
        obligations=tuple(obligations),
        provisional=any(rule.ref.provisional for rule in rules),
        text=verdicts[0].permits[0].ref.text,
    )


def _obligation_order(obligation: Obligation) -> tuple[int, str, str]:
    return OBLIGATION_KINDS.index(obligation.kind), obligation.rule, obligation.value


def _distinct(refs: Iterable[RuleRef]) -> tuple[RuleRef, ...]:
    return tuple(dict.fromkeys(refs))
