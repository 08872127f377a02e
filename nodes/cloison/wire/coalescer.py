"""Puts into one call whatever waits for the same holder. Self-clocked: no timer.

At most two calls are in flight for a holder; each takes up to 32 of what waits. The second leaves
only with 6 or more: a call costs as much as two questions, and a lone arrival must not take the
place of the group behind it. (Measured against 16 in one run: at 64 callers as many questions a
second, in open loop at 500/s two thirds of the p99; against 2, a tenth less CPU a question.)
A failure fails every waiting future of its call, and nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

CALLS_IN_FLIGHT = 2
ITEMS_PER_CALL = 32
ITEMS_FOR_A_SECOND_CALL = 6

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
        if len(waiting) == 1:
            return [await waiting[0].future]
        return list(await asyncio.gather(*(one.future for one in waiting)))

    def _start(self) -> None:
        while self._in_flight < CALLS_IN_FLIGHT and self._is_worth_a_call(self._in_flight):
            self._in_flight += 1
            task = asyncio.create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _is_worth_a_call(self, others: int) -> bool:
        """Whether what waits should go now, with `others` in flight; the last one takes it all."""
        return len(self._waiting) >= (ITEMS_FOR_A_SECOND_CALL if others else 1)

    async def _run(self) -> None:
        try:
            while self._is_worth_a_call(self._in_flight - 1):
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
