"""What travels together, and what a failure takes with it."""

import asyncio
from collections.abc import Sequence

import pytest

from cloison.errors import PeerError
from cloison.wire.coalescer import ITEMS_FOR_A_SECOND_CALL, ITEMS_PER_CALL, Coalescer


class Holder:
    """Answers each item with itself, one call a release of the gate; remembers the calls."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.gate = asyncio.Semaphore(0)

    async def answer(self, items: Sequence[int]) -> Sequence[int]:
        self.calls.append(list(items))
        await self.gate.acquire()
        if -1 in items:
            raise PeerError("PEER_UNAVAILABLE", "holder: away")
        return items

    def sizes(self) -> list[int]:
        return [len(call) for call in self.calls]


async def ask(together: Coalescer[int, int], items: range) -> list[asyncio.Task[list[int]]]:
    """One caller an item, all waiting when this returns."""
    tasks = [asyncio.create_task(together.put([item])) for item in items]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


def test_put_while_idle_leaves_at_once() -> None:
    async def run() -> list[int]:
        holder = Holder()
        await ask(Coalescer(holder.answer), range(1))
        return holder.sizes()

    assert asyncio.run(run()) == [1]


def test_put_few_during_a_call_wait_for_its_end_and_travel_together() -> None:
    async def run() -> list[int]:
        holder = Holder()
        together = Coalescer(holder.answer)
        tasks = await ask(together, range(1))
        tasks += await ask(together, range(ITEMS_FOR_A_SECOND_CALL - 1))
        holder.gate.release()
        holder.gate.release()
        await asyncio.gather(*tasks)
        return holder.sizes()

    assert asyncio.run(run()) == [1, ITEMS_FOR_A_SECOND_CALL - 1]


def test_put_many_during_a_call_leave_beside_it_but_never_a_third() -> None:
    async def run() -> list[int]:
        holder = Holder()
        together = Coalescer(holder.answer)
        await ask(together, range(1))
        await ask(together, range(ITEMS_FOR_A_SECOND_CALL))
        await ask(together, range(ITEMS_PER_CALL))
        return holder.sizes()

    assert asyncio.run(run()) == [1, ITEMS_FOR_A_SECOND_CALL]


def test_put_answers_each_caller_with_its_own() -> None:
    async def run() -> list[list[int]]:
        holder = Holder()
        tasks = await ask(Coalescer(holder.answer), range(100))
        for _ in range(100):
            holder.gate.release()
        return list(await asyncio.gather(*tasks))

    assert asyncio.run(run()) == [[item] for item in range(100)]


def test_put_failing_call_fails_all_of_its_callers_and_nobody_else() -> None:
    async def run() -> list[object]:
        holder = Holder()
        together = Coalescer(holder.answer)
        tasks = await ask(together, range(1))
        failing = asyncio.create_task(together.put([7, -1]))
        tasks.append(failing)
        for _ in range(3):
            await asyncio.sleep(0)
        holder.gate.release()
        holder.gate.release()
        await asyncio.wait(tasks)
        holder.gate.release()
        tasks += await ask(together, range(5, 6))
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    first, failed, later = asyncio.run(run())
    with pytest.raises(PeerError, match="away"):
        raise failed if isinstance(failed, PeerError) else AssertionError
    assert (first, later) == ([0], [5])
