"""Reading a reply strictly: either every month asked has an answer, or the reason it has none."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import NamedTuple

from cloison.bodies import BodyId
from cloison.errors import InputError
from cloison.law.question import Granularity
from cloison.months import Month
from cloison.programs.entitlement.inputs import SetAside
from cloison.v1 import release_pb2
from cloison.wire.gateway import AskFor, Member, ReceiptRef, Reply

Value = int | str | bool | None

_UNANSWERABLE = "PERSON_NOT_ANSWERABLE"
_OBJECTED = "OBJECTED"
_WAITING = {
    release_pb2.PERIOD_STATUS_NOT_YET_DUE: SetAside.MONTH_NOT_YET_DUE,
    release_pb2.PERIOD_STATUS_UNDER_CORRECTION: SetAside.UNDER_CORRECTION,
    release_pb2.PERIOD_STATUS_LATE: SetAside.SOURCE_LATE,
}
_SHOWN = {
    release_pb2.PERIOD_STATUS_NOT_YET_DUE: "not yet due",
    release_pb2.PERIOD_STATUS_UNDER_CORRECTION: "under correction",
    release_pb2.PERIOD_STATUS_LATE: "late",
}
_ANSWERED = {
    release_pb2.PERIOD_STATUS_DECLARED: "declared",
    release_pb2.PERIOD_STATUS_NOTHING_DECLARED: "nothing declared",
}


class NotComputable(Exception):  # noqa: N818 - a case set aside is an outcome, not an error
    """Raised where a case cannot be computed; caught once, by the run."""

    def __init__(self, reason: SetAside) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Row(NamedTuple):
    """One record of one person, or the word that there is none, with where it stands.

    Attributes:
        person: Place of the person in the question.
        period: As in the release: YYYYMM, YYYY, or 0 for what is current.
        values: By field; empty where nothing was declared.
    """

    person: int
    period: int
    status: str
    source: str
    version: int
    values: Mapping[str, Value]

    def amount(self, field: str) -> int:
        """An amount that must be there: a payment without it is not a payment of zero."""
        value = self.values.get(field)
        if value is None:
            raise NotComputable(SetAside.AMOUNT_MISSING)
        return self.cents(field)

    def cents(self, field: str) -> int:
        """An amount whose blank means none: a box of a tax notice, the rent of an owner."""
        value = self.values.get(field)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int):
            raise NotComputable(SetAside.UNKNOWN_CODE)
        return value

    def text(self, field: str) -> str:
        """A code or identifier; empty where the source left it out."""
        value = self.values.get(field)
        return value if isinstance(value, str) else ""

    def day(self, field: str) -> date | None:
        """A date; None where the source left it out."""
        number = self.cents(field)
        try:
            return date(number // 10_000, number // 100 % 100, number % 100) if number else None
        except (ValueError, OverflowError) as error:
            raise NotComputable(SetAside.UNKNOWN_CODE) from error


@dataclass(frozen=True)
class Answer:
    """A question and its reply."""

    question: AskFor
    reply: Reply

    @cached_property
    def rows(self) -> list[Row]:
        """As `rows` gives them; read once, for several steps look at them."""
        return _read(self)


class Source(NamedTuple):
    """Where an input of a result came from: holder, period, version, and the holder's entry."""

    holder: BodyId
    dataset: str
    role: str
    row: Row
    receipt: ReceiptRef | None

    def record(self) -> dict[str, object]:
        """What a deposit says of it: never an amount."""
        return {
            "holder": self.holder,
            "dataset": self.dataset,
            "role": self.role,
            "period": self.row.period,
            "status": self.row.status,
            "source": self.row.source,
            "version": self.row.version,
            "leaf_index": self.receipt.leaf_index if self.receipt else None,
            "leaf_hash": self.receipt.leaf_hash.hex() if self.receipt else None,
        }


def check(answer: Answer) -> None:
    """Raises `NotComputable` unless the question was permitted and answered."""
    decision = answer.reply.decision
    if (failure := answer.reply.failure) is not None:
        raise NotComputable(SetAside.OBJECTED if failure.reason == _OBJECTED else SetAside.FAILED)
    if decision is None:
        raise NotComputable(SetAside.FAILED)
    if not decision.permitted:
        raise NotComputable(
            SetAside.PERSON_NOT_ANSWERABLE if decision.reason == _UNANSWERABLE else SetAside.REFUSED
        )
    if answer.reply.release is None:
        raise NotComputable(SetAside.FAILED)


def rows(answer: Answer) -> list[Row]:
    """Every record of a permitted answer, all persons and periods asked being there.

    Raises:
        NotComputable: A person or period is missing, not yet due, late or under correction.
    """
    return answer.rows


def _read(answer: Answer) -> list[Row]:
    check(answer)
    release = answer.reply.release
    if release is None or len(release.persons) != len(answer.question.persons):
        raise NotComputable(SetAside.FAILED)
    if answer.reply.parts and not all(person.periods for person in release.persons):
        raise NotComputable(SetAside.PERSON_NOT_ANSWERABLE)  # a cohort tells it by silence
    question, fields = answer.question, tuple(release.fields)
    expected = _periods(question.granularity, question.first, question.last)
    found: list[Row] = []
    for place, person in enumerate(release.persons):
        seen = set()
        for period in person.periods:
            rows = rows_of(place, period, fields)
            seen.add(rows[0].period)
            found += rows
        if seen != expected:
            raise NotComputable(SetAside.FAILED)
    return found


def sources(answer: Answer) -> list[Source]:
    """Where each row of the answer stands."""
    question = answer.question
    return [
        Source(
            question.holder,
            question.dataset,
            person(answer, row).role,
            row,
            answer.reply.receipt_of(row.person),
        )
        for row in rows(answer)
    ]


def shown_sources(answer: Answer) -> list[Source]:
    """Every record of an answer and every period without one, whatever its status: to be read.

    Empty where nothing was answered.
    """
    release, receipt = answer.reply.release, answer.reply.receipt
    if release is None or len(release.persons) != len(answer.question.persons):
        return []
    fields = tuple(release.fields)
    found = []
    for place, one in enumerate(release.persons):
        for period in one.periods:
            if period.status in _SHOWN:
                found.append(Row(place, period.period, _SHOWN[period.status], "", 0, {}))
            else:
                found += rows_of(place, period, fields)
    question = answer.question
    return [
        Source(question.holder, question.dataset, person(answer, row).role, row, receipt)
        for row in found
    ]


def person(answer: Answer, row: Row) -> Member:
    """Whom a row is about."""
    return answer.question.persons[row.person]


def rows_of(place: int, period: release_pb2.PeriodRelease, fields: tuple[str, ...]) -> list[Row]:
    """The records of one person and period.

    Raises:
        NotComputable: Not yet due, late, under correction, or not to be read.
    """
    number = period.status
    status = _ANSWERED.get(number)
    if status is None:
        raise NotComputable(_WAITING.get(number, SetAside.FAILED))
    when, records = period.period, period.records
    if not records:
        return [Row(place, when, status, "", 0, {})]
    found = []
    for record in records:
        values: list[Value] = [
            getattr(value, kind) if (kind := value.WhichOneof("kind")) else None
            for value in record.values
        ]
        if len(values) != len(fields):
            raise NotComputable(SetAside.FAILED)
        read = dict(zip(fields, values, strict=True))
        found.append(Row(place, when, status, record.source, record.version, read))
    return found


@lru_cache(maxsize=256)
def _periods(granularity: Granularity, first: Month, last: Month) -> frozenset[int]:
    """What each person of the answer must have, and nothing else."""
    if granularity is Granularity.MONTH:
        return frozenset(month.number for month in first.to(last))
    if granularity is Granularity.WINDOW_TOTAL:
        return frozenset({first.number})
    if granularity is Granularity.YEAR:
        return frozenset(range(first.year, last.year + 1))
    return frozenset({0})


def month_of(row: Row) -> Month:
    """The month of a row of monthly data."""
    try:
        return _month(row.period)
    except InputError as error:
        raise NotComputable(SetAside.FAILED) from error


_month = lru_cache(maxsize=256)(Month.from_number)
