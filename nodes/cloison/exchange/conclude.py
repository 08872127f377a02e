"""Steps 5 and 6 as one pure function of what stands in the entry.

INVARIANT: a `decided` entry is `conclude` of its statement, its facts, its time and the policy set
it names. So every past decision can be decided again, with the same result.
"""

from dataclasses import replace
from datetime import datetime

from cloison.errors import IntegrityError
from cloison.exchange.obligations import refuse_unmet
from cloison.exchange.statement import from_milliseconds, parse_statement
from cloison.exchange.values import decision_from_proto, facts_from_proto
from cloison.law import PolicySet, decide
from cloison.law.paris import paris_day
from cloison.law.question import Decision, Facts, Outcome, Question, Witnessing
from cloison.v1 import entry_pb2

SHADOW, SHADOW_OVER = "SHADOW", "SHADOW_OVER"
"""Reasons of what is asked in shadow mode: the law would permit it; the trial is over."""


def conclude(policy: PolicySet, question: Question, facts: Facts, now: datetime) -> Decision:
    """What a holder decides: a hindrance, the law, an unmet obligation, witnesses too silent."""
    if facts.hindrance:
        return Decision(Outcome.DENY, facts.hindrance)
    made = refuse_unseen(
        policy, question, facts, refuse_unmet(decide(policy, question, facts, now))
    )
    return hold_back(policy, question, made, now)


def hold_back(policy: PolicySet, question: Question, made: Decision, now: datetime) -> Decision:
    """The decision itself, unless its activity is tried in shadow mode: then never a permit.

    Reasons: `SHADOW`: with the rules and obligations that would have permitted, which bind nobody;
    `SHADOW_OVER`: from the trial's last day on. What is refused anyway is refused for its own
    reason, so that the trial shows it.

    INVARIANT: nothing leaves in shadow mode: every way out asks whether it is permitted.
    """
    record = policy.activities.get(question.activity)
    if record is None or record.shadow is None:
        return made
    if paris_day(now) >= record.shadow.until:
        return Decision(Outcome.DENY, SHADOW_OVER)
    return replace(made, outcome=Outcome.DENY, reason=SHADOW) if made.permitted else made


def refuse_unseen(
    policy: PolicySet, question: Question, facts: Facts, decision: Decision
) -> Decision:
    """The decision itself, if witnesses saw lately enough what it rests on; otherwise a deny.

    Reasons: `WITNESSES_SILENT`: the holder's own ledger; `CASE_NOT_WITNESSED`, `CASE_HEAD_TOO_OLD`:
    the head its case was proved under. What the law refuses is refused for its own reason. A
    cohort's cases are proved with each batch.
    """
    if not decision.permitted:
        return decision
    cites = facts.case is not None and not facts.cohort
    reason = unseen(policy, question.purpose, facts.witnessing, cites_case=cites)
    return Decision(Outcome.DENY, reason) if reason else decision


def unseen(policy: PolicySet, purpose: str, seen: Witnessing | None, *, cites_case: bool) -> str:
    """Why a permit does not count for want of witnesses, as `refuse_unseen`; empty: it counts."""
    limits = policy.witnesses
    if limits is None or (seen is not None and seen.quorum_none):
        return ""
    most = limits.answering_seconds.get(purpose, 0)
    if seen is None or seen.own_seconds is None or seen.own_seconds > most:
        return "WITNESSES_SILENT"
    if not cites_case:
        return ""
    if seen.case_seconds is None:
        return "CASE_NOT_WITNESSED"
    return "CASE_HEAD_TOO_OLD" if seen.case_seconds > limits.case_seconds else ""


def facts_of_change(decided: Facts, case_end: datetime) -> Facts:
    """The facts a change is told on: those of the question, with its case's own end.

    A cohort's decision promises a live case; the case it was kept under has an end.
    """
    if decided.case is None:
        return decided
    return replace(decided, case=replace(decided.case, valid_until=case_end))


def decide_told_again(
    policy: PolicySet, told: entry_pb2.Entry, decided: entry_pb2.Entry
) -> tuple[Decision, Decision]:
    """The decision a `change_told` entry holds, and the one made again from it and its question.

    Args:
        policy: The policy set the entry names.
        told: Of kind `change_told`.
        decided: The `decided` entry of the statement it names.

    Raises:
        InputError: the statement or the facts cannot be read.
        IntegrityError: `BAD_ENTRY`: its facts are not the question's.
    """
    change = told.change_told
    facts = facts_from_proto(change.facts)
    asked = facts_from_proto(decided.decided.facts)
    if facts.case is None or facts_of_change(asked, facts.case.valid_until) != facts:
        raise IntegrityError("BAD_ENTRY", "change: its facts are not those of its question")
    question = parse_statement(decided.decided.signed.statement).question
    made = conclude(policy, question, facts, from_milliseconds(told.entry_time_ms))
    return decision_from_proto(change.decision), made


def decide_again(policy: PolicySet, entry: entry_pb2.Entry) -> tuple[Decision, Decision]:
    """The decision a `decided` entry holds, and the one made again from the rest of it.

    Args:
        policy: The policy set the entry names.
        entry: Of kind `decided`.

    Raises:
        InputError: the statement or the facts cannot be read.
        IntegrityError: `BAD_ENTRY`.
    """
    decided = entry.decided
    question = parse_statement(decided.signed.statement).question
    time = from_milliseconds(entry.entry_time_ms)
    made = conclude(policy, question, facts_from_proto(decided.facts), time)
    return decision_from_proto(decided.decision), made
