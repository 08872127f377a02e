"""What every servicer does around a call: who is speaking, how a failure is told and counted."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeAlias, TypeVar

import grpc

from cloison.bodies import BodyId
from cloison.errors import CloisonError, InputError, PeerError, PolicyDenied
from cloison.identity import Peer, body_of_certificate
from cloison.wire.node import Node
from cloison.wire.status import status_of

_log = logging.getLogger("cloison.wire")

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
