"""Entries found by what they say: activity, purpose, outcome, period, or a person's trace key.

A projection of a ledger's folder for who reads it, beside it or elsewhere: made from the log, made
again where it is not this log's, and never believed: each entry found is read again in the log.

Entries that say the same of activity, purpose and outcome share a shape; there are few, so that a
question reads the time-ordered entries of some shapes and the counts of their days, however many
entries there are.
"""

import heapq
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cloison.errors import IntegrityError, StorageError
from cloison.ledger.files import sync_path
from cloison.ledger.reader import EntryReader
from cloison.ledger.tiles import TILE_WIDTH
from cloison.ledger.tree import leaf_hash

Shape = tuple[str, str, str, str]
"""Kind, activity, purpose, outcome; what an entry does not say is empty."""
_DAY_MS = 86_400_000
_FIRST_MS, _LAST_MS = -(1 << 63), (1 << 63) - 1
_BATCH = 4_096
_CACHE_KIB = 262_144
_BUNDLES = 64
_KEY_BYTES = 8
_WAIT_SECONDS = 60.0
_TABLES = {"shape": 5, "entry": 3, "day": 3, "trace": 2, "named": 2, "progress": 3}
"""With their columns."""
_SCHEMA = """
CREATE TABLE shape (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, activity TEXT NOT NULL, purpose TEXT NOT NULL,
    outcome TEXT NOT NULL, UNIQUE (kind, activity, purpose, outcome)
) STRICT;
CREATE TABLE entry (
    shape INTEGER NOT NULL, time INTEGER NOT NULL, leaf INTEGER NOT NULL,
    PRIMARY KEY (shape, time, leaf)
) STRICT, WITHOUT ROWID;
CREATE TABLE day (
    shape INTEGER NOT NULL, day INTEGER NOT NULL, entries INTEGER NOT NULL,
    PRIMARY KEY (shape, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE trace (
    key BLOB NOT NULL, leaf INTEGER NOT NULL, PRIMARY KEY (key, leaf)
) STRICT, WITHOUT ROWID;
CREATE TABLE named (key BLOB PRIMARY KEY, shape INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE progress (
    minimum INTEGER NOT NULL, size INTEGER NOT NULL, last_leaf_hash BLOB NOT NULL
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What one entry says.

    Attributes:
        time_ms: Unix milliseconds.
        names: What later entries cite it by; empty where none does.
        follows: What it cites: of that entry are the activity and the purpose it does not say.
    """

    time_ms: int
    shape: Shape
    trace_keys: tuple[bytes, ...]
    names: bytes
    follows: bytes


class Query(NamedTuple):
    """What is looked for; empty or None where it does not matter.

    Attributes:
        outcome: Blanks and hyphens are the same.
        since_ms: Included; `until_ms` excluded.
        trace_key: Of a person, that day, at that node.
    """

    activity: str = ""
    purpose: str = ""
    outcome: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    trace_key: bytes = b""

    def times(self) -> tuple[int, int]:
        """First and last time looked for, both included; all that an entry can say."""
        low = _FIRST_MS if self.since_ms is None else max(self.since_ms, _FIRST_MS)
        high = _LAST_MS if self.until_ms is None else min(self.until_ms - 1, _LAST_MS)
        return low, high

    def wants(self, shape: Shape, time_ms: int) -> bool:
        """Whether an entry of that shape and time is looked for."""
        _, activity, purpose, outcome = shape
        return (
            self.activity in {"", activity}
            and (not self.purpose or self.purpose in purpose.split(", "))
            and (not self.outcome or _plain(self.outcome) == _plain(outcome))
            and self.times()[0] <= time_ms <= self.times()[1]
        )


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry found, as the log has it; `shape` with what the entry it follows says."""

    index: int
    shape: Shape
    entry: bytes


class SearchIndex:
    """Complete up to the reader's size when made, from the first entry still kept.

    Args:
        path: The SQLite file; made for its owner alone, or made again where it is damaged, of
            another kind, not this log's, or of entries no longer kept.
        reader: The ledger's folder.
        say: What one entry says; must always give the same for the same.

    Raises:
        StorageError: `LEDGER_INDEX`: the file cannot be read or written. `LEDGER_READ`.
        IntegrityError: as `say` and the reader.
    """

    def __init__(self, path: Path, reader: EntryReader, say: Callable[[bytes], Said]) -> None:
        self._path = path
        self._reader = reader
        self._say = say
        self._shapes: dict[Shape, int] = {}
        self._by_id: dict[int, Shape] = {}
        self._bundles: dict[int, Sequence[bytes]] = {}
        with _guard(path):
            self._base = self._open()
            more = True
            while more:
                with _writing(self._base):
                    self._load_shapes()
                    more = self._step()

    def find(self, query: Query, count: int) -> tuple[int, list[Hit]]:
        """How many entries are looked for, and the newest of them, oldest first.

        Raises:
            IntegrityError: `INDEX_DISAGREES`: an entry does not say what it was found by.
            StorageError: `LEDGER_INDEX`, `LEDGER_READ`.
        """
        with _guard(self._path):
            if query.trace_key:
                found = self._of_person(query)
                return len(found), found[-count:]
            shapes = [one for shape, one in self._shapes.items() if _shape_wanted(query, shape)]
            total = sum(self._count(one, query) for one in shapes)
            rows = heapq.merge(*(self._newest(one, query, count) for one in shapes), reverse=True)
            places = list(islice(rows, count))
            return total, [self._confirmed(*place) for place in reversed(places)]

    def check(self) -> None:
        """The index is what the log leads to, row by row; reads the whole log.

        Raises:
            IntegrityError: `INDEX_DISAGREES`.
        """
        with TemporaryDirectory(prefix="cloison-index-") as folder:
            fresh = SearchIndex(Path(folder) / "search.sqlite", self._reader, self._say)
            try:
                with _guard(self._path):
                    for table, columns in _TABLES.items():
                        kept, made = (one.rows(table, columns) for one in (self, fresh))
                        if any(one != other for one, other in zip_longest(kept, made)):
                            self._disagrees(f"table `{table}` is not what the log leads to")
            finally:
                fresh.close()

    def rows(self, table: str, columns: int) -> Iterator[tuple[object, ...]]:
        """A table of the index, sorted by all its columns."""
        order = ", ".join(str(number + 1) for number in range(columns))
        return self._base.execute(f"SELECT * FROM {table} ORDER BY {order}")  # noqa: S608 - ours

    @property
    def size(self) -> int:
        """Entries indexed, from the first."""
        with _guard(self._path):
            return int(self._base.execute("SELECT size FROM progress").fetchone()[0])

    def forget(self) -> None:
        """Lets go of the entries it has read."""
        self._bundles.clear()

    def close(self) -> None:
        """Lets go of the file."""
        self._base.close()

    def _count(self, shape: int, query: Query) -> int:
        """By whole days, and by entry on the two days that the period cuts."""
        low, high = query.times()
        first, end = -(-low // _DAY_MS), (high + 1) // _DAY_MS
        if first > end:
            return self._counted(shape, low, high)
        sql = "SELECT coalesce(sum(entries), 0) FROM day WHERE shape = ? AND day >= ? AND day < ?"
        whole = int(self._base.execute(sql, (shape, first, end)).fetchone()[0])
        before = self._counted(shape, low, first * _DAY_MS - 1)
        return before + whole + self._counted(shape, end * _DAY_MS, high)

    def _counted(self, shape: int, low: int, high: int) -> int:
        sql = "SELECT count(*) FROM entry WHERE shape = ? AND time BETWEEN ? AND ?"
        return int(self._base.execute(sql, (shape, low, high)).fetchone()[0]) if low <= high else 0

    def _newest(self, shape: int, query: Query, count: int) -> Iterator[tuple[int, int, int]]:
        sql = (
            "SELECT time, leaf, shape FROM entry WHERE shape = ? AND time BETWEEN ? AND ?"
            " ORDER BY time DESC, leaf DESC LIMIT ?"
        )
        return iter(self._base.execute(sql, (shape, *query.times(), count)))

    def _of_person(self, query: Query) -> list[Hit]:
        sql = "SELECT leaf FROM trace WHERE key = ? ORDER BY leaf"
        key = query.trace_key[:_KEY_BYTES]
        found = []
        for (leaf,) in self._base.execute(sql, (key,)).fetchall():
            data = self._entry(leaf)
            said = self._say(data)
            shape = self._whole_shape(said)
            if query.trace_key in said.trace_keys and query.wants(shape, said.time_ms):
                found.append(Hit(leaf, shape, data))
        return found

    def _confirmed(self, time_ms: int, leaf: int, shape: int) -> Hit:
        data = self._entry(leaf)
        said = self._say(data)
        if (said.time_ms, self._whole_shape(said)) != (time_ms, self._by_id[shape]):
            self._disagrees(f"entry {leaf} does not say what it was found by")
        return Hit(leaf, self._by_id[shape], data)

    def _entry(self, leaf: int) -> bytes:
        """An entry of the log; entries found together mostly stand in few bundles."""
        bundle, place = divmod(leaf, TILE_WIDTH)
        if bundle not in self._bundles:
            if len(self._bundles) >= _BUNDLES:
                self._bundles.clear()
            self._bundles[bundle] = self._reader.bundle(bundle)
        entries = self._bundles[bundle]
        if not 0 <= leaf < self._reader.size or place >= len(entries):
            return self._disagrees(f"the log has no entry {leaf}")
        return entries[place]

    def _disagrees(self, why: str) -> bytes:
        raise IntegrityError(
            "INDEX_DISAGREES",
            f"ledger index `{self._path}`: {why}",
            "remove the file: it is made again from the log",
        )

    def _whole_shape(self, said: Said) -> Shape:
        """The shape, with the activity and purpose of what the entry follows."""
        kind, activity, purpose, outcome = said.shape
        if said.follows and not (activity and purpose):
            sql = "SELECT activity, purpose FROM named JOIN shape ON shape = id WHERE key = ?"
            cited = self._base.execute(sql, (said.follows[:_KEY_BYTES],)).fetchone()
            if cited is not None:
                activity, purpose = activity or cited[0], purpose or cited[1]
        return kind, activity, purpose, outcome

    def _step(self) -> bool:
        """Indexes some entries; whether there were any. In a transaction of the caller's."""
        (size,) = self._base.execute("SELECT size FROM progress").fetchone()
        rows, traces, days = [], [], Counter[tuple[int, int]]()
        last = b""
        for leaf, data in self._reader.entries(size, _BATCH):
            said, last = self._say(data), data
            shape = self._shape(self._whole_shape(said))
            rows.append((shape, said.time_ms, leaf))
            days[shape, said.time_ms // _DAY_MS] += 1
            traces += [(key[:_KEY_BYTES], leaf) for key in said.trace_keys]
            if said.names:
                named = (said.names[:_KEY_BYTES], shape)
                self._base.execute("INSERT OR IGNORE INTO named VALUES (?, ?)", named)
        if rows:
            self._write(rows, traces, days)
            done = (size + len(rows), leaf_hash(last))
            self._base.execute("UPDATE progress SET size = ?, last_leaf_hash = ?", done)
        return bool(rows)

    def _write(
        self,
        rows: Sequence[tuple[int, int, int]],
        traces: Sequence[tuple[bytes, int]],
        days: Counter[tuple[int, int]],
    ) -> None:
        self._base.executemany("INSERT INTO entry VALUES (?, ?, ?)", sorted(rows))
        self._base.executemany("INSERT OR IGNORE INTO trace VALUES (?, ?)", sorted(traces))
        self._base.executemany(
            "INSERT INTO day VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET entries = entries + excluded.entries",
            [(*key, number) for key, number in sorted(days.items())],
        )

    def _shape(self, shape: Shape) -> int:
        known = self._shapes.get(shape)
        if known is None:
            sql = "INSERT INTO shape (kind, activity, purpose, outcome) VALUES (?, ?, ?, ?)"
            known = self._shapes[shape] = int(self._base.execute(sql, shape).lastrowid or 0)
        return known

    def _load_shapes(self) -> None:
        rows = self._base.execute("SELECT id, kind, activity, purpose, outcome FROM shape")
        self._by_id = {number: tuple(shape) for number, *shape in rows}
        self._shapes = {shape: number for number, shape in self._by_id.items()}

    def _open(self) -> sqlite3.Connection:
        base = _connect(self._path)
        try:
            kept = base.execute("SELECT minimum, size, last_leaf_hash FROM progress").fetchone()
            base.execute("SELECT shape FROM named LIMIT 1")
            if self._is_of_this_log(*kept):
                return base
        except (sqlite3.DatabaseError, TypeError, ValueError):
            # A damaged or foreign file holds nothing that the log does not: it is made again.
            pass
        base.close()
        self._build()
        return _connect(self._path)

    def _build(self) -> None:
        """Makes the file anew, whole before it has its name: one transaction, no journal."""
        with TemporaryDirectory(prefix=".index-", dir=self._path.parent) as folder:
            fresh = Path(folder) / "fresh.sqlite"
            self._base = _connect(fresh)
            self._base.execute("PRAGMA journal_mode = OFF")
            self._base.execute("PRAGMA synchronous = OFF")
            self._base.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._base.executescript(_SCHEMA)
            first = self._reader.minimum
            self._base.execute("INSERT INTO progress VALUES (?, ?, x'')", (first, first))
            with _writing(self._base):
                self._load_shapes()
                while self._step():
                    pass
            self._base.close()
            sync_path(fresh)
            self._path.with_name(f"{self._path.name}-journal").unlink(missing_ok=True)
            fresh.replace(self._path)

    def _is_of_this_log(self, minimum: int, size: int, last_leaf_hash: bytes) -> bool:
        if minimum != self._reader.minimum or not minimum < size <= self._reader.size:
            return False
        return leaf_hash(self._entry(size - 1)) == last_leaf_hash


def _shape_wanted(query: Query, shape: Shape) -> bool:
    return query._replace(since_ms=None, until_ms=None).wants(shape, 0)


def _plain(outcome: str) -> str:
    return outcome.replace("-", " ")


def _connect(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    return sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)


@contextmanager
def _writing(base: sqlite3.Connection) -> Iterator[None]:
    """A transaction; two readers never index one entry twice."""
    base.execute("BEGIN IMMEDIATE")
    with base:
        yield


@contextmanager
def _guard(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StorageError(
            "LEDGER_INDEX",
            f"ledger index `{path}`: {error}",
            "name another place with --index",
        ) from error
