"""The two services about persons: theirs, and that of the node's operator."""

from collections.abc import AsyncIterator

from cloison.errors import PeerError
from cloison.exchange import limits
from cloison.exchange.statement import to_milliseconds
from cloison.identity.sign_in import audience_of
from cloison.v1 import persons_service_pb2, persons_service_pb2_grpc
from cloison.wire.calls import Context, answered, speaker, streamed
from cloison.wire.node import Node
from cloison.wire.person_operator import OperatorDesk
from cloison.wire.persons import PersonDesk

_TOKEN_BYTES = 4096
_NONCE_LETTERS = 64


class Person(persons_service_pb2_grpc.PersonServiceServicer):
    """What a person asks; they show a token, and no certificate."""

    def __init__(self, node: Node, desk: PersonDesk) -> None:
        self._node = node
        self._desk = desk

    @answered
    async def BeginSignIn(
        self, request: persons_service_pb2.BeginSignInRequest, context: Context
    ) -> persons_service_pb2.BeginSignInResponse:
        """A nonce."""
        return persons_service_pb2.BeginSignInResponse(
            nonce=self._desk.begin(),
            audience=audience_of(self._node.body),
            issuer=self._desk.issuer.name,
        )

    @streamed
    async def ListAccesses(
        self, request: persons_service_pb2.ListAccessesRequest, context: Context
    ) -> AsyncIterator[persons_service_pb2.ListAccessesResponse]:
        """Every entry about the person."""
        _check_token(request.nonce, request.id_token)
        for part in self._desk.accesses(request.nonce, request.id_token):
            yield part

    @answered
    async def ContestAccess(
        self, request: persons_service_pb2.ContestAccessRequest, context: Context
    ) -> persons_service_pb2.ContestAccessResponse:
        """An entry is contested."""
        _check_token(request.nonce, request.id_token)
        receipt = self._desk.contest(
            request.nonce, request.id_token, request.leaf_index, request.leaf_hash, request.says
        )
        return persons_service_pb2.ContestAccessResponse(receipt=receipt)


class PersonOperator(persons_service_pb2_grpc.PersonDeskServiceServicer):
    """What the node's own operator does."""

    def __init__(self, node: Node, desk: OperatorDesk) -> None:
        self._node = node
        self._desk = desk

    @streamed
    async def ListContested(
        self, request: persons_service_pb2.ListContestedRequest, context: Context
    ) -> AsyncIterator[persons_service_pb2.ListContestedResponse]:
        """Accesses contested."""
        self._check_own(context)
        for one in self._desk.contested(everything=request.all):
            yield one

    @answered
    async def AnswerContested(
        self, request: persons_service_pb2.AnswerContestedRequest, context: Context
    ) -> persons_service_pb2.AnswerContestedResponse:
        """A person is answered."""
        self._check_own(context)
        receipt = self._desk.answer(request.leaf_index, request.outcome, request.says)
        return persons_service_pb2.AnswerContestedResponse(receipt=receipt)

    @answered
    async def EraseTraceKey(
        self, request: persons_service_pb2.EraseTraceKeyRequest, context: Context
    ) -> persons_service_pb2.EraseTraceKeyResponse:
        """A person's trace key goes."""
        self._check_own(context)
        receipt, kept_until = self._desk.erase(request.nir, request.why)
        return persons_service_pb2.EraseTraceKeyResponse(
            receipt=receipt, kept_until_ms=0 if kept_until is None else to_milliseconds(kept_until)
        )

    def _check_own(self, context: Context) -> None:
        peer = speaker(context)
        if peer.body != self._node.body or peer.activity is not None:
            raise PeerError("NOT_YOURS", "persons: open to the operator of this very node")


def _check_token(nonce: str, token: str) -> None:
    limits.check_count("nonce bytes", len(nonce.encode()), 1, _NONCE_LETTERS)
    limits.check_count("token bytes", len(token.encode()), 1, _TOKEN_BYTES)
