"""The law's values on the wire: facts and decisions, both ways."""

from datetime import datetime

from cloison.errors import IntegrityError
from cloison.exchange.statement import from_milliseconds, to_milliseconds
from cloison.law.question import (
    CaseFacts,
    Decision,
    Facts,
    NearestPermit,
    Obligation,
    Outcome,
    RuleRef,
    Witnessing,
)
from cloison.months import Month
from cloison.v1 import decision_pb2

_OUTCOMES = {
    Outcome.PERMIT: decision_pb2.OUTCOME_PERMIT,
    Outcome.PERMIT_WITH_OBLIGATIONS: decision_pb2.OUTCOME_PERMIT_WITH_OBLIGATIONS,
    Outcome.DENY: decision_pb2.OUTCOME_DENY,
}
_FROM_OUTCOMES = {number: outcome for outcome, number in _OUTCOMES.items()}


def decision_to_proto(decision: Decision) -> decision_pb2.Decision:
    """A decision as it stands in an entry."""
    return decision_pb2.Decision(
        outcome=_OUTCOMES[decision.outcome],
        reason=decision.reason,
        rules=[_rule_to_proto(rule) for rule in decision.rules],
        obligations=[
            decision_pb2.Obligation(kind=duty.kind, value=duty.value, rule=duty.rule)
            for duty in decision.obligations
        ],
        nearest=[
            decision_pb2.NearestPermit(rule=_rule_to_proto(near.rule), failed=near.failed)
            for near in decision.nearest
        ],
        provisional=decision.provisional,
    )


def decision_from_proto(message: decision_pb2.Decision) -> Decision:
    """A decision as a requester reads it. Raises `IntegrityError` (`BAD_ENTRY`)."""
    outcome = _FROM_OUTCOMES.get(message.outcome)
    if outcome is None:
        raise IntegrityError("BAD_ENTRY", "decision: no outcome")
    rules = tuple(_rule_from_proto(rule) for rule in message.rules)
    return Decision(
        outcome=outcome,
        reason=message.reason,
        rules=rules,
        obligations=tuple(
            Obligation(duty.kind, duty.value, duty.rule) for duty in message.obligations
        ),
        nearest=tuple(
            NearestPermit(_rule_from_proto(near.rule), tuple(near.failed))
            for near in message.nearest
        ),
        provisional=message.provisional,
        text=next((rule.text for rule in rules if rule.effect == "permit"), ""),
    )


def _rule_to_proto(rule: RuleRef) -> decision_pb2.RuleReference:
    return decision_pb2.RuleReference(
        text=rule.text,
        rule=rule.rule,
        article=rule.article,
        effect=rule.effect,
        provisional=rule.provisional,
    )


def _rule_from_proto(message: decision_pb2.RuleReference) -> RuleRef:
    return RuleRef(message.text, message.rule, message.article, message.effect, message.provisional)


def facts_to_proto(facts: Facts, received_for: str) -> decision_pb2.Facts:
    """Facts as they stand in an entry, so that the decision can be made again."""
    message = decision_pb2.Facts(
        cohort=facts.cohort,
        named_agent=facts.named_agent,
        same_policy_set=facts.same_policy_set,
        persons=facts.persons,
        received_for=received_for,
        hindrance=facts.hindrance,
    )
    if facts.case is not None:
        case = facts.case
        message.case.type = case.type
        message.case.activity = case.activity
        message.case.month = case.month.number
        message.case.opened_time_ms = to_milliseconds(case.opened_time)
        message.case.valid_until_ms = to_milliseconds(case.valid_until)
        message.case.covers_persons = case.covers_persons
        message.case.questions_before = case.questions_before
    if facts.witnessing is not None:
        message.witnessing.CopyFrom(_witnessing_to_proto(facts.witnessing))
    return message


def facts_from_proto(message: decision_pb2.Facts) -> Facts:
    """Facts as an entry or a dry run states them. Raises `InputError` on a bad month or time."""
    return Facts(
        case=_case_from_proto(message.case) if message.HasField("case") else None,
        cohort=message.cohort,
        named_agent=message.named_agent,
        same_policy_set=message.same_policy_set,
        persons=message.persons,
        hindrance=message.hindrance,
        witnessing=witnessing_from_proto(message),
    )


def _witnessing_to_proto(seen: Witnessing) -> decision_pb2.Witnessing:
    return decision_pb2.Witnessing(
        quorum_none=seen.quorum_none,
        own_seconds=seen.own_seconds,
        case_seconds=seen.case_seconds,
    )


def witnessing_from_proto(message: decision_pb2.Facts) -> Witnessing | None:
    """How lately witnesses saw what facts rest on; None where the entry is older than that."""
    if not message.HasField("witnessing"):
        return None
    seen = message.witnessing
    return Witnessing(
        seen.quorum_none,
        seen.own_seconds if seen.HasField("own_seconds") else None,
        seen.case_seconds if seen.HasField("case_seconds") else None,
    )


def _case_from_proto(message: decision_pb2.CaseFacts) -> CaseFacts:
    return CaseFacts(
        type=message.type,
        activity=message.activity,
        month=Month.from_number(message.month),
        opened_time=from_milliseconds(message.opened_time_ms),
        valid_until=from_milliseconds(message.valid_until_ms),
        covers_persons=message.covers_persons,
        questions_before=message.questions_before,
    )


def live(case: CaseFacts, now: datetime) -> bool:
    """Whether a case is open at `now`."""
    return case.opened_time <= now < case.valid_until
