"""A program's client: signs statements, checks receipts, opens seals. Its one peer is its node.

`GatewayClient` is for programs that go one step at a time; `AsyncAsker` for many callers at once.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path

import grpc

from cloison.bodies import BodyId
from cloison.errors import CloisonError, PeerError
from cloison.exchange import limits
from cloison.exchange.entries import parse_entry
from cloison.exchange.receipt import verify_receipt
from cloison.exchange.statement import from_milliseconds, parse_statement, to_milliseconds
from cloison.identity import ActivityKeys, Nir, parse_nir
from cloison.months import Month
from cloison.v1 import (
    cases_service_pb2,
    cases_service_pb2_grpc,
    entry_pb2,
    gateway_service_pb2,
    gateway_service_pb2_grpc,
    receipt_pb2,
    statement_pb2,
    store_service_pb2,
    store_service_pb2_grpc,
)
from cloison.wire import demands
from cloison.wire.cohort_client import Batches, CohortStream, PartOpener, open_parts
from cloison.wire.gateway import (
    BATCH,
    AskFor,
    CasePromise,
    Change,
    ChangedClaim,
    Changes,
    CohortReply,
    Contest,
    Deposit,
    Member,
    Objected,
    OpenedCase,
    ReceiptRef,
    Reply,
)
from cloison.wire.idle import Heard
from cloison.wire.node import Clock, Heads, system_clock
from cloison.wire.notices_client import NoticesClient
from cloison.wire.program import CALL_SECONDS, Program, open_answers
from cloison.wire.questions import (
    Opener,
    build_contest,
    build_items,
    build_statement,
    check_and_open,
)
from cloison.wire.refusal import told
from cloison.wire.status import error_of

BATCH_PERSONS = limits.COHORT_BATCH_PERSONS


class GatewayClient:
    """`Gateway` over gRPC. Synchronous; one thread at a time; `close` when done.

    Args:
        keys: The activity's private keys.
        channel: To the body's own node.
        heads: Verifies the ledgers of all bodies.
        clock: Statement times; the machine's.
    """

    def __init__(
        self, keys: ActivityKeys, channel: grpc.Channel, heads: Heads, clock: Clock
    ) -> None:
        self._keys, self._channel, self._heads, self._clock = keys, channel, heads, clock
        self._opener = Opener(keys)
        self._gateway = gateway_service_pb2_grpc.GatewayServiceStub(channel)
        self._cases = cases_service_pb2_grpc.CasesServiceStub(channel)
        self._store = store_service_pb2_grpc.StoreServiceStub(channel)
        self._notices = NoticesClient(keys.body, channel, heads)

    @property
    def activity(self) -> str:
        """The activity whose keys sign."""
        return self._keys.activity

    def open_cases(
        self, case_type: str, month: Month, references: Sequence[str] = (), most: int = 0
    ) -> Iterator[OpenedCase]:
        """As `Gateway.open_cases`. Raises `CloisonError` as the node says, `STREAM_IDLE`."""
        request = cases_service_pb2.OpenRequest(
            type=case_type, month=month.number, references=references, most=most
        )
        with told():
            heard = Heard(self._cases.Open(request))
            try:
                yield from map(_opened, heard)
            finally:
                heard.close()

    def ask(self, questions: Sequence[AskFor]) -> list[Reply]:
        """Answers in order, in calls of at most 64."""
        replies: list[Reply] = []
        for start in range(0, len(questions), limits.ITEMS_PER_CALL):
            replies.extend(self._ask(questions[start : start + limits.ITEMS_PER_CALL]))
        return replies

    def _ask(self, questions: Sequence[AskFor]) -> list[Reply]:
        now = self._clock()
        built = [build_statement(self._keys, question, now) for question in questions]
        request = gateway_service_pb2.GatewayServiceAskRequest(items=build_items(self._keys, built))
        with told():
            response = self._gateway.Ask(request, timeout=CALL_SECONDS)
        return open_answers(self._opener, self._heads, questions, built, response)

    def ask_many(
        self,
        question: AskFor,
        persons: Iterator[Member],
        size: int,
        promise: CasePromise | None = None,
    ) -> CohortReply:
        """One statement about `size` persons; a stream that is cut goes on where it was.

        Raises:
            PeerError: the statement got no decision. Of the parts, as `open_parts`.
        """
        cohort = statement_pb2.Cohort(
            size=size,
            batch_persons=BATCH_PERSONS,
            case_type=promise.type if promise else "",
            case_month=promise.month.number if promise else 0,
        )
        built = build_statement(self._keys, question, self._clock(), cohort)
        batches = Batches(persons, size, BATCH_PERSONS)
        header = build_items(self._keys, [built])[0].statement
        stream = CohortStream(self._gateway, header, batches)
        heads = self._heads.of(question.holder)
        answer = stream.header()
        reply = check_and_open(self._opener, question.holder, built.statement, answer, heads)
        if reply.decision is None or not reply.decision.permitted:
            batches.stop()
            return CohortReply(reply, iter(()))
        statement = parse_statement(built.statement)
        label = parse_entry(answer.receipt.entry).decided.label
        opener = PartOpener(self._opener, statement, label, heads)
        return CohortReply(reply, open_parts(stream, batches, opener))

    def deposit(self, deposits: Sequence[Deposit]) -> list[ReceiptRef]:
        """Writes outputs, in calls of at most 64. Raises `CloisonError` at the first refused."""
        receipts: list[ReceiptRef] = []
        for start in range(0, len(deposits), limits.ITEMS_PER_CALL):
            receipts.extend(self._deposit(deposits[start : start + limits.ITEMS_PER_CALL]))
        return receipts

    def _deposit(self, deposits: Sequence[Deposit]) -> list[ReceiptRef]:
        signed = [self._signed(deposit) for deposit in deposits]
        with told():
            response = self._store.Deposit(
                store_service_pb2.DepositRequest(deposits=signed), timeout=CALL_SECONDS
            )
        heads = self._heads.of(self._keys.body)
        receipts = []
        for one, result in zip(signed, response.results, strict=True):
            if result.HasField("failure"):
                raise error_of(result.failure)
            checked = verify_receipt(result.receipt, heads)
            if checked.entry.deposited.content_hash != sha256(one.deposit).digest():
                raise PeerError("BAD_RECEIPT", "receipt: of another deposit")
            place = (checked.leaf_index, checked.leaf_hash, checked.head.size)
            receipts.append(ReceiptRef(self._keys.body, *place))
        return receipts

    def _signed(self, one: Deposit) -> store_service_pb2.SignedDeposit:
        deposit = store_service_pb2.Deposit(
            version=demands.VERSION,
            activity=self.activity,
            output=one.output,
            case_leaf_hash=one.case.leaf_hash,
            content=json.dumps(one.content, ensure_ascii=False, sort_keys=True).encode("utf-8"),
            statement_hashes=[cited.statement_hash for cited in one.cited if not cited.parts],
            parts=[
                store_service_pb2.CitedPart(statement_hash=statement_hash, batch_index=index)
                for statement_hash, index in dict.fromkeys(
                    (cited.statement_hash, index) for cited in one.cited for index in cited.parts
                )
            ],
            signed_time_ms=to_milliseconds(self._clock()),
            nonce=os.urandom(limits.NONCE_BYTES),
        ).SerializeToString(deterministic=True)
        signature = self._keys.sign(demands.DEPOSIT + sha256(deposit).digest())
        return store_service_pb2.SignedDeposit(deposit=deposit, signature=signature)

    def destroy(self, cases: Sequence[OpenedCase], why: str) -> list[ReceiptRef]:
        """As `Gateway.destroy`, in calls of at most 64."""
        receipts: list[ReceiptRef] = []
        for start in range(0, len(cases), limits.ITEMS_PER_CALL):
            some = cases[start : start + limits.ITEMS_PER_CALL]
            demand = store_service_pb2.Destruction(
                version=demands.VERSION,
                activity=self.activity,
                case_leaf_hashes=[case.leaf_hash for case in some],
                why=why,
                signed_time_ms=to_milliseconds(self._clock()),
                nonce=os.urandom(limits.NONCE_BYTES),
            ).SerializeToString(deterministic=True)
            request = store_service_pb2.DestroyRequest(
                demand=self._demand(demands.DESTRUCTION, demand)
            )
            with told():
                response = self._store.Destroy(request, timeout=CALL_SECONDS)
            for case, receipt in zip(some, response.receipts, strict=True):
                destroyed = parse_entry(receipt.entry).destroyed
                receipts.append(self._checked(receipt, case.leaf_hash, destroyed.case_leaf_hashes))
        return receipts

    def object(self, nir: Nir | None = None, household: str = "") -> Objected:
        """As `Gateway.object`."""
        objection = store_service_pb2.Objection(
            version=demands.VERSION,
            activity=self.activity,
            signed_time_ms=to_milliseconds(self._clock()),
            nonce=os.urandom(limits.NONCE_BYTES),
        )
        if nir is None:
            objection.household = household
        else:
            objection.nir = nir
        demand = objection.SerializeToString(deterministic=True)
        request = store_service_pb2.ObjectRequest(demand=self._demand(demands.OBJECTION, demand))
        with told():
            response = self._store.Object(request, timeout=CALL_SECONDS)
        objected = parse_entry(response.objected.entry).objected
        receipt = self._checked(response.objected, sha256(demand).digest(), [objected.demand_hash])
        if response.HasField("destroyed"):
            verify_receipt(response.destroyed, self._heads.of(self._keys.body))
            destroyed = parse_entry(response.destroyed.entry).destroyed
        else:
            destroyed = entry_pb2.Destroyed()
        return Objected(
            purposes=tuple(objected.purposes),
            kept_until=from_milliseconds(objected.kept_until_ms),
            receipt=receipt,
            releases=destroyed.releases,
            outputs=len(destroyed.deposit_hashes),
        )

    def _demand(self, domain: bytes, demand: bytes) -> store_service_pb2.SignedDemand:
        signature = self._keys.sign(domain + sha256(demand).digest())
        return store_service_pb2.SignedDemand(demand=demand, signature=signature)

    def _checked(
        self, receipt: receipt_pb2.Receipt, what: bytes, named: Iterable[bytes]
    ) -> ReceiptRef:
        """Raises `PeerError` (`BAD_RECEIPT`) unless the entry names what it was asked for."""
        checked = verify_receipt(receipt, self._heads.of(self._keys.body))
        if what not in named:
            raise PeerError("BAD_RECEIPT", "receipt: of another demand")
        place = (checked.leaf_index, checked.leaf_hash, checked.head.size)
        return ReceiptRef(self._keys.body, *place)

    def contest(self, contest: Contest) -> ReceiptRef:
        """Passes a contestation on; the receipt is the holder's. Raises `CloisonError`."""
        item = build_contest(self._keys, contest, self._clock())
        request = gateway_service_pb2.GatewayServiceContestRequest(item=item)
        with told():
            response = self._gateway.Contest(request, timeout=CALL_SECONDS)
        holder = contest.question.holder
        checked = verify_receipt(response.receipt, self._heads.of(holder))
        if checked.entry.contested.signed.contestation != item.contestation.contestation:
            raise PeerError("BAD_RECEIPT", "receipt: of another contestation")
        return ReceiptRef(holder, checked.leaf_index, checked.leaf_hash, checked.head.size)

    def changes(self) -> Changes:
        """The claims with changes. Raises `CloisonError` as the node says."""
        claims: list[ChangedClaim] = []
        unheard: dict[BodyId, CloisonError] = {}
        with told():
            for one in self._gateway.Changes(gateway_service_pb2.GatewayServiceChangesRequest()):
                if one.HasField("unheard"):
                    unheard[BodyId(one.unheard.holder)] = error_of(one.unheard.failure)
                else:
                    claims.append(_changed(one.case))
        return Changes(tuple(claims), unheard)

    def renew_case(self, case: OpenedCase, valid_until: datetime) -> OpenedCase:
        """Moves a case's end; the case as it is asked under from then on."""
        request = cases_service_pb2.RenewRequest(
            case_leaf_hash=case.leaf_hash, valid_until_ms=to_milliseconds(valid_until)
        )
        with told():
            renewed = self._cases.Renew(request, timeout=CALL_SECONDS)
        proof = renewed.proof.SerializeToString()
        return replace(case, valid_until=valid_until, renewal=proof)

    def close_cases(self, cases: Sequence[OpenedCase], outcome: str) -> None:
        """Closes cases, in calls of at most 64."""
        for start in range(0, len(cases), limits.ITEMS_PER_CALL):
            some = cases[start : start + limits.ITEMS_PER_CALL]
            request = cases_service_pb2.CloseRequest(
                case_leaf_hashes=[case.leaf_hash for case in some], outcome=outcome
            )
            with told():
                self._cases.Close(request, timeout=CALL_SECONDS)

    def give_notice(self, cases: Sequence[OpenedCase], notice: str) -> list[ReceiptRef]:
        """As `Gateway.give_notice`."""
        return self._notices.give([case.leaf_hash for case in cases], notice, BATCH)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()


def _opened(opened: cases_service_pb2.OpenResponse) -> OpenedCase:
    return OpenedCase(
        reference=opened.reference,
        leaf_hash=opened.case_leaf_hash,
        proof=opened.proof.SerializeToString(),
        members=tuple(
            Member(
                role=member.role,
                nir=parse_nir(member.person.nir),
                birth_name=member.person.birth_name,
                birth_date=date.fromisoformat(member.person.birth_date),
                case_salt=member.person.case_salt,
                case=opened.case_leaf_hash,
            )
            for member in opened.members
        ),
        valid_until=from_milliseconds(opened.valid_until_ms),
        renewal=opened.renewal.SerializeToString() if opened.HasField("renewal") else b"",
    )


def _changed(case: gateway_service_pb2.ChangedCase) -> ChangedClaim:
    return ChangedClaim(
        reference=case.reference,
        month=Month.from_number(case.month),
        case_leaf_hash=case.case_leaf_hash,
        persons=tuple((member.role, parse_nir(member.person.nir)) for member in case.members),
        changes=tuple(
            Change(
                holder=BodyId(one.holder),
                dataset=one.dataset,
                periods=tuple(one.periods),
                statement_hash=one.statement_hash,
                answer=ReceiptRef(
                    BodyId(one.holder),
                    one.answer_leaf_index,
                    one.answer_leaf_hash,
                    one.told_leaf_index + 1,
                ),
                told_leaf=one.told_leaf_index,
            )
            for one in case.changes
        ),
    )


def connect(
    keys: Path,
    activity: str,
    root: Path,
    clock: Clock = system_clock,
    address: str | None = None,
) -> GatewayClient:
    """A program's client to its own body's node.

    Args:
        keys: As `cloison keys init` makes it.
        activity: Whose keys sign; its folder names the body.
        root: Holds `nodes/<body>/node.toml`.
        clock: For the statements' times.
        address: `host:port` of the node; None: as its `node.toml` says.

    Raises:
        StorageError: keys that are missing or that others may read.
        InputError: an unknown activity.
    """
    program = Program.load(keys, activity, root, address)
    channel = grpc.secure_channel(program.address, program.credentials, options=program.options)
    return GatewayClient(program.keys, channel, program.heads, clock)
