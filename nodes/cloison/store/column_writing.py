"""Bringing the files up to what is loaded: periods read once from the records, or merged.

INVARIANT: at every instant the manifest names whole files on disk. New ones are durable before the
transaction that names them; old ones go once that transaction is.
"""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloison.errors import StorageError
from cloison.store.column_files import (
    GROUP_ROWS,
    SUBJECT,
    FileWriter,
    check_file,
    fixed_bytes,
    read_file,
    storing,
    sync_folder,
)
from cloison.store.column_sources import Source
from cloison.store.database import Database
from cloison.store.manifest import PeriodFile, load_changed, load_periods, named_files, put_file
from cloison.store.many import PERSON_BYTES, key_halves

_LOCK = "lock"
_LOOK_UP_COST = 4
"""Rows a scan reads in the time of looking one person up."""


class ColumnWriter:
    """Writes a store's files; one process at a time, while others read and load."""

    def __init__(self, database: Database, sources: Sequence[Source]) -> None:
        self._database = database
        self._sources = sources
        self._folder = database.columns_path

    def settle(self, *, whole: bool = False) -> int:
        """Writes anew what is behind or changed much; how many files.

        Args:
            whole: Checks every byte of the files that count, and leaves nothing to look up.

        Raises:
            StorageError: `COLUMNS_WRITE`, `STORE_READ`, `STORE_WRITE`; what was loaded stays.
        """
        with self._alone():
            written = self._write(whole=whole)
            # A file of before may go once no power cut can bring its name back.
            if self._database.checkpoint():
                self._sweep()
        return written

    def count(self) -> int:
        """How many files count."""
        with self._database.reading():
            return len(named_files(self._database))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with storing():
            self._folder.mkdir(mode=0o700, exist_ok=True)
            lock = (self._folder / _LOCK).open("w")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, *, whole: bool) -> int:
        made: list[tuple[int, PeriodFile]] = []
        with self._database.snapshot():
            for source in self._sources:
                new = _Source(self._database, self._folder, source).write(whole=whole)
                made += [(source.number, one) for one in new]
        if made:
            with storing():
                for folder in {(self._folder / one.file).parent for _, one in made if one.file}:
                    sync_folder(folder)
                sync_folder(self._folder)
            with self._database.transaction():
                # One whose records changed meanwhile is not taken: whoever loads will write it.
                return sum([put_file(self._database, number, one) for number, one in made])
        return 0

    def _sweep(self) -> None:
        named = named_files(self._database)
        with storing():
            for path in self._folder.glob("*/*.parquet"):
                if str(path.relative_to(self._folder)) not in named:
                    path.unlink()


class _Source:
    """The files of one dataset."""

    def __init__(self, database: Database, folder: Path, source: Source) -> None:
        self._database = database
        self._folder = folder
        self._source = source
        self._known = load_periods(database, source.number)

    def write(self, *, whole: bool) -> list[PeriodFile]:
        """The new files, none of which counts yet."""
        known = self._known.values()
        stale = [one for one in known if not self._counts(one, check=whole)]
        due = [one for one in known if one.changes and (whole or one.due) and one not in stale]
        stale += [one for one in due if not self._counts(one, check=True)]
        due = [one for one in due if one not in stale]
        held = sum(one.rows + one.changes for one in known)
        if _LOOK_UP_COST * sum(one.changes for one in due) > held:
            return self._read(stale + due)
        return [*self._read(stale), *(self._merge(one) for one in due)]

    def _counts(self, known: PeriodFile, *, check: bool) -> bool:
        """Whether a file is what the manifest says: by its length, or by every byte."""
        if known.behind or known.file is None:
            return not known.behind
        path = self._folder / known.file
        try:
            if check:
                check_file(path, known)
            return known.layout == self._source.layout and path.stat().st_size == known.size_bytes
        except (OSError, StorageError):
            return False

    def _read(self, periods: Sequence[PeriodFile]) -> list[PeriodFile]:
        """New files of whole periods, from the records."""
        if not periods:
            return []
        files = {one.period: _Growing(self._folder, self._source, one) for one in periods}
        try:
            for numbers, table in self._source.scan([one.period for one in periods]):
                order = np.argsort(numbers, kind="stable")
                found, starts = np.unique(numbers[order], return_index=True)
                ends = [*starts[1:], len(numbers)]
                for period, start, end in zip(found, starts, ends, strict=True):
                    files[int(period)].append(table.take(order[start:end]))
            return [file.finish() for file in files.values()]
        except BaseException:
            for file in files.values():
                file.abandon()
            raise

    def _merge(self, known: PeriodFile) -> PeriodFile:
        """A new file: that of before, with the persons that changed as they are now."""
        changed = load_changed(self._database, (self._source.number, known.period))
        now = self._source.rows_of(known.period, changed)
        file = _Growing(self._folder, self._source, known)
        try:
            if known.file is not None:
                before = read_file(self._folder / known.file, self._source.schema.names)
                now = _merged(before, now, changed)
            file.append(now)
            return file.finish()
        except BaseException:
            file.abandon()
            raise


class _Growing:
    """One period's new file; there is none while it has no row."""

    def __init__(self, folder: Path, source: Source, known: PeriodFile) -> None:
        self._folder = folder
        self._source = source
        self._known = known
        self._writer: FileWriter | None = None
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def append(self, table: pa.Table) -> None:
        self._waiting.append(table)
        self._rows += len(table)
        if self._rows >= GROUP_ROWS:
            self._write()

    def _write(self) -> None:
        with storing():
            if self._writer is None:
                name = f"{self._known.period}-{self._known.last_load}"
                folder = self._folder / self._source.folder
                self._writer = FileWriter(folder, name, self._source.schema)
            self._writer.append(pa.concat_tables(self._waiting))
        self._waiting, self._rows = [], 0

    def finish(self) -> PeriodFile:
        if self._rows:
            self._write()
        new = self._known._replace(
            layout=self._source.layout, file=None, rows=0, size_bytes=0, sha256=None
        )
        if self._writer is None:
            return new
        with storing():
            size, digest = self._writer.finish()
        name = str(self._writer.path.relative_to(self._folder))
        return new._replace(file=name, rows=self._writer.rows, size_bytes=size, sha256=digest)

    def abandon(self) -> None:
        if self._writer is not None:
            self._writer.abandon()


def _merged(before: pa.Table, now: pa.Table, changed: Sequence[bytes]) -> pa.Table:
    """Rows of those who did not change, and rows of now, in the order of persons."""
    gone = pc.is_in(before[SUBJECT], value_set=pa.array(changed, pa.binary(PERSON_BYTES)))
    table = pa.concat_tables([before.filter(pc.invert(gone)), now])
    first, last = key_halves(fixed_bytes(table[SUBJECT].combine_chunks()))
    return table.take(np.lexsort((last, first)))
