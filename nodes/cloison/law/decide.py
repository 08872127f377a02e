"""The decision: permit, permit with obligations, or deny; closed by default.

A question is decided for every purpose its activity declares, since one key serves them all: all
must permit. A permit counts only if its text is the one the question relies on (for the activity's
other purposes: one the activity relies on). A forbid counts always. Obligations come from every
permit satisfied of every text the activity relies on: to rely on one sheds none that another sets.
"""

from datetime import date, datetime
from functools import lru_cache

import cedarpy

from cloison.law.nearest import default_deny
from cloison.law.paris import paris_day
from cloison.law.policy_set import PolicySet
from cloison.law.prepared import prepared
from cloison.law.question import Decision, Facts, Outcome, Question
from cloison.law.records import Activity
from cloison.law.shape import Shape, requests_of, shape_of
from cloison.law.slices import Slice
from cloison.law.verdict import NOTHING, Said, Verdict, conclusion, verdict_of


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
    return _decided(policy, *shaped(policy, question, facts, now))


def decide_anew(policy: PolicySet, question: Question, facts: Facts, now: datetime) -> Decision:
    """As `decide`, without keeping the answer: for who tries questions out."""
    return decide_shape(policy, *shaped(policy, question, facts, now))


def shaped(policy: PolicySet, question: Question, facts: Facts, now: datetime) -> tuple[Shape, int]:
    """What `decide` looks at of a question: its shape, and the epoch `now` is in."""
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
    found = settle(policy, shape, epoch)
    if isinstance(found, Decision):
        return found
    return default_deny(policy, shape, found, policy.epoch_day(epoch))


def settle(policy: PolicySet, shape: Shape, epoch: int) -> Decision | str:
    """As `decide_shape`; where nothing permits, the purpose for which, without what came near."""
    reason = outside_record(policy, shape)
    if reason is not None:
        return Decision(outcome=Outcome.DENY, reason=reason)
    purposes = purposes_of(policy, shape)
    verdicts = _verdicts(policy, shape, purposes, policy.epoch_day(epoch))
    decision = conclusion(verdicts)
    if decision is not None:
        return decision
    return next(one for one, verdict in zip(purposes, verdicts, strict=True) if not verdict.permits)


_decided = lru_cache(maxsize=65536)(decide_shape)


def purposes_of(policy: PolicySet, shape: Shape) -> tuple[str, ...]:
    """Every purpose the activity declares, the one asked for first."""
    declared = policy.activities[shape.activity].purposes
    return (shape.purpose, *(other for other in declared if other != shape.purpose))


def outside_record(policy: PolicySet, shape: Shape) -> str | None:
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


def _verdicts(
    policy: PolicySet, shape: Shape, purposes: tuple[str, ...], day: date
) -> list[Verdict]:
    """One verdict a purpose, in order; what no rule tells apart is evaluated once."""
    texts = frozenset(policy.activities[shape.activity].legal_bases)
    parts = prepared(policy, shape.place, day, texts)
    known: dict[Slice, Said] = {}
    found = []
    for place, purpose in enumerate(purposes):
        part = parts[purpose]
        if part not in known or "purpose" in part.attributes:
            known[part] = said_of(policy, shape, part, purpose)
        found.append(verdict_of(part.rules, known[part], shape.legal_basis, only=not place))
    return found


def said_of(policy: PolicySet, shape: Shape, part: Slice, purpose: str) -> Said:
    """What Cedar says of a slice for one purpose."""
    if part.policies is None:
        return NOTHING
    [request] = requests_of(shape, (purpose,), part.attributes)
    result = cedarpy.is_authorized(request, part.policies, policy.entities)
    decision, diagnostics = result.decision, result.diagnostics
    return Said(
        allowed=decision is cedarpy.Decision.Allow,
        undecided=decision is cedarpy.Decision.NoDecision,
        reasons=frozenset(diagnostics.reasons),
        errors=tuple(diagnostics.errors),
    )
