"""The shipped policy set, and a question and facts it permits, to be bent one way at a time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloison.bodies import BodyId
from cloison.cli.root import find_root, read_policy
from cloison.law import Action, CaseFacts, Facts, Granularity, PolicySet, Question
from cloison.months import Month


@pytest.fixture(scope="session")
def files() -> dict[str, bytes]:
    return read_policy(find_root(Path(__file__).parent))


@pytest.fixture(scope="session")
def policy(files: dict[str, bytes]) -> PolicySet:
    return PolicySet.parse(files)


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def question() -> Question:
    return Question(
        action=Action.ASK,
        requester=BodyId("caf"),
        holder=BodyId("cnav"),
        activity="caf-ppa",
        purpose="calculation",
        legal_basis="decret-2025-1288",
        dataset="monthly_resources",
        fields=("mns", "nature"),
        first_month=Month.parse("2026-02"),
        last_month=Month.parse("2026-04"),
        granularity=Granularity.MONTH,
    )


@pytest.fixture(scope="session")
def case(now: datetime) -> CaseFacts:
    return CaseFacts(
        type="claim",
        activity="caf-ppa",
        month=Month.parse("2026-06"),
        opened_time=now - timedelta(days=1),
        valid_until=now + timedelta(days=1),
        covers_persons=True,
        questions_before=0,
    )


@pytest.fixture(scope="session")
def facts(case: CaseFacts) -> Facts:
    return Facts(case=case, cohort=False, named_agent=False, same_policy_set=True, persons=1)
