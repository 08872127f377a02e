"""A holder's part in a table of several: reserve, then share once, then finish.

* Each holder decides and enters the question as its own, and reserves before anything is drawn.
* INVARIANT: a reservation answers once. Its mask key lives in this process's memory alone, and
  goes when it answered or was given up: asked again, or with others, it is paid anew, with fresh
  noise.
* A holder masks only against reservations that stand in the others' registers, for this question,
  of now: so a program that carries the messages can put in neither a key of its own nor an old one.
* The sum is made by whoever has every vector; each holder checks it against what all have entered
  before it says that it is published.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from google.protobuf.message import DecodeError

from cloison.bodies import BodyId
from cloison.errors import InputError, IntegrityError, PeerError, StorageError
from cloison.exchange import limits
from cloison.exchange.entries import parse_entry
from cloison.exchange.receipt import Checked, verify_receipt
from cloison.exchange.statement import read_table_question
from cloison.identity import Peer
from cloison.law.question import Decision
from cloison.ledger.checkpoint import Checkpoint, verify_checkpoint
from cloison.ledger.files import replace_file_durably
from cloison.ledger.note import NoteVerifier
from cloison.statistics.declared import Question
from cloison.statistics.document import build_document
from cloison.statistics.masks import MaskKey, add_masked, session_of
from cloison.statistics.plan import Plan
from cloison.statistics.release import settle_shared, shared_figures
from cloison.v1 import across_service_pb2 as wire
from cloison.v1 import entry_pb2, receipt_pb2, statement_pb2
from cloison.wire.node import Node
from cloison.wire.statistics_desk import Admitted, StatisticsDesk, draw

RESERVED_FOR = timedelta(minutes=10)
"""So long a masked sum may take, and so far apart its reservations may be."""
_RESERVED_MS = RESERVED_FOR.total_seconds() * 1000


@dataclass(frozen=True, slots=True)
class Pending:
    """A reservation that has not answered."""

    question: Question
    plan: Plan
    key: MaskKey
    activity: str


class Sum(NamedTuple):
    """The reservations of a masked sum, by holder, verified; and its name."""

    reserved: Mapping[str, Checked]
    session: bytes


@dataclass(frozen=True, slots=True)
class Reserved:
    """What became of a holder's part of the question."""

    decided: Sequence[receipt_pb2.Receipt]
    refusal: Decision | None = None
    reserved: receipt_pb2.Receipt | None = None
    finish: wire.FinishRequest | None = None
    kept: wire.FinishResponse | None = None


class AcrossDesk:
    """This node's part in tables of several holders.

    Args:
        node: This node.
        desk: Answers its own tables; budget and columns are one.
        registers: Verifier key of each body's register.
    """

    def __init__(
        self, node: Node, desk: StatisticsDesk, registers: Mapping[BodyId, NoteVerifier]
    ) -> None:
        self._node, self._desk, self._registers = node, desk, registers
        self._pending: dict[int, Pending] = {}
        for index in list(desk.account.open):  # their keys went with the process that drew them
            desk.account.abandon(index, "restart")

    async def reserve(
        self, peer: Peer, signed: Sequence[statement_pb2.SignedStatement]
    ) -> Reserved:
        """Decided, entered and reserved; or what was published, free.

        Raises:
            InputError, PeerError: as `StatisticsDesk.admit`. InputError: `NOT_LOADED`.
            BudgetExceeded: `BUDGET_EXCEEDED`. StorageError: a disk refused; nothing leaves.
        """
        self._give_up_late()
        admitted = self._desk.admit(peer, signed, "several")
        if admitted.refusal is not None:
            return Reserved(admitted.decided, admitted.refusal)
        async with self._desk.drawing:
            if self._desk.account.published(admitted.question.hash) is not None:
                return self._kept(admitted)
            plan, _ = await self._desk.ready(admitted.question)
            key = MaskKey()
            index = self._desk.account.reserve(
                admitted.question, plan, peer.activity or "", admitted.statements, key.public
            )
            self._pending[index] = Pending(admitted.question, plan, key, peer.activity or "")
        return Reserved(admitted.decided, reserved=self._desk.account.receipt(index))

    def _kept(self, admitted: Admitted) -> Reserved:
        """What was published; with what finishes it at a holder that went down before it could."""
        try:
            finish = wire.FinishRequest.FromString(self._file(admitted.question).read_bytes())
        except (OSError, DecodeError) as error:
            raise StorageError("TABLE_LOST", "table: what was published cannot be read") from error
        return Reserved(admitted.decided, finish=finish, kept=self._published(admitted.question))

    async def share(self, peer: Peer, request: wire.ShareRequest) -> wire.ShareResponse:
        """This holder's cells with its share of the noise, masked; once.

        Raises:
            InputError: `MALFORMED`, as `StatisticsDesk.question`. PeerError: `NO_RESERVATION`: it
                answered, was given up, or is of a process that ended; `SESSION_STALE`,
                `BAD_RESERVATION`, `BAD_RECEIPT`, `BAD_MASK_KEY`, `UNKNOWN_PEER`.
            StorageError: a disk refused; nothing leaves.
        """
        self._give_up_late()
        question = self._desk.question(read_table_question(request.question))
        made = self._session(question, request.reserved)
        own = made.reserved[self._node.body]
        pending = self._pending.get(own.leaf_index)
        if pending is None or pending.activity != peer.activity:
            raise PeerError(
                "NO_RESERVATION", "share: no open reservation of this program", "reserve anew"
            )
        # INVARIANT: from here on the reservation is used up, whatever fails.
        del self._pending[own.leaf_index]
        async with self._desk.drawing:
            held = await self._desk.columns(question)
            figures = await asyncio.to_thread(draw, question, pending.plan, held)
            keys = {
                name: one.entry.budget_reserved.mask_key
                for name, one in made.reserved.items()
                if name != self._node.body
            }
            masked = pending.key.mask(self._node.body, keys, made.session, figures)
        index = self._desk.account.share(
            entry_pb2.TableShared(
                question_hash=question.hash,
                session=made.session,
                reserved_index=own.leaf_index,
                reserved_leaf_hash=own.leaf_hash,
                masked_hash=sha256(masked).digest(),
                activity=pending.activity,
            )
        )
        return wire.ShareResponse(shared=self._desk.account.receipt(index), masked=masked)

    async def finish(self, request: wire.FinishRequest) -> wire.FinishResponse:
        """The table made of every holder's vector; the same document at each, entered as published.

        What it is made of was paid for and entered: whoever brings it, and how often, it costs and
        tells nothing more.

        Raises:
            InputError: `MALFORMED`. PeerError: `BAD_RECEIPT`, `BAD_RESERVATION`, `BAD_SHARE`: a
                vector that is not the one its holder entered. IntegrityError: `MASK_OVERFLOW`.
        """
        question = self._desk.question(read_table_question(request.question))
        made = self._session(question, request.reserved)
        self._check_shares(question, made, request)
        async with self._desk.drawing:
            if self._desk.account.published(question.hash) is None:
                own = made.reserved[self._node.body]
                spent = own.entry.budget_reserved
                document = await asyncio.to_thread(
                    _document, question, spent.policy_set, request.masked
                )
                self._desk.keep(question, document)
                replace_file_durably(self._file(question), request.SerializeToString())
                self._desk.account.publish(
                    question, own.leaf_index, sha256(document).digest(), spent.activity
                )
        return self._published(question)

    def abandon(self, peer: Peer, request: wire.AbandonRequest) -> receipt_pb2.Receipt:
        """A reservation that will not answer, entered so; what it took stays spent.

        Raises:
            PeerError: `NO_RESERVATION`. InputError: `MALFORMED`.
        """
        missing = limits.check_name("missing", request.missing) if request.missing else ""
        pending = self._pending.get(request.reserved_index)
        if pending is None or pending.activity != peer.activity:
            raise PeerError("NO_RESERVATION", "abandon: no open reservation of this program")
        if missing and missing not in pending.question.holders:
            raise InputError("MALFORMED", "abandon: the missing one is no holder of the table")
        del self._pending[request.reserved_index]
        why = "holder-missing"
        index = self._desk.account.abandon(request.reserved_index, why, missing, pending.activity)
        return self._desk.account.receipt(index)

    def _give_up_late(self) -> None:
        """Reservations that nobody came back for are entered as given up."""
        register, now = self._node.register, self._node.clock()
        for index in list(self._pending):
            entry = parse_entry(register.entry(index))
            if abs(now.timestamp() * 1000 - entry.entry_time_ms) > _RESERVED_MS:
                activity = self._pending.pop(index).activity
                self._desk.account.abandon(index, "too-late", "", activity)

    def _session(self, question: Question, receipts: Sequence[receipt_pb2.Receipt]) -> Sum:
        """Every holder's reservation, each from its own register, of this very question and of now.

        Raises:
            PeerError: `BAD_RECEIPT`, `BAD_RESERVATION`, `SESSION_STALE`, `UNKNOWN_PEER`.
            InputError: `MALFORMED`.
        """
        if len(receipts) != len(question.holders):
            raise InputError("MALFORMED", "reservations: not one of each holder")
        reserved = {
            holder: verify_receipt(receipt, self._heads_of(BodyId(holder)))
            for holder, receipt in zip(question.holders, receipts, strict=True)
        }
        own = reserved[self._node.body]
        for holder, one in reserved.items():
            said = one.entry.budget_reserved
            population = question.whole.at(holder).population
            if (
                one.entry.WhichOneof("kind") != "budget_reserved"
                or said.question_hash != question.hash
                or tuple(said.holders) != question.holders
                or said.population != population
                or said.policy_set != self._node.policy.hash
            ):
                raise PeerError(
                    "BAD_RESERVATION",
                    f"holder `{holder}`: reserved for something else, or under another law",
                )
            if abs(one.entry.entry_time_ms - own.entry.entry_time_ms) > _RESERVED_MS:
                raise PeerError(
                    "SESSION_STALE", f"holder `{holder}`: reserved at another time", "reserve anew"
                )
        leaves = [reserved[holder].leaf_hash for holder in question.holders]
        return Sum(reserved, session_of(question.hash, leaves))

    def _heads_of(self, holder: BodyId) -> Callable[[bytes], Checkpoint]:
        verifier = self._registers.get(holder)
        if verifier is None:
            raise PeerError(
                "UNKNOWN_PEER", f"holder `{holder}`: its register's key is unknown here"
            )
        return lambda note: verify_checkpoint(note, verifier)

    def _check_shares(self, question: Question, made: Sum, request: wire.FinishRequest) -> None:
        """Each vector is the one that its holder entered for this sum."""
        if not len(request.shared) == len(request.masked) == len(question.holders):
            raise InputError("MALFORMED", "shares: not one of each holder")
        for holder, receipt, masked in zip(
            question.holders, request.shared, request.masked, strict=True
        ):
            checked = verify_receipt(receipt, self._heads_of(BodyId(holder)))
            shared = checked.entry.table_shared
            if (
                checked.entry.WhichOneof("kind") != "table_shared"
                or shared.session != made.session
                or shared.reserved_leaf_hash != made.reserved[holder].leaf_hash
                or shared.masked_hash != sha256(masked).digest()
            ):
                raise PeerError("BAD_SHARE", f"holder `{holder}`: not what it entered for this sum")

    def _published(self, question: Question) -> wire.FinishResponse:
        account = self._desk.account
        found = account.published(question.hash)
        if found is None:
            raise IntegrityError("TABLE_LOST", "table: not published")
        return wire.FinishResponse(
            document=self._desk.load(question, found),
            reserved=account.receipt(found.reserved_index),
            published=account.receipt(found.published_index),
        )

    def _file(self, question: Question) -> Path:
        return self._desk.account.folder / f"{question.hash.hex()}.finish"


def _document(question: Question, policy_set: bytes, masked: Sequence[bytes]) -> bytes:
    """The document of a masked sum: the same from the same vectors, whoever makes it."""
    plan, cube = question.plan(), question.cube
    figures = add_masked(masked, shared_figures(plan, cube))
    return build_document(question, plan, settle_shared(figures, plan, cube), policy_set)
