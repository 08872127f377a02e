"""Group commit: whatever waits becomes one durable append.

Self-clocked, without a timer: the first waiter schedules the write for the end of the loop's round,
so everything that is ready by then shares it. The write runs inline on the loop: on few cores, a
thread that fights for the interpreter costs more than the `fdatasync` it would hide.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from cloison.errors import CloisonError, StorageError
from cloison.ledger.commit_record import MAX_GROUP_ENTRIES
from cloison.ledger.log import Log, check_entries


@dataclass(frozen=True, slots=True)
class Committed:
    """Where the caller's entries stand, and the signed head that covers them."""

    first_index: int
    size: int
    checkpoint: bytes


@dataclass(frozen=True, slots=True)
class _Waiting:
    entries: Sequence[bytes]
    done: asyncio.Future[Committed]


class GroupCommit:
    """Commits entries for many callers of one event loop.

    INVARIANT: `commit` returns only for entries that are durable. A failed write fails every
    caller that waits, and the log refuses all that come after.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._waiting: deque[_Waiting] = deque()
        self._scheduled = False

    async def commit(self, entries: Sequence[bytes]) -> Committed:
        """The caller's entries are durable, side by side, and under the head returned.

        Raises:
            InputError: see `Log.append_many`; other callers are not touched.
            StorageError: `LEDGER_WRITE`, `LEDGER_STOPPED`; nothing may leave.
        """
        check_entries(entries)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Committed] = loop.create_future()
        self._waiting.append(_Waiting(entries, done))
        self._schedule(loop)
        return await done

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._run, loop)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        self._scheduled = False
        group = self._take_group()
        if group:
            self._write(group)
        elif self._log.unsettled:
            self._settle()
        if self._waiting or self._log.unsettled:
            self._schedule(loop)

    def _take_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        count = 0
        while self._waiting and count + len(self._waiting[0].entries) <= MAX_GROUP_ENTRIES:
            count += len(self._waiting[0].entries)
            group.append(self._waiting.popleft())
        return group

    def _write(self, group: list[_Waiting]) -> None:
        try:
            appended = self._log.append_many([entry for item in group for entry in item.entries])
        except BaseException as error:
            self._fail([*group, *self._waiting], error)
            self._waiting.clear()
            if not isinstance(error, CloisonError):
                raise
            return
        index = appended.first_index
        for item in group:
            if not item.done.done():
                item.done.set_result(Committed(index, appended.size, appended.checkpoint))
            index += len(item.entries)

    def _settle(self) -> None:
        try:
            self._log.settle()
        except StorageError:
            # The log has stopped itself: every later call says so to its caller.
            return

    @staticmethod
    def _fail(waiting: Sequence[_Waiting], error: BaseException) -> None:
        for item in waiting:
            if not item.done.done():
                item.done.set_exception(error)
