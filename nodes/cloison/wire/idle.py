"""A stream from a node that says nothing is given up, however long the whole of it may take."""

import time
from collections.abc import Iterator
from threading import Event, Thread
from typing import Generic, Protocol, TypeVar
from weakref import ref

import grpc

from cloison.errors import PeerError
from cloison.exchange import limits

_Response = TypeVar("_Response")
_Drawn_co = TypeVar("_Drawn_co", covariant=True)


class Call(Protocol[_Drawn_co]):
    """A gRPC call whose responses are drawn one by one."""

    def __iter__(self) -> Iterator[_Drawn_co]: ...

    def cancel(self) -> object:
        """Ends it; drawing raises from then on."""


class Heard(Generic[_Response]):
    """The responses of a stream. One thread watches the clock for all of them.

    A node that works gives up on a silent holder after two minutes, so it is given three. Time the
    caller takes between two responses does not count.

    Raises:
        PeerError: `STREAM_IDLE`, on drawing.
        grpc.RpcError: As the node ended it.
    """

    def __init__(self, call: Call[_Response]) -> None:
        self._call = call
        self._responses = iter(call)
        self._limit_seconds = 3 * limits.STREAM_IDLE_SECONDS
        self._waiting_since: float | None = None
        self._idle = False
        self._ended = Event()
        watch = (ref(self), self._ended, self._limit_seconds)
        Thread(target=_watch, args=watch, name="stream-idle", daemon=True).start()

    def __iter__(self) -> Iterator[_Response]:
        return self

    def __next__(self) -> _Response:
        """The next response; at the end, or on any failure, the watch is over."""
        self._waiting_since = time.monotonic()
        try:
            response = next(self._responses)
        except BaseException as error:
            self._ended.set()
            if self._idle and isinstance(error, grpc.RpcError):
                raise PeerError(
                    "STREAM_IDLE", "node: nothing came for three minutes", "ask anew"
                ) from error
            raise
        self._waiting_since = None
        return response

    def close(self) -> None:
        """The caller wants no more of it."""
        self._ended.set()
        self._call.cancel()

    def give_up_if_idle(self) -> None:
        """Ends the call if it has been waited for too long."""
        since = self._waiting_since
        if since is not None and time.monotonic() - since > self._limit_seconds:
            self._idle = True
            self.close()


def _watch(of: "ref[Heard[object]]", ended: Event, limit_seconds: float) -> None:
    # Weakly: a stream nobody reads to its end must not be kept by the thread that watches it.
    while not ended.wait(limit_seconds / 60):
        heard = of()
        if heard is None:
            return
        heard.give_up_if_idle()
        del heard
