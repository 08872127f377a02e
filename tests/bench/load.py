"""Callers that ask: in closed loop (each waits for its answer) or open (arrivals come anyway)."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

Ask = Callable[[], Awaitable[None]]
"""Puts one question and returns when its answer was checked; raises if it is not data."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One round: how long it took, and each question's latency in seconds, sorted, at least one."""

    seconds: float
    latencies: tuple[float, ...]

    @property
    def asked(self) -> int:
        """Questions answered."""
        return len(self.latencies)

    @property
    def per_second(self) -> float:
        """Throughput."""
        return self.asked / self.seconds

    def percentile_ms(self, share: float) -> float:
        """The smallest latency that `share` (0 to 1) of the questions did not exceed."""
        return self.latencies[max(0, math.ceil(share * self.asked) - 1)] * 1000


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians over rounds."""

    per_second: float
    p50_ms: float
    p99_ms: float


def figures(rounds: list[Measured]) -> Figures:
    """The medians of at least one round."""
    return Figures(
        median(one.per_second for one in rounds),
        median(one.percentile_ms(0.50) for one in rounds),
        median(one.percentile_ms(0.99) for one in rounds),
    )


async def closed_loop(ask: Ask, callers: int, seconds: float) -> Measured:
    """`callers` at once, each with one question at a time, until the time is over."""
    latencies: list[float] = []
    start = perf_counter()
    end = start + seconds

    async def caller() -> None:
        while (asked := perf_counter()) < end:
            await ask()
            latencies.append(perf_counter() - asked)

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    return Measured(perf_counter() - start, tuple(sorted(latencies)))


async def open_loop(ask: Ask, per_second: float, seconds: float, seed: int) -> Measured:
    """Poisson arrivals; a latency counts from when the question was due, not when it was put."""
    draw = random.Random(seed)  # noqa: S311 - arrival times, no secret
    latencies: list[float] = []

    async def one(due: float) -> None:
        await ask()
        latencies.append(perf_counter() - due)

    start = due = perf_counter()
    async with asyncio.TaskGroup() as group:
        while (due := due + draw.expovariate(per_second)) < start + seconds:
            await asyncio.sleep(due - perf_counter())
            group.create_task(one(due))
    return Measured(perf_counter() - start, tuple(sorted(latencies)))
