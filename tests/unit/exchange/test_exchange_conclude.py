"""The decision of a holder as a function of what stands in its entry."""

from datetime import UTC, datetime

import pytest
from tests.federation import ROOT

from cloison.bodies import BodyId
from cloison.cli.root import read_policy
from cloison.exchange import conclude as room
from cloison.exchange.conclude import conclude
from cloison.law import PolicySet
from cloison.law.question import (
    Action,
    Decision,
    Facts,
    Granularity,
    Obligation,
    Outcome,
    Question,
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
    return Facts(None, True, False, True, 1000, hindrance)


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
