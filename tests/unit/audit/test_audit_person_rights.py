"""Contested accesses without an answer in time; days closed by a map that is not theirs."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

import pytest
from tests.federation import ANNE, CNAV, NOW, Federation
from tests.unit.wire.persons import Reader, ask, next_day

from cloison.audit.contested import ContestWatch
from cloison.audit.day_maps import DayWatch
from cloison.audit.findings import Finding
from cloison.audit.lines import Line
from cloison.audit.period import Period
from cloison.exchange.entries import parse_entry
from cloison.ledger.day_map import DayMap
from cloison.ledger.tree import leaf_hash
from cloison.wire import days
from cloison.wire.person_operator import OperatorDesk


def lines(federation: Federation) -> Iterator[Line]:
    for index, data in enumerate(federation.raw_entries(CNAV)):
        yield Line(CNAV, "cnav/traces", index, leaf_hash(data), parse_entry(data))


def contested(entries: Iterable[Line], period: Period) -> list[Finding]:
    watch = ContestWatch(CNAV)
    for line in entries:
        watch.see(line, line.entry.WhichOneof("kind"))
    return list(watch.findings(period))


def day_maps(entries: Iterable[Line]) -> list[Finding]:
    watch = DayWatch(CNAV)
    for line in entries:
        watch.see(line, line.entry.WhichOneof("kind"))
    return list(watch.findings(Period.always()))


def contest(federation: Federation) -> int:
    ask(federation, ANNE)
    reader = Reader(federation, ANNE)
    reader.contest(next(reader.read().own).index)
    (waiting,) = OperatorDesk(federation.node(CNAV)).contested(everything=False)
    return waiting.leaf_index


def test_contested_without_an_answer_is_found_once_it_is_overdue(federation: Federation) -> None:
    index = contest(federation)
    assert contested(lines(federation), Period.up_to(NOW + timedelta(days=29))) == []
    (finding,) = contested(lines(federation), Period.up_to(NOW + timedelta(days=40)))
    assert finding.code == "CONTEST_NOT_ANSWERED"
    assert finding.evidence[0].index == index


def test_contested_answered_in_time_is_no_finding(federation: Federation) -> None:
    index = contest(federation)
    OperatorDesk(federation.node(CNAV)).answer(index, "not-justified", "Une erreur.")
    assert contested(lines(federation), Period.up_to(NOW + timedelta(days=40))) == []


def test_contested_answered_late_is_found(federation: Federation) -> None:
    index = contest(federation)
    federation.clock.advance(days=40)
    OperatorDesk(federation.node(CNAV)).answer(index, "justified", "Pardon.")
    (finding,) = contested(lines(federation), Period.up_to(NOW + timedelta(days=50)))
    assert finding.code == "CONTEST_ANSWERED_LATE"


def test_day_maps_of_an_honest_node_are_no_finding(federation: Federation) -> None:
    ask(federation, ANNE)
    next_day(federation, CNAV, days=3)
    ask(federation, ANNE)
    next_day(federation, CNAV)
    assert day_maps(lines(federation)) == []


def test_day_maps_finds_a_map_that_leaves_a_person_out(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(federation, ANNE)
    with monkeypatch.context() as patched:
        patched.setattr(days, "gather", lambda _: {})
        next_day(federation, CNAV)
    (finding,) = day_maps(lines(federation))
    assert finding.code == "DAY_MAP_WRONG"
    assert DayMap({}).size == 0


def test_day_maps_finds_a_day_nobody_closed(federation: Federation) -> None:
    ask(federation, ANNE)
    next_day(federation, CNAV, days=3)
    found = list(lines(federation))
    gone = next(at for at, one in enumerate(found) if one.entry.day_closed.day == "2026-06-17")
    missing = day_maps(found[:gone] + found[gone + 1 :])
    assert "DAY_MISSING" in [one.code for one in missing]


def test_day_maps_finds_that_days_are_no_longer_closed(federation: Federation) -> None:
    ask(federation, ANNE)
    next_day(federation, CNAV)
    federation.clock.advance(days=2)
    ask(federation, ANNE)
    (finding,) = day_maps(lines(federation))
    assert (finding.code, finding.count) == ("DAY_MISSING", 1)
    next_day(federation, CNAV)
    assert [one.count for one in day_maps(lines(federation))] == [1]
