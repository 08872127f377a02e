"""What is proposed to the person: lines with their sources, and what is missing elsewhere."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from cloison.bodies import BodyId
from cloison.identity import is_temporary
from cloison.law.records import Activity as Record
from cloison.months import Month
from cloison.programs.entitlement.answers import Answer, NotComputable, Row, check, rows_of
from cloison.programs.entitlement.inputs import SetAside
from cloison.programs.prefill.questions import is_at_school, schemes_of, unasked_schemes
from cloison.v1 import release_pb2
from cloison.wire.gateway import OpenedCase, ReceiptRef


class Missing(StrEnum):
    """Why there is no line where one could be."""

    NOTHING_DECLARED = "NOTHING_DECLARED"
    """The holder's sources declared nothing of the person."""
    NOT_YET_DUE = "NOT_YET_DUE"
    UNDER_CORRECTION = "UNDER_CORRECTION"
    LATE = "LATE"
    """A payer that declared the person before has not declared the month."""
    NO_ANSWER = "NO_ANSWER"
    """The holder refused, or could not be asked: `reason` says which."""
    NO_HOLDER = "NO_HOLDER"
    """No holder of the activity's record answers for a scheme of the person."""
    NO_PERMANENT_NIR = "NO_PERMANENT_NIR"
    OWN_FILE_INCOMPLETE = "OWN_FILE_INCOMPLETE"
    AT_SCHOOL = "AT_SCHOOL"
    """A child at school: nobody is asked what they earn."""


_BY_STATUS = {
    release_pb2.PERIOD_STATUS_NOT_YET_DUE: Missing.NOT_YET_DUE,
    release_pb2.PERIOD_STATUS_UNDER_CORRECTION: Missing.UNDER_CORRECTION,
    release_pb2.PERIOD_STATUS_LATE: Missing.LATE,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One payment, as its payer declared it.

    Attributes:
        number: From 1, in the order shown; `check` says whether it is still the line that was read.
        place: Whom it is about, by their place in the case.
        amount_cents: Montant net social; None where the payer declared none.
        answer: The answer it stands in.
    """

    number: int
    check: str
    place: int
    month: Month
    payer: str
    nature: str
    amount_cents: int | None
    source: str
    version: int
    holder: BodyId
    receipt: ReceiptRef | None
    answer: Answer

    @property
    def mark(self) -> str:
        """By which the person names it."""
        return f"{self.number}-{self.check}"


@dataclass(frozen=True, slots=True)
class Gap:
    """A person, or one month of theirs, without a line. `month` is None for all of them."""

    place: int
    month: Month | None
    holder: BodyId | None
    missing: Missing
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A household's declaration for a right of `month`; months asked are `first` to `last`."""

    case: OpenedCase
    month: Month
    first: Month
    last: Month
    lines: tuple[Line, ...]
    gaps: tuple[Gap, ...]
    receipt: ReceiptRef | None = None

    def proposed(self) -> list[tuple[int, Month, str, int]]:
        """Person, month, nature and total in cents, where every amount of the month is known.

        INVARIANT: what is missing makes no total; it is never taken for zero.
        """
        barred = {(gap.place, gap.month) for gap in self.gaps if gap.missing in _INCOMPLETE}
        barred |= {(one.place, one.month) for one in self.lines if one.amount_cents is None}
        totals: Counter[tuple[int, Month, str]] = Counter()
        for one in self.lines:
            if not barred & {(one.place, one.month), (one.place, None)}:
                totals[one.place, one.month, one.nature] += one.amount_cents or 0
        return [(*key, cents) for key, cents in totals.items()]


_INCOMPLETE = frozenset(Missing) - {Missing.NOTHING_DECLARED, Missing.AT_SCHOOL}


def read_lines(case: OpenedCase, answers: Sequence[Answer]) -> tuple[Line, ...]:
    """Every payment of every answer, by person and month."""
    places = {member.nir: place for place, member in enumerate(case.members)}
    found = [
        (places[answer.question.persons[0].nir], row, answer)
        for answer in answers
        for row in _rows(answer)
        if row.values
    ]
    found.sort(key=lambda one: (one[0], one[1].period, one[1].source, str(one[1].values)))
    return tuple(_line(number, *one) for number, one in enumerate(found, 1))


def read_gaps(
    record: Record, case: OpenedCase, own: Sequence[Answer], answers: Sequence[Answer]
) -> tuple[Gap, ...]:
    """What has no line, and why; by person and month."""
    known = {answer.question.persons[0].nir: answer for answer in own}
    places = {member.nir: place for place, member in enumerate(case.members)}
    gaps: list[Gap] = []
    for place, member in enumerate(case.members):
        gaps += _of_person(record, place, known.get(member.nir), temporary=is_temporary(member.nir))
    for answer in answers:
        gaps += _of_answer(places[answer.question.persons[0].nir], answer)
    return tuple(sorted(gaps, key=lambda gap: (gap.place, gap.month.index if gap.month else 0)))


def _of_person(record: Record, place: int, own: Answer | None, *, temporary: bool) -> Iterator[Gap]:
    if temporary:
        yield Gap(place, None, None, Missing.NO_PERMANENT_NIR)
    elif is_at_school(own):
        yield Gap(place, None, None, Missing.AT_SCHOOL)
    elif not schemes_of(own):
        yield Gap(place, None, None, Missing.OWN_FILE_INCOMPLETE)
    for scheme in sorted(unasked_schemes(record, own)):
        yield Gap(place, None, None, Missing.NO_HOLDER, scheme)


def _of_answer(place: int, answer: Answer) -> Iterator[Gap]:
    question = answer.question
    try:
        check(answer)
    except NotComputable:
        yield Gap(place, None, question.holder, Missing.NO_ANSWER, _why(answer))
        return
    release = answer.reply.release or release_pb2.Release()
    periods = {one.period: one for person in release.persons for one in person.periods}
    for month in question.first.to(question.last):
        period = periods.get(month.number)
        if period is None or period.status in _BY_STATUS:
            why = _BY_STATUS[period.status] if period else Missing.NO_ANSWER
            yield Gap(place, month, question.holder, why)
        elif _unreadable(period, tuple(release.fields)):
            yield Gap(place, month, question.holder, Missing.NO_ANSWER, SetAside.FAILED.value)
        elif not period.records:
            yield Gap(place, month, question.holder, Missing.NOTHING_DECLARED)


def _why(answer: Answer) -> str:
    reply = answer.reply
    if reply.failure is not None:
        return reply.failure.reason
    return reply.decision.reason if reply.decision else SetAside.FAILED.value


def _rows(answer: Answer) -> Iterator[Row]:
    release = answer.reply.release
    decision = answer.reply.decision
    if release is None or decision is None or not decision.permitted:
        return
    for person in release.persons:
        for period in person.periods:
            if not _unreadable(period, tuple(release.fields)):
                yield from rows_of(0, period, tuple(release.fields))


def _unreadable(period: release_pb2.PeriodRelease, fields: tuple[str, ...]) -> bool:
    try:
        list(rows_of(0, period, fields))
    except NotComputable:
        return True
    return False


def _line(number: int, place: int, row: Row, answer: Answer) -> Line:
    amount = row.values.get("mns")
    holder, payer, nature = answer.question.holder, row.text("payer"), row.text("nature")
    said = (place, holder, row.period, row.source, row.version, payer, nature, amount)
    return Line(
        number=number,
        check=sha256(repr(said).encode()).hexdigest()[:4],
        place=place,
        month=Month.from_number(row.period),
        payer=payer,
        nature=nature,
        amount_cents=amount if isinstance(amount, int) else None,
        source=row.source,
        version=row.version,
        holder=holder,
        receipt=answer.reply.receipt,
        answer=answer,
    )


def cited(answers: Iterable[Answer]) -> tuple[Answer, ...]:
    """The answers a deposit may cite: those that brought data."""
    return tuple(answer for answer in answers if answer.reply.release is not None)
