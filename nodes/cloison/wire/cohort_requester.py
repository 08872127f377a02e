"""The requester's side of a cohort: relays, keeps, checks every receipt, writes its own entries."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

import grpc

from cloison.errors import CloisonError, InputError, IntegrityError, PeerError
from cloison.exchange import limits
from cloison.exchange.entries import asked_entry, cohort_part_entry, received_entry
from cloison.exchange.index_terms import part_key
from cloison.exchange.obligations import HONOUR_OBJECTION
from cloison.exchange.receipt import verify_answer, verify_part
from cloison.exchange.statement import Cohort, Statement
from cloison.exchange.values import decision_from_proto
from cloison.identity import cohort_salts, person_digests, row_keys
from cloison.v1 import (
    exchange_service_pb2,
    gateway_service_pb2,
    receipt_pb2,
    release_pb2,
    statement_pb2,
)
from cloison.wire.cohort import (
    Batch,
    batches_of,
    cases_of,
    next_answer,
    next_part,
    read_nirs,
    run_persons,
)
from cloison.wire.cohort_cases import prove_cases
from cloison.wire.cohort_holder import CohortHolder
from cloison.wire.destruction import DestructionDesk
from cloison.wire.holder import Holder
from cloison.wire.losses import enter_lost
from cloison.wire.node import Node
from cloison.wire.plans import Why
from cloison.wire.requester import (
    Requester,
    require_no_objection,
    require_not_destroyed,
    stored_label,
    unavailable,
)
from cloison.wire.vault import utc_day

_LEFT = "PROGRAM_LEFT"


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
        else:
            require_not_destroyed(self._node, statement)
        passing = Passing(self._node, statement, statement.cohort)
        if statement.holder == self._node.body:
            answers = self._local(passing, first.header, requests)
        else:
            answers = self._remote(passing, first.header, requests)
        try:
            async for answer in answers:
                if answer.WhichOneof("part") == "header":
                    passing.receive_header(answer.header)
                else:
                    passing.receive(answer.run.batches)
                yield answer
            passing.require_done()
        except (InputError, IntegrityError, PeerError) as error:
            lost = {statement.hash: error.reason}
            enter_lost(self._node, statement.holder, lost, parts=True)
            raise
        except (asyncio.CancelledError, GeneratorExit):
            if not passing.done:  # what is on its way comes to nobody
                enter_lost(self._node, statement.holder, {statement.hash: _LEFT}, parts=True)
            raise

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
            passing.send(request.run)
            answer = desk.run(request.run)
            yield gateway_service_pb2.GatewayServiceAskManyResponse(run=answer)

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
                    passing.send(request.run)
                except CloisonError as error:
                    refused.append(error)  # ends the stream: the holder then says it was cut
                    return
                yield message(run=request.run)

        try:
            answers = aiter(stub.AskMany(forward()))
            while (response := await next_answer(holder, answers)) is not None:
                answer = gateway_service_pb2.GatewayServiceAskManyResponse()
                if response.WhichOneof("part") == "header":
                    answer.header.CopyFrom(response.header)
                    node.see_policy_set(holder, response.policy_set)
                else:
                    answer.run.CopyFrom(response.run)
                yield answer
        except grpc.aio.AioRpcError as error:
            raise (refused[0] if refused else unavailable(holder, error)) from error


@dataclass(frozen=True, slots=True)
class _Sent:
    """A run on its way: whom it is about, until its answers came. `cases`: of each batch."""

    batches: list[Batch]
    digests: list[bytes]
    row_keys: list[bytes]
    cases: list[list[bytes]]


class Passing:
    """A cohort as it passes the requester's node: what it vouches for, and what it writes down."""

    def __init__(self, node: Node, statement: Statement, cohort: Cohort) -> None:
        self.statement = statement
        self.done = False
        self._node = node
        self._cohort = cohort
        self._sent: dict[int, _Sent] = {}
        self._label = release_pb2.Label()
        record = node.policy.activities.get(statement.question.activity)
        self._may_object = record is not None and record.objection is not None
        self._verify = node.heads.of(statement.holder)

    def require_done(self) -> None:
        """Every batch was answered, or none was permitted. Raises `PeerError` (`COHORT_CUT`)."""
        if not self.done:
            raise PeerError("COHORT_CUT", "cohort: the last batch is missing", "ask anew")

    def send(self, run: gateway_service_pb2.CohortRun) -> None:
        """Checks a run, proves its cases and keeps who is in it, before it leaves.

        Raises:
            InputError: too large, malformed, too many on their way.
            PeerError: `CASE_UNKNOWN`, `CASE_CLOSED`, `SALT_REUSED`, `OBJECTED`, `COHORT_EXCEEDED`,
                `COHORT_SHORT`.
        """
        node, cohort = self._node, self._cohort
        limits.check_count("runs on their way", len(self._sent), 0, limits.COHORT_IN_FLIGHT - 1)
        nirs, places = read_nirs(run.persons, run_persons(cohort))
        batches = batches_of(cohort, run.index, len(nirs), last=run.last)
        seed = limits.check_bytes("salt seed", run.salt_seed, limits.SALT_BYTES)
        run.ClearField("cases")
        if run.case_leaf_hashes:
            run.cases.CopyFrom(prove_cases(node, run.case_leaf_hashes))
        # Said here: to the transport, a message too large is a peer that cannot be reached.
        limits.check_count("run bytes", run.ByteSize(), 1, limits.COHORT_RUN_BYTES)
        persons = row_keys(node.row_secret, nirs)
        require_no_objection(node, persons, self.statement.question.purpose)
        digests = person_digests(cohort_salts(seed, len(nirs)), nirs)
        if self.statement.holder != node.body:  # its own holder side keeps them otherwise
            with node.vault.transaction():
                node.vault.openings.keep_run(
                    seed, nirs, self.statement.hash, run.index, node.clock()
                )
        leaves = dict(enumerate(run.case_leaf_hashes))
        cases = [
            [leaves[place] for place in stood if place in leaves]
            for stood in cases_of(batches, places)
        ]
        self._sent[run.index] = _Sent(batches, digests, persons, cases)

    def receive_header(self, answer: receipt_pb2.Answer) -> None:
        """The decision; its `received` entry is on disk.

        Raises:
            PeerError: `BAD_RECEIPT`.
        """
        node = self._node
        checked = verify_answer(answer, self.statement.raw, self._verify)
        decided = checked.entry.decided
        seen = node.heads.see(self.statement.holder, answer.receipt.checkpoint)
        if node.index.first("received", self.statement.hash) is None:
            entry = received_entry(
                self.statement,
                checked.leaf_index,
                answer.receipt.entry,
                decided,
                [],
                seen,
                node.clock(),
            )
            node.append([entry])
        self._label = decided.label
        obligations = decided.decision.obligations
        self._may_object |= any(one.kind == HONOUR_OBJECTION for one in obligations)
        self.done = not decision_from_proto(decided.decision).permitted

    def receive(self, answers: Sequence[gateway_service_pb2.CohortAnswer]) -> None:
        """An answered run: kept as sealed, then its `cohort_part` entries, with a trace for each.

        Raises:
            PeerError: `BAD_RECEIPT`, `BAD_ANSWER`; `OBJECTED`, `CASE_CLOSED`: by a person of the
                run, and of what was destroyed, while it was on its way; what the whole cohort
                brought is then destroyed.
        """
        node, statement = self._node, self.statement
        sent = self._sent.pop(answers[0].index, None) if answers else None
        if sent is None or self.done or len(answers) != len(sent.batches):
            raise PeerError("BAD_ANSWER", "cohort: an answer to no batch")
        leaves = [
            self._check(batch, sent, answer)
            for batch, answer in zip(sent.batches, answers, strict=True)
        ]
        self._keep(answers, sent, leaves)
        # After its entry: what came in is in the ledger before it is said to be destroyed.
        places = node.vault.objections.of(sent.row_keys, [statement.question.purpose])
        if objected := [sent.row_keys[place] for place in places]:
            DestructionDesk(node).arrived_together(statement.hash, Why.OBJECTION, objected)
            raise PeerError("OBJECTED", "cohort: a person objected meanwhile", "ask anew")
        if self._may_object and self._is_destroyed(sent):
            DestructionDesk(node).arrived_together(statement.hash, Why.NO_ENTITLEMENT, ())
            raise PeerError("CASE_CLOSED", "cohort: a case's data were destroyed meanwhile")
        self.done = sent.batches[-1].last

    def _is_destroyed(self, sent: _Sent) -> bool:
        """Whether what a case of the run brought was destroyed. Few activities destroy any."""
        node = self._node
        leaves = list(dict.fromkeys(chain.from_iterable(sent.cases)))
        places = node.vault.cases.places(leaves)
        return any(
            place.closed and node.index.first("destroyed", leaf) is not None
            for leaf, place in places.items()
        )

    def _check(self, batch: Batch, sent: _Sent, answer: gateway_service_pb2.CohortAnswer) -> bytes:
        """The leaf hash of the holder's entry of a batch."""
        checked = verify_part(
            answer.receipt,
            self.statement.hash,
            batch.index,
            answer.sealed_release,
            self._verify,
            last=answer.last,
        )
        if list(checked.entry.cohort_part.person_digests) != sent.digests[batch.persons]:
            raise PeerError("BAD_RECEIPT", "receipt: the entry is about other persons")
        if batch.last != answer.last:
            raise PeerError("BAD_ANSWER", "cohort: its holder ends it elsewhere than it was asked")
        return checked.leaf_hash

    def _keep(
        self,
        answers: Sequence[gateway_service_pb2.CohortAnswer],
        sent: _Sent,
        leaves: Sequence[bytes],
    ) -> None:
        """Each batch as sealed, then their entries; a run that comes again is entered once."""
        node, statement, now = self._node, self.statement, self._node.clock()
        with node.store.transaction():
            for batch, answer, leaf in zip(sent.batches, answers, leaves, strict=True):
                self._keep_sealed(batch, sent.row_keys[batch.persons], answer, leaf, now)
        new = [
            one
            for one in zip(sent.batches, answers, sent.cases, leaves, strict=True)
            if node.index.first("came", part_key(statement.hash, one[0].index)) is None
        ]
        if not new:
            return
        with node.vault.transaction():
            trace_keys = node.vault.trace_keys(sent.row_keys, utc_day(now))
        entries = [
            cohort_part_entry(
                statement.hash,
                batch.index,
                sent.digests[batch.persons],
                trace_keys[batch.persons],
                answer.sealed_release,
                statement.holder,
                now,
                last=batch.last,
                cases=cases,
                received=leaf,
            )
            for batch, answer, cases, leaf in new
        ]
        node.enter(entries)

    def _keep_sealed(
        self,
        batch: Batch,
        persons: Sequence[bytes],
        answer: gateway_service_pb2.CohortAnswer,
        holder_leaf: bytes,
        now: datetime,
    ) -> None:
        question = self.statement.question
        # What no single question can name all persons of is handed back to none, and where nobody
        # may object it is never looked for: the ledger's trace keys then say who is in it.
        by_person = len(persons) <= limits.PERSONS_PER_STATEMENT or self._may_object
        self._node.store.keep_received(
            self.statement.hash,
            stored_label(self._label),
            persons if by_person else (),
            question.fields,
            question.first_month,
            question.last_month,
            answer.sealed_release,
            holder_leaf,
            now,
            batch.index,
        )
