"""Work done beside other work, in a process of its own: a copy of this one, that reads and tells.

The same work gives the same result apart or not; where there is no second process to be had, it is
done here.
"""

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Generic, Self, TypeVar, cast

from cloison.errors import CloisonError, StorageError

T = TypeVar("T")
_FAILED = 1
_Raised = tuple[type[BaseException], BaseException, TracebackType | None]


class Beside(Generic[T]):
    """Begins the work as the block begins; whatever ends the block ends the process.

    Args:
        work: Reads what is there already, and changes nothing.
        apart: In a process of its own, where this one may be copied: it has no second thread.

    Raises:
        StorageError: `PART_STOPPED`: the process ended without its result.
        CloisonError: What the work itself raised.
    """

    def __init__(self, work: Callable[[], T], *, apart: bool) -> None:
        self._work = work
        self._apart = apart and hasattr(os, "fork") and threading.active_count() == 1
        self._process = 0
        self._pipe = -1

    def __enter__(self) -> Self:
        if self._apart:
            self._pipe, end = os.pipe()
            sys.stdout.flush()
            sys.stderr.flush()
            self._process = os.fork()
            if not self._process:
                os.close(self._pipe)
                self._tell(end)
            os.close(end)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        if self._process:
            with suppress(ProcessLookupError):
                os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            self._process = 0

    def result(self) -> T:
        """What the work gave, once it is done."""
        if not self._process:
            return self._work()
        with os.fdopen(self._pipe, "rb") as pipe:
            self._pipe = -1
            told = pipe.read()
        _, status = os.waitpid(self._process, 0)
        self._process = 0
        if status or not told:
            raise StorageError(
                "PART_STOPPED",
                f"audit: its second process ended without a result (status {status})",
                "see whether memory or a limit stopped it, and begin again",
            )
        given, error = pickle.loads(told)  # noqa: S301 - of our own copy, by a pipe of our own
        if error is not None:
            kind, reason, message, hint = error
            raise kind(reason, message, hint)
        result: T = given
        return result

    def _tell(self, end: int) -> None:
        """In the copy: the result goes through the pipe; nothing else of this program is run."""
        status = _FAILED
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who is interrupted ends this one too
        try:
            with os.fdopen(end, "wb") as pipe:
                pickle.dump(self._done(), pipe)
            status = 0
        finally:
            if status:
                sys.excepthook(*cast("_Raised", sys.exc_info()))
            os._exit(status)

    def _done(self) -> tuple[T | None, tuple[type[CloisonError], str, str, str] | None]:
        try:
            return self._work(), None
        except CloisonError as error:
            return None, (type(error), error.reason, error.message, error.hint)
