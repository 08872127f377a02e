"""`cloison law decide`: one question, decided without data."""

from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

import typer

from cloison.bodies import parse_body
from cloison.cli.law.shown import DENIED, Json, Root, load, print_json
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
    explain_en,
    explain_fr,
)
from cloison.months import Month

_NOON = time(12, tzinfo=UTC)


def decide_(
    activity: Annotated[str, typer.Option(help="Activity that asks.")],
    purpose: Annotated[str, typer.Option(help="Purpose code.")],
    holder: Annotated[str, typer.Option(help="Body whose data they are.")],
    dataset: Annotated[str, typer.Option(help="Dataset of the holder.")],
    fields: Annotated[
        str, typer.Option(help="Field names, comma separated (default: all of the record).")
    ] = "",
    months: Annotated[str, typer.Option(help="First and last month, YYYY-MM:YYYY-MM.")] = "",
    granularity: Annotated[Granularity, typer.Option()] = Granularity.MONTH,
    legal_basis: Annotated[
        str, typer.Option(help="Text relied on (default: the first of the record that permits).")
    ] = "",
    case_type: Annotated[str, typer.Option(help="Type of the case.")] = "",
    no_case: Annotated[bool, typer.Option("--no-case", help="Without a case.")] = False,
    case_month: Annotated[str, typer.Option(help="Month the right concerns, YYYY-MM.")] = "",
    received_for: Annotated[str, typer.Option(help="Purpose the data were received for.")] = "",
    received_by: Annotated[str, typer.Option(help="Activity that received them.")] = "",
    cohort: Annotated[int, typer.Option(min=0, help="Persons in the cohort.")] = 0,
    agent: Annotated[bool, typer.Option("--agent", help="A named agent asks.")] = False,
    law_date: Annotated[str, typer.Option(help="Day of the decision, YYYY-MM-DD.")] = "",
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Decides a question without data; exit 2 if it is denied.

    Example: cloison law decide --activity caf-ppa --purpose calculation --holder cnav
    --dataset monthly_resources --months 2026-02:2026-04 --case-type claim --case-month 2026-06
    """
    policy = load(root)
    now = _parse_now(law_date)
    if no_case and case_type:
        raise InputError("BAD_OPTION", "`--no-case`: a case type is given too")
    first, last = _parse_months(months, now)
    record = policy.activities.get(activity)
    known = record.fields_of(holder, dataset) if record else None
    question = Question(
        action=Action.READ_RECEIVED if received_for or received_by else Action.ASK,
        requester=parse_body(record.body if record else "unknown"),
        holder=parse_body(holder),
        activity=activity,
        purpose=purpose,
        legal_basis=legal_basis,
        dataset=dataset,
        fields=tuple(sorted(filter(None, fields.split(",")) if fields else known or ())),
        first_month=first,
        last_month=last,
        granularity=granularity,
        received_for=received_for,
        received_by=received_by,
    )
    case = _case(activity, case_type, case_month, now) if case_type else None
    facts = Facts(case, cohort > 0, agent, same_policy_set=True, persons=cohort or 1)
    question, decision = _best(policy, question, facts, now)
    _print_decision(question, decision, now, as_json=as_json)
    if not decision.permitted:
        raise typer.Exit(DENIED)


def _best(
    policy: PolicySet, question: Question, facts: Facts, now: datetime
) -> tuple[Question, Decision]:
    """Decides on the basis given; else on each of the record's until one permits or forbids."""
    record = policy.activities.get(question.activity)
    bases = (question.legal_basis,) if question.legal_basis or not record else record.legal_bases
    tried = []
    for basis in bases:
        on_basis = _on_basis(question, basis)
        tried.append((on_basis, decide(policy, on_basis, facts, now)))
    order = {"PERMITTED": 0, "FORBIDDEN": 1, "CONDITION_NOT_MET": 2, "TEXT_NOT_IN_FORCE": 3}
    return min(tried, key=lambda pair: order.get(pair[1].reason, 4))


def _on_basis(question: Question, basis: str) -> Question:
    return Question(**{**_fields(question), "legal_basis": basis})


def _fields(question: Question) -> dict[str, Any]:
    return {name: getattr(question, name) for name in Question.__slots__}


def _parse_now(law_date: str) -> datetime:
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


def _case(activity: str, case_type: str, case_month: str, now: datetime) -> CaseFacts:
    """A live case of this activity that covers the person."""
    month = Month.parse(case_month) if case_month else Month.from_date(now.date())
    return CaseFacts(
        type=case_type,
        activity=activity,
        month=month,
        opened_time=now,
        valid_until=now + timedelta(days=1),
        covers_persons=True,
        questions_before=0,
    )


def _print_decision(
    question: Question, decision: Decision, now: datetime, *, as_json: bool
) -> None:
    if as_json:
        print_json(
            {
                **asdict(decision),
                "law_date": now.date().isoformat(),
                "legal_basis": question.legal_basis,
                "explanation_fr": explain_fr(decision, question),
                "explanation_en": explain_en(decision, question),
            }
        )
        return
    print(f"{decision.outcome.value}  {decision.reason}  (law of {now.date().isoformat()})")
    for rule in decision.rules:
        print(f"  {rule.effect} {rule.text}/{rule.rule}: {rule.article}{_mark(rule.provisional)}")
    for obligation in decision.obligations:
        print(f"  obligation {obligation.kind} {obligation.value} ({obligation.rule})")
    for nearest in decision.nearest:
        print(f"  nearest {nearest.rule.text}/{nearest.rule.rule}: {nearest.rule.article}")
        for failed in nearest.failed:
            print(f"    lacks: {failed}")
    print(explain_fr(decision, question))


def _mark(provisional: bool) -> str:
    return " [provisional]" if provisional else ""
