"""Where to find an entry: an index beside the log, made again from it whenever in doubt.

What is indexed is the caller's: `terms` says under which (kind, key) pairs an entry is found.

SQLite writes without waiting for the disk: a killed process loses nothing by it, and only a machine
that stops could. So the file carries the machine's boot id while open; one left open under another
boot is not believed but made again, since replays are told by this index.

The latest terms are held in memory and written some hundreds at a time, in key order: a row costs a
third of what it does one entry at a time. What a killed process held is indexed again from the log.

Keys of a group have no rows: one row holds the first bytes of them all. They are found by a scan,
and counted in memory where the caller says that their kind is counted.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from cloison.errors import StorageError
from cloison.ledger.files import sync_path
from cloison.ledger.key_counts import PREFIX_BYTES, KeyCounts
from cloison.ledger.terms import Group, Terms
from cloison.ledger.tree import MAX_SIZE, leaf_hash

_CATCH_UP_ENTRIES = 4_096
_HELD_TERMS = 384
_MAPPED_BYTES = 2_147_418_112  # the most that SQLite takes
_VERSION = 2
"""Of the tables and of what stands in which: a file of another is made again."""
_SCHEMA = """
CREATE TABLE term (
    kind TEXT NOT NULL, key BLOB NOT NULL, leaf INTEGER NOT NULL, PRIMARY KEY (kind, key, leaf)
) STRICT, WITHOUT ROWID;
CREATE TABLE grouped (
    leaf INTEGER NOT NULL, kind TEXT NOT NULL, prefixes BLOB NOT NULL, PRIMARY KEY (leaf, kind)
) STRICT;
CREATE TABLE progress (
    size INTEGER NOT NULL, last_leaf_hash BLOB NOT NULL, open_under TEXT NOT NULL
) STRICT;
INSERT INTO progress VALUES (0, x'', '');
"""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_CLOSED = ""


class Entries(Protocol):
    """The entries of a log, as an index reads them."""

    @property
    def size(self) -> int:
        """How many there are."""

    @property
    def minimum(self) -> int:
        """The first that is still kept."""

    def entry(self, index: int) -> bytes:
        """The entry at `index`."""

    def entries(self, first_index: int, count: int) -> Sequence[bytes]:
        """`count` entries from `first_index`, all of which exist."""


class LedgerIndex:
    """A projection of a log: complete up to the log's size when it opens, then as `add` is called.

    Args:
        path: The SQLite file; made for its owner alone, or made again where it is damaged or not
            this log's.
        log: The log it indexes.
        terms: The (kind, key) pairs and groups of one entry's bytes; must always give the same for
            the same.
        counted: Kinds of groups whose keys are counted; such a key has eight bytes or more.

    Raises:
        StorageError: `LEDGER_INDEX`: the file cannot be read or written.
    """

    def __init__(self, path: Path, log: Entries, terms: Terms, counted: Iterable[str] = ()) -> None:
        self._log = log
        self._terms = terms
        self._size = 0
        self._closed = False
        self._held: dict[tuple[str, bytes], list[int]] = {}
        self._held_groups: list[tuple[int, str, bytes]] = []
        self._held_terms = 0
        self._counted = {kind: KeyCounts() for kind in counted}
        with _guard(path):
            self._database = self._open(path)
            self._mark(path, _BOOT_ID.read_text("ascii").strip())
            self._database.execute("PRAGMA synchronous = OFF")
        self._path = path
        if log.minimum:
            self.prune()  # a crash may have come between the ledger's pruning and this
        else:
            self._count_anew()
        if self._size < log.size:
            self.catch_up()
            self._fold_log()

    @property
    def size(self) -> int:
        """Entries indexed, from the first."""
        return self._size

    def find(self, kind: str, key: bytes) -> list[int]:
        """The entries found under this term, oldest first."""
        return sorted({*self.find_from(kind, key, 0), *self._grouped(kind, key)})

    def find_from(self, kind: str, key: bytes, first: int) -> list[int]:
        """As `find`, from this index on; groups are not looked into."""
        query = "SELECT leaf FROM term WHERE kind = ? AND key = ? AND leaf >= ? ORDER BY leaf"
        with _guard(self._path):
            kept = [int(row[0]) for row in self._database.execute(query, (kind, key, first))]
        return kept + [leaf for leaf in self._held.get((kind, key), ()) if leaf >= first]

    def _grouped(self, kind: str, key: bytes, first: int = 0, end: int = MAX_SIZE) -> Iterator[int]:
        """The entries that have this key in a group: candidates by its first bytes, then read."""
        prefix = key[:PREFIX_BYTES]
        query = (
            "SELECT leaf FROM grouped WHERE leaf >= ? AND leaf < ? AND kind = ?"
            " AND instr(prefixes, ?) > 0"
        )
        values = (first, end, kind, prefix)
        with _guard(self._path):
            leaves = [int(row[0]) for row in self._database.execute(query, values)]
        held = [
            leaf
            for leaf, one, keys in self._held_groups
            if one == kind and prefix in keys and first <= leaf < end
        ]
        for leaf in leaves + held:
            for term in self._terms(self._log.entry(leaf)):
                if isinstance(term, Group) and term.kind == kind and key in term.keys:
                    yield leaf

    def find_between(self, kind: str, key: bytes, first: int, end: int) -> list[int]:
        """As `find`, from `first` to the entry before `end`: groups elsewhere cost nothing."""
        alone = [leaf for leaf in self.find_from(kind, key, first) if leaf < end]
        return sorted({*alone, *self._grouped(kind, key, first, end)})

    def first(self, kind: str, key: bytes) -> int | None:
        """The oldest entry found under this term; groups are not looked into."""
        query = "SELECT leaf FROM term WHERE kind = ? AND key = ? ORDER BY leaf LIMIT 1"
        with _guard(self._path):
            row = self._database.execute(query, (kind, key)).fetchone()
        if row is not None:
            return int(row[0])
        held = self._held.get((kind, key))
        return held[0] if held else None

    def last(self, kind: str, key: bytes) -> int | None:
        """The newest entry found under this term; groups are not looked into."""
        held = self._held.get((kind, key))
        if held:
            return held[-1]
        query = "SELECT max(leaf) FROM term WHERE kind = ? AND key = ?"
        with _guard(self._path):
            (leaf,) = self._database.execute(query, (kind, key)).fetchone()
        return None if leaf is None else int(leaf)

    def count(self, kind: str, key: bytes) -> int:
        """As `counts`, of one key."""
        return self._counted[kind].count(key)

    def counts(self, kind: str, keys: Sequence[bytes]) -> list[int]:
        """In how many entries' groups of a counted kind each of these keys stands."""
        return self._counted[kind].counts(keys)

    def add(self, first_index: int, entries: Sequence[bytes]) -> None:
        """Index entries just committed; calls may come late, twice or out of order."""
        if first_index == self._size:
            self._hold(entries)
        elif first_index + len(entries) > self._size:
            self.catch_up()

    def catch_up(self) -> None:
        """Index whatever the log holds and the index does not."""
        self._size = max(self._size, self._log.minimum)
        while self._size < self._log.size:
            count = min(_CATCH_UP_ENTRIES, self._log.size - self._size)
            self._hold(self._log.entries(self._size, count))

    def _fold_log(self) -> None:
        """Move what was caught up with into the file: what is in SQLite's log is not mapped.

        Nobody who reads is waited for.
        """
        self.flush()
        with _guard(self._path):
            self._database.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Let go of the file, all of it on disk; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            self.flush()
            with _guard(self._path):
                self._database.execute("PRAGMA synchronous = FULL")
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                sync_path(self._path)
                self._mark(self._path, _CLOSED)
        finally:
            self._database.close()

    def _mark(self, path: Path, open_under: str) -> None:
        """Say on disk under which boot the file is open; called while writes wait for the disk."""
        with _guard(path), self._database:
            self._database.execute("UPDATE progress SET open_under = ?", (open_under,))

    def _hold(self, entries: Sequence[bytes]) -> None:
        for index, entry in enumerate(entries, self._size):
            for term in self._terms(entry):
                if isinstance(term, Group):
                    prefixes = b"".join([key[:PREFIX_BYTES] for key in term.keys])
                    self._held_groups.append((index, term.kind, prefixes))
                    self._held_terms += 1
                    if term.kind in self._counted:
                        self._counted[term.kind].add(term.keys)
                    continue
                leaves = self._held.setdefault(term, [])
                if not leaves or leaves[-1] != index:
                    leaves.append(index)
                    self._held_terms += 1
        self._size += len(entries)
        if self._held_terms >= _HELD_TERMS:
            self.flush()

    def prune(self) -> None:
        """Nothing is found any more of entries the log no longer keeps.

        Raises:
            StorageError: `LEDGER_INDEX`.
        """
        self.flush()
        with _guard(self._path), self._database:
            self._database.execute("DELETE FROM term WHERE leaf < ?", (self._log.minimum,))
            self._database.execute("DELETE FROM grouped WHERE leaf < ?", (self._log.minimum,))
        self._count_anew()

    def _count_anew(self) -> None:
        """From the rows alone: nothing is held."""
        for kind in self._counted:
            query = "SELECT prefixes FROM grouped WHERE kind = ?"
            with _guard(self._path):
                rows = self._database.execute(query, (kind,))
                self._counted[kind] = KeyCounts(b"".join([row[0] for row in rows]))

    def defer_checkpoints(self) -> None:
        """Leave it to another connection to move the write-ahead log into the file."""
        with _guard(self._path):
            self._database.execute("PRAGMA wal_autocheckpoint = 0")

    def flush(self) -> None:
        """Write the terms held in memory. Raises `StorageError` (`LEDGER_INDEX`)."""
        if not self._held_terms:
            return
        rows = sorted((*term, leaf) for term, leaves in self._held.items() for leaf in leaves)
        last = leaf_hash(self._log.entry(self._size - 1))
        with _guard(self._path), self._database:
            self._database.executemany("INSERT OR IGNORE INTO term VALUES (?, ?, ?)", rows)
            self._database.executemany(
                "INSERT OR IGNORE INTO grouped VALUES (?, ?, ?)", self._held_groups
            )
            self._database.execute(
                "UPDATE progress SET size = ?, last_leaf_hash = ?", (self._size, last)
            )
        self._held.clear()
        self._held_groups.clear()
        self._held_terms = 0

    def _open(self, path: Path) -> sqlite3.Connection:
        database = _connect(path)
        try:
            query = "SELECT size, last_leaf_hash, open_under FROM progress"
            size, last, open_under = database.execute(query).fetchone()
            known = open_under in (_CLOSED, _BOOT_ID.read_text("ascii").strip())
            known &= database.execute("PRAGMA user_version").fetchone() == (_VERSION,)
            if known and self._is_of_this_log(size, last):
                self._size = size
                return database
        except (sqlite3.DatabaseError, TypeError, ValueError):
            # A damaged or foreign file holds nothing that the log does not: it is made again.
            self._size = 0
        database.close()
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        database = _connect(path)
        database.executescript(_SCHEMA)
        database.execute(f"PRAGMA user_version = {_VERSION}")
        return database

    def _is_of_this_log(self, size: int, last_leaf_hash: bytes) -> bool:
        if not self._log.minimum < size <= self._log.size:
            return False
        return leaf_hash(self._log.entry(size - 1)) == last_leaf_hash


def _connect(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives its other files this mode
    database = sqlite3.connect(path)
    with suppress(sqlite3.DatabaseError):  # not a database: the first query says so
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA secure_delete = ON")  # what is pruned stays on no free page
        # A look-up among a million entries then costs hardly more than among ten thousand.
        database.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
    return database


@contextmanager
def _guard(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StorageError("LEDGER_INDEX", f"ledger index `{path}`: {error}") from error
