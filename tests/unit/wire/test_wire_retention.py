"""Thirty-six months, then the oldest traces go, with a certificate; the rest is as it was."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from tests.federation import ANNE, CAF, CNAV, NOW, Federation
from tests.unit.wire.contesting import contest_of, item_of, send
from tests.unit.wire.persons import Reader, ask, next_day

from cloison.bodies import BodyId
from cloison.errors import InputError
from cloison.exchange.entries import failures_entry, parse_entry
from cloison.ledger.reader import LedgerReader
from cloison.ledger.tree import leaf_hash
from cloison.v1 import entry_pb2
from cloison.wire.days import DayBook
from cloison.wire.node import Node
from cloison.wire.retention import RetentionDesk

LATER = NOW.replace(year=NOW.year + 3) + timedelta(days=2)


def fill(federation: Federation, count: int, body: BodyId = CNAV) -> None:
    node = federation.node(body)
    now = federation.clock()
    node.enter([failures_entry("caf", now, [("BAD_NIR", n + 1)], now) for n in range(count)])


def grown(federation: Federation) -> Node:
    """A ledger with a question 36 months and two days ago, and entries since."""
    node = federation.node(CNAV)
    ask(federation, ANNE)
    fill(federation, 600)
    next_day(federation, CNAV, days=40)
    fill(federation, 300)
    federation.clock.now = LATER
    DayBook(node).close_all()
    node.traces.settle()
    return node


def certificates(node: Node) -> list[entry_pb2.TracesPruned]:
    entries = map(parse_entry, node.register.entries(0, node.register.size))
    return [one.traces_pruned for one in entries if one.WhichOneof("kind") == "traces_pruned"]


def test_prune_removes_what_is_past_its_time_with_a_certificate(federation: Federation) -> None:
    node = grown(federation)
    leaf = leaf_hash(node.traces.entry(0))
    assert len(leaf) == 32
    root, head = node.traces.root(512), node.traces.root()
    pruned = RetentionDesk(node).daily()
    assert pruned is not None
    assert (pruned.first_index, pruned.removed) == (512, 512)
    (certificate,) = certificates(node)
    assert (certificate.root, certificate.removed) == (root, 512)
    assert certificate.first_day == NOW.date().isoformat()
    assert (certificate.text, certificate.article) == ("crpa-r114-9", "R114-9-7")
    assert node.traces.root() == head
    assert node.index.first("decided", leaf) is None
    assert node.index.find_between("trace", bytes(32), 0, 10) == []
    assert RetentionDesk(node).daily() is None
    assert LedgerReader(node.traces.directory, node.traces.verifier).verify().minimum == 512


def test_prune_is_done_at_start_and_a_person_still_proves_the_rest(federation: Federation) -> None:
    grown(federation)
    node = federation.restart(CNAV)
    assert node.traces.minimum == 512
    traces = Reader(federation, ANNE).read()
    assert [day.count for day in traces.days if day.count] == []
    assert traces.days[0].first >= node.traces.minimum
    assert traces.days[0].day <= LATER.date().replace(year=LATER.year - 3)


def test_prune_forgets_what_was_contested_in_entries_that_go(federation: Federation) -> None:
    prefill = federation.program("caf-prefill")
    send(prefill, item_of(prefill, contest_of(prefill)))
    node = grown(federation)
    assert len(list(node.vault.contestations.open())) == 1
    RetentionDesk(node).daily()
    assert list(node.vault.contestations.all()) == []


def test_prune_cut_by_a_crash_before_the_vault_is_ended_by_the_next(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefill = federation.program("caf-prefill")
    send(prefill, item_of(prefill, contest_of(prefill)))
    node = grown(federation)
    monkeypatch.setattr(RetentionDesk, "_forget", lambda *_: None)
    assert RetentionDesk(node).daily() is not None
    monkeypatch.undo()
    assert len(list(node.vault.contestations.all())) == 1
    assert RetentionDesk(node).daily() is None
    assert list(node.vault.contestations.all()) == []


def test_prune_keeps_what_was_contested_in_entries_that_stay(federation: Federation) -> None:
    node = grown(federation)
    prefill = federation.program("caf-prefill")
    send(prefill, item_of(prefill, contest_of(prefill)))
    assert RetentionDesk(node).daily() is not None
    assert len(list(node.vault.contestations.open())) == 1


def test_prune_of_days_still_to_be_kept_is_refused(federation: Federation) -> None:
    node = grown(federation)
    kept_from = LATER.date().replace(year=LATER.year - 3) + timedelta(days=1)
    for before in (kept_from, LATER.date(), date(9999, 1, 1)):
        with pytest.raises(InputError) as caught:
            RetentionDesk(node).prune(before + timedelta(days=1))
        assert caught.value.reason == "STILL_KEPT"
    assert node.traces.minimum == 0


def test_case_renewed_again_and_again_ends_before_its_traces_and_keeps_none_back(
    federation: Federation,
) -> None:
    ppa = federation.program("caf-ppa")
    case, opened, renewed = ppa.open_case(), federation.clock(), 0
    fill(federation, 600, CAF)
    last_end = datetime.combine(opened.replace(year=opened.year + 3).date(), time(), UTC)
    end = case.valid_until
    while end < last_end:
        federation.clock.now = end - timedelta(days=1)
        end = min(end + timedelta(days=60), last_end)
        ppa.cases.renew("caf-ppa", case.leaf_hash, end)
        renewed += 1
    federation.clock.now = last_end - timedelta(seconds=1)
    with pytest.raises(InputError, match="traces of the day it was opened") as caught:
        ppa.cases.renew("caf-ppa", case.leaf_hash, last_end + timedelta(seconds=1))
    assert (caught.value.reason, renewed > 10) == ("TOO_LONG", True)
    federation.clock.now = last_end
    node = federation.node(CAF)
    DayBook(node).close_all()
    node.traces.settle()
    pruned = RetentionDesk(node).daily()
    assert pruned is not None
    assert pruned.first_index == 512


def test_daily_of_a_young_ledger_removes_nothing(federation: Federation) -> None:
    node = federation.node(CNAV)
    fill(federation, 600)
    next_day(federation, CNAV, days=400)
    assert RetentionDesk(node).daily() is None
    assert certificates(node) == []
