"""An in-memory `Gateway`: a small world of files, answered as the wire would answer them.

It permits everything unless told otherwise; what it hands out is what holders hold, period by
period, with `nothing declared` where they hold nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from hashlib import sha256
from itertools import islice

import pyarrow as pa
from stdnum.fr import nir as nir_numbers

from cloison.bodies import BodyId
from cloison.errors import InputError, PeerError
from cloison.identity import Nir
from cloison.law.question import Decision, Granularity, Outcome
from cloison.months import Month
from cloison.v1 import release_pb2
from cloison.wire.gateway import (
    AskFor,
    CasePromise,
    Changes,
    CohortPart,
    CohortReply,
    Contest,
    Deposit,
    Member,
    OpenedCase,
    ReceiptRef,
    Reply,
)

PERMIT = Decision(Outcome.PERMIT, "PERMITTED")
Values = Mapping[str, int | str | bool]


def nir_of(number: int, *, temporary: bool = False) -> Nir:
    """A well-formed number that can belong to nobody (commune 999)."""
    first = "7" if temporary else "1"
    body = f"{first}900199999{number:03d}"
    return Nir(body + nir_numbers.calc_check_digits(body))


@dataclass(slots=True)
class FakePerson:
    """A person and everything holders hold about them."""

    role: str = "applicant"
    born: date = date(1990, 1, 1)
    activity: str = "employee"
    schemes: str = "general"
    marital: str = "single"
    unemployed_since: int = 0
    temporary: bool = False
    income: dict[tuple[str, Month], int] = field(default_factory=dict)
    notice: Values = field(default_factory=dict)


@dataclass
class FakeGateway:
    """`Gateway` over dictionaries. What was asked, deposited and closed can be read back."""

    activity: str = "caf-ppa"
    cases: list[OpenedCase] = field(default_factory=list)
    held: dict[tuple[str, str, Nir], list[tuple[int, Values]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    status: "dict[tuple[str, Nir, int], release_pb2.PeriodStatus.ValueType]" = field(
        default_factory=dict
    )
    decide: Callable[[AskFor], Decision | None] = lambda _question: PERMIT
    asked: list[AskFor] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    cohorts: list[tuple[AskFor, int]] = field(default_factory=list)
    promises: list[CasePromise | None] = field(default_factory=list)
    deposits: list[tuple[str, str, dict[str, object], int]] = field(default_factory=list)
    closed: dict[str, str] = field(default_factory=dict)
    told: list[tuple[str, str]] = field(default_factory=list)
    destroyed: list[tuple[str, str]] = field(default_factory=list)
    case_type: str = "claim"
    contests: list[Contest] = field(default_factory=list)
    heard: Changes = field(default_factory=lambda: Changes((), {}))
    kept: list[tuple[AskFor, release_pb2.Release]] = field(default_factory=list)
    _ended: set[bytes] = field(default_factory=set)

    def add(
        self,
        reference: str,
        *persons: FakePerson,
        rent: int = 45_000,
        status: str = "tenant",
        paid: Mapping[tuple[str, Month], int] | None = None,
        body: str = "caf",
    ) -> tuple[Member, ...]:
        """A household with an open claim, in the files of every body concerned."""
        members = tuple(self._member(person, body) for person in persons)
        applicant = members[0].nir
        home: Values = {"furnished": False, "rent": rent, "status": status, "zone": "2"}
        self.held[body, "households", applicant].append((0, home))
        for (benefit, month), amount in (paid or {}).items():
            payment: Values = {"amount": amount, "benefit": benefit}
            self.held[body, "payments", applicant].append((month.number, payment))
        leaf = sha256(reference.encode()).digest()
        until = datetime(2027, 1, 1, tzinfo=UTC)
        self.cases.append(OpenedCase(reference, leaf, b"", members, until))
        return members

    def _member(self, person: FakePerson, body: str) -> Member:
        number = sum(len(case.members) for case in self.cases) + len(self.held) + 1
        nir = nir_of(number, temporary=person.temporary)
        row: dict[str, int | str | bool] = {
            "activity": person.activity,
            "marital": person.marital,
            "schemes": person.schemes,
        }
        if person.unemployed_since:
            row["unemployed_since"] = person.unemployed_since
        self.held[body, "members", nir].append((0, row))
        for (nature, month), cents in person.income.items():
            holder = "cnav" if "general" in person.schemes else "msa"
            income: Values = {
                "mns": cents,
                "net_fiscal": cents,
                "nature": nature,
                "payer": "73282932000074",
            }
            self.held[holder, "monthly_resources", nir].append((month.number, income))
        if person.notice:
            self.held["dgfip", "tax_notices", nir].append((2024, person.notice))
        return Member(person.role, nir, "NOM", person.born)

    def open_cases(
        self, case_type: str, month: Month, references: Sequence[str] = (), most: int = 0
    ) -> Iterator[OpenedCase]:
        """The cases added, all or those named; a review is another case of the same claim."""
        assert case_type in (self.case_type, "review")
        assert month == Month.of(2026, 6)
        unknown = set(references) - {case.reference for case in self.cases}
        if unknown:
            raise InputError("UNKNOWN_CLAIM", f"claim `{min(unknown)}`: not open")
        found = (case for case in self.cases if not references or case.reference in references)
        for case in islice(found, most or None):
            leaf = sha256(f"{case_type}{case.reference}".encode()).digest()
            yield case if case_type == self.case_type else replace(case, leaf_hash=leaf)

    def ask(self, questions: Sequence[AskFor]) -> list[Reply]:
        """Answers each question on its own."""
        self.calls.append(len(questions))
        return [self._answer(question) for question in questions]

    def ask_many(
        self,
        question: AskFor,
        persons: Iterator[Member],
        size: int,
        promise: CasePromise | None = None,
    ) -> CohortReply:
        """One decision; batches of two persons if it permits."""
        self.promises.append(promise)
        self.cohorts.append((question, size))
        reply = self._answer(question)
        if reply.release is None:
            return CohortReply(reply, iter(()))
        everybody = list(persons)
        parts = (
            self._part(question, start // 2, tuple(everybody[start : start + 2]))
            for start in range(0, len(everybody), 2)
        )
        return CohortReply(reply, parts)

    def _part(self, question: AskFor, index: int, members: tuple[Member, ...]) -> CohortPart:
        release = self._release(question, members)
        digests = [bytes([place]) * 32 for place in range(len(members))]
        receipt = ReceiptRef(question.holder, 7, b"\7" * 32, 1_000)
        salts = tuple(b"salt" * 8 for _ in members)
        return CohortPart(index, members, table_of(release), digests, salts, receipt)

    def deposit(self, deposits: Sequence[Deposit]) -> list[ReceiptRef]:
        """Keeps them."""
        receipts = []
        for one in deposits:
            kept = (one.output, one.case.reference, dict(one.content), len(one.cited))
            self.deposits.append(kept)
            place = 900 + len(self.deposits)
            receipts.append(ReceiptRef(BodyId("caf"), place, b"\7" * 32, 1_000))
        return receipts

    def contest(self, contest: Contest) -> ReceiptRef:
        """Keeps it."""
        self.contests.append(contest)
        return ReceiptRef(contest.question.holder, 700, b"\7" * 32, 1_000)

    def changes(self) -> Changes:
        """What a test said was heard."""
        return self.heard

    def close_cases(self, cases: Sequence[OpenedCase], outcome: str) -> None:
        """Keeps how each ended; a case ends once."""
        for case in cases:
            assert case.leaf_hash not in self._ended
            self._ended.add(case.leaf_hash)
            self.closed[case.reference] = outcome

    def give_notice(self, cases: Sequence[OpenedCase], notice: str) -> list[ReceiptRef]:
        """Keeps who was told what, while the case was open."""
        assert not self._ended & {case.leaf_hash for case in cases}
        self.told += [(case.reference, notice) for case in cases]
        return [ReceiptRef(BodyId("caf"), 800, case.leaf_hash, 1_000) for case in cases]

    def destroy(self, cases: Sequence[OpenedCase], why: str) -> list[ReceiptRef]:
        """Keeps why; the case ends with it."""
        self.destroyed += [(case.reference, why) for case in cases]
        self.close_cases(cases, why)
        return [ReceiptRef(BodyId("caf"), 700, case.leaf_hash, 1_000) for case in cases]

    def close(self) -> None:
        """Nothing to close."""

    def _answer(self, question: AskFor) -> Reply:
        self.asked.append(question)
        statement = sha256(repr(question).encode()).digest()
        decision = self.decide(question)
        if decision is None:
            failure = PeerError("PEER_UNAVAILABLE", "node `cnav`: does not answer")
            return Reply(statement, None, None, None, failure)
        receipt = ReceiptRef(question.holder, len(self.asked), statement, 1_000)
        if not decision.permitted:
            return Reply(statement, decision, receipt, None)
        release = self._release(question, question.persons)
        if question.received is None:
            release.statement_hash = statement
            self.kept.append((question, release))
            return Reply(statement, decision, receipt, release)
        envelopes = self._read_back(question)
        return Reply(statement, decision, receipt, None, envelopes=envelopes or (release,))

    def _read_back(self, question: AskFor) -> tuple[release_pb2.Release, ...]:
        """The releases that lie wholly within what is asked, oldest first."""
        nirs = {member.nir for member in question.persons}
        return tuple(
            release
            for kept, release in self.kept
            if question.received is not None
            and (kept.holder, kept.dataset) == (question.received.holder, question.dataset)
            and {member.nir for member in kept.persons} <= nirs
        )

    def _release(self, question: AskFor, persons: Sequence[Member]) -> release_pb2.Release:
        return release_pb2.Release(
            version=1,
            fields=question.fields,
            persons=[
                release_pb2.PersonRelease(periods=list(self._periods(question, member.nir)))
                for member in persons
            ],
        )

    def _periods(self, question: AskFor, nir: Nir) -> Iterator[release_pb2.PeriodRelease]:
        rows = self.held.get((question.holder, question.dataset, nir), [])
        for period, months in _periods_of(question).items():
            found = [values for month, values in rows if month in months]
            if question.granularity is Granularity.WINDOW_TOTAL:
                found = list(_totals(found))
            status = self.status.get((question.holder, nir, period))
            yield release_pb2.PeriodRelease(
                period=period,
                status=status
                or (
                    release_pb2.PERIOD_STATUS_DECLARED
                    if found
                    else release_pb2.PERIOD_STATUS_NOTHING_DECLARED
                ),
                records=[_record(question, values) for values in found],
            )


def _periods_of(question: AskFor) -> dict[int, set[int]]:
    months = [month.number for month in question.first.to(question.last)]
    if question.granularity is Granularity.MONTH:
        return {month: {month} for month in months}
    if question.granularity is Granularity.WINDOW_TOTAL:
        return {months[0]: set(months)}
    if question.granularity is Granularity.YEAR:
        return {question.first.year: {question.first.year}}
    return {0: {0}}


def _totals(rows: Sequence[Values]) -> Iterator[Values]:
    natures: dict[str, int] = defaultdict(int)
    for values in rows:
        natures[str(values["nature"])] += int(values["net_fiscal"])
    return ({"nature": nature, "net_fiscal": cents} for nature, cents in natures.items())


def _record(question: AskFor, values: Values) -> release_pb2.Record:
    return release_pb2.Record(
        source="message-1", version=1, values=[_value(values.get(name)) for name in question.fields]
    )


def _value(value: int | str | bool | None) -> release_pb2.Value:
    if isinstance(value, bool):
        return release_pb2.Value(boolean=value)
    if isinstance(value, int):
        return release_pb2.Value(integer=value)
    return release_pb2.Value() if value is None else release_pb2.Value(text=value)


def table_of(release: release_pb2.Release) -> pa.RecordBatch:
    """A release as a cohort's part gives it: one row a record."""
    nothing = (None,) * (2 + len(release.fields))
    rows: list[tuple[object, ...]] = []
    for place, person in enumerate(release.persons):
        for period in person.periods:
            head = (place, period.period, period.status)
            rows += [
                (
                    *head,
                    record.source,
                    record.version,
                    *(getattr(one, one.WhichOneof("kind") or "", None) for one in record.values),
                )
                for record in period.records
            ] or [(*head, *nothing)]
    names = ["person", "period", "status", "source", "version", *release.fields]
    kinds = (pa.int32(), pa.int32(), pa.int8(), *[None] * (len(names) - 3))
    columns = [pa.array([row[place] for row in rows], kind) for place, kind in enumerate(kinds)]
    return pa.RecordBatch.from_arrays(columns, names=names)
