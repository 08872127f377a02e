"""Many persons under one statement: both ends of `AskMany`.

The statement is decided once, before any person is sent. Then, batch by batch: cases are checked,
the data are fetched and sealed to their place, the `cohort_part` entry with a trace key for each
person is on disk, and only then the batch leaves. Memory holds one batch.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import grpc
import pyarrow as pa

from cloison.cases.proof import ProvedCase, allow_skew, verify_case
from cloison.errors import CloisonError, InputError, PeerError, PolicyDenied
from cloison.exchange import limits
from cloison.exchange.entries import (
    Made,
    asked_entry,
    cohort_part_entry,
    decided_entry,
    received_entry,
)
from cloison.exchange.receipt import verify_answer, verify_part
from cloison.exchange.release import build_release
from cloison.exchange.statement import Cohort, Statement
from cloison.exchange.values import decision_from_proto, live
from cloison.identity import parse_nir, person_digest
from cloison.law.question import Decision
from cloison.ledger.tree import leaf_hash
from cloison.store import PersonData
from cloison.v1 import (
    exchange_service_pb2,
    gateway_service_pb2,
    receipt_pb2,
    release_pb2,
    statement_pb2,
)
from cloison.wire.holder import (
    Call,
    Heard,
    Holder,
    Person,
    make_facts,
    make_label,
    promised_case,
    seal,
)
from cloison.wire.node import Node
from cloison.wire.requester import Requester, require_open_case, stored_label, unavailable
from cloison.wire.vault import utc_day

_SCHEMA = pa.schema(
    [
        ("nir", pa.utf8()),
        ("salt", pa.binary()),
        ("birth_name", pa.utf8()),
        ("birth_date", pa.utf8()),
        ("case", pa.int32()),
        ("case_salt", pa.binary()),
    ]
)


@dataclass(frozen=True, slots=True)
class BatchPerson:
    """A person of a batch; `case` is the place of their case in the batch's list, -1 where none."""

    reference: statement_pb2.PersonReference
    case: int


def write_persons(persons: Sequence[BatchPerson]) -> bytes:
    """A batch's persons as an Arrow IPC stream of one record batch."""
    references = [person.reference for person in persons]
    columns = [
        pa.array([one.nir for one in references], pa.utf8()),
        pa.array([one.salt for one in references], pa.binary()),
        pa.array([one.birth_name for one in references], pa.utf8()),
        pa.array([one.birth_date for one in references], pa.utf8()),
        pa.array([person.case for person in persons], pa.int32()),
        pa.array([one.case_salt for one in references], pa.binary()),
    ]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _SCHEMA) as writer:
        writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))
    return bytes(sink.getvalue())


def read_persons(data: bytes, most: int) -> list[BatchPerson]:
    """The persons of a batch.

    Raises:
        InputError: `MALFORMED`, `TOO_LARGE`.
        PeerError: `SALT_REUSED`: two of them share a salt.
    """
    try:
        with pa.ipc.open_stream(data) as reader:
            if reader.schema != _SCHEMA:
                raise InputError("MALFORMED", "batch: not the columns AskMany states")
            batch = reader.read_next_batch()
            limits.check_count("persons of a batch", batch.num_rows, 1, most)
            # Offsets and text come from a peer: until checked, reading them may leave the buffer.
            batch.validate(full=True)
    except (pa.ArrowException, StopIteration, OSError) as error:
        raise InputError("MALFORMED", "batch: not an Arrow stream of one record batch") from error
    if any(column.null_count for column in batch.columns):
        raise InputError("MALFORMED", "batch: a value is missing")
    if len(set(batch.column("salt").to_pylist())) != batch.num_rows:
        raise PeerError("SALT_REUSED", "batch: two persons share a salt", "draw 32 fresh bytes")
    rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
    return [
        BatchPerson(
            statement_pb2.PersonReference(
                nir=nir, salt=salt, birth_name=name, birth_date=born, case_salt=case_salt
            ),
            case,
        )
        for nir, salt, name, born, case, case_salt in rows
    ]


def part_of(index: int, *, last: bool) -> bytes:
    """What binds a sealed batch to its place."""
    return index.to_bytes(8, "big") + (b"\x01" if last else b"\x00")


class CohortHolder:
    """The holder's side of one stream."""

    def __init__(self, node: Node, holder: Holder, call: Call) -> None:
        self._node = node
        self._holder = holder
        self._call = call
        self._next = 0
        self._persons = 0
        self._heard: Heard | None = None
        self._label: release_pb2.Label | None = None
        self._decision: Decision | None = None
        self._done = False

    def open(self, signed: statement_pb2.SignedStatement) -> receipt_pb2.Answer:
        """Steps 1 to 6 for the cohort as a whole; the decision's entry is on disk.

        Raises:
            InputError, PeerError: before a decision, as for a single question.
        """
        heard = self._holder.hear(self._call, signed, [])
        if isinstance(heard, receipt_pb2.Answer):
            raise PeerError("REPLAYED", "statement: answered before", "sign a new one")
        if heard.statement.cohort is None:
            raise InputError("MALFORMED", "statement: announces no cohort")
        now = self._call.now
        facts = make_facts(self._call, heard.statement, promised_case(heard.statement, now))
        decision = self._holder.decide(heard, facts, now)
        label = make_label(heard.statement, decision, now) if decision.permitted else None
        made = Made(
            heard.statement,
            heard.signature,
            self._call.peer,
            facts,
            decision,
            self._node.policy.hash,
            self._call.peer_checkpoint_hash,
        )
        (receipt,) = self._node.append([decided_entry(made, b"", label, [], now)])
        self._heard, self._label, self._decision = heard, label, decision
        self._done = not decision.permitted
        return receipt_pb2.Answer(receipt=receipt)

    @property
    def done(self) -> bool:
        """Refused, or the last batch is answered."""
        return self._done

    def batch(self, batch: gateway_service_pb2.CohortBatch) -> gateway_service_pb2.CohortAnswer:
        """Steps 7 to 9 for one batch; its `cohort_part` entry is on disk before this returns.

        Raises:
            InputError: out of place, too large, malformed.
            PeerError: `BAD_CASE_PROOF`, `SALT_REUSED`, `COHORT_EXCEEDED`.
            PolicyDenied: `NO_LONGER_PERMITTED`: a stream held open outlives no text.
        """
        if self._heard is None or self._label is None or self._done:
            raise InputError("MALFORMED", "batch: no permitted statement, or after the last batch")
        statement, cohort = self._heard.statement, self._cohort()
        if batch.index != self._next:
            raise InputError("MALFORMED", f"batch: index {batch.index}, not {self._next}")
        people = read_persons(batch.persons, cohort.batch_persons)
        self._persons += len(people)
        if self._persons > cohort.size:
            raise PeerError("COHORT_EXCEEDED", "cohort: more persons than the statement announced")
        self._check_cases(batch, people)
        now = self._node.clock()
        self._check_still_permitted(self._heard, now)
        with self._node.vault.transaction():
            persons = [self._keep(person) for person in people]
            digests = [person_digest(person.reference.salt, person.nir) for person in persons]
            data = self._fetch(persons)
            release = build_release(statement, self._label, digests, data)
            sealed = seal(self._call, self._heard, release, part_of(batch.index, last=batch.last))
            traced = [person.row_key for person in persons]
            traced.extend(named for one in data for named in one.named)
            trace_keys = self._node.vault.trace_keys(traced, utc_day(now))
        entry = cohort_part_entry(
            statement.hash,
            batch.index,
            digests,
            trace_keys,
            sealed,
            self._call.peer,
            now,
            last=batch.last,
        )
        limits.check_count("entry bytes", len(entry), 1, limits.ENTRY_BYTES)
        (receipt,) = self._node.append([entry])
        self._next += 1
        self._done = batch.last
        return gateway_service_pb2.CohortAnswer(
            index=batch.index, last=batch.last, sealed_release=sealed, receipt=receipt
        )

    def _check_still_permitted(self, heard: Heard, now: datetime) -> None:
        facts = make_facts(self._call, heard.statement, promised_case(heard.statement, now))
        if not self._holder.decide(heard, facts, now).permitted:
            raise PolicyDenied("NO_LONGER_PERMITTED", "cohort: permitted when it began, not now")

    def _cohort(self) -> Cohort:
        cohort = self._heard.statement.cohort if self._heard else None
        if cohort is None:
            raise InputError("MALFORMED", "batch: no permitted statement")
        return cohort

    def _check_cases(
        self, batch: gateway_service_pb2.CohortBatch, people: Sequence[BatchPerson]
    ) -> None:
        """Every person stands in a live case of the kind the statement promised."""
        cohort = self._cohort()
        if cohort.case_month is None:
            return
        heads = self._node.heads.of(self._call.peer)
        proved = [verify_case(case, None, heads) for case in batch.cases]
        for case in proved:
            self._check_case(case)
        for person in people:
            place = person.case
            if not 0 <= place < len(proved) or not proved[place].covers([person.reference]):
                raise PeerError("BAD_CASE_PROOF", "batch: a person stands in no case of it")

    def _check_case(self, case: ProvedCase) -> None:
        cohort, now = self._cohort(), self._node.clock()
        activity = self._heard.statement.question.activity if self._heard else ""
        kept = (case.type, case.month, case.activity) == (
            cohort.case_type,
            cohort.case_month,
            activity,
        )
        if not kept or not live(allow_skew(case.facts([], 0), now), now):
            raise PeerError("BAD_CASE_PROOF", "batch: a case is not what the statement promised")

    def _keep(self, person: BatchPerson) -> Person:
        reference = person.reference
        if self._heard is None:
            raise InputError("MALFORMED", "batch: no permitted statement")
        salt = limits.check_bytes("salt", reference.salt, limits.SALT_BYTES)
        nir = parse_nir(reference.nir)
        # Bound to its place: a salt that comes again, even in this cohort, is refused.
        place = self._heard.statement.hash + self._next.to_bytes(8, "big")
        self._node.vault.keep_salt(salt, nir, place)
        return self._holder.person(nir, reference)

    def _fetch(self, persons: Sequence[Person]) -> list[PersonData]:
        """What is held of each person; nothing, and no reason, of those not answered about."""
        if self._heard is None or self._decision is None:
            raise InputError("MALFORMED", "batch: no permitted statement")
        decision = self._decision
        answerable = [self._holder.answerable(person, decision) for person in persons]
        asked = tuple(person for person, yes in zip(persons, answerable, strict=True) if yes)
        heard = replace(self._heard, persons=asked)
        data = iter(self._holder.fetch(heard, self._node.clock()))
        return [next(data) if yes else PersonData(periods=(), named=()) for yes in answerable]


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
        first = await anext(requests, None)
        if first is None or first.WhichOneof("part") != "header":
            raise InputError("MALFORMED", "stream: does not begin with a header")
        statement = self._requester.read_statement(activity, first.header.statement)
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
            request = await anext(requests, None)
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
            async for response in stub.AskMany(forward()):
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
        self._sent[batch.index] = _Sent(digests, [self._node.row_key(nir) for nir in nirs])
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
        now = node.clock()
        question = statement.question
        node.store.keep_received(
            statement.hash,
            stored_label(self._label),
            sent.row_keys,
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
