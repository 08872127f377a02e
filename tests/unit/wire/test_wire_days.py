"""Days of a node's ledger are closed, each once, whole, and for ever."""

from datetime import UTC, date, datetime, timedelta

import pytest
from tests.federation import CNAV, NOW, Federation, run

from cloison.errors import IntegrityError, StorageError
from cloison.exchange.entries import parse_entry
from cloison.exchange.traced import day_number, entry_day, traced_keys
from cloison.ledger.day_files import day_file
from cloison.ledger.day_map import hash_indexes, prove_key, verify_key
from cloison.v1 import entry_pb2
from cloison.wire.days import DayBook
from cloison.wire.node import Node

DAY = NOW.date()


def closed_days(node: Node) -> list[entry_pb2.DayClosed]:
    entries = map(parse_entry, node.traces.entries(0, node.traces.size))
    return [one.day_closed for one in entries if one.WhichOneof("kind") == "day_closed"]


def ask(federation: Federation) -> None:
    program = federation.program("caf-ppa")
    (reply,) = program.ask(program.question(program.open_case()))
    assert reply.decision is not None


def test_close_all_enters_a_map_of_the_day_that_proves_every_key(federation: Federation) -> None:
    ask(federation)
    node = federation.node(CNAV)
    size = node.traces.size
    assert DayBook(node).close_all() == 0
    federation.clock.advance(days=1)
    book = DayBook(node)
    assert book.close_all() == 1
    (closed,) = closed_days(node)
    assert (closed.day, closed.first_index, closed.end_index) == (DAY.isoformat(), 0, size)
    ((index, key),) = [
        (index, key)
        for index in range(size)
        for key in traced_keys(parse_entry(node.traces.entry(index)))
    ]
    file = book.open(closed)
    row = verify_key(prove_key(file, key), key, closed.map_rows, closed.map_root)
    file.close()
    assert row is not None
    assert (row.count, row.indexes_hash) == (1, hash_indexes([index]))


def test_close_all_closes_each_day_once_those_without_entries_too(federation: Federation) -> None:
    ask(federation)
    node = federation.node(CNAV)
    federation.clock.advance(days=3)
    assert DayBook(node).close_all() == 3
    assert run(DayBook(node).close_beside()) is None
    ask(federation)
    federation.clock.advance(days=1)
    assert run(DayBook(node).close_beside()) is None
    found = closed_days(node)
    assert [one.day for one in found] == [str(DAY + timedelta(days=by)) for by in range(4)]
    ends = [one.end_index for one in found]
    assert [one.first_index for one in found] == [0, *ends[:-1]]
    assert [one.map_rows > 0 for one in found] == [True, False, False, True]


def test_open_node_closes_what_ended_while_it_was_down(federation: Federation) -> None:
    ask(federation)
    federation.clock.advance(days=2)
    node = federation.restart(CNAV)
    assert [one.day for one in closed_days(node)] == [str(DAY), str(DAY + timedelta(days=1))]


def test_open_makes_a_map_again_that_is_missing_or_altered(federation: Federation) -> None:
    ask(federation)
    federation.clock.advance(days=1)
    book = DayBook(federation.node(CNAV))
    book.close_all()
    newest = book.newest()
    assert newest is not None
    path = day_file(book.folder, DAY)
    first = path.read_bytes()
    path.write_bytes(first[:-1] + bytes(1))
    book.open(newest).close()
    assert path.read_bytes() == first
    path.unlink()
    book.open(newest).close()
    assert path.read_bytes() == first


def test_open_of_a_map_its_entries_do_not_lead_to_is_refused(federation: Federation) -> None:
    ask(federation)
    federation.clock.advance(days=1)
    book = DayBook(federation.node(CNAV))
    book.close_all()
    newest = book.newest()
    assert newest is not None
    newest.map_root = bytes(32)
    with pytest.raises(IntegrityError) as caught:
        book.open(newest)
    assert caught.value.reason == "BAD_DAY_MAP"


def test_enter_with_a_clock_back_before_midnight_is_refused_and_nothing_leaves(
    federation: Federation,
) -> None:
    ask(federation)
    size = federation.node(CNAV).traces.size
    federation.clock.now = NOW - timedelta(days=1)
    item = federation.program("caf-ppa").item(federation.program("caf-ppa").question(None))
    with pytest.raises(StorageError) as caught:
        federation.answer(CNAV, federation.program("caf-ppa").body, [item])
    assert caught.value.reason == "DAY_OVER"
    assert federation.node(CNAV).traces.size == size


def test_enter_after_a_restart_still_knows_the_last_day(federation: Federation) -> None:
    ask(federation)
    federation.clock.advance(days=1)
    node = federation.restart(CNAV)
    federation.clock.now = NOW
    with pytest.raises(StorageError) as caught:
        node.enter([node.traces.entry(0)])
    assert caught.value.reason == "DAY_OVER"


@pytest.mark.parametrize(
    "time", [datetime(1970, 1, 1, tzinfo=UTC), NOW, datetime(2100, 12, 31, 23, 59, tzinfo=UTC)]
)
def test_day_number_reads_the_day_an_entry_says(time: datetime) -> None:
    entry = entry_pb2.Entry(version=1, entry_time_ms=int(time.timestamp() * 1000))
    entry.started.software = "cloison"
    data = entry.SerializeToString(deterministic=True)
    assert entry_day(data) == time.date()
    assert day_number(data) == (time.date() - date(1970, 1, 1)).days
