"""Why a node ended a call: what it puts beside the status, written and read in one place."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import grpc

from cloison.errors import CloisonError, PeerError
from cloison.exchange import limits
from cloison.wire.status import BY_REASON

_REASON, _HINT = "reason", "hint-bin"
_ALL_THE_NODE: Mapping[grpc.StatusCode, type[CloisonError]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call ended by the node itself, for a reason of ours."""

    code: grpc.StatusCode
    reason: str
    message: str
    hint: str

    def error(self, kinds: Mapping[grpc.StatusCode, type[CloisonError]]) -> CloisonError:
        """The refusal as an error of the kind its status stands for, else the node's.

        A reason with a status of its own says nothing of a kind.
        """
        by_status = PeerError if self.reason in BY_REASON else kinds.get(self.code, PeerError)
        return by_status(self.reason, self.message, self.hint)


def metadata_of(error: CloisonError) -> tuple[tuple[str, str | bytes], ...]:
    """What stands beside the status of a call ended for this error."""
    return ((_REASON, error.reason), (_HINT, error.hint.encode("utf-8")))


def refusal_of(error: grpc.RpcError) -> Refusal | None:
    """What the node said; None where it said no reason of ours, as when nobody answers."""
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return None
    pairs = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ())
    said = {str(key): value for key, value in pairs}
    try:
        reason = limits.check_reason(str(said[_REASON]))
    except (KeyError, PeerError):
        return None
    hint = said.get(_HINT, b"")
    text = hint.decode("utf-8", "replace") if isinstance(hint, bytes) else hint
    return Refusal(error.code(), reason, error.details() or "", text)


@contextmanager
def told(kinds: Mapping[grpc.StatusCode, type[CloisonError]] = _ALL_THE_NODE) -> Iterator[None]:
    """Turns a transport error into ours, with the reason the node gave.

    Args:
        kinds: Statuses that are told as another kind than `PeerError`.
    """
    try:
        yield
    except grpc.RpcError as error:
        refusal = refusal_of(error)
        if refusal is not None:
            raise refusal.error(kinds) from error
        called = isinstance(error, grpc.Call | grpc.aio.AioRpcError)
        code = cast("grpc.Call", error).code().name if called else "UNKNOWN"
        raise PeerError("PEER_UNAVAILABLE", f"node: {code}") from error
