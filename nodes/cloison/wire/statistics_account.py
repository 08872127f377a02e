"""The budget as the register has it: reserved before anything is drawn, counted from its entries.

INVARIANT: what counts is what stands in the register; this is only a reading of it. The node is one
process with one loop, and between the check and the entry nothing else runs: two questions cannot
both find the same budget left.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from cloison.errors import IntegrityError
from cloison.exchange.entries import (
    entry_of,
    parse_entry,
)
from cloison.ledger.tree import leaf_hash
from cloison.statistics.budget import Accounts, Loss
from cloison.statistics.declared import Question, cost_of
from cloison.statistics.document import spelled
from cloison.statistics.plan import Plan
from cloison.v1 import entry_pb2, receipt_pb2
from cloison.wire.node import Node

_READ = 256


@dataclass(frozen=True, slots=True)
class Published:
    """Where the entries of a published table are, and the hash of what was published."""

    reserved_index: int
    published_index: int
    document_hash: bytes


class StatisticsAccount:
    """Budgets and published tables of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.accounts = Accounts()
        self._published: dict[bytes, Published] = {}
        self.open: dict[int, bytes] = {}
        """Reservations of masked sums that were neither answered nor given up: their questions."""
        for first in range(0, node.register.size, _READ):
            count = min(_READ, node.register.size - first)
            for place, data in enumerate(node.register.entries(first, count)):
                self._count(first + place, parse_entry(data))

    @property
    def folder(self) -> Path:
        """Where documents are kept: beside the ledgers."""
        return self._node.register.directory.parent.parent / "statistics"

    def published(self, question_hash: bytes) -> Published | None:
        """What was published for a question."""
        return self._published.get(question_hash)

    def reserve(
        self,
        question: Question,
        plan: Plan,
        activity: str,
        statements: list[bytes],
        mask_key: bytes = b"",
    ) -> int:
        """Writes the reservation; its place in the register. It is on disk when this returns.

        Raises:
            BudgetExceeded: `BUDGET_EXCEEDED`, by how much.
            StorageError: `LEDGER_WRITE`; then nothing may be drawn.
        """
        cost, grant = cost_of(plan), question.grant
        after = self.accounts.after(grant, cost)
        reserved = entry_pb2.BudgetReserved(
            population=grant.population,
            year=grant.year,
            table=question.table.id,
            period=question.period,
            question_hash=question.hash,
            delta=str(grant.chance),
            activity=activity,
            statement_hashes=statements,
            policy_set=self._node.policy.hash,
            holders=question.holders if mask_key else (),
            mask_key=mask_key,
        )
        reserved.epsilon, reserved.rho = spelled(cost)
        reserved.spent_epsilon, reserved.spent_rho = spelled(after)
        reserved.granted_epsilon, reserved.granted_rho = spelled(grant.limit)
        return self._append(entry_of(reserved, self._node.clock()))

    def publish(
        self, question: Question, reserved_index: int, document_hash: bytes, activity: str
    ) -> Published:
        """Writes that this document, kept already, is what the question's answer is."""
        published = entry_pb2.TablePublished(
            question_hash=question.hash,
            document_hash=document_hash,
            reserved_index=reserved_index,
            reserved_leaf_hash=leaf_hash(self._node.register.entry(reserved_index)),
            activity=activity,
        )
        self._append(entry_of(published, self._node.clock()))
        return self._published[question.hash]

    def share(self, shared: entry_pb2.TableShared) -> int:
        """Writes that masked cells are about to leave; the entry's place."""
        return self._append(entry_of(shared, self._node.clock()))

    def abandon(self, index: int, why: str, missing: str = "", activity: str = "") -> int:
        """Writes that a reservation will not be answered; the entry's place."""
        abandoned = entry_pb2.TableAbandoned(
            question_hash=self.open[index],
            reserved_index=index,
            reserved_leaf_hash=leaf_hash(self._node.register.entry(index)),
            why=why,
            missing=missing,
            activity=activity,
        )
        return self._append(entry_of(abandoned, self._node.clock()))

    def receipt(self, index: int) -> receipt_pb2.Receipt:
        """An entry of the register, proved under its present head."""
        register = self._node.register
        return receipt_pb2.Receipt(
            entry=register.entry(index),
            leaf_index=index,
            hashes=register.inclusion_proof(index),
            checkpoint=register.checkpoint(),
        )

    def _append(self, data: bytes) -> int:
        index = self._node.register.append_many([data]).first_index
        self._count(index, parse_entry(data))
        return index

    def _count(self, index: int, entry: entry_pb2.Entry) -> None:
        kind = entry.WhichOneof("kind")
        if kind == "budget_reserved":
            reserved = entry.budget_reserved
            cost = _loss(reserved.epsilon, reserved.rho)
            after = _loss(reserved.spent_epsilon, reserved.spent_rho)
            self.accounts.reserve((reserved.population, reserved.year), cost, after)
            if reserved.mask_key:
                self.open[index] = reserved.question_hash
        elif kind in {"table_shared", "table_abandoned"}:
            self.open.pop(getattr(entry, kind).reserved_index, None)
        elif kind == "table_published":
            one = entry.table_published
            self._published[one.question_hash] = Published(
                one.reserved_index, index, one.document_hash
            )


def _loss(epsilon: str, rho: str) -> Loss:
    try:
        return Loss(Fraction(epsilon), Fraction(rho))
    except (ValueError, ZeroDivisionError) as error:
        raise IntegrityError("BAD_ENTRY", "budget: an entry states no fraction") from error
