"""`cloison law`: the policy set, read, questioned and tested offline."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cloison.bodies import parse_body
from cloison.cli.root import find_root, read_policy
from cloison.errors import InputError
from cloison.law import (
    Action,
    Activity,
    CaseFacts,
    Decision,
    Facts,
    Granularity,
    PolicySet,
    Question,
    Text,
    decide,
    explain_en,
    explain_fr,
    run_examples,
)
from cloison.law.policy_set import in_force
from cloison.months import Month

DENIED = 2
FAILED = 1
_NOON = time(12, tzinfo=UTC)

app = typer.Typer(
    no_args_is_help=True,
    help="Check, show, test and question the policy set.\n\nExample: cloison law show caf-ppa",
)

Root = Annotated[
    Path | None, typer.Option("--root", help="Folder that holds policy/ (default: nearest above).")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def load(root: Path | None) -> PolicySet:
    """The policy set of a root; the nearest one where none is given."""
    return PolicySet.parse(read_policy(root or find_root(Path.cwd())))


@app.command()
def check(root: Root = None, as_json: Json = False) -> None:
    """Reads every policy file; exit 3 with file and line where one is not valid.

    Example: cloison law check
    """
    policy = load(root)
    counts = {
        "policy_set": policy.hash.hex(),
        "purposes": len(policy.purposes),
        "texts": len(policy.texts),
        "rules": len(policy.rules),
        "activities": len(policy.activities),
        "datasets": len(policy.datasets),
        "promises": len(policy.promises),
        "examples": sum(map(len, policy.examples.values())),
    }
    if as_json:
        _print_json(counts)
        return
    print(f"policy set {counts.pop('policy_set')}")
    print(" · ".join(f"{count} {name}" for name, count in counts.items()))


@app.command("list")
def list_(root: Root = None, as_json: Json = False) -> None:
    """Lists the activities, and the texts with their days and how much of each was read.

    Example: cloison law list
    """
    policy = load(root)
    today = datetime.now(UTC).date()
    texts = [_text_row(text, today) for text in policy.texts.values()]
    activities = [
        {
            "id": activity.id,
            "body": activity.body,
            "purposes": list(activity.purposes),
            "legal_bases": list(activity.legal_bases),
        }
        for activity in policy.activities.values()
    ]
    if as_json:
        _print_json({"texts": texts, "activities": activities})
        return
    _print_table(("text", "from", "until", "in force", "read"), texts)
    _print_table(("activity", "body", "purposes", "relies on"), activities)


def _text_row(text: Text, today: date) -> dict[str, object]:
    dates = text.in_force
    return {
        "id": text.id,
        "from": f"{dates.from_} ({dates.certainty})",
        "until": f"{dates.until} ({dates.until_certainty})" if dates.until else "",
        "in_force": in_force(text, today),
        "read": text.read.value,
    }


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="A text or an activity.")],
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Shows one text with its rules, or one activity's record.

    Example: cloison law show decret-2025-1288
    """
    policy = load(root)
    found: Text | Activity | None = policy.texts.get(name) or policy.activities.get(name)
    if found is None:
        raise InputError("UNKNOWN_ID", f"`{name}`: no text or activity", "see `cloison law list`")
    rules = [rule for rule in policy.rules if rule.ref.text == name]
    if as_json:
        content = found.model_dump(mode="json", by_alias=True)
        _print_json({**content, **({"rules": [r.source for r in rules]} if rules else {})})
        return
    _print_record(found.model_dump(mode="json", by_alias=True))
    for rule in rules:
        print(f"\n{rule.source}")


@app.command("decide")
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
        _print_json(
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


@app.command("test")
def run_test(root: Root = None, as_json: Json = False) -> None:
    """Puts every example to the law; exit 1 with a table of the differences.

    Example: cloison law test
    """
    results = list(run_examples(load(root)))
    if not results:
        raise InputError("NO_EXAMPLE", "no example found", "write texts/<id>/examples.yaml")
    differences = [one for _, _, found in results for one in found]
    failed = sum(bool(found) for _, _, found in results)
    rows = [
        {
            "text": one.text,
            "example": one.example.name,
            "what": one.what,
            "expected": one.expected,
            "found": one.found,
        }
        for one in differences
    ]
    if as_json:
        _print_json({"examples": len(results), "failed": failed, "differences": rows})
    else:
        if rows:
            _print_table(("text", "example", "what", "expected", "found"), rows)
        print(f"{len(results)} examples, {failed} differ")
    if rows:
        raise typer.Exit(FAILED)


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _print_table(heads: tuple[str, ...], rows: Sequence[Mapping[str, object]]) -> None:
    table = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    Console(highlight=False, markup=False).print(table)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _print_record(record: Mapping[str, Any], indent: str = "") -> None:
    """A record as `key: value` lines, lists and tables indented below their key."""
    for key, value in record.items():
        if isinstance(value, Mapping):
            print(f"{indent}{key}:")
            _print_record(value, f"{indent}  ")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for item in value:
                print(f"{indent}{key}:")
                _print_record(item, f"{indent}  ")
        elif value not in (None, "", []):
            print(f"{indent}{key}: {_cell(value)}")
