"""Columns beside the records: they count or they do not, whatever breaks, and whoever loads."""

import errno
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.unit.store.many import (
    PERSONS,
    QUESTIONS,
    RICH,
    History,
    check_same,
    fetch_many,
    open_store,
    rows_of,
)

from cloison.errors import StorageError
from cloison.store import PersonData, Store, column_writing, columns, manifest
from cloison.store.partitions import PartitionCache
from cloison.store.records import Plan, Records

ROOT = Path(__file__).parents[3]
DECLARED = "declared_period", "declared_since", "declared_until"
MONTHS = QUESTIONS["months"]


def fill(history: History) -> None:
    """Something of each kind."""
    for person in range(5):
        history.pay(person, 202602, "salary", 100 + person, None, named=PERSONS[5])
        history.pay(person, 202603, "pension", 100 + person, 5)
        history.file(person, "open", "é", person % 2 == 0)
        history.identity(person, True, False, person == 1)
    history.declare("x", [(0, 202603, "salary", 1), (1, 202604, "salary", 2)])
    history.declare("x", [], True)
    history.notice((0, 1), 2023, 12)


def check_all(store: Store) -> None:
    for question in QUESTIONS.values():
        check_same(store, question, [PERSONS[4], *PERSONS, b"?" * 16])
    found = store.identities(b"".join(PERSONS))
    for place, person in enumerate(PERSONS):
        known = store.identity(person)
        assert bool(found.found[place]) == (known is not None)
        assert known is None or bool(found.objected[place]) == known.objected


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def history(store: Store) -> History:
    history = History(store)
    fill(history)
    store.settle()
    return history


@pytest.fixture
def asked_of_records(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The persons looked up one by one, as they are."""
    seen: list[bytes] = []
    one_by_one = Records.fetch_planned

    def watch(records: Records, plan: Plan, persons: Sequence[bytes]) -> list[PersonData]:
        seen.extend(persons)
        return one_by_one(records, plan, persons)

    monkeypatch.setattr(Records, "fetch_planned", watch)
    return seen


def files(folder: Path) -> list[Path]:
    return sorted((folder / "store.columns").glob("*/*.parquet"))


def test_settled_columns_answer_without_the_records(
    store: Store, history: History, asked_of_records: list[bytes]
) -> None:
    assert len(rows_of(fetch_many(store, MONTHS, PERSONS))) > len(PERSONS)
    assert asked_of_records == []
    check_all(history.store)


def test_whoever_changed_since_is_asked_of_the_records(
    store: Store, history: History, asked_of_records: list[bytes]
) -> None:
    history.pay(4, 202603, "pension", 777, 5)
    found = rows_of(fetch_many(store, MONTHS, PERSONS))
    assert asked_of_records == [PERSONS[4]]
    assert 777 in [row[7] for row in found]
    check_all(store)


def test_another_process_sees_what_was_loaded_and_settled_since(
    tmp_path: Path, store: Store, history: History
) -> None:
    reader = open_store(tmp_path)
    check_all(reader)
    history.pay(4, 202603, "pension", 777, 5)
    check_all(reader)
    store.settle()
    check_all(reader)
    reader.close()


def test_a_load_under_way_is_read_as_fetch_reads_it(store: Store, history: History) -> None:
    with store.loading("f", b"\1" * 32, datetime(2026, 11, 21, tzinfo=UTC)) as loading:
        loading.put_line("pay", ["0", "202602", "salary"], 0, None, "f")
        check_all(store)
    check_all(history.store)


def test_more_changes_than_there_is_room_for_leave_the_period_behind(
    store: Store,
    history: History,
    asked_of_records: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(manifest, "LEAST_ROOM", 1)
    history.declare("y", [(0, 202602, "pension", 1), (1, 202602, "pension", 2)])
    fetch_many(store, MONTHS, PERSONS)
    assert asked_of_records == list(PERSONS)
    check_all(store)
    store.settle()
    asked_of_records.clear()
    fetch_many(store, MONTHS, PERSONS)
    assert asked_of_records == []
    check_all(store)


def test_few_changes_wait_beside_a_large_file(
    tmp_path: Path,
    store: Store,
    history: History,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = files(tmp_path)
    monkeypatch.setattr(manifest, "_DUE_SHARE", 1)
    history.pay(4, 202603, "pension", 777, 5)
    store.settle()
    assert files(tmp_path) == before
    check_all(store)
    assert store.mend_columns() == 1
    check_all(store)


def test_settling_twice_writes_nothing_the_second_time(
    tmp_path: Path, store: Store, history: History
) -> None:
    before = files(tmp_path)
    history.store.settle()
    assert store.mend_columns() == 0
    assert files(tmp_path) == before


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a flipped bit": flip,
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "gone": Path.unlink,
    "another file's bytes": lambda path: path.write_bytes(
        next(path.parent.glob("202603*")).read_bytes()
    ),
}


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_and_mended(damage: str, tmp_path: Path, store: Store) -> None:
    DAMAGES[damage](next((tmp_path / "store.columns/pay").glob("202602*")))
    with pytest.raises(StorageError) as caught:
        fetch_many(store, MONTHS, PERSONS)
    assert caught.value.reason == "COLUMNS_DAMAGED"
    assert store.mend_columns() == 1
    check_all(store)


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("damage", ["cut short", "gone"])
def test_the_next_load_writes_what_is_missing(damage: str, tmp_path: Path, store: Store) -> None:
    DAMAGES[damage](next((tmp_path / "store.columns/pay").glob("202602*")))
    store.settle()
    check_all(store)


def test_a_damaged_file_that_is_to_be_merged_is_read_anew(
    tmp_path: Path, store: Store, history: History
) -> None:
    flip(next((tmp_path / "store.columns/pay").glob("202602*")))
    history.pay(4, 202602, "salary", 777, 5)
    store.settle()
    check_all(store)


@pytest.mark.usefixtures("history")
def test_a_database_copied_without_its_columns_answers(tmp_path: Path, store: Store) -> None:
    store.close()
    shutil.rmtree(tmp_path / "store.columns")
    copied = open_store(tmp_path)
    check_all(copied)
    copied.settle()
    assert files(tmp_path)
    check_all(copied)
    copied.close()


def test_settling_removes_what_does_not_count(
    tmp_path: Path, store: Store, history: History
) -> None:
    before = files(tmp_path)
    stray = tmp_path / "store.columns/pay/202602-1-00000000.parquet"
    stray.write_bytes(b"cut by a crash")
    history.pay(4, 202602, "salary", 777, 5)
    store.settle()
    after = files(tmp_path)
    assert len(after) == len(before)
    assert len(set(after) - set(before)) == 1
    assert stray not in after


def test_a_full_disk_keeps_what_counted(
    tmp_path: Path, store: Store, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(tmp_path)
    history.pay(4, 202602, "salary", 777, 5)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(StorageError) as caught:
        store.settle()
    assert caught.value.reason == "COLUMNS_WRITE"
    assert files(tmp_path) == before
    check_all(store)


def test_a_load_while_a_file_is_written_keeps_it_from_counting(
    tmp_path: Path, store: Store, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = History(open_store(tmp_path), b"other")
    history.pay(4, 202602, "salary", 777, 5)
    calls: list[bool] = []

    def late(*arguments: Any) -> bool:
        calls.append(manifest.put_file(*arguments))
        return calls[-1]

    monkeypatch.setattr("cloison.store.column_writing.put_file", late)
    scan = column_writing._Source.write

    def load_meanwhile(*arguments: Any, **named: Any) -> Any:
        made = scan(*arguments, **named)
        if made:
            other.pay(3, 202602, "salary", 888, 5)
        return made

    monkeypatch.setattr(column_writing._Source, "write", load_meanwhile)
    store.settle()
    assert calls == [False]
    check_all(store)
    other.store.close()


def test_a_changed_catalogue_reads_the_records_until_settled(
    tmp_path: Path, store: Store, history: History, asked_of_records: list[bytes]
) -> None:
    history.store.close()
    grown = RICH.replace("gross = {", 'bonus = { type = "cents", description = "b" }\ngross = {')
    later = open_store(tmp_path, grown.replace('"gross", "net"', '"bonus", "gross", "net"'))
    check_all(later)
    later.settle()
    asked_of_records.clear()
    fetch_many(later, MONTHS, PERSONS)
    assert asked_of_records == []
    check_all(later)
    later.close()
    assert store is history.store


@pytest.mark.usefixtures("history")
def test_a_store_made_before_columns_is_read_from_its_records(
    tmp_path: Path, store: Store, asked_of_records: list[bytes]
) -> None:
    store.close()
    with sqlite3.connect(tmp_path / "store.sqlite") as old:
        old.execute("DROP TABLE column_period")
        old.execute("DROP TABLE column_change")
        old.execute("DROP TABLE change")
        for index in ("received_case", "output_case", "output_until", *DECLARED):
            old.execute(f"DROP INDEX {index}")
        old.execute("ALTER TABLE received DROP COLUMN case_leaf_hash")
        old.execute("ALTER TABLE output DROP COLUMN until_ms")
        old.execute("PRAGMA user_version = 5")
    old.close()
    later = open_store(tmp_path)
    check_all(later)
    later.settle()
    asked_of_records.clear()
    fetch_many(later, MONTHS, PERSONS)
    assert asked_of_records == []
    check_all(later)
    later.close()


@pytest.mark.usefixtures("history")
def test_a_question_that_needs_more_memory_than_there_is_reads_the_records(
    store: Store, asked_of_records: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "MOST_BYTES", 100)
    fetch_many(store, MONTHS, PERSONS)
    assert asked_of_records == list(PERSONS)


@pytest.mark.usefixtures("history")
def test_partitions_used_longest_ago_make_room(tmp_path: Path, store: Store) -> None:
    cache = PartitionCache(tmp_path / "store.columns", most_bytes=1)
    known = manifest.load_periods(store._database, 1)
    first, second = (cache.get(1, known[period]) for period in (202602, 202603))
    cache.make_room(used=1)
    assert cache.get(1, known[202603]) is second
    assert cache.get(1, known[202602]) is not first


@pytest.mark.usefixtures("history")
def test_columns_are_for_their_owner_alone(tmp_path: Path) -> None:
    paths = [tmp_path / "store.columns", *(tmp_path / "store.columns").rglob("*.parquet")]
    assert len(paths) > 3
    assert [path for path in paths if path.stat().st_mode & 0o077] == []


@pytest.mark.usefixtures("history")
def test_columns_are_plain_parquet_sorted_by_person(tmp_path: Path) -> None:
    table = pq.read_table(next((tmp_path / "store.columns/pay").glob("202603*")))
    subjects = table["_subject"].to_pylist()
    assert subjects == sorted(subjects)
    assert table["_corrected"].to_pylist().count(True) == 1
    assert table.schema.field("gross").type == "int64"


def test_a_crash_at_any_instant_leaves_records_and_columns_agreeing(
    tmp_path: Path, store: Store, history: History
) -> None:
    history.store.close()
    assert store is history.store
    run = [sys.executable, "-m", "tests.unit.store.crash_columns", str(tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    crashed = [folder for folder in tmp_path.iterdir() if folder.name.isdigit()]
    assert len(crashed) > 15
    for folder in crashed:
        _check_after(folder)


def _check_after(folder: Path) -> None:
    after = open_store(folder)
    check_all(after)
    after.settle()
    check_all(after)
    named = manifest.named_files(after._database)
    after.close()
    home = folder / "store.columns"
    assert {str(path.relative_to(home)) for path in home.glob("*/*.parquet")} == named
