"""The requester's side of a cohort: relays, keeps, checks every receipt, writes its own entries."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc

from cloison.errors import CloisonError, InputError, PeerError
from cloison.exchange.entries import (
    asked_entry,
    cohort_part_entry,
    received_entry,
)
from cloison.exchange.receipt import verify_answer, verify_part
from cloison.exchange.statement import Cohort, Statement
from cloison.exchange.values import decision_from_proto
from cloison.identity import parse_nir, person_digest
from cloison.ledger.tree import leaf_hash
from cloison.v1 import (
    exchange_service_pb2,
    gateway_service_pb2,
    receipt_pb2,
    release_pb2,
    statement_pb2,
)
from cloison.wire.cohort import next_answer, next_part, read_persons
from cloison.wire.cohort_holder import CohortHolder
from cloison.wire.holder import (
    Holder,
)
from cloison.wire.node import Node
from cloison.wire.requester import Requester, require_open_case, stored_label, unavailable
from cloison.wire.vault import utc_day


class CohortRequester:
    """The requester's side of one stream: relays, checks every receipt, writes its own entries."""

    def __init__(self, node: Node, requester: Requester, holder: Holder) -> None:
        self._node = node
        self._requester = requester
        self._holder = holder

    async def relay(
        self,
        activity: str,
        requests: AsyncIterator[gateway_service_pb2.GatewayServiceAskManyRequest],
    ) -> AsyncIterator[gateway_service_pb2.GatewayServiceAskManyResponse]:
        """The answer to the statement, then to each batch.

        Raises:
            InputError, PeerError: the stream ends; no later batch leaves.
        """
        first = await next_part(requests)
        if first is None or first.WhichOneof("part") != "header":
            raise InputError("MALFORMED", "stream: does not begin with a header")
        statement = self._requester.read_statement(activity, first.header)
        if statement.cohort is None:
            raise InputError("MALFORMED", "statement: announces no cohort")
        if self._node.index.first("asked", statement.hash) is None:
            self._node.append([asked_entry(first.header, [], self._node.clock())])
        passing = Passing(self._node, statement, statement.cohort)
        if statement.holder == self._node.body:
            answers = self._local(passing, first.header, requests)
        else:
            answers = self._remote(passing, first.header, requests)
        async for answer in answers:
            if answer.WhichOneof("part") == "header":
                passing.receive_header(answer.header)
            else:
                passing.receive(answer.batch)
            yield answer
        if not passing.done:
            raise PeerError("COHORT_CUT", "cohort: the last batch is missing", "ask anew")

    async def _local(
        self,
        passing: "Passing",
        header: statement_pb2.SignedStatement,
        requests: AsyncIterator[gateway_service_pb2.GatewayServiceAskManyRequest],
    ) -> AsyncIterator[gateway_service_pb2.GatewayServiceAskManyResponse]:
        node = self._node
        desk = CohortHolder(node, self._holder, self._holder.call(node.body, node.policy.hash, b""))
        yield gateway_service_pb2.GatewayServiceAskManyResponse(header=desk.open(header))
        while not desk.done:
            request = await next_part(requests)
            if request is None:
                raise InputError("MALFORMED", "stream: ended before its last batch")
            passing.send(request.batch)
            answer = desk.batch(request.batch)
            yield gateway_service_pb2.GatewayServiceAskManyResponse(batch=answer)

    async def _remote(
        self,
        passing: "Passing",
        header: statement_pb2.SignedStatement,
        requests: AsyncIterator[gateway_service_pb2.GatewayServiceAskManyRequest],
    ) -> AsyncIterator[gateway_service_pb2.GatewayServiceAskManyResponse]:
        node, holder = self._node, passing.statement.holder
        stub = self._requester.peer(holder)
        message = exchange_service_pb2.ExchangeServiceAskManyRequest
        refused: list[CloisonError] = []

        async def forward() -> AsyncIterator[exchange_service_pb2.ExchangeServiceAskManyRequest]:
            yield message(
                header=exchange_service_pb2.CohortHeader(
                    statement=header,
                    policy_set=node.policy.hash,
                    checkpoint=node.traces.checkpoint(),
                )
            )
            async for request in requests:
                try:
                    passing.send(request.batch)
                except CloisonError as error:
                    refused.append(error)  # ends the stream: the holder then says it was cut
                    return
                yield message(batch=request.batch)

        try:
            answers = aiter(stub.AskMany(forward()))
            while (response := await next_answer(holder, answers)) is not None:
                answer = gateway_service_pb2.GatewayServiceAskManyResponse()
                if response.WhichOneof("part") == "header":
                    answer.header.CopyFrom(response.header)
                else:
                    answer.batch.CopyFrom(response.batch)
                yield answer
        except grpc.aio.AioRpcError as error:
            raise (refused[0] if refused else unavailable(holder, error)) from error


@dataclass(frozen=True, slots=True)
class _Sent:
    """A batch on its way: whom it is about, until its answer came."""

    digests: list[bytes]
    row_keys: list[bytes]
    last: bool


class Passing:
    """A cohort as it passes the requester's node: what it vouches for, and what it writes down."""

    def __init__(self, node: Node, statement: Statement, cohort: Cohort) -> None:
        self.statement = statement
        self.done = False
        self._node = node
        self._cohort = cohort
        self._next = 0
        self._sent: dict[int, _Sent] = {}
        self._label = release_pb2.Label()
        self._verify = node.heads.of(statement.holder)

    def send(self, batch: gateway_service_pb2.CohortBatch) -> None:
        """Checks a batch and keeps who is in it, before it leaves.

        Raises:
            InputError: out of place, too large, malformed.
            PeerError: `CASE_UNKNOWN`, `CASE_CLOSED`, `SALT_REUSED`.
        """
        if batch.index != self._next:
            raise InputError("MALFORMED", f"batch: index {batch.index}, not {self._next}")
        people = [one.reference for one in read_persons(batch.persons, self._cohort.batch_persons)]
        for case in batch.cases:
            require_open_case(self._node, leaf_hash(case.entry))
        nirs = [parse_nir(one.nir) for one in people]
        digests = [person_digest(one.salt, nir) for one, nir in zip(people, nirs, strict=True)]
        if self.statement.holder != self._node.body:  # its own holder side keeps them otherwise
            place = self.statement.hash + batch.index.to_bytes(8, "big")
            with self._node.vault.transaction():
                for one, nir in zip(people, nirs, strict=True):
                    self._node.vault.keep_salt(one.salt, nir, place)
        self._sent[batch.index] = _Sent(
            digests, [self._node.row_key(nir) for nir in nirs], batch.last
        )
        self._next += 1

    def receive_header(self, answer: receipt_pb2.Answer) -> None:
        """The decision; its `received` entry is on disk.

        Raises:
            PeerError: `BAD_RECEIPT`.
        """
        node = self._node
        checked = verify_answer(answer, self.statement.raw, self._verify)
        decided = checked.entry.decided
        entry = received_entry(
            self.statement,
            checked.leaf_index,
            answer.receipt.entry,
            decided,
            [],
            node.heads.see(self.statement.holder, answer.receipt.checkpoint),
            node.clock(),
        )
        node.append([entry])
        self._label = decided.label
        self.done = not decision_from_proto(decided.decision).permitted

    def receive(self, answer: gateway_service_pb2.CohortAnswer) -> None:
        """An answered batch: kept as sealed, then its `cohort_part` entry, with a trace for each.

        Raises:
            PeerError: `BAD_RECEIPT`, `BAD_ANSWER`.
        """
        node, statement, sealed = self._node, self.statement, answer.sealed_release
        sent = self._sent.pop(answer.index, None)
        if sent is None or self.done:
            raise PeerError("BAD_ANSWER", "cohort: an answer to no batch")
        checked = verify_part(
            answer.receipt, statement.hash, answer.index, sealed, self._verify, last=answer.last
        )
        if list(checked.entry.cohort_part.person_digests) != sent.digests:
            raise PeerError("BAD_RECEIPT", "receipt: the entry is about other persons")
        if sent.last != answer.last:
            raise PeerError("BAD_ANSWER", "cohort: its holder ends it elsewhere than it was asked")
        now = node.clock()
        question = statement.question
        node.store.keep_received(
            statement.hash,
            stored_label(self._label),
            sent.row_keys,
            question.fields,
            question.first_month,
            question.last_month,
            sealed,
            checked.leaf_hash,
            now,
            answer.index,
        )
        with node.vault.transaction():
            trace_keys = node.vault.trace_keys(sent.row_keys, utc_day(now))
        entry = cohort_part_entry(
            statement.hash,
            answer.index,
            sent.digests,
            trace_keys,
            sealed,
            statement.holder,
            now,
            last=answer.last,
        )
        node.append([entry])
        self.done = answer.last
