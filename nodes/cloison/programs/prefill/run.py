"""Prepare a declaration, or pass on that the person contests a line of it."""

from dataclasses import replace

from cloison.errors import InputError
from cloison.law.records import Activity as Record
from cloison.months import Month
from cloison.programs.asking import ask, open_case, output_of
from cloison.programs.entitlement.answers import Answer
from cloison.programs.prefill.declaration import Declaration, Line, cited, read_gaps, read_lines
from cloison.programs.prefill.questions import income_questions, own_questions, window_of
from cloison.programs.prefill.record import proposal_record
from cloison.wire.gateway import Contest, Deposit, Gateway, ReceiptRef


def prepare(gateway: Gateway, record: Record, month: Month, reference: str) -> Declaration:
    """Asks, and deposits what is proposed. The case stays open: the person may contest a line.

    Raises:
        InputError: `RECORD_INCOMPLETE`, `UNKNOWN_CLAIM`.
        CloisonError: the node refused to open or deposit.
    """
    made, answers = _gather(gateway, record, month, reference)
    replies = tuple(answer.reply for answer in cited(answers))
    if not replies:  # nothing was received: there is nothing to propose, and nothing to cite
        return made
    deposit = Deposit(output_of(record), made.case, proposal_record(made), replies)
    (receipt,) = gateway.deposit([deposit])
    return replace(made, receipt=receipt)


def contest(
    gateway: Gateway,
    record: Record,
    month: Month,
    reference: str,
    mark: str,
    says: str,
    amount_cents: int | None,
) -> tuple[Line, ReceiptRef]:
    """Asks anew, so that the line contested is the one that stands; then passes it on.

    Args:
        gateway: Of the activity.
        record: Its record.
        month: Of the right.
        reference: The claim.
        mark: The line, as the declaration shows it.
        says: In the person's words.
        amount_cents: What they say is right; None: they give no amount.

    Raises:
        InputError: `UNKNOWN_LINE`; `LINE_CHANGED`: another one stands there by now.
        PeerError: what the holder says; `ALREADY_CONTESTED`.
    """
    made, _ = _gather(gateway, record, month, reference)
    line = find_line(made, mark)
    question, reply = line.answer.question, line.answer.reply
    passed_on = Contest(
        question, reply, 0, line.month, line.source, line.version, says, amount_cents
    )
    return line, gateway.contest(passed_on)


def find_line(made: Declaration, mark: str) -> Line:
    """The line of that mark. Raises `InputError` (`UNKNOWN_LINE`, `LINE_CHANGED`)."""
    number = mark.partition("-")[0]
    for line in made.lines:
        if line.mark == mark:
            return line
        if str(line.number) == number:
            raise InputError(
                "LINE_CHANGED",
                "line: not the one that was shown under this mark",
                "show the declaration again, and give the whole mark (12-3fa9)",
            )
    raise InputError("UNKNOWN_LINE", "line: none has this mark", "show the declaration again")


def _gather(
    gateway: Gateway, record: Record, month: Month, reference: str
) -> tuple[Declaration, list[Answer]]:
    first, last = window_of(record, month)
    case = open_case(gateway, record, month, reference)
    own = ask(gateway, own_questions(record, case, month))
    incomes = ask(gateway, income_questions(record, case, month, own))
    made = Declaration(
        case=case,
        month=month,
        first=first,
        last=last,
        lines=read_lines(case, incomes),
        gaps=read_gaps(record, case, own, incomes),
    )
    return made, [*own, *incomes]
