"""Putting a record's questions: one a person, so that none bars the answers about the others."""

from collections.abc import Sequence

from cloison.bodies import BodyId
from cloison.errors import InputError
from cloison.law.question import Granularity
from cloison.law.records import Activity, Reads
from cloison.months import Month
from cloison.programs.entitlement.answers import Answer
from cloison.programs.entitlement.needs import months_of
from cloison.wire.gateway import BATCH, AskFor, Gateway, Member, OpenedCase


def question_of(
    record: Activity,
    read: Reads,
    case: OpenedCase,
    month: Month,
    member: Member,
    fields: Sequence[str],
    agent: str = BATCH,
) -> AskFor:
    """What the record reads of one person, for a right of `month`.

    Raises:
        InputError: `RECORD_INCOMPLETE`: it does not say for which months.
    """
    first, last = months_of(record, read, month)
    return AskFor(
        holder=BodyId(read.holder),
        dataset=read.dataset,
        fields=tuple(fields),
        first=first,
        last=last,
        granularity=read.granularity or Granularity.CURRENT,
        purpose=read.purpose or record.purposes[0],
        legal_basis=read.legal_basis or record.legal_bases[0],
        persons=(member,),
        case=case,
        agent=agent,
    )


def ask(gateway: Gateway, questions: Sequence[AskFor]) -> list[Answer]:
    """Each question with its reply, in order."""
    replies = gateway.ask(questions)
    return [Answer(question, reply) for question, reply in zip(questions, replies, strict=True)]


def open_case(gateway: Gateway, record: Activity, month: Month, reference: str) -> OpenedCase:
    """The one case of what is named, in the type the record declares first; a live one again.

    Raises:
        InputError: `RECORD_INCOMPLETE`; `UNKNOWN_CLAIM`: not one; what the node says.
    """
    if not record.case_types:
        raise InputError("RECORD_INCOMPLETE", f"activity `{record.id}`: its record opens no case")
    cases = list(gateway.open_cases(record.case_types[0].type, month, [reference]))
    if len(cases) != 1:
        raise InputError("UNKNOWN_CLAIM", "case: not one claim or file of that name")
    return cases[0]


def output_of(record: Activity) -> str:
    """The output the record declares first. Raises `InputError` (`RECORD_INCOMPLETE`)."""
    if not record.outputs:
        raise InputError(
            "RECORD_INCOMPLETE", f"activity `{record.id}`: its record declares no output"
        )
    return record.outputs[0].id
