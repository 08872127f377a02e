"""The targeting program: an honest copy of what control scoring asks, and of what it is told.

Each month it wants the income level of every file (SC-04, DMDE 2026 variable 10), and the rest its
record names. It asks each dataset of its holder as one cohort, the monthly resources file by file
too, and its own node for what was received for a benefit. It does not dress the purpose up, opens
no case it has no right to, and scores, by income alone, only what is permitted.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from cloison.bodies import BodyId
from cloison.errors import InputError
from cloison.exchange import limits
from cloison.law.question import Decision, Granularity
from cloison.law.records import Activity, Reads
from cloison.months import Month
from cloison.programs.targeting_model import Model
from cloison.v1 import release_pb2
from cloison.wire.gateway import AskFor, Gateway, Member, Received, Reply

MONTHLY_RESOURCES = "monthly_resources"
_AMOUNT, _NATURE = "mns", "nature"
_ANSWERED = frozenset(
    {release_pb2.PERIOD_STATUS_DECLARED, release_pb2.PERIOD_STATUS_NOTHING_DECLARED}
)

File = tuple[Member, ...]
"""A benefit file as scoring sees it: its adults."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One distinct way of being told no, and how often."""

    decision: Decision
    count: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way of asking, and how it went.

    Attributes:
        way: `cohort` and of what, `file by file` or `received`.
        question: What was asked, about nobody.
        local: Asked of the body's own node.
        failed: Questions that reached no decision, by reason.
        scored: Files scored, all of them from permitted answers that state an income for everybody
            in the file; in a cohort, persons.
        picked: Files the invented model would send to control.
    """

    way: str
    question: AskFor
    local: bool
    persons: int
    asked: int
    permitted: int
    refused: int
    failed: dict[str, int]
    refusals: tuple[Refusal, ...]
    scored: int = 0
    picked: int = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """What scoring wants: the months, in the words of its record, and its model."""

    activity: Activity
    first: Month
    last: Month
    model: Model

    def question(self) -> AskFor:
        """The question about monthly incomes to who holds most of them, about nobody yet.

        Raises:
            InputError: `RECORD_INCOMPLETE`: the record reads no monthly resources.
        """
        return self._asking(self._read())

    def questions(self, *, local: bool) -> list[AskFor]:
        """A question for each dataset of the record: the body's own, or all others; incomes first.

        Raises:
            InputError: `RECORD_INCOMPLETE`: the record reads no monthly resources.
        """
        first = self._read()
        reads = sorted(self.activity.reads, key=lambda read: read is not first)
        return [
            self._asking(read) for read in reads if (read.holder == self.activity.body) == local
        ]

    def _asking(self, read: Reads) -> AskFor:
        wanted = (_AMOUNT, _NATURE) if read.dataset == MONTHLY_RESOURCES else read.fields
        return AskFor(
            holder=BodyId(read.holder),
            dataset=read.dataset,
            fields=tuple(wanted),
            first=self.first,
            last=self.last,
            granularity=read.granularity or Granularity.MONTH,
            purpose=read.purpose or self.activity.purposes[0],
            legal_basis=read.legal_basis or self.activity.legal_bases[0],
            persons=(),
        )

    def _read(self) -> Reads:
        for read in self.activity.reads:
            if read.dataset == MONTHLY_RESOURCES and read.holder != self.activity.body:
                return read
        raise InputError(
            "RECORD_INCOMPLETE",
            f"activity `{self.activity.id}`: its record reads no monthly resources",
            "complete `reads` in policy/activities",
        )


def ask_from_afar(
    gateway: Gateway, wish: Wish, files: Sequence[File], progress: Callable[[int], None]
) -> list[Attempt]:
    """Of the holders: everybody under one statement a dataset, then every file by itself."""
    return [
        *(_ask_cohort(gateway, wish, one, files) for one in wish.questions(local=False)),
        _ask_files(gateway, wish, wish.question(), files, progress),
    ]


def ask_locally(
    gateway: Gateway,
    wish: Wish,
    received: Received,
    files: Sequence[File],
    progress: Callable[[int], None],
) -> list[Attempt]:
    """Of the body's own node: what it received for another activity, then the body's own files."""
    question = replace(wish.question(), holder=BodyId(wish.activity.body), received=received)
    return [
        _ask_files(gateway, wish, question, files, progress),
        *(_ask_cohort(gateway, wish, one, files) for one in wish.questions(local=True)),
    ]


def _ask_cohort(gateway: Gateway, wish: Wish, question: AskFor, files: Sequence[File]) -> Attempt:
    persons = [member for file in files for member in file]
    answer = gateway.ask_many(question, iter(persons), len(persons))
    way = f"cohort, {question.holder} {question.dataset}"
    attempt = _attempt(wish, question, way, len(persons), [answer.reply])
    if not attempt.permitted:
        return attempt
    fields = sorted(question.fields)
    everybody = [income for part in answer.parts for income in _incomes(fields, part.persons())]
    if question != wish.question():  # the model knows one income, and no part of one
        return attempt
    return _scored(attempt, wish.model, [income for income in everybody if income is not None])


def _ask_files(
    gateway: Gateway,
    wish: Wish,
    question: AskFor,
    files: Sequence[File],
    progress: Callable[[int], None],
) -> Attempt:
    replies: list[Reply] = []
    for start in range(0, len(files), limits.ITEMS_PER_CALL):
        some = files[start : start + limits.ITEMS_PER_CALL]
        replies += gateway.ask([replace(question, persons=file) for file in some])
        progress(len(some))
    way = "received" if question.received else "file by file"
    attempt = _attempt(wish, question, way, sum(map(len, files)), replies)
    answered = [releases for reply in replies if (releases := _releases(reply))]
    files_incomes = map(_file_income, answered)
    incomes = [income for income in files_incomes if income is not None]
    return _scored(attempt, wish.model, incomes)


def _attempt(
    wish: Wish, question: AskFor, way: str, persons: int, replies: Iterable[Reply]
) -> Attempt:
    failed: Counter[str] = Counter()
    decisions: Counter[Decision] = Counter()
    for reply in replies:
        if reply.decision is None:
            failed[reply.failure.reason if reply.failure else "NO_DECISION"] += 1
        else:
            decisions[reply.decision] += 1
    denied = [(one, count) for one, count in decisions.most_common() if not one.permitted]
    refused = sum(count for _, count in denied)
    return Attempt(
        way=way,
        question=question,
        local=question.holder == wish.activity.body,
        persons=persons,
        asked=decisions.total() + failed.total(),
        permitted=decisions.total() - refused,
        refused=refused,
        failed=dict(failed),
        refusals=tuple(Refusal(one, count) for one, count in denied),
    )


def _releases(reply: Reply) -> list[release_pb2.Release]:
    """What a permitted answer holds: fresh data, or the envelopes received earlier."""
    return [*([] if reply.release is None else [reply.release]), *reply.envelopes]


def _scored(attempt: Attempt, model: Model, incomes: Sequence[int]) -> Attempt:
    picked = sum(model.picks(income) for income in incomes)
    return replace(attempt, scored=len(incomes), picked=picked)


def _file_income(releases: Iterable[release_pb2.Release]) -> int | None:
    """What the persons of a file have together; None where one of them has no answered month."""
    incomes = [
        income for release in releases for income in _incomes(release.fields, release.persons)
    ]
    known = [income for income in incomes if income is not None]
    return sum(known) if known and len(known) == len(incomes) else None


def _incomes(
    fields: Sequence[str], persons: Iterable[release_pb2.PersonRelease]
) -> Iterator[int | None]:
    """Each person's mean month of income, of the months that were answered; None without one."""
    if _AMOUNT not in fields:
        return
    place = list(fields).index(_AMOUNT)
    for person in persons:
        months = [_month_income(period, place) for period in person.periods]
        answered = [month for month in months if month is not None]
        yield sum(answered) // len(answered) if answered else None


def _month_income(period: release_pb2.PeriodRelease, place: int) -> int | None:
    """The income of a month, 0 where nothing was declared; None where it is not known."""
    amounts = [record.values[place] for record in period.records]
    if period.status not in _ANSWERED or any(not one.HasField("integer") for one in amounts):
        return None
    return sum(one.integer for one in amounts)
