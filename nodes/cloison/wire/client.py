"""A program's client: signs statements, checks receipts, opens seals. Its one peer is its node.

Two users share the pure part (`build_statement`, `build_item`, `check_and_open`): the synchronous
`GatewayClient` here, and whoever drives the gateway's stub otherwise.
"""

import json
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path

import grpc
from google.protobuf.message import DecodeError

from cloison.bodies import BodyId
from cloison.errors import CloisonError, IntegrityError, PeerError
from cloison.exchange import limits
from cloison.exchange.receipt import verify_answer, verify_part, verify_receipt
from cloison.exchange.statement import GRANULARITY_NUMBERS, from_milliseconds, to_milliseconds
from cloison.exchange.values import decision_from_proto
from cloison.identity import (
    ActivityKeys,
    load_activity_keys,
    load_certificate,
    load_tls,
    open_release,
    open_secret,
    parse_nir,
    person_digest,
    sign_batch,
)
from cloison.ledger.checkpoint import Checkpoint
from cloison.months import Month
from cloison.v1 import (
    cases_service_pb2,
    cases_service_pb2_grpc,
    gateway_service_pb2,
    gateway_service_pb2_grpc,
    receipt_pb2,
    release_pb2,
    statement_pb2,
    store_service_pb2,
    store_service_pb2_grpc,
)
from cloison.wire.cohort import BatchPerson, part_of, write_persons
from cloison.wire.deposits import DOMAIN
from cloison.wire.gateway import (
    AskFor,
    CohortReply,
    Deposit,
    Member,
    OpenedCase,
    ReceiptRef,
    Reply,
)
from cloison.wire.node import Clock, Heads, system_clock
from cloison.wire.server import channel_credentials, channel_options
from cloison.wire.settings import default_addresses, known_ledgers
from cloison.wire.status import error_of

CALL_SECONDS = 60.0
COHORT_BATCH = 250
_CACHED_SECRETS = 64
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Question:
    """A statement ready to be signed, and what goes beside it."""

    statement: bytes
    persons: tuple[statement_pb2.PersonReference, ...]
    case: bytes
    renewal: bytes


def build_statement(
    keys: ActivityKeys,
    ask: AskFor,
    now: datetime,
    cohort: statement_pb2.Cohort | None = None,
) -> Question:
    """A statement with fresh salts and nonce."""
    persons = tuple(_reference(member) for member in ask.persons)
    selection = statement_pb2.Selection(
        dataset=ask.dataset,
        fields=sorted(ask.fields),
        first_month=ask.first.number,
        last_month=ask.last.number,
        granularity=GRANULARITY_NUMBERS[ask.granularity],
    )
    if ask.received is not None:
        selection.received.from_holder = ask.received.holder
        selection.received.received_for = ask.received.purpose
        selection.received.received_by = ask.received.activity
    statement = statement_pb2.Statement(
        version=_VERSION,
        requester=keys.body,
        holder=ask.holder,
        activity=keys.activity,
        purpose=ask.purpose,
        legal_basis=ask.legal_basis,
        agent=ask.agent,
        selection=selection,
        person_digests=[person_digest(one.salt, parse_nir(one.nir)) for one in persons],
        case_leaf_hash=ask.case.leaf_hash if ask.case else b"",
        sealing_key_id=keys.public.sealing_key_id,
        signed_time_ms=to_milliseconds(now),
        nonce=os.urandom(limits.NONCE_BYTES),
        cohort=cohort,
    )
    raw = statement.SerializeToString(deterministic=True)
    if ask.case is None:
        return Question(raw, persons, b"", b"")
    return Question(raw, persons, ask.case.proof, ask.case.renewal)


def _reference(member: Member) -> statement_pb2.PersonReference:
    return statement_pb2.PersonReference(
        nir=member.nir,
        salt=os.urandom(limits.SALT_BYTES),
        birth_name=member.birth_name,
        birth_date=member.birth_date.isoformat(),
        case_salt=member.case_salt,
    )


def build_items(keys: ActivityKeys, questions: Sequence[Question]) -> list[statement_pb2.AskItem]:
    """1 to 64 questions under one signature."""
    parts = sign_batch(keys, [question.statement for question in questions])
    return [
        statement_pb2.AskItem(
            statement=statement_pb2.SignedStatement(
                statement=question.statement,
                signature=part.signature,
                batch_index=part.batch_index,
                batch_size=part.batch_size,
                batch_path=part.batch_path,
            ),
            persons=question.persons,
            case=_proof(question.case),
            renewal=_proof(question.renewal),
        )
        for question, part in zip(questions, parts, strict=True)
    ]


def _proof(data: bytes) -> statement_pb2.CaseProof | None:
    return statement_pb2.CaseProof.FromString(data) if data else None


class Opener:
    """Opens sealed releases; a call's secret is unwrapped once."""

    def __init__(self, keys: ActivityKeys) -> None:
        self._keys = keys
        self._secrets: OrderedDict[bytes, bytes] = OrderedDict()

    def open(self, data: bytes, statement_hash: bytes, part: bytes = b"") -> release_pb2.Release:
        """The release, bound to that statement and place.

        Raises:
            IntegrityError: `NOT_FOR_THIS_ACTIVITY`, `BAD_SEAL`.
        """
        try:
            sealed = release_pb2.SealedRelease.FromString(data)
            secret = self._secret(sealed.wrapped_secret)
            plain = open_release(secret, sealed.nonce, sealed.ciphertext, statement_hash, part)
            release = release_pb2.Release.FromString(plain)
        except DecodeError as error:
            raise IntegrityError("BAD_SEAL", "release: cannot be decoded") from error
        if release.statement_hash != statement_hash:
            raise IntegrityError("BAD_SEAL", "release: of another statement")
        return release

    def open_envelope(self, data: bytes) -> release_pb2.Release:
        """A release handed back later: it says itself which statement it answers."""
        try:
            sealed = release_pb2.SealedRelease.FromString(data)
        except DecodeError as error:
            raise IntegrityError("BAD_SEAL", "release: cannot be decoded") from error
        return self.open(data, sealed.statement_hash, sealed.part)

    def _secret(self, wrapped: bytes) -> bytes:
        secret = self._secrets.get(wrapped)
        if secret is None:
            secret = self._secrets[wrapped] = open_secret(self._keys, wrapped)
            if len(self._secrets) > _CACHED_SECRETS:
                self._secrets.popitem(last=False)
        return secret


def check_and_open(
    opener: Opener,
    holder: BodyId,
    statement: bytes,
    answer: receipt_pb2.Answer,
    verify_checkpoint: Callable[[bytes], Checkpoint],
) -> Reply:
    """Step 9: the receipt is checked before anything is opened."""
    statement_hash = sha256(statement).digest()
    if answer.HasField("failure"):
        return Reply(statement_hash, None, None, None, error_of(answer.failure))
    try:
        checked = verify_answer(answer, statement, verify_checkpoint)
        decision = decision_from_proto(checked.entry.decided.decision)
        sealed = answer.sealed_release
        release = opener.open(sealed, statement_hash) if sealed else None
        envelopes = tuple(opener.open_envelope(one) for one in answer.envelopes)
    except CloisonError as error:
        return Reply(statement_hash, None, None, None, error)
    receipt = ReceiptRef(holder, checked.leaf_index, checked.leaf_hash, checked.head.size)
    return Reply(statement_hash, decision, receipt, release, envelopes=envelopes)


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

    @property
    def activity(self) -> str:
        """The activity whose keys sign."""
        return self._keys.activity

    def open_cases(
        self, case_type: str, month: Month, references: Sequence[str] = ()
    ) -> Iterator[OpenedCase]:
        """A case for each claim. Raises `CloisonError` as the node says."""
        request = cases_service_pb2.OpenRequest(
            type=case_type, month=month.number, references=references
        )
        with _told():
            for opened in self._cases.Open(request):
                yield _opened(opened)

    def ask(self, questions: Sequence[AskFor]) -> list[Reply]:
        """Answers in order, in calls of at most 64."""
        replies: list[Reply] = []
        for start in range(0, len(questions), limits.ITEMS_PER_CALL):
            replies.extend(self._ask(questions[start : start + limits.ITEMS_PER_CALL]))
        return replies

    def _ask(self, questions: Sequence[AskFor]) -> list[Reply]:
        now = self._clock()
        built = [build_statement(self._keys, question, now) for question in questions]
        items = build_items(self._keys, built)
        with _told():
            response = self._gateway.Ask(
                gateway_service_pb2.GatewayServiceAskRequest(items=items), timeout=CALL_SECONDS
            )
        if len(response.answers) != len(items):
            raise PeerError("BAD_ANSWER", "node: not one answer for each statement")
        return [
            check_and_open(
                self._opener,
                question.holder,
                one.statement,
                answer,
                self._heads.of(question.holder),
            )
            for question, one, answer in zip(questions, built, response.answers, strict=True)
        ]

    def ask_many(self, question: AskFor, persons: Iterator[Member], size: int) -> CohortReply:
        """One statement about `size` persons, a batch in flight at a time."""
        cohort = statement_pb2.Cohort(size=size, batch_persons=COHORT_BATCH)
        built = build_statement(self._keys, question, self._clock(), cohort)
        stream = _CohortStream(self._gateway, build_items(self._keys, [built])[0], persons)
        with _told():
            header = stream.header()
        heads = self._heads.of(question.holder)
        reply = check_and_open(self._opener, question.holder, built.statement, header, heads)
        return CohortReply(reply, self._batches(stream, reply, heads))

    def _batches(
        self,
        stream: "_CohortStream",
        reply: Reply,
        heads: Callable[[bytes], Checkpoint],
    ) -> Iterator[release_pb2.Release]:
        if reply.decision is None or not reply.decision.permitted:
            return
        with _told():
            for index, answer in enumerate(stream.answers()):
                part = part_of(index, last=answer.last)
                sealed = answer.sealed_release
                verify_part(
                    answer.receipt,
                    reply.statement_hash,
                    index,
                    sealed,
                    heads,
                    last=answer.last,
                )
                yield self._opener.open(sealed, reply.statement_hash, part)
        if not stream.ended:
            raise PeerError("COHORT_CUT", "cohort: the last batch is missing", "ask anew")

    def deposit(self, deposits: Sequence[Deposit]) -> list[ReceiptRef]:
        """Writes outputs, in calls of at most 64. Raises `CloisonError` at the first refused."""
        receipts: list[ReceiptRef] = []
        for start in range(0, len(deposits), limits.ITEMS_PER_CALL):
            receipts.extend(self._deposit(deposits[start : start + limits.ITEMS_PER_CALL]))
        return receipts

    def _deposit(self, deposits: Sequence[Deposit]) -> list[ReceiptRef]:
        signed = [self._signed(deposit) for deposit in deposits]
        with _told():
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
            version=_VERSION,
            activity=self.activity,
            output=one.output,
            case_leaf_hash=one.case.leaf_hash,
            content=json.dumps(one.content, ensure_ascii=False, sort_keys=True).encode("utf-8"),
            statement_hashes=[cited.statement_hash for cited in one.cited],
            signed_time_ms=to_milliseconds(self._clock()),
            nonce=os.urandom(limits.NONCE_BYTES),
        ).SerializeToString(deterministic=True)
        signature = self._keys.sign(DOMAIN + sha256(deposit).digest())
        return store_service_pb2.SignedDeposit(deposit=deposit, signature=signature)

    def renew_case(self, case: OpenedCase, valid_until: datetime) -> OpenedCase:
        """Moves a case's end; the case as it is asked under from then on."""
        request = cases_service_pb2.RenewRequest(
            case_leaf_hash=case.leaf_hash, valid_until_ms=to_milliseconds(valid_until)
        )
        with _told():
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
            with _told():
                self._cases.Close(request, timeout=CALL_SECONDS)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()


class _CohortStream:
    """The stream of one cohort: the next batch is drawn only when the last was answered."""

    def __init__(
        self,
        stub: gateway_service_pb2_grpc.GatewayServiceStub,
        item: statement_pb2.AskItem,
        persons: Iterator[Member],
    ) -> None:
        self.ended = False
        self._persons = persons
        self._header = item.statement
        self._responses = stub.AskMany(self._requests())

    def header(self) -> receipt_pb2.Answer:
        """The decision."""
        first = next(iter(self._responses))
        return first.header

    def answers(self) -> Iterator[gateway_service_pb2.CohortAnswer]:
        """The answer to each batch."""
        for response in self._responses:
            self.ended = response.batch.last
            yield response.batch

    def _requests(self) -> Iterator[gateway_service_pb2.GatewayServiceAskManyRequest]:
        message = gateway_service_pb2.GatewayServiceAskManyRequest
        yield message(header=self._header)
        group = list(islice(self._persons, COHORT_BATCH))
        index = 0
        while group:
            following = list(islice(self._persons, COHORT_BATCH))
            people = [BatchPerson(_reference(member), -1) for member in group]
            yield message(
                batch=gateway_service_pb2.CohortBatch(
                    index=index, last=not following, persons=write_persons(people)
                )
            )
            group, index = following, index + 1


@contextmanager
def _told() -> Iterator[None]:
    """Turns a transport error into ours, with the reason the node gave."""
    try:
        yield
    except grpc.RpcError as error:
        call = error if isinstance(error, grpc.Call) else None
        metadata: dict[str, object] = dict(call.trailing_metadata() or ()) if call else {}
        code = call.code().name if call else "UNKNOWN"
        reason = str(metadata.get("reason", "PEER_UNAVAILABLE"))
        hint = metadata.get("hint-bin", b"")
        raise PeerError(
            reason,
            (call.details() if call and "reason" in metadata else None) or f"node: {code}",
            hint.decode("utf-8") if isinstance(hint, bytes) else str(hint),
        ) from error


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
            )
            for member in opened.members
        ),
        valid_until=from_milliseconds(opened.valid_until_ms),
        renewal=opened.renewal.SerializeToString() if opened.HasField("renewal") else b"",
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
    folder = next(keys.glob(f"*/activities/{activity}"), keys / "activities" / activity)
    own = load_activity_keys(folder)
    ca = load_certificate(keys / "public" / "ca.crt")
    channel = grpc.secure_channel(
        address or default_addresses(root)[own.body],
        channel_credentials(ca, load_tls(folder)),
        options=channel_options(own.body),
    )
    return GatewayClient(own, channel, Heads(known_ledgers(keys)), clock)
