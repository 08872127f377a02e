"""`cloison law explain`: why a question, or a decision in a ledger, was answered as it was."""

from pathlib import Path
from typing import Annotated

import typer

from cloison.cli.law.asking import (
    ActivityOption,
    AgentOption,
    Answered,
    Asked,
    BasisOption,
    CaseMonthOption,
    CaseOption,
    CohortOption,
    DatasetOption,
    FieldsOption,
    FineOption,
    HolderOption,
    LawDateOption,
    MonthsOption,
    NoCaseOption,
    PersonsOption,
    PurposeOption,
    ReceivedByOption,
    ReceivedForOption,
    put,
)
from cloison.cli.law.sets import ledger_entry, sets_near
from cloison.cli.law.shown import DENIED, Json, Root, load, print_decision, print_json, record_of
from cloison.errors import InputError
from cloison.exchange.conclude import conclude
from cloison.exchange.statement import from_milliseconds, parse_statement
from cloison.exchange.values import facts_from_proto
from cloison.law import Granularity, PolicySet, explain_en, explain_fr, french
from cloison.law.remedies import Remedy, remedies

_NOTHING = """
Rien de ce que ce traitement peut changer à sa demande ne la rendrait licite : il y faudrait un
texte, ou un registre qui nomme ces données.
Nothing this activity can change in its question would make it lawful: it would take a text, or a
record that names these data.""".strip()


def explain(
    activity: ActivityOption = "",
    purpose: PurposeOption = "",
    holder: HolderOption = "",
    dataset: DatasetOption = "",
    fields: FieldsOption = "",
    months: MonthsOption = "",
    granularity: FineOption = Granularity.MONTH,
    legal_basis: BasisOption = "",
    case_type: CaseOption = "",
    no_case: NoCaseOption = False,
    case_month: CaseMonthOption = "",
    received_for: ReceivedForOption = "",
    received_by: ReceivedByOption = "",
    cohort: CohortOption = False,
    persons: PersonsOption = 0,
    agent: AgentOption = False,
    law_date: LawDateOption = "",
    ledger: Annotated[Path | None, typer.Option(help="A ledger directory, with --index.")] = None,
    index: Annotated[int, typer.Option(min=0, help="A `decided` entry of the ledger.")] = 0,
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Explains a decision in French and English, and what would make a refusal lawful.

    A question is given as to `law decide`, or by an entry of a ledger: it is then decided by the
    policy set the entry names, at its time.

    Example: cloison law explain --activity caf-dmde --holder cnav --fields monthly_resources.mns
    --cohort
    """
    asked = Asked(
        activity,
        purpose,
        holder,
        dataset,
        fields,
        months,
        granularity,
        legal_basis,
        case_type,
        no_case,
        case_month,
        received_for,
        received_by,
        cohort,
        persons,
        agent,
        law_date,
    )
    if ledger is not None and activity:
        raise InputError("BAD_OPTION", "`--ledger`: a question is given too")
    if ledger is None:
        policy = load(root)
        answered = put(policy, asked)
    else:
        policy, answered = _of_entry(ledger, index, root)
    lawful = (
        ()
        if answered.decision.permitted
        else remedies(policy, answered.question, answered.facts, answered.now)
    )
    if as_json:
        print_json(_record(answered, lawful))
    else:
        _show(answered, lawful)
    if not answered.decision.permitted:
        raise typer.Exit(DENIED)


def _of_entry(directory: Path, index: int, root: Path | None) -> tuple[PolicySet, Answered]:
    """The question of an entry, decided by the set it names; none of it says who it is about."""
    entry = ledger_entry(directory, index)
    decided = entry.decided
    policy = sets_near(directory, root)(decided.policy_set)
    question = parse_statement(decided.signed.statement).question
    facts, now = facts_from_proto(decided.facts), from_milliseconds(entry.entry_time_ms)
    return policy, Answered(question, facts, now, conclude(policy, question, facts, now))


def _show(answered: Answered, lawful: tuple[Remedy, ...]) -> None:
    decision, question = answered.decision, answered.question
    print_decision(decision, answered.now)
    print(f"\n{explain_fr(decision, question)}\n{explain_en(decision, question)}")
    for near in decision.nearest:
        print(f"\n{near.rule.text}, {near.rule.article}")
        for sentence in near.failed:
            print(f"  il manque : {french(sentence)}\n  lacks: {sentence}")
    if decision.permitted:
        return
    print()
    if not lawful:
        print(_NOTHING)
    for one in lawful:
        print(f"Serait licite ({one.text}) : {'; '.join(one.fr)}.")
        print(f"Would be lawful ({one.text}): {'; '.join(one.en)}.")


def _record(answered: Answered, lawful: tuple[Remedy, ...]) -> dict[str, object]:
    decision, question = answered.decision, answered.question
    return {
        **record_of(decision),
        "law_date": answered.now.date().isoformat(),
        "legal_basis": question.legal_basis,
        "explanation_fr": explain_fr(decision, question),
        "explanation_en": explain_en(decision, question),
        "lawful_if": [{"text": one.text, "fr": one.fr, "en": one.en} for one in lawful],
    }
