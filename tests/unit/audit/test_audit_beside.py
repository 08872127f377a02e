"""Two processes, or one: the same result, the same errors, and nothing left behind."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest
from tests.federation import Template
from tests.misuse.measure import policy_before
from tests.misuse.plants import plants
from tests.misuse.traffic import Span, begin_nodes, reviews
from tests.misuse.world import World, policies, utc

from cloison.audit import Examined, Period, again, examine
from cloison.audit import run as whole
from cloison.audit.beside import Beside
from cloison.errors import IntegrityError, StorageError
from cloison.months import Month

SPAN = Span(Month.of(2026, 3), 1)


def children() -> set[int]:
    """This process's own, those that ended and were not waited for among them.

    Source:
        proc(5), `/proc/PID/stat`: behind the name, its state, then its parent.
    """
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            if int(stat.read_text("utf-8").rpartition(")")[2].split()[1]) == os.getpid():
                found.add(int(stat.parent.name))
    return found


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Others of the same process may have nodes running."""
    before = children()
    yield
    assert children() <= before


@pytest.mark.parametrize("apart", [False, True])
def test_result_comes_from_where_it_was_made(apart: bool) -> None:
    with Beside(os.getpid, apart=apart) as beside:
        assert (beside.result() == os.getpid()) is not apart


def fail() -> NoReturn:
    raise IntegrityError("BAD_ENTRY", "entry 7: not one", "look")


@pytest.mark.parametrize("apart", [False, True])
def test_error_of_the_work_is_the_same_error(apart: bool) -> None:
    with Beside(fail, apart=apart) as beside, pytest.raises(IntegrityError) as caught:
        beside.result()
    assert (caught.value.reason, caught.value.hint) == ("BAD_ENTRY", "look")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def crash() -> None:
    raise RuntimeError("a fault of ours")


@pytest.mark.parametrize("ends", [die, crash])
def test_process_that_ends_without_its_result_is_an_error(ends: Callable[[], None]) -> None:
    with Beside(ends, apart=True) as beside, pytest.raises(StorageError) as caught:
        beside.result()
    assert caught.value.reason == "PART_STOPPED"


def test_error_beside_it_ends_the_process() -> None:
    with pytest.raises(IntegrityError), Beside(signal.pause, apart=True):
        fail()


def test_audit_in_two_processes_finds_the_same(
    template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With decisions that differ, contested accesses and days that are wrong among them."""
    old = policy_before("caf-social-action")
    world = World(template.policy, 9, utc(2026, 3, 1))
    begin_nodes(world)
    reviews(world, SPAN.first, 90)
    wanted = {"REPLAY_DIFFERS", "POLICY_SET_LOST", "DAYS_NEVER_CLOSED"}
    for one in plants(old):
        if one.code in wanted:
            one.sow(world, SPAN, one.scale.subtle)
    world.run()

    def audit(*, apart: bool) -> Examined:
        for room in (again, whole):
            monkeypatch.setattr(room, "long_ledgers", lambda _: apart)
        law, period = template.policy, Period.up_to(SPAN.end)
        return examine(world.ledgers(), law, policies(law), period)

    apart = audit(apart=True)
    assert apart == audit(apart=False)
    assert {one.code for one in apart.findings} >= wanted
