"""The requester's side: `asked` before a statement leaves, `received` before its answer is handed.

The node checks what it can vouch for: the program's certificate, that the statement is that
activity's, that its case is open. The holder checks the rest; a local question takes the same path.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import grpc

from cloison.bodies import BodyId
from cloison.errors import CloisonError, InputError, IntegrityError, PeerError
from cloison.exchange import limits
from cloison.exchange.entries import asked_entry, received_entry
from cloison.exchange.receipt import Checked, verify_answer
from cloison.exchange.statement import (
    Statement,
    check_persons,
    check_signed,
    from_milliseconds,
    parse_statement,
)
from cloison.identity import Nir
from cloison.law.question import Action
from cloison.store import ReceivedLabel
from cloison.v1 import (
    exchange_service_pb2,
    exchange_service_pb2_grpc,
    receipt_pb2,
    release_pb2,
    statement_pb2,
)
from cloison.wire.answering import fail
from cloison.wire.coalescer import Coalescer
from cloison.wire.destruction import DestructionDesk
from cloison.wire.gateway import BATCH
from cloison.wire.holder import Holder
from cloison.wire.losses import enter_lost
from cloison.wire.node import Node
from cloison.wire.plans import Why
from cloison.wire.refusal import refusal_of
from cloison.wire.vault import utc_day

CALL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Forward:
    """A statement this node may forward, with the persons as its vault will know them."""

    statement: Statement
    item: statement_pb2.AskItem
    nirs: tuple[Nir, ...]
    row_keys: tuple[bytes, ...]


class Requester:
    """Forwards the statements of this body's programs.

    Args:
        holder: This node's own holder side, for local questions.
        peers: The exchange stub of each other body.
    """

    def __init__(
        self,
        node: Node,
        holder: Holder,
        peers: "dict[BodyId, exchange_service_pb2_grpc.ExchangeServiceAsyncStub]",
    ) -> None:
        self._node = node
        self._holder = holder
        self._peers = peers
        self._destruction = DestructionDesk(node)
        self._queues: dict[BodyId, Coalescer[Forward, receipt_pb2.Answer]] = {}

    async def ask(
        self, activity: str, items: Sequence[statement_pb2.AskItem]
    ) -> list[receipt_pb2.Answer]:
        """The checked answers, in order. Raises `InputError` if there are not 1 to 64 items."""
        limits.check_count("items", len(items), 1, limits.ITEMS_PER_CALL)
        answers: list[receipt_pb2.Answer | None] = [None] * len(items)
        by_holder: dict[BodyId, list[tuple[int, Forward]]] = {}
        for place, item in enumerate(items):
            try:
                forward = self._read(activity, item)
            except (InputError, PeerError) as error:
                self._node.failures.add(activity, error.reason, self._node.clock())
                answers[place] = fail(error)
            else:
                by_holder.setdefault(forward.statement.holder, []).append((place, forward))
        results = await asyncio.gather(
            *(
                self._queue(holder).put([forward for _, forward in group])
                for holder, group in by_holder.items()
            )
        )
        for group, found in zip(by_holder.values(), results, strict=True):
            for (place, _), answer in zip(group, found, strict=True):
                answers[place] = answer
        return [answer for answer in answers if answer is not None]

    def peer(self, holder: BodyId) -> "exchange_service_pb2_grpc.ExchangeServiceAsyncStub":
        """The exchange stub of another body. Raises `PeerError` (`UNKNOWN_PEER`)."""
        stub = self._peers.get(holder)
        if stub is None:
            raise PeerError("UNKNOWN_PEER", f"body `{holder}`: no such node is known here")
        return stub

    def _queue(self, holder: BodyId) -> Coalescer[Forward, receipt_pb2.Answer]:
        if holder not in self._queues:

            async def process(group: Sequence[Forward]) -> Sequence[receipt_pb2.Answer]:
                return await self._forward(holder, group)

            self._queues[holder] = Coalescer(process)
        return self._queues[holder]

    def read_statement(self, activity: str, signed: statement_pb2.SignedStatement) -> Statement:
        """A statement this program may send from this node.

        Raises:
            InputError: malformed.
            PeerError: `NOT_YOURS`, `UNKNOWN_PEER`, `CASE_UNKNOWN`, `CASE_CLOSED`,
                `AGENT_NOT_EMPOWERED`.
        """
        statement = parse_statement(signed.statement)
        check_signed(signed)  # it stands in `asked` before the holder says whose signature it is
        if statement.requester != self._node.body or statement.question.activity != activity:
            raise PeerError(
                "NOT_YOURS", "statement: of another body or activity than the program's certificate"
            )
        if statement.holder != self._node.body and statement.holder not in self._peers:
            raise PeerError(
                "UNKNOWN_PEER", f"body `{statement.holder}`: no such node is known here"
            )
        if statement.agent != BATCH:
            self._node.agents.check(statement.agent, activity)
        if statement.case_leaf_hash:
            require_open_case(self._node, statement.case_leaf_hash)
        return statement

    def _read(self, activity: str, item: statement_pb2.AskItem) -> Forward:
        # However large, so many fit into one call: none may make it too large for the others'.
        limits.check_count("question bytes", item.ByteSize(), 1, limits.ITEM_BYTES)
        statement = self.read_statement(activity, item.statement)
        if statement.cohort is not None:
            raise InputError("MALFORMED", "statement: a cohort is asked by AskMany")
        nirs = check_persons(statement.person_digests, item.persons)
        return Forward(statement, item, nirs, tuple(self._node.row_key(nir) for nir in nirs))

    async def _forward(self, holder: BodyId, group: Sequence[Forward]) -> list[receipt_pb2.Answer]:
        now = self._node.clock()
        fresh, refused = self._write_asked(group, now)
        try:
            answers = await self._call(holder, [one.item for one in fresh]) if fresh else []
        except PeerError as error:
            self._node.failures.add(holder, error.reason, now)
            answers = [fail(error) for _ in fresh]
        checked = [self._check(one, answer) for one, answer in zip(fresh, answers, strict=True)]
        try:
            self._write_received(holder, fresh, checked)
        except (PeerError, IntegrityError) as error:  # its head or answer contradicts an earlier
            self._node.failures.add(holder, error.reason, now)
            checked = [(fail(error), None) for _ in fresh]
        lost = {
            one.statement.hash: answer.failure.reason
            for one, (answer, receipt) in zip(fresh, checked, strict=True)
            if receipt is None
        }
        enter_lost(self._node, holder, lost, parts=False)
        checked = [self._withhold(one, found) for one, found in zip(fresh, checked, strict=True)]
        by_hash = refused | {
            one.statement.hash: answer for one, (answer, _) in zip(fresh, checked, strict=True)
        }
        return [by_hash[one.statement.hash] for one in group]

    def _write_asked(
        self, group: Sequence[Forward], now: datetime
    ) -> tuple[list[Forward], dict[bytes, receipt_pb2.Answer]]:
        """One of each statement of the group, those not asked before entered; and those refused.

        What is wrong with one statement refuses that one: others share the call, and are not its.
        """
        node = self._node
        once = {one.statement.hash: one for one in group}
        refused: dict[bytes, receipt_pb2.Answer] = {}
        entries = []
        with node.vault.transaction():
            for one in once.values():
                try:
                    if one.statement.case_leaf_hash:  # it may have been closed while this waited
                        require_open_case(node, one.statement.case_leaf_hash)
                    require_no_objection(node, one.row_keys, one.statement.question.purpose)
                    if node.index.first("asked", one.statement.hash) is None:
                        entries.append(self._asked(one, now))
                    else:
                        require_not_destroyed(node, one.statement)
                except PeerError as error:
                    node.failures.add(one.statement.question.activity, error.reason, now)
                    refused[one.statement.hash] = fail(error)
        if entries:
            node.enter(entries)
        return [one for key, one in once.items() if key not in refused], refused

    def _asked(self, one: Forward, now: datetime) -> bytes:
        if one.statement.holder != self._node.body:  # its own holder side keeps the salts otherwise
            for nir, person in zip(one.nirs, one.item.persons, strict=True):
                self._node.vault.openings.keep(person.salt, nir, one.statement.hash, now)
        trace_keys = self._node.vault.trace_keys(one.row_keys, utc_day(now))
        return asked_entry(one.item.statement, trace_keys, now)

    async def _call(
        self, holder: BodyId, items: Sequence[statement_pb2.AskItem]
    ) -> list[receipt_pb2.Answer]:
        node = self._node
        if holder == node.body:
            call = self._holder.call(node.body, node.policy.hash, b"")
            return self._holder.answer(call, items)
        request = exchange_service_pb2.ExchangeServiceAskRequest(
            items=items, policy_set=node.policy.hash, checkpoint=node.traces.checkpoint()
        )
        try:
            response = await self._peers[holder].Ask(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise unavailable(holder, error) from error
        if len(response.answers) != len(items):
            raise PeerError("BAD_ANSWER", f"body `{holder}`: not one answer for each statement")
        node.see_policy_set(holder, response.policy_set)
        return list(response.answers)

    def _check(
        self, one: Forward, answer: receipt_pb2.Answer
    ) -> tuple[receipt_pb2.Answer, Checked | None]:
        if answer.HasField("failure"):
            return receipt_pb2.Answer(failure=answer.failure), None
        try:
            heads = self._node.heads.of(one.statement.holder)
            checked = verify_answer(answer, one.statement.raw, heads)
            stored_label(checked.entry.decided.label)
        except CloisonError as error:
            self._node.failures.add(one.statement.holder, error.reason, self._node.clock())
            return fail(error), None
        return answer, checked

    def _write_received(
        self,
        holder: BodyId,
        group: Sequence[Forward],
        checked: Sequence[tuple[receipt_pb2.Answer, Checked | None]],
    ) -> None:
        """Keeps what was received, sealed and labelled, then says so in the ledger.

        Raises:
            PeerError: `FORKED_LEDGER`. IntegrityError: `RECEIVED_TWICE`: not the answer it gave.
        """
        node = self._node
        now = node.clock()
        answered = [
            (one, answer, receipt)
            for one, (answer, receipt) in zip(group, checked, strict=True)
            if receipt is not None
        ]
        if not answered:
            return
        for note in dict.fromkeys(answer.receipt.checkpoint for _, answer, _ in answered):
            seen = node.heads.see(holder, note)  # each: one call may not show two trees
        # Again with a repeat: a power cut may have taken the row and left its entry.
        with node.store.transaction():
            for one, answer, receipt in answered:
                self._keep(one, answer, receipt, now)
        new = [
            one for one in answered if node.index.first("received", one[0].statement.hash) is None
        ]
        if not new:
            return
        with node.vault.transaction():
            entries = [
                received_entry(
                    one.statement,
                    receipt.leaf_index,
                    answer.receipt.entry,
                    receipt.entry.decided,
                    node.vault.trace_keys(one.row_keys, utc_day(now)),
                    seen,
                    now,
                )
                for one, answer, receipt in new
            ]
        node.enter(entries)

    def _withhold(
        self, one: Forward, found: tuple[receipt_pb2.Answer, Checked | None]
    ) -> tuple[receipt_pb2.Answer, Checked | None]:
        """The answer; or, if its data were to be destroyed while it was on its way, a failure."""
        answer, receipt = found
        if receipt is None or not answer.sealed_release:
            return found
        node, statement = self._node, one.statement
        if node.vault.objections.any_of(one.row_keys, [statement.question.purpose]):
            why, reason = Why.OBJECTION, "OBJECTED"
        elif (
            statement.case_leaf_hash
            and node.vault.cases.is_closed(statement.case_leaf_hash)  # in memory, unlike the index
            and node.index.first("destroyed", statement.case_leaf_hash) is not None
        ):
            why, reason = Why.NO_ENTITLEMENT, "CASE_CLOSED"
        else:
            return found
        self._destruction.arrived(statement.hash, why)
        node.failures.add(statement.question.activity, reason, node.clock())
        return fail(PeerError(reason, "answer: its data were to be destroyed meanwhile")), None

    def _keep(
        self, one: Forward, answer: receipt_pb2.Answer, receipt: Checked, now: datetime
    ) -> None:
        question = one.statement.question
        if not answer.sealed_release or question.action is not Action.ASK:
            return
        self._node.store.keep_received(
            one.statement.hash,
            stored_label(receipt.entry.decided.label),
            one.row_keys,
            question.fields,
            question.first_month,
            question.last_month,
            answer.sealed_release,
            receipt.leaf_hash,
            now,
            case_leaf_hash=one.statement.case_leaf_hash,
        )


def require_open_case(node: Node, case_leaf_hash: bytes) -> None:
    """This node opened the case and has not closed it.

    Raises:
        PeerError: `CASE_UNKNOWN`, `CASE_CLOSED`.
    """
    closed = node.vault.cases.is_closed(case_leaf_hash)
    if closed is None:
        raise PeerError("CASE_UNKNOWN", "case: this node did not open it", "open a case")
    if closed:
        raise PeerError("CASE_CLOSED", "case: closed", "open a new one if there is a claim")


def require_not_destroyed(node: Node, statement: Statement) -> None:
    """A repeat would bring back what is no longer there. Raises `PeerError` (`DESTROYED`)."""
    if node.index.first("destroyed", statement.hash) is not None:
        raise PeerError("DESTROYED", "statement: its answer was destroyed", "sign a new one")


def require_no_objection(node: Node, row_keys: Sequence[bytes], purpose: str) -> None:
    """Nobody objected here to being asked about for this purpose.

    Raises:
        PeerError: `OBJECTED`; it does not say who.
    """
    if node.vault.objections.any_of(row_keys, [purpose]):
        raise PeerError("OBJECTED", "persons: one of them objected to this purpose")


def stored_label(label: release_pb2.Label) -> ReceivedLabel:
    """A label as the store keeps it. Raises `InputError` (`MALFORMED`) on an impossible end."""
    return ReceivedLabel(
        holder=label.holder,
        dataset=label.dataset,
        received_for=label.received_for,
        received_by=label.received_by,
        text=label.text,
        until_time=from_milliseconds(label.until_ms) if label.until_ms else None,
    )


def unavailable(holder: BodyId, error: grpc.aio.AioRpcError) -> PeerError:
    """A peer's transport error: the reason it told, if it did; nothing of what was sent."""
    refusal = refusal_of(error)
    if refusal is not None:
        return PeerError(refusal.reason, f"body `{holder}`: {refusal.message}")
    return PeerError(
        "PEER_UNAVAILABLE",
        f"body `{holder}`: {error.code().name}",
        "see that its node runs; asking again with the same bytes is safe",
    )
