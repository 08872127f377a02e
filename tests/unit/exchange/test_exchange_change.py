"""Whether an answer would be another now: values and status count, source and version do not."""

import pytest

from cloison.bodies import BodyId
from cloison.exchange.change import changed_periods, periods_of
from cloison.law.question import Action, Granularity, Question
from cloison.months import Month
from cloison.store import PeriodData, PersonData, RecordData, Status

FEBRUARY, MARCH = 202602, 202603


def person(*records: RecordData, status: Status = Status.DECLARED) -> PersonData:
    march = PeriodData(MARCH, Status.NOTHING_DECLARED, ())
    return PersonData((PeriodData(FEBRUARY, status, records), march), ())


def record(*values: int | bool | None, source: str = "dsn-1", version: int = 1) -> RecordData:
    return RecordData(source, version, values)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (person(record(1)), person(record(1))),
        (person(record(1)), person(record(1, source="dsn-2", version=2))),
        (person(record(1), record(2)), person(record(2), record(1))),
    ],
    ids=["equal", "declared again", "another order"],
)
def test_changed_periods_of_the_same_values_are_none(before: PersonData, after: PersonData) -> None:
    assert changed_periods(before, after) == set()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (person(record(1)), person(record(2))),
        (person(record(1)), person(record(1), record(1))),
        (person(record(1)), person(record(None))),
        (person(record(1)), person(record(True))),
        (person(record(1)), person(status=Status.UNDER_CORRECTION)),
        (person(record(1)), person(record(1), status=Status.NOT_YET_DUE)),
        (person(record(1)), PersonData(person().periods[1:], ())),
    ],
    ids=["value", "twice", "unstated", "type", "cancelled", "status", "gone"],
)
def test_changed_periods_of_another_answer_are_those_periods_alone(
    before: PersonData, after: PersonData
) -> None:
    assert changed_periods(before, after) == changed_periods(after, before) == {FEBRUARY}


@pytest.mark.parametrize(
    ("granularity", "periods"),
    [
        (Granularity.MONTH, {202512, 202601}),
        (Granularity.WINDOW_TOTAL, {202512}),
        (Granularity.YEAR, {2025, 2026}),
        (Granularity.CURRENT, {0}),
    ],
)
def test_periods_of_a_question_are_those_its_answer_has(
    granularity: Granularity, periods: set[int]
) -> None:
    question = Question(
        action=Action.ASK,
        holder=BodyId("cnav"),
        dataset="monthly_resources",
        activity="caf-ppa",
        requester=BodyId("caf"),
        purpose="calculation",
        legal_basis="decret-2025-1288",
        fields=("mns",),
        first_month=Month.of(2025, 12),
        last_month=Month.of(2026, 1),
        granularity=granularity,
    )
    assert periods_of(question) == periods
