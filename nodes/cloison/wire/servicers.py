"""The six services of a node. Each call: who is speaking, then the room that does the work."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from hashlib import sha256
from typing import Any, TypeAlias, TypeVar

import grpc

from cloison.bodies import BodyId
from cloison.errors import CloisonError, InputError, PeerError, PolicyDenied
from cloison.exchange import limits
from cloison.exchange.entries import parse_entry
from cloison.exchange.statement import from_milliseconds, parse_statement
from cloison.exchange.values import decision_to_proto, facts_from_proto
from cloison.identity import Peer, body_of_certificate
from cloison.law import explain_en, explain_fr
from cloison.law.decide import decide_anew
from cloison.law.paris import paris_day
from cloison.law.policy_set import in_force
from cloison.ledger.log import Log
from cloison.months import Month
from cloison.v1 import (
    cases_service_pb2,
    cases_service_pb2_grpc,
    exchange_service_pb2,
    exchange_service_pb2_grpc,
    gateway_service_pb2,
    gateway_service_pb2_grpc,
    ledger_service_pb2,
    ledger_service_pb2_grpc,
    register_service_pb2,
    register_service_pb2_grpc,
    statement_pb2,
    store_service_pb2,
    store_service_pb2_grpc,
)
from cloison.wire.cases import CaseDesk
from cloison.wire.cohort import next_part
from cloison.wire.cohort_holder import CohortHolder
from cloison.wire.cohort_requester import CohortRequester
from cloison.wire.deposits import DepositDesk
from cloison.wire.holder import Holder
from cloison.wire.node import Node
from cloison.wire.requester import Requester
from cloison.wire.status import status_of

_log = logging.getLogger("cloison.wire")
_AUDIT = "audit"
_IDLE_SECONDS = 0.002  # the answer leaves first

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Self_ = TypeVar("Self_")
Request = TypeVar("Request")
Response = TypeVar("Response")


def speaker(context: Context) -> Peer:
    """Step 1: whom the client's certificate names. Raises `PeerError` (`BAD_CERTIFICATE`)."""
    certificates = list(context.auth_context().get("x509_pem_cert", []))
    if len(certificates) != 1:
        raise PeerError("BAD_CERTIFICATE", "certificate: none was shown")
    return body_of_certificate(bytes(certificates[0]))


def program_of(node: Node, context: Context) -> str:
    """The activity of this body that is speaking. Raises `PeerError` (`NOT_YOURS`)."""
    peer = speaker(context)
    if peer.body != node.body or peer.activity is None:
        raise PeerError("NOT_YOURS", "gateway: open to the programs of this node's own body")
    return peer.activity


def body_node(context: Context) -> BodyId:
    """The body whose node is speaking. Raises `PeerError` (`NOT_YOURS`)."""
    peer = speaker(context)
    if peer.activity is not None:
        raise PeerError("NOT_YOURS", "exchange: open to nodes; a program talks to its own node")
    return peer.body


async def refuse(context: Context, error: CloisonError) -> None:
    """Ends a call with the status of the one error table, its reason and hint beside it."""
    metadata = (("reason", error.reason), ("hint-bin", error.hint.encode("utf-8")))
    await context.abort(status_of(error), error.message, metadata)


def answered(
    method: Callable[[Self_, Request, Context], Awaitable[Response]],
) -> Callable[[Self_, Request, Context], Coroutine[Any, Any, Response]]:
    """Turns our errors into a status; others into INTERNAL without a word of their content."""

    @wraps(method)
    async def call(self: Self_, request: Request, context: Context) -> Response:
        try:
            return await method(self, request, context)
        except CloisonError as error:
            await refuse(context, error)
            raise
        except Exception as error:
            await _hide(context, error)
            raise

    return call


def streamed(
    method: Callable[[Self_, Request, Context], AsyncIterator[Response]],
) -> Callable[[Self_, Request, Context], AsyncIterator[Response]]:
    """As `answered`, for a stream of responses."""

    @wraps(method)
    async def call(self: Self_, request: Request, context: Context) -> AsyncIterator[Response]:
        try:
            async for response in method(self, request, context):
                yield response
        except CloisonError as error:
            await refuse(context, error)
        except Exception as error:
            await _hide(context, error)
            raise

    return call


async def _hide(context: Context, error: Exception) -> None:
    # INVARIANT: the content of an unexpected error may hold data; only its kind is told.
    _log.error("unexpected %s", type(error).__name__)
    await context.abort(grpc.StatusCode.INTERNAL, f"unexpected {type(error).__name__}")


@contextmanager
def counted(node: Node, peer: str) -> Iterator[None]:
    """Counts what a call as a whole failed at, before any of its questions was decided."""
    try:
        yield
    except (InputError, PeerError, PolicyDenied) as error:
        node.failures.add(peer, error.reason, node.clock())
        raise


class Gateway(gateway_service_pb2_grpc.GatewayServiceServicer):
    """A program to its own node."""

    def __init__(self, node: Node, requester: Requester, cohorts: CohortRequester) -> None:
        self._node, self._requester, self._cohorts = node, requester, cohorts

    @answered
    async def Ask(
        self, request: gateway_service_pb2.GatewayServiceAskRequest, context: Context
    ) -> gateway_service_pb2.GatewayServiceAskResponse:
        """1 to 64 questions, answered in order."""
        activity = program_of(self._node, context)
        answers = await self._requester.ask(activity, request.items)
        return gateway_service_pb2.GatewayServiceAskResponse(answers=answers)

    @streamed
    async def AskMany(
        self,
        request_iterator: AsyncIterator[gateway_service_pb2.GatewayServiceAskManyRequest],
        context: Context,
    ) -> AsyncIterator[gateway_service_pb2.GatewayServiceAskManyResponse]:
        """One statement about many persons."""
        activity = program_of(self._node, context)
        with counted(self._node, activity):
            async for answer in self._cohorts.relay(activity, request_iterator):
                yield answer


class Exchange(exchange_service_pb2_grpc.ExchangeServiceServicer):
    """Node to node."""

    def __init__(self, node: Node, holder: Holder) -> None:
        self._node, self._holder = node, holder

    @answered
    async def Ask(
        self, request: exchange_service_pb2.ExchangeServiceAskRequest, context: Context
    ) -> exchange_service_pb2.ExchangeServiceAskResponse:
        """Each statement decided, entered and answered on its own."""
        peer = body_node(context)
        with counted(self._node, peer):
            call = self._holder.call(peer, request.policy_set, request.checkpoint)
            answers = self._holder.answer(call, request.items)
        asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._holder.wrapped.prepare)
        return exchange_service_pb2.ExchangeServiceAskResponse(
            answers=answers, policy_set=self._node.policy.hash
        )

    @streamed
    async def AskMany(
        self,
        request_iterator: AsyncIterator[exchange_service_pb2.ExchangeServiceAskManyRequest],
        context: Context,
    ) -> AsyncIterator[exchange_service_pb2.ExchangeServiceAskManyResponse]:
        """The decision, then each batch once its entry is on disk."""
        response = exchange_service_pb2.ExchangeServiceAskManyResponse
        peer = body_node(context)
        with counted(self._node, peer):
            first = await next_part(request_iterator)
            if first is None or first.WhichOneof("part") != "header":
                raise InputError("MALFORMED", "stream: does not begin with a header")
            header = first.header
            call = self._holder.call(peer, header.policy_set, header.checkpoint)
            desk = CohortHolder(self._node, self._holder, call)
            yield response(header=desk.open(header.statement))
            while not desk.done:
                request = await next_part(request_iterator)
                if request is None:
                    raise InputError("MALFORMED", "stream: ended before its last batch")
                yield response(batch=desk.batch(request.batch))

    async def Changes(
        self, request: exchange_service_pb2.ExchangeServiceChangesRequest, context: Context
    ) -> AsyncIterator[exchange_service_pb2.ExchangeServiceChangesResponse]:
        """Reserved."""
        del request
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "changes: reserved")
        yield exchange_service_pb2.ExchangeServiceChangesResponse()


class Cases(cases_service_pb2_grpc.CasesServiceServicer):
    """Cases of the body's activities."""

    def __init__(self, node: Node, desk: CaseDesk) -> None:
        self._node, self._desk = node, desk

    @streamed
    async def Open(
        self, request: cases_service_pb2.OpenRequest, context: Context
    ) -> AsyncIterator[cases_service_pb2.OpenResponse]:
        """A case for each claim."""
        activity = program_of(self._node, context)
        month = Month.from_number(request.month)
        for opened in self._desk.open(activity, request.type, month, request.references):
            yield opened

    @answered
    async def Renew(
        self, request: cases_service_pb2.RenewRequest, context: Context
    ) -> cases_service_pb2.RenewResponse:
        """Moves a case's end."""
        activity = program_of(self._node, context)
        end = from_milliseconds(request.valid_until_ms)
        proof = self._desk.renew(activity, request.case_leaf_hash, end)
        return cases_service_pb2.RenewResponse(proof=proof)

    @answered
    async def Close(
        self, request: cases_service_pb2.CloseRequest, context: Context
    ) -> cases_service_pb2.CloseResponse:
        """Closes cases."""
        activity = program_of(self._node, context)
        leaf_indexes = self._desk.close(activity, request.case_leaf_hashes, request.outcome)
        return cases_service_pb2.CloseResponse(leaf_indexes=leaf_indexes)


class Store(store_service_pb2_grpc.StoreServiceServicer):
    """Outputs of the body's activities."""

    def __init__(self, node: Node, desk: DepositDesk) -> None:
        self._node, self._desk = node, desk

    @answered
    async def Deposit(
        self, request: store_service_pb2.DepositRequest, context: Context
    ) -> store_service_pb2.DepositResponse:
        """Writes outputs."""
        activity = program_of(self._node, context)
        results = self._desk.deposit(activity, request.deposits)
        return store_service_pb2.DepositResponse(results=results)


class Ledger(ledger_service_pb2_grpc.LedgerServiceServicer):
    """The node's two ledgers."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def _log(self, name: ledger_service_pb2.LogName.ValueType) -> Log:
        logs = {
            ledger_service_pb2.LOG_NAME_TRACES: self._node.traces,
            ledger_service_pb2.LOG_NAME_REGISTER: self._node.register,
        }
        if name not in logs:
            raise InputError("MALFORMED", "log: unspecified or unknown", "use traces or register")
        return logs[name]

    @answered
    async def GetCheckpoint(
        self, request: ledger_service_pb2.GetCheckpointRequest, context: Context
    ) -> ledger_service_pb2.GetCheckpointResponse:
        """The latest signed head."""
        checkpoint = self._log(request.log).checkpoint()
        return ledger_service_pb2.GetCheckpointResponse(checkpoint=checkpoint)

    @answered
    async def GetTile(
        self, request: ledger_service_pb2.GetTileRequest, context: Context
    ) -> ledger_service_pb2.GetTileResponse:
        """A hash tile."""
        limits.check_count("tile level", request.level, 0, limits.TILE_LEVELS)
        limits.check_count("tile width", request.width, 1, limits.TILE_WIDTH)
        tile = self._log(request.log).tile(request.level, request.index, request.width)
        return ledger_service_pb2.GetTileResponse(tile=tile)

    @answered
    async def GetEntries(
        self, request: ledger_service_pb2.GetEntriesRequest, context: Context
    ) -> ledger_service_pb2.GetEntriesResponse:
        """Entries, to those who may read them."""
        may_read = self._reader(speaker(context))
        log = self._log(request.log)
        limits.check_count("entries", request.count, 1, limits.ENTRIES_PER_CALL)
        last = min(log.size, request.first_index + request.count)
        count = max(last - request.first_index, 0)
        found = enumerate(log.entries(request.first_index, count), request.first_index)
        return ledger_service_pb2.GetEntriesResponse(
            entries=[
                ledger_service_pb2.LedgerEntry(leaf_index=index, entry=entry)
                for index, entry in found
                if may_read(entry)
            ]
        )

    def _reader(self, peer: Peer) -> Callable[[bytes], bool]:
        """An auditor reads all; a peer's node reads the entries of its own exchanges."""
        if peer.activity is None:
            return lambda entry: peer.body in _parties(entry)
        record = self._node.policy.activities.get(peer.activity)
        if record is None or record.body != peer.body or tuple(record.purposes) != (_AUDIT,):
            raise PeerError("NOT_YOURS", "entries: for an auditor, or for the peer concerned")
        return lambda _: True

    @answered
    async def GetInclusionProof(
        self, request: ledger_service_pb2.GetInclusionProofRequest, context: Context
    ) -> ledger_service_pb2.GetInclusionProofResponse:
        """The hashes from a leaf to the root of a size."""
        hashes = self._log(request.log).inclusion_proof(request.leaf_index, request.size)
        return ledger_service_pb2.GetInclusionProofResponse(hashes=hashes)

    @answered
    async def GetConsistencyProof(
        self, request: ledger_service_pb2.GetConsistencyProofRequest, context: Context
    ) -> ledger_service_pb2.GetConsistencyProofResponse:
        """The hashes that show one size to be a prefix of another."""
        log = self._log(request.log)
        hashes = log.consistency_proof(request.first_size, request.second_size)
        return ledger_service_pb2.GetConsistencyProofResponse(hashes=hashes)


def _parties(data: bytes) -> frozenset[str]:
    """The bodies an entry's exchange is between."""
    entry = parse_entry(data)
    kind = entry.WhichOneof("kind")
    if kind == "asked":
        statement = parse_statement(entry.asked.signed.statement)
        return frozenset({statement.requester, statement.holder})
    if kind == "decided":
        return frozenset({entry.decided.peer})
    if kind == "received":
        return frozenset({entry.received.holder})
    return frozenset({entry.cohort_part.peer}) if kind == "cohort_part" else frozenset()


class Register(register_service_pb2_grpc.RegisterServiceServicer):
    """The public register: activities, texts, dry runs."""

    def __init__(self, node: Node) -> None:
        self._node = node

    @answered
    async def ListActivities(
        self, request: register_service_pb2.ListActivitiesRequest, context: Context
    ) -> register_service_pb2.ListActivitiesResponse:
        """The activities of the policy set."""
        policy = self._node.policy
        return register_service_pb2.ListActivitiesResponse(
            activities=[
                register_service_pb2.Activity(
                    id=one.id,
                    body=one.body,
                    title=one.title,
                    purposes=one.purposes,
                    legal_bases=one.legal_bases,
                )
                for one in policy.activities.values()
            ],
            policy_set=policy.hash,
        )

    @answered
    async def ListTexts(
        self, request: register_service_pb2.ListTextsRequest, context: Context
    ) -> register_service_pb2.ListTextsResponse:
        """The texts of the policy set, and which are in force by this node's clock."""
        policy, today = self._node.policy, paris_day(self._node.clock())
        texts = [
            register_service_pb2.Text(
                id=text.id,
                title=text.title,
                in_force_from=text.in_force.from_.isoformat(),
                in_force_until=text.in_force.until.isoformat() if text.in_force.until else "",
                read=text.read.value,
                in_force=in_force(text, today),
            )
            for text in policy.texts.values()
        ]
        return register_service_pb2.ListTextsResponse(texts=texts, policy_set=policy.hash)

    @answered
    async def DryRun(
        self, request: register_service_pb2.DryRunRequest, context: Context
    ) -> register_service_pb2.DryRunResponse:
        """What would be decided now, on the facts given."""
        question = parse_statement(_completed(request.statement)).question
        facts = facts_from_proto(request.facts)
        decision = decide_anew(self._node.policy, question, facts, self._node.clock())
        return register_service_pb2.DryRunResponse(
            decision=decision_to_proto(decision),
            explanation_fr=explain_fr(decision, question),
            explanation_en=explain_en(decision, question),
        )


def _completed(statement: statement_pb2.Statement) -> bytes:
    """A statement with stand-ins for what a dry run does not look at."""
    full = statement_pb2.Statement()
    full.CopyFrom(statement)
    full.version = 1
    full.agent = full.agent or "batch"
    full.sealing_key_id = bytes(limits.KEY_ID_BYTES)
    full.nonce = bytes(limits.NONCE_BYTES)
    if not full.HasField("cohort"):
        del full.person_digests[:]
        full.person_digests.append(sha256(b"dry run").digest())
    return full.SerializeToString(deterministic=True)
