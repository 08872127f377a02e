"""Tables of what this node holds: decided, reserved, counted, drawn, entered, kept; in that order.

* Each statement of a table question is decided by the law and entered like any other.
* INVARIANT: budget is reserved on disk before an exact figure exists, and noise is in every figure
  before one leaves the thread that counted. Whatever fails after the reservation wastes it.
* INVARIANT: what leaves is the kept document, named by a durable entry; a repeated question gets
  the same bytes.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cloison.errors import InputError, IntegrityError, PeerError, StorageError
from cloison.exchange import limits
from cloison.exchange.entries import decided_entry
from cloison.exchange.statement import Statement, TableQuestion
from cloison.identity import Peer
from cloison.law import PolicySet
from cloison.law.question import Decision
from cloison.ledger.files import make_directories, replace_file_durably
from cloison.months import Month
from cloison.statistics.declared import Question, cost_of
from cloison.statistics.document import build_document
from cloison.statistics.held import Held, HeldPeriod
from cloison.statistics.plan import Plan
from cloison.statistics.release import Figures, draw_share, release
from cloison.statistics.table import Period, Table, refuse_file
from cloison.store import FieldType, PeriodColumns
from cloison.store import Period as Kept
from cloison.v1 import receipt_pb2, statement_pb2
from cloison.wire.answering import Call, Heard, decide_population
from cloison.wire.holder import Holder
from cloison.wire.node import Node
from cloison.wire.statistics_account import Published, StatisticsAccount

_MOST_STATEMENTS = 8


@dataclass(frozen=True, slots=True)
class Admitted:
    """A table question that was decided and entered; `refusal` is set where the law says no."""

    question: Question
    policy: PolicySet
    decided: list[receipt_pb2.Receipt]
    statements: list[bytes]
    refusal: Decision | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a table question. `document` is empty where it was refused."""

    decided: list[receipt_pb2.Receipt]
    refusal: Decision | None = None
    document: bytes = b""
    reserved: receipt_pb2.Receipt | None = None
    published: receipt_pb2.Receipt | None = None
    kept: bool = False


class StatisticsDesk:
    """Answers table questions from this node's own data."""

    def __init__(self, node: Node, holder: Holder) -> None:
        self._node, self._holder = node, holder
        self.account = StatisticsAccount(node)
        self.drawing = asyncio.Lock()  # one table at a time: a node has other work

    def question(self, asked: TableQuestion, policy: PolicySet | None = None) -> Question:
        """What is asked, of a table this node holds, under its present set or another.

        Raises:
            InputError: `UNKNOWN_TABLE`, `BAD_PERIOD`, `BAD_FRACTION`, `BAD_LOSS`, `NO_GRANT`,
                `BAD_HOLDERS`.
        """
        declared = (policy or self._node.policy).statistics
        body: str = self._node.body
        linked = body in declared.table(asked.table).participants()
        question = declared.question(
            asked.table, asked.period, asked.epsilon, asked.holders, "" if linked else body
        )
        if not linked and body not in question.holders:
            raise InputError("BAD_HOLDERS", f"table `{asked.table}`: not asked of this node")
        return question

    async def publish(self, peer: Peer, signed: Sequence[statement_pb2.SignedStatement]) -> Answer:
        """The table asked, if the law permits and the budget allows.

        Raises:
            InputError: as `admit`; `NOT_LOADED`: nothing of the period is here; `BAD_HOLDERS`: a
                table of several holders, which is asked of them together.
            PeerError: as `admit`.
            BudgetExceeded: `BUDGET_EXCEEDED`, by how much.
            StorageError: a disk refused; nothing leaves.
        """
        admitted = self.admit(peer, signed, "single")
        if admitted.refusal is not None:
            return Answer(admitted.decided, admitted.refusal)
        question = admitted.question
        async with self.drawing:
            found = self.account.published(question.hash)
            kept = found is not None
            if found is None:
                found = await self._draw(admitted, peer)
        return Answer(
            admitted.decided,
            document=self.load(question, found),
            reserved=self.account.receipt(found.reserved_index),
            published=self.account.receipt(found.published_index),
            kept=kept,
        )

    def admit(
        self, peer: Peer, signed: Sequence[statement_pb2.SignedStatement], kind: str
    ) -> Admitted:
        """Heard, decided and entered; before any data are looked at.

        Args:
            peer: Whose program speaks.
            signed: A statement for each dataset, in the table's order.
            kind: Of table, as `Table.kind` has it.

        Raises:
            InputError: `MALFORMED`; as `question`; `BAD_HOLDERS`: of several holders, or of one.
            PeerError: as `Holder.hear`; `NOT_YOURS`: not the activity that speaks.
        """
        limits.check_count("statements", len(signed), 1, _MOST_STATEMENTS)
        call = self._holder.call(peer.body, b"", b"")
        heard = self._hear(call, peer, signed)
        question = self._check(call.policy, heard)
        if question.whole.kind != kind:
            raise InputError(
                "BAD_HOLDERS", f"table `{question.table.id}`: asked as one of another kind"
            )
        decisions, receipts = self._decide(call, question.table, heard)
        refusal = next((one for one in decisions if not one.permitted), None)
        statements = [one.statement.hash for one in heard]
        return Admitted(question, call.policy, receipts, statements, refusal)

    def _hear(
        self, call: Call, peer: Peer, signed: Sequence[statement_pb2.SignedStatement]
    ) -> list[Heard]:
        heard = []
        with self._node.vault.transaction():
            for one in signed:
                found = self._holder.hear(call, one, ())
                if isinstance(found, receipt_pb2.Answer):
                    raise PeerError("REPLAYED", "statement: answered before", "sign a new one")
                if found.statement.question.activity != peer.activity:
                    raise PeerError("NOT_YOURS", "statement: of another activity than speaks")
                heard.append(found)
        return heard

    def _check(self, policy: PolicySet, heard: Sequence[Heard]) -> Question:
        """The one question that all these statements ask, each for its dataset."""
        asked = heard[0].statement.table
        if asked is None or any(one.statement.table != asked for one in heard):
            raise InputError("MALFORMED", "statements: not all about one table")
        if len({one.statement.hash for one in heard}) != len(heard):
            raise InputError("MALFORMED", "statements: the same twice")
        question = self.question(asked, policy)
        first, last = months_of(question.table, question.period)
        said = [_said(one.statement) for one in heard]
        due = [
            (name, fields, first, last)
            for name, fields in question.whole.held_by(self._node.body).items()
        ]
        if said != due:
            raise InputError(
                "MALFORMED", "statements: not what the table is made of, dataset by dataset"
            )
        return question

    def _decide(
        self, call: Call, table: Table, heard: Sequence[Heard]
    ) -> tuple[list[Decision], list[receipt_pb2.Receipt]]:
        """Steps 4 to 8: facts, law, entry; before any data are looked at."""
        decisions, entries = [], []
        for one in heard:
            made = decide_population(call, one, table.persons)
            decisions.append(made.decision)
            entries.append(decided_entry(made, b"", None, (), call.now))
        return decisions, self._node.append(entries)

    async def _draw(self, admitted: Admitted, peer: Peer) -> Published:
        question, activity = admitted.question, peer.activity or ""
        plan, held = await self.ready(question)
        reserved = self.account.reserve(question, plan, activity, admitted.statements)
        levels = await asyncio.to_thread(measure, question, plan, held)
        document = await asyncio.to_thread(
            build_document, question, plan, levels, admitted.policy.hash
        )
        self.keep(question, document)
        return self.account.publish(question, reserved, sha256(document).digest(), activity)

    async def ready(self, question: Question) -> tuple[Plan, Held]:
        """The plan and what is to be counted, once it is known that neither will fail.

        Raises:
            BudgetExceeded: `BUDGET_EXCEEDED`. InputError: `NOT_LOADED`.
            StorageError: `COLUMNS_DAMAGED`.
        """
        plan = await asyncio.to_thread(question.plan)
        self.account.accounts.after(question.grant, cost_of(plan))  # before any file is looked for
        return plan, await self.columns(question)

    async def columns(self, question: Question) -> Held:
        """What is to be counted, every byte checked. Raises as `ready`."""
        found = self._find(question)
        await asyncio.to_thread(_check, found)
        return {
            name: [HeldPeriod(one.file, one.changed, one.rows) for one in columns]
            for name, columns in found.items()
        }

    def keep(self, question: Question, document: bytes) -> None:
        """The document is on disk when this returns. Raises `StorageError`."""
        make_directories(self.account.folder)
        replace_file_durably(self._file(question), document)

    def _find(self, question: Question) -> Mapping[str, Sequence[PeriodColumns]]:
        """The columns of each dataset.

        That a body has loaded a month at all is taken to be public: it is refused before anything
        is reserved.

        Raises:
            InputError: `NOT_LOADED`; `BAD_POLICY_FILE`: what is added is no amount here.
        """
        table = question.table
        first, last = months_of(table, question.period)
        held_here = question.whole.held_by(self._node.body)
        if table.dataset in held_here:  # of a joined table, another body may hold it
            self._check_amount(table, question.cube.leaves.axes[-1].edges != ())
        found: dict[str, Sequence[PeriodColumns]] = {}
        for name in held_here:
            low, high, periods = _window(
                self._node.store.catalogue.dataset(name).period, first, last
            )
            held = self._node.store.held.find(name, low, high)
            if len(held) != periods:
                raise InputError(
                    "NOT_LOADED",
                    f"table `{table.id}` {question.period}: not all of `{name}` is loaded here",
                    "load it, or ask another period",
                )
            found[name] = held
        return found

    def _check_amount(self, table: Table, bracketed: bool) -> None:
        """Nothing is reserved for a sum, or brackets, of what is no amount in this catalogue."""
        name = table.dimensions[-1].field if bracketed else table.measure.field
        if name is None:
            return
        kind = self._node.store.catalogue.dataset(table.dataset).fields[name].type
        if kind is not FieldType.CENTS:
            raise refuse_file(f"tables/{table.id}.toml", f"`{name}`: no amount in cents")

    def _file(self, question: Question) -> Path:
        return self.account.folder / f"{question.hash.hex()}.json"

    def load(self, question: Question, found: Published) -> bytes:
        """The kept document. Raises `IntegrityError` (`TABLE_LOST`); it is never drawn again."""
        try:
            document = self._file(question).read_bytes()
        except OSError as error:
            raise StorageError("TABLE_LOST", "table: what was published cannot be read") from error
        if sha256(document).digest() != found.document_hash:
            raise IntegrityError("TABLE_LOST", "table: not what was published")
        return document


def _check(found: Mapping[str, Sequence[PeriodColumns]]) -> None:
    """Nothing is reserved for columns that are damaged."""
    for columns in found.values():
        for one in columns:
            one.check()


def measure(question: Question, plan: Plan, held: Held) -> list[Figures]:
    """From the columns to noisy figures: what is exact begins and ends here."""
    # The engine that counts takes a second to import: a node that counts nothing starts without it.
    from cloison.statistics.cells import count_cells  # noqa: PLC0415

    return release(count_cells(question.table, question.cube, held), plan, question.cube)


def draw(question: Question, plan: Plan, held: Held) -> list[int]:
    """From the columns to this holder's share of a table of several, not yet masked."""
    from cloison.statistics.cells import count_cells  # noqa: PLC0415 - as in `measure`

    return draw_share(count_cells(question.table, question.cube, held), plan, question.cube)


def months_of(table: Table, period: str) -> tuple[Month, Month]:
    """The first and the last month of a table's period."""
    if table.period is Period.MONTH:
        return Month.parse(period), Month.parse(period)
    return Month.parse(f"{period}-01"), Month.parse(f"{period}-12")


def _window(kept: Kept, first: Month, last: Month) -> tuple[int, int, int]:
    """The numbers of a dataset's first and last period, and how many there are."""
    if kept is Kept.CURRENT:
        return 0, 0, 1
    if kept is Kept.YEAR:
        return first.year, last.year, last.year - first.year + 1
    return first.number, last.number, last - first + 1


_Said = tuple[str, tuple[str, ...], Month, Month]


def _said(statement: Statement) -> _Said:
    asked = statement.question
    return asked.dataset, asked.fields, asked.first_month, asked.last_month
