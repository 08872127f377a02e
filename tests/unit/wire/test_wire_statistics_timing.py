"""When a table leaves: on a beat, however long counting took and whatever was answered."""

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

import pytest
from tests.federation import Aborted, Federation

from cloison.bodies import BodyId
from cloison.errors import BudgetExceeded
from cloison.v1 import statistics_service_pb2 as wire
from cloison.wire.statistics_desk import Answer, StatisticsDesk
from cloison.wire.statistics_servicers import Statistics

BEAT = 2.0


class FakeTime(asyncio.SelectorEventLoop):
    """A loop whose clock moves only where it would have waited, at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0
        waiting = self._selector  # type: ignore[attr-defined]
        select = waiting.select

        def hurry(timeout: float | None = None) -> Any:
            self.now += timeout or 0.0
            return select(0)

        waiting.select = hurry

    def time(self) -> float:
        return self.now


class Desk:
    """Takes as long as it is told, then answers or refuses."""

    def __init__(self, seconds: float, failure: Exception | None) -> None:
        self._seconds, self._failure = seconds, failure

    async def publish(self, *_: object) -> Answer:
        await asyncio.sleep(self._seconds)
        if self._failure is not None:
            raise self._failure
        return Answer([], document=b"{}")


def left_after(federation: Federation, seconds: float, failure: Exception | None = None) -> float:
    """Seconds from the question to the answer, refused or not."""
    loop = FakeTime()
    desk = cast("StatisticsDesk", Desk(seconds, failure))
    service = Statistics(federation.node(BodyId("caf")), desk, BEAT)
    context = federation.context(BodyId("drees"), "drees-statistics")
    begin = loop.now
    try:
        loop.run_until_complete(
            cast("Awaitable[Any]", service.Publish(wire.PublishRequest(), context))
        )
    except Aborted:
        assert failure is not None
    finally:
        loop.close()
    return loop.now - begin


@pytest.mark.parametrize(
    ("seconds", "left"), [(0.001, 2), (0.7, 2), (1.99, 2), (2.01, 4), (3.5, 4), (9.9, 10)]
)
@pytest.mark.parametrize("refused", [False, True])
def test_publish_answer_and_refusal_leave_on_the_same_beat(
    federation: Federation, seconds: float, left: float, refused: bool
) -> None:
    failure = BudgetExceeded("BUDGET_EXCEEDED", "budget: spent", "") if refused else None
    assert left_after(federation, seconds, failure) == pytest.approx(left)


@pytest.mark.parametrize("draw", [0.010, 0.011, 0.350])
def test_publish_how_long_the_samplers_took_does_not_show(
    federation: Federation, draw: float
) -> None:
    assert left_after(federation, 1.2 + draw) == pytest.approx(BEAT)
