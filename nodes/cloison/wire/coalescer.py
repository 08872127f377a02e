"""Puts into one call whatever waits for the same holder. Self-clocked: no timer.

At most two calls are in flight for a holder; each takes up to 32 of what waits. A failure fails
every waiting future of its call, and nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

CALLS_IN_FLIGHT = 2
ITEMS_PER_CALL = 32

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    future: "asyncio.Future[Result]"


class Coalescer(Generic[Item, Result]):
    """Groups items for one holder.

    Args:
        process: Takes 1 to 32 items; returns as many results, in order.
    """

    def __init__(self, process: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]) -> None:
        self._process = process
        self._waiting: list[_Waiting[Item, Result]] = []
        self._in_flight = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def put(self, items: Sequence[Item]) -> list[Result]:
        """The results of these items, whichever calls they travel in."""
        loop = asyncio.get_running_loop()
        waiting = [_Waiting[Item, Result](item, loop.create_future()) for item in items]
        self._waiting.extend(waiting)
        self._start()
        return list(await asyncio.gather(*(one.future for one in waiting)))

    def _start(self) -> None:
        while self._waiting and self._in_flight < CALLS_IN_FLIGHT:
            self._in_flight += 1
            task = asyncio.create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        try:
            while self._waiting:
                group = self._waiting[:ITEMS_PER_CALL]
                del self._waiting[:ITEMS_PER_CALL]
                await self._call(group)
        finally:
            self._in_flight -= 1

    async def _call(self, group: Sequence[_Waiting[Item, Result]]) -> None:
        try:
            results = await self._process([one.item for one in group])
            for one, result in zip(group, results, strict=True):
                if not one.future.done():
                    one.future.set_result(result)
        except BaseException as error:
            for one in group:
                if not one.future.done():
                    one.future.set_exception(error)
            if not isinstance(error, Exception):
                raise
