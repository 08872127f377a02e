"""The decision of a holder as a function of what stands in its entry."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.federation import ROOT

from cloison.bodies import BodyId
from cloison.cli.root import read_policy
from cloison.exchange import conclude as room
from cloison.exchange.conclude import conclude
from cloison.exchange.values import facts_from_proto, facts_to_proto
from cloison.law import PolicySet
from cloison.law.question import (
    Action,
    CaseFacts,
    Decision,
    Facts,
    Granularity,
    Obligation,
    Outcome,
    Question,
    Witnessing,
)
from cloison.months import Month

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
MONTH = Month.of(2024, 4)
TARGETING = Question(
    Action.ASK,
    BodyId("caf"),
    BodyId("cnav"),
    "caf-dmde",
    "control-targeting",
    "decret-2024-50",
    "monthly_resources",
    ("mns",),
    MONTH,
    MONTH,
    Granularity.MONTH,
)


@pytest.fixture(scope="module")
def policy() -> PolicySet:
    return PolicySet.parse(read_policy(ROOT))


def facts(hindrance: str = "") -> Facts:
    return Facts(None, True, False, True, 1000, hindrance, Witnessing(quorum_none=True))


def test_conclude_without_hindrance_is_the_law(policy: PolicySet) -> None:
    made = conclude(policy, TARGETING, facts(), NOW)
    assert made.outcome is Outcome.PERMIT_WITH_OBLIGATIONS


def test_conclude_of_a_hindrance_denies_what_the_law_permits(policy: PolicySet) -> None:
    made = conclude(policy, TARGETING, facts("BAD_CASE_PROOF"), NOW)
    assert made == Decision(Outcome.DENY, "BAD_CASE_PROOF")


def test_conclude_of_an_obligation_nobody_can_meet_denies(
    policy: PolicySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    duty = Obligation("dance", "", "a/rule")
    permit = Decision(Outcome.PERMIT_WITH_OBLIGATIONS, "PERMITTED", obligations=(duty,))
    monkeypatch.setattr(room, "decide", lambda *_: permit)
    made = conclude(policy, TARGETING, facts(), NOW)
    assert (made.outcome, made.reason) == (Outcome.DENY, "OBLIGATION_UNMET")


def seen(own: int | None, case: int | None = None, *, with_case: bool = False) -> Facts:
    """Facts of a node that asks for witnesses."""
    claim = CaseFacts("claim", "caf-dmde", MONTH, NOW, NOW, covers_persons=True, questions_before=0)
    witnessing = Witnessing(quorum_none=False, own_seconds=own, case_seconds=case)
    return Facts(claim if with_case else None, not with_case, False, True, 1000, "", witnessing)


LIMIT, DAY = 600, 86_400
SIGHTS = {
    "never": (seen(None), "WITNESSES_SILENT"),
    "at the limit": (seen(LIMIT), "PERMITTED"),
    "past the limit": (seen(LIMIT + 1), "WITNESSES_SILENT"),
    "a case never": (seen(0, with_case=True), "CASE_NOT_WITNESSED"),
    "a case a day ago": (seen(0, DAY, with_case=True), "PERMITTED"),
    "a case longer ago": (seen(0, DAY + 1, with_case=True), "CASE_HEAD_TOO_OLD"),
    "not told": (replace(facts(), witnessing=None), "WITNESSES_SILENT"),
}


@pytest.mark.parametrize("name", SIGHTS)
def test_conclude_denies_what_witnesses_saw_too_long_ago(
    policy: PolicySet, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    given, reason = SIGHTS[name]
    monkeypatch.setattr(room, "decide", lambda *_: Decision(Outcome.PERMIT, "PERMITTED"))
    assert conclude(policy, TARGETING, given, NOW).reason == reason


def test_conclude_of_what_the_law_refuses_says_nothing_of_witnesses(policy: PolicySet) -> None:
    made = conclude(policy, replace(TARGETING, purpose="calculation"), seen(None), NOW)
    assert made.reason not in {"WITNESSES_SILENT", "PERMITTED"}


def test_conclude_by_a_set_older_than_its_limits_asks_for_no_witness(policy: PolicySet) -> None:
    older = replace(policy, witnesses=None)
    assert conclude(older, TARGETING, replace(facts(), witnessing=None), NOW).permitted


def test_silent_witnesses_stop_control_and_statistics_first_and_calculation_last(
    policy: PolicySet,
) -> None:
    assert policy.witnesses is not None
    limits = policy.witnesses.answering_seconds
    first = {name for name, most in limits.items() if most == min(limits.values())}
    families = {policy.family(name) for name in first}
    assert families == {"control", "statistics"}
    assert [name for name, most in limits.items() if most == max(limits.values())] == [
        "calculation"
    ]


@pytest.mark.parametrize("own", [None, 0, 5])
@pytest.mark.parametrize("quorum_none", [False, True])
def test_witnessing_in_an_entry_reads_back_as_written(
    own: int | None, *, quorum_none: bool
) -> None:
    given = replace(facts(), witnessing=Witnessing(quorum_none, own, own))
    assert facts_from_proto(facts_to_proto(given, "")) == given
