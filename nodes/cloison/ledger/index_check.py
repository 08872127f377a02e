"""Whether an index agrees with its log; and the index made again from the log alone."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

from cloison.errors import IntegrityError, StorageError
from cloison.ledger.files import guard_writes, sync_path
from cloison.ledger.index import LedgerIndex
from cloison.ledger.key_counts import PREFIX_BYTES
from cloison.ledger.lock import lock_ledger
from cloison.ledger.reader import EntryReader
from cloison.ledger.terms import Group, Terms

_SUM_BYTES = 16
_SIDES = ("", "-wal", "-shm")


class IndexCheck:
    """Sums the rows of an index as it stands now, then those its log's entries lead to.

    The sums do not depend on the order of rows, and take no memory: they tell that the two differ,
    not where, for an index that differs is made again as a whole.

    Args:
        path: The SQLite file; only read.
        terms: As the index was made with.

    Raises:
        StorageError: `LEDGER_INDEX`: not a file of this kind.
    """

    def __init__(self, path: Path, terms: Terms) -> None:
        self._path = path
        self._terms = terms
        self._expected = 0
        self._seen = 0
        # Without a write-ahead log nobody writes, and SQLite makes no files beside it either.
        logged = path.with_name(path.name + "-wal").exists()
        uri = f"{path.absolute().as_uri()}?{'mode=ro' if logged else 'immutable=1'}"
        try:
            with closing(sqlite3.connect(uri, uri=True)) as base:
                base.execute("BEGIN")
                (self._size,) = base.execute("SELECT size FROM progress").fetchone()
                rows = base.execute(
                    "SELECT kind, key, leaf FROM term WHERE leaf < ?", (self._size,)
                )
                self._kept = sum(_term(*row) for row in rows)
                rows = base.execute("SELECT kind, prefixes, leaf FROM grouped")
                self._kept += sum(_group(*row) for row in rows)
        except (sqlite3.Error, TypeError, ValueError) as error:
            raise StorageError("LEDGER_INDEX", f"ledger index `{path}`: {error}") from error

    def see(self, index: int, entry: bytes) -> None:
        """The entries of the log, one after the other from the first."""
        self._seen = index + 1
        if index < self._size:
            rows = {_row(one, index) for one in self._terms(entry)}
            self._expected += sum(rows)

    def verify(self) -> None:
        """Once every entry was seen. Raises `IntegrityError` (`INDEX_DISAGREES`)."""
        if self._seen < self._size:
            why = f"knows {self._size} entries of a ledger of {self._seen}"
        elif self._expected != self._kept:
            why = "finds entries by other terms than they have"
        else:
            return
        raise IntegrityError("INDEX_DISAGREES", f"ledger index `{self._path}`: {why}")


def rebuild_index(path: Path, directory: Path, terms: Terms) -> int:
    """The index, made again from a ledger nobody writes to; how many entries it knows.

    Raises:
        StorageError: `LEDGER_LOCKED`: the node runs. `LEDGER_MISSING`, `LEDGER_INDEX`,
            `LEDGER_READ`, `LEDGER_WRITE`.
        IntegrityError: the ledger's entries cannot be read.
    """
    lock = lock_ledger(directory)
    try:
        fresh = path.with_name(path.name + ".new")
        for suffix in _SIDES:
            fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
        index = LedgerIndex(fresh, _Held(EntryReader(directory)), terms)
        size = index.size
        index.close()
        with guard_writes(f"replace `{path}`"):
            for suffix in _SIDES[1:]:
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            fresh.replace(path)
            sync_path(path.parent)
        return size
    finally:
        os.close(lock)


class _Held:
    """What a ledger's directory holds, as an index reads it."""

    def __init__(self, reader: EntryReader) -> None:
        self._reader = reader
        self.size = reader.size
        self.minimum = reader.minimum

    def entry(self, index: int) -> bytes:
        return self.entries(index, 1)[0]

    def entries(self, first_index: int, count: int) -> Sequence[bytes]:
        return [entry for _, entry in self._reader.entries(first_index, count)]


def _row(one: tuple[str, bytes] | Group, leaf: int) -> int:
    if isinstance(one, Group):
        return _group(one.kind, b"".join([key[:PREFIX_BYTES] for key in one.keys]), leaf)
    return _term(*one, leaf)


def _term(kind: str, key: bytes, leaf: int) -> int:
    return _digest(b"t", kind, key, leaf)


def _group(kind: str, prefixes: bytes, leaf: int) -> int:
    return _digest(b"g", kind, prefixes, leaf)


def _digest(table: bytes, kind: str, key: bytes, leaf: int) -> int:
    whole = b"\0".join((table, kind.encode(), leaf.to_bytes(8, "big"), key))
    return int.from_bytes(blake2b(whole, digest_size=_SUM_BYTES).digest(), "big")


def leftovers(directory: Path) -> Iterator[Path]:
    """Files a crash left behind: half of a replacement, which nobody reads."""
    yield from sorted(directory.rglob("*.new"))
