"""`cloison law decide`: one question, decided without data."""

import typer

from cloison.cli.law.asking import (
    ActivityOption,
    AgentOption,
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
from cloison.cli.law.shown import DENIED, Json, Root, load, print_decision, print_json, record_of
from cloison.law import Granularity, explain_fr


def decide_(
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
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Decides a question without data; exit 2 if it is denied.

    Example: cloison law decide --activity caf-ppa --purpose calculation --holder cnav
    --dataset monthly_resources --months 2026-02:2026-04 --case-type claim --case-month 2026-06
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
    answered = put(load(root), asked)
    if as_json:
        print_json(record_of(answered.decision))
    else:
        print_decision(answered.decision, answered.now)
        print(explain_fr(answered.decision, answered.question))
    if not answered.decision.permitted:
        raise typer.Exit(DENIED)
