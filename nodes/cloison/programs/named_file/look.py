"""Ask all that the activity's record reads of one named file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cloison.errors import InputError
from cloison.law.records import Activity, Reads
from cloison.months import Month
from cloison.programs.asking import ask, open_case, question_of
from cloison.programs.entitlement.answers import Answer
from cloison.programs.entitlement.gather import File
from cloison.programs.entitlement.needs import MEMBERS
from cloison.programs.explanation.data import Table
from cloison.wire.gateway import BATCH, AskFor, Deposit, Gateway, Member, OpenedCase, ReceiptRef

_ADULTS = frozenset({"applicant", "partner"})


@dataclass(frozen=True, slots=True)
class Looked:
    """A file that was looked into: every question of it, in the order put, and its answer."""

    record: Activity
    case: OpenedCase
    month: Month
    answers: tuple[Answer, ...]

    @property
    def table(self) -> Table:
        """The answers, line by line."""
        return Table.of(File(self.case, self.answers))

    @property
    def answered(self) -> tuple[Answer, ...]:
        """Those that brought data: what a deposit may cite."""
        return tuple(one for one in self.answers if one.reply.release is not None)


def look_into(
    gateway: Gateway,
    record: Activity,
    month: Month,
    household: str,
    agent: str,
    more: Iterable[AskFor] = (),
) -> Looked:
    """Opens the file's case, and asks all the record reads, the own file first.

    Args:
        gateway: Of the activity.
        record: Its record.
        month: From which the record counts its months.
        household: The file, as the body numbers it.
        agent: The pseudonym of who looks.
        more: Questions put last, under the same case.

    Raises:
        InputError: `NO_AGENT`: a batch looks into no named file. `UNKNOWN_HOUSEHOLD`.
        PeerError: `AGENT_NOT_EMPOWERED`: the body's node asks nobody for this agent.
    """
    if agent == BATCH:
        raise InputError("NO_AGENT", "file: is looked into by a named agent")
    case = open_case(gateway, record, month, household)
    first: list[AskFor] = []
    then: list[AskFor] = []
    for read in record.reads:
        asked = [
            question_of(record, read, case, month, member, sorted(read.fields), agent)
            for member in _about(record, read, case)
        ]
        (first if read.dataset == MEMBERS else then).extend(asked)
    own = _asked(gateway, first)
    outside = _asked(gateway, [*then, *(_under(case, agent, one) for one in more)])
    return Looked(record, case, month, (*own, *outside))


def deposit(
    gateway: Gateway, looked: Looked, output: str, content: dict[str, object]
) -> ReceiptRef:
    """Writes the activity's output about the file, under the labels of all that was answered."""
    replies = tuple(answer.reply for answer in looked.answered)
    (receipt,) = gateway.deposit([Deposit(output, looked.case, content, replies)])
    return receipt


def _about(record: Activity, read: Reads, case: OpenedCase) -> list[Member]:
    """Everybody for who they are; the applicant for what is the file's; adults for incomes."""
    if read.dataset == MEMBERS:
        return list(case.members)
    if read.holder == record.body:
        return [member for member in case.members if member.role == "applicant"]
    return [member for member in case.members if member.role in _ADULTS]


def _under(case: OpenedCase, agent: str, question: AskFor) -> AskFor:
    return replace(question, case=case, agent=agent, persons=case.members[:1])


def _asked(gateway: Gateway, questions: Sequence[AskFor]) -> list[Answer]:
    answers = ask(gateway, questions)
    for answer in answers:
        failure = answer.reply.failure
        if failure is not None and failure.reason == "AGENT_NOT_EMPOWERED":
            raise failure
    return answers
