"""The index finds what was committed, and is made again from the log whenever in doubt."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from cloison.errors import StorageError
from cloison.ledger import LedgerIndex, Log, NoteSigner
from cloison.ledger.key_counts import KeyCounts
from cloison.ledger.terms import Group, Term


def terms(entry: bytes) -> Iterator[Term | Group]:
    yield "whole", entry
    yield "first", entry[:1]
    yield "first", entry[:1]
    yield Group("letters", tuple(letter(place) for place in sorted(set(entry))))


def letter(place: int | str) -> bytes:
    return bytes([place if isinstance(place, int) else ord(place)]) * 32


def append(log: Log, *entries: bytes) -> int:
    return log.append_many(entries).first_index


def everything(path: Path) -> list[tuple[object, ...]]:
    database = sqlite3.connect(path)
    rows = database.execute("SELECT kind, key, leaf FROM term ORDER BY 1, 2, 3").fetchall()
    rows += database.execute("SELECT kind, prefixes, leaf FROM grouped ORDER BY 1, 2, 3").fetchall()
    rows += database.execute("SELECT * FROM progress").fetchall()
    database.close()
    return rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traces.index.sqlite"


@pytest.fixture
def index(path: Path, log: Log) -> Iterator[LedgerIndex]:
    append(log, b"apple", b"pear", b"avocado")
    made = LedgerIndex(path, log, terms, ["letters"])
    yield made
    made.close()


def test_index_just_opened_has_what_it_caught_up_with_in_its_file(
    index: LedgerIndex, path: Path, tmp_path: Path
) -> None:
    alone = Path(shutil.copy(path, tmp_path / "alone.sqlite"))  # without SQLite's log
    assert [row[2] for row in everything(alone) if row[:2] == ("whole", b"pear")] == [1]
    assert index.find("whole", b"pear") == [1]


def test_find_gives_the_entries_in_order(index: LedgerIndex) -> None:
    assert index.find("first", b"a") == [0, 2]
    assert index.find("whole", b"pear") == [1]
    assert index.find("whole", b"plum") == []


def test_first_agrees_with_find(index: LedgerIndex) -> None:
    assert (index.first("first", b"a"), index.first("first", b"z")) == (0, None)


def test_counts_are_those_of_find_and_grow_with_the_log(index: LedgerIndex, log: Log) -> None:
    keys = list(map(letter, "azp"))
    assert index.counts("letters", keys) == [3, 0, 2]
    index.flush()
    for entry in (b"plum", b"zest"):
        index.add(append(log, entry), [entry])
    assert index.counts("letters", keys) == [len(index.find("letters", key)) for key in keys]
    assert [index.count("letters", key) for key in keys] == [3, 1, 3]


def test_counts_are_the_same_after_opening_again(index: LedgerIndex, log: Log, path: Path) -> None:
    index.close()
    append(log, b"plum")
    again = LedgerIndex(path, log, terms, ["letters"])
    assert again.counts("letters", list(map(letter, "azp"))) == [3, 0, 3]
    again.close()


def test_key_counts_are_those_of_a_plain_count_however_many_runs_there_are() -> None:
    seen = [sha256(bytes([number % 251, number // 3000])).digest() for number in range(20_000)]
    counts = KeyCounts(b"".join(key[:8] for key in seen[:7]))
    for start in range(7, len(seen), 500):
        counts.add(seen[start : start + 500])
    plain = Counter(seen)
    asked = [*plain, b"never seen " * 3]
    assert counts.counts(asked) == [plain[key] for key in asked] == list(map(counts.count, asked))


def test_find_from_an_index_on_and_last_see_kept_and_held_terms(
    index: LedgerIndex, log: Log
) -> None:
    index.flush()
    assert index.last("first", b"a") == 2
    index.add(append(log, b"apricot"), [b"apricot"])
    assert [index.find_from("first", b"a", first) for first in (0, 2, 3, 4)] == [
        [0, 2, 3],
        [2, 3],
        [3],
        [],
    ]
    assert (index.last("first", b"a"), index.last("first", b"z")) == (3, None)


def test_add_indexes_what_was_committed(index: LedgerIndex, log: Log) -> None:
    index.add(append(log, b"apricot"), [b"apricot"])
    assert index.find("first", b"a") == [0, 2, 3]


def test_add_twice_late_or_out_of_order_indexes_once(index: LedgerIndex, log: Log) -> None:
    first = append(log, b"plum")
    second = append(log, b"peach")
    index.add(second, [b"peach"])
    index.add(first, [b"plum"])
    index.add(second, [b"peach"])
    assert index.find("first", b"p") == [1, 3, 4]
    assert index.size == 5


def test_reopening_catches_up_with_the_log(index: LedgerIndex, log: Log, path: Path) -> None:
    index.close()
    append(log, *[f"q{number}".encode() for number in range(5_000)])
    again = LedgerIndex(path, log, terms, ["letters"])
    assert len(again.find("first", b"q")) == again.count("letters", letter("q")) == 5_000
    again.close()


def test_index_made_again_equals_the_one_kept(index: LedgerIndex, log: Log, path: Path) -> None:
    for number in range(400):
        entry = f"{number % 7} {number}".encode()
        index.add(append(log, entry), [entry])
    index.close()
    kept = everything(path)
    path.unlink()
    LedgerIndex(path, log, terms).close()
    assert everything(path) == kept


DAMAGES = {
    "garbage": b"not a database" * 100,
    "empty": b"",
    "cut": None,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_index_is_made_again(index: LedgerIndex, log: Log, path: Path, name: str) -> None:
    index.close()
    kept = everything(path)
    damage = DAMAGES[name]
    path.write_bytes(path.read_bytes()[:5_000] if damage is None else damage)
    LedgerIndex(path, log, terms).close()
    assert everything(path) == kept


def test_index_of_another_version_is_made_again(index: LedgerIndex, log: Log, path: Path) -> None:
    index.close()
    kept = everything(path)
    database = sqlite3.connect(path)
    database.executescript("DELETE FROM grouped; PRAGMA user_version = 1")
    database.close()
    LedgerIndex(path, log, terms).close()
    assert everything(path) == kept


def test_index_of_another_log_is_made_again(
    index: LedgerIndex, path: Path, tmp_path: Path, signer: NoteSigner
) -> None:
    index.close()
    with Log.create(tmp_path / "other", signer) as other:
        append(other, b"kiwi", b"lime", b"mango")
        again = LedgerIndex(path, other, terms)
        assert again.find("whole", b"apple") == []
        assert again.find("whole", b"kiwi") == [0]
        again.close()


def test_index_ahead_of_the_log_is_made_again(
    index: LedgerIndex, path: Path, tmp_path: Path, signer: NoteSigner
) -> None:
    index.close()
    with Log.create(tmp_path / "other", signer) as other:
        again = LedgerIndex(path, other, terms)
        assert again.size == 0
        again.close()


def test_index_left_open_by_a_killed_process_is_believed(
    index: LedgerIndex, log: Log, path: Path, tmp_path: Path
) -> None:
    index.flush()
    for name in (path.name, path.name + "-wal"):
        shutil.copy(tmp_path / name, tmp_path / f"killed-{name}")
    asked: list[bytes] = []

    def counted(entry: bytes) -> Iterator[Term | Group]:
        asked.append(entry)
        yield from terms(entry)

    again = LedgerIndex(tmp_path / f"killed-{path.name}", log, counted)
    assert again.find("first", b"a") == index.find("first", b"a")
    assert not asked
    again.close()


def test_index_left_open_under_another_boot_is_made_again(
    index: LedgerIndex, log: Log, path: Path
) -> None:
    index.close()
    database = sqlite3.connect(path)
    database.execute("UPDATE progress SET open_under = 'before the power cut'")
    database.execute("DELETE FROM term WHERE leaf = 1")
    database.commit()
    database.close()
    again = LedgerIndex(path, log, terms)
    assert again.find("whole", b"pear") == [1]
    again.close()


def test_index_killed_with_terms_in_memory_finds_them_again(
    index: LedgerIndex, log: Log, path: Path, tmp_path: Path
) -> None:
    index.flush()
    append(log, b"quince")
    index.add(log.size - 1, [b"quince"])
    assert index.find("whole", b"quince") == [log.size - 1]
    for name in (path.name, path.name + "-wal"):
        shutil.copy(tmp_path / name, tmp_path / f"killed-{name}")
    again = LedgerIndex(tmp_path / f"killed-{path.name}", log, terms)
    assert again.find("whole", b"quince") == [log.size - 1]
    again.close()


def test_failing_query_is_told_as_ours(index: LedgerIndex) -> None:
    index.flush()
    index._database.execute("DROP TABLE term")
    with pytest.raises(StorageError) as raised:
        index.find("whole", b"pear")
    assert raised.value.reason == "LEDGER_INDEX"


def test_index_that_cannot_be_made_is_refused(log: Log, tmp_path: Path) -> None:
    with pytest.raises(StorageError) as raised:
        LedgerIndex(tmp_path / "missing" / "index.sqlite", log, terms)
    assert raised.value.reason == "LEDGER_INDEX"
