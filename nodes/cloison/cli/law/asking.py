"""A question as options of a command: what `decide` and `explain` both take."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

import typer

from cloison.bodies import parse_body
from cloison.errors import InputError
from cloison.law import (
    Action,
    CaseFacts,
    Decision,
    Facts,
    Granularity,
    PolicySet,
    Question,
    decide,
)
from cloison.months import Month

_NOON = time(12, tzinfo=UTC)
_COHORT = 1000
_REASONS = ("PERMITTED", "FORBIDDEN", "CONDITION_NOT_MET", "TEXT_NOT_IN_FORCE")

ActivityOption = Annotated[str, typer.Option("--activity", help="Activity that asks.")]
PurposeOption = Annotated[
    str, typer.Option("--purpose", help="Purpose code (default: the activity's first).")
]
HolderOption = Annotated[str, typer.Option("--holder", help="Body whose data they are.")]
DatasetOption = Annotated[
    str, typer.Option("--dataset", help="Dataset of the holder (default: that of the fields).")
]
FieldsOption = Annotated[
    str,
    typer.Option(
        "--fields",
        help="Field names, or dataset.field, comma separated (default: all of the record).",
    ),
]
MonthsOption = Annotated[
    str, typer.Option("--months", help="First and last month, YYYY-MM:YYYY-MM.")
]
FineOption = Annotated[Granularity, typer.Option("--granularity", help="How fine the answer is.")]
BasisOption = Annotated[
    str,
    typer.Option(
        "--legal-basis", help="Text relied on (default: the first of the record that permits)."
    ),
]
CaseOption = Annotated[str, typer.Option("--case-type", help="Type of the case.")]
NoCaseOption = Annotated[bool, typer.Option("--no-case", help="Without a case.")]
CaseMonthOption = Annotated[
    str, typer.Option("--case-month", help="Month the right concerns, YYYY-MM.")
]
ReceivedForOption = Annotated[
    str, typer.Option("--received-for", help="Purpose the data were received for.")
]
ReceivedByOption = Annotated[
    str, typer.Option("--received-by", help="Activity that received them.")
]
CohortOption = Annotated[bool, typer.Option("--cohort", help="Many persons, one statement.")]
PersonsOption = Annotated[
    int,
    typer.Option("--persons", min=0, help=f"How many (default: 1; {_COHORT} for a cohort)."),
]
AgentOption = Annotated[bool, typer.Option("--agent", help="A named agent asks.")]
LawDateOption = Annotated[
    str, typer.Option("--law-date", help="Day of the decision, YYYY-MM-DD (default: today).")
]


@dataclass(frozen=True, slots=True)
class Asked:
    """The options, as given."""

    activity: str
    purpose: str
    holder: str
    dataset: str
    fields: str
    months: str
    granularity: Granularity
    legal_basis: str
    case_type: str
    no_case: bool
    case_month: str
    received_for: str
    received_by: str
    cohort: bool
    persons: int
    agent: bool
    law_date: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A question put to the law, and what it answers."""

    question: Question
    facts: Facts
    now: datetime
    decision: Decision


def put(policy: PolicySet, asked: Asked) -> Answered:
    """Decides the question that options say, on the text given or on each of the record's.

    Raises:
        InputError: `BAD_OPTION`, `BAD_DATE`, `BAD_MONTH`, `BAD_BODY`.
    """
    for name in ("activity", "holder"):
        if not getattr(asked, name):
            raise InputError("BAD_OPTION", f"`--{name}`: not given")
    if asked.no_case and asked.case_type:
        raise InputError("BAD_OPTION", "`--no-case`: a case type is given too")
    now = parse_day(asked.law_date)
    question = _question(policy, asked, now)
    facts = Facts(
        case=_case(asked, now) if asked.case_type else None,
        cohort=asked.cohort,
        named_agent=asked.agent,
        same_policy_set=True,
        persons=asked.persons or (_COHORT if asked.cohort else 1),
    )
    question, decision = _best(policy, question, facts, now)
    return Answered(question, facts, now, decision)


def _question(policy: PolicySet, asked: Asked, now: datetime) -> Question:
    first, last = _parse_months(asked.months, now)
    record = policy.activities.get(asked.activity)
    dataset, fields = _data(asked)
    known = record.fields_of(asked.holder, dataset) if record else None
    return Question(
        action=Action.READ_RECEIVED if asked.received_for or asked.received_by else Action.ASK,
        requester=parse_body(record.body if record else "unknown"),
        holder=parse_body(asked.holder),
        activity=asked.activity,
        purpose=asked.purpose or (record.purposes[0] if record else ""),
        legal_basis=asked.legal_basis,
        dataset=dataset,
        fields=tuple(sorted(fields or known or ())),
        first_month=first,
        last_month=last,
        granularity=asked.granularity,
        received_for=asked.received_for,
        received_by=asked.received_by,
    )


def _data(asked: Asked) -> tuple[str, list[str]]:
    """The dataset, and the fields; each field may name its dataset before a dot."""
    parts = [one.rpartition(".") for one in asked.fields.split(",") if one]
    named = {dataset for dataset, _, _ in parts if dataset} | ({asked.dataset} - {""})
    if len(named) != 1:
        raise InputError(
            "BAD_OPTION",
            f"`--dataset`: {'not given' if not named else 'several named'}",
            "give one: --dataset NAME, or --fields NAME.FIELD",
        )
    return named.pop(), [field for _, _, field in parts]


def _best(
    policy: PolicySet, question: Question, facts: Facts, now: datetime
) -> tuple[Question, Decision]:
    """On the text given; else on each of the record's until one permits or forbids."""
    record = policy.activities.get(question.activity)
    bases = (question.legal_basis,) if question.legal_basis or not record else record.legal_bases
    on_each = [replace(question, legal_basis=basis) for basis in bases]
    tried = [(one, decide(policy, one, facts, now)) for one in on_each]
    return min(
        tried,
        key=lambda pair: (*_REASONS, pair[1].reason).index(pair[1].reason),
    )


def parse_day(law_date: str) -> datetime:
    """Noon UTC of a law date; the clock's time where none is given."""
    if not law_date:
        return datetime.now(UTC)
    try:
        return datetime.combine(date.fromisoformat(law_date), _NOON)
    except ValueError as error:
        raise InputError("BAD_DATE", f"date `{law_date}`: not a date", "use YYYY-MM-DD") from error


def _parse_months(months: str, now: datetime) -> tuple[Month, Month]:
    """Both ends of `first:last`; one month stands for both; none is the month of the decision."""
    if not months:
        month = Month.from_date(now.date())
        return month, month
    first, _, last = months.partition(":")
    return Month.parse(first), Month.parse(last or first)


def _case(asked: Asked, now: datetime) -> CaseFacts:
    """A live case of this activity that covers the person."""
    month = Month.parse(asked.case_month) if asked.case_month else Month.from_date(now.date())
    return CaseFacts(
        type=asked.case_type,
        activity=asked.activity,
        month=month,
        opened_time=now,
        valid_until=now + timedelta(days=1),
        covers_persons=True,
        questions_before=0,
    )
