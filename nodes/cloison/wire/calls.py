"""What every servicer does around a call: who is speaking, how a failure is told and counted."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Protocol, TypeAlias, TypeVar

import grpc

from cloison.bodies import BodyId
from cloison.errors import CloisonError, InputError, PeerError, PolicyDenied
from cloison.identity import Peer, body_of_certificate
from cloison.wire.node import Node
from cloison.wire.refusal import metadata_of
from cloison.wire.status import status_of

_log = logging.getLogger("cloison.wire")

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
UNKNOWN_PEER = "unknown peer"
"""Under whom failures of callers are counted that this node knows by no name."""


class Servicer(Protocol):
    """What the calls of a service share."""

    _node: Node


Self_ = TypeVar("Self_", bound=Servicer)
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


def body_node(node: Node, context: Context) -> BodyId:
    """The body whose node is speaking. Raises `PeerError` (`NOT_YOURS`, `UNKNOWN_PEER`)."""
    peer = speaker(context)
    if peer.activity is not None:
        raise PeerError("NOT_YOURS", "exchange: open to nodes; a program talks to its own node")
    node.heads.of(peer.body)  # what it says could not be checked, nor its name be written down
    return peer.body


async def refuse(node: Node, context: Context, error: CloisonError) -> None:
    """Ends a call with the status of the one error table, its reason and hint beside it.

    What failed as a whole before any decision is counted under its caller. What fails with one
    question of many is counted where that is found.
    """
    if isinstance(error, InputError | PeerError | PolicyDenied):
        node.failures.add(_name_of(node, context), error.reason, node.clock())
    await context.abort(status_of(error), error.message, metadata_of(error))


def _name_of(node: Node, context: Context) -> str:
    # INVARIANT: only names this node has on file come into its ledger, and so into its memory.
    try:
        peer = speaker(context)
    except PeerError:
        return UNKNOWN_PEER
    if peer.activity is None:
        return peer.body if node.heads.knows(peer.body) else UNKNOWN_PEER
    record = node.policy.activities.get(peer.activity)
    return peer.activity if record and record.body == peer.body else UNKNOWN_PEER


def answered(
    method: Callable[[Self_, Request, Context], Awaitable[Response]],
) -> Callable[[Self_, Request, Context], Coroutine[Any, Any, Response]]:
    """Turns our errors into a status, counted; others into INTERNAL without a word of theirs."""

    @wraps(method)
    async def call(self: Self_, request: Request, context: Context) -> Response:
        try:
            return await method(self, request, context)
        except CloisonError as error:
            await refuse(self._node, context, error)
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
            await refuse(self._node, context, error)
        except Exception as error:
            await _hide(context, error)
            raise

    return call


async def _hide(context: Context, error: Exception) -> None:
    # INVARIANT: the content of an unexpected error may hold data; only its kind is told.
    _log.error("unexpected %s", type(error).__name__)
    await context.abort(grpc.StatusCode.INTERNAL, f"unexpected {type(error).__name__}")
