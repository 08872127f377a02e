"""Files into a store: each whole or not at all, and twice is once."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cloison.declarations.columnar import MAGIC, read_cells
from cloison.declarations.faults import Faults
from cloison.declarations.lines import BYTE_ORDER_MARK, Source
from cloison.declarations.mapping import MessageMapping, compile_messages
from cloison.declarations.messages import MessageLoader, Read
from cloison.declarations.months import Months
from cloison.declarations.payments import PaymentLoader
from cloison.declarations.persons import RowKeys
from cloison.declarations.spelling import parse_text
from cloison.declarations.tabular import TableLoader, read_lines
from cloison.errors import InputError, StorageError
from cloison.identity import nir_of_number
from cloison.months import Month
from cloison.store import Catalogue, Loading, Store

_SNIFF_BYTES = 13
_MESSAGE = re.compile(rb"S[0-9]{2}\.G")
_TABLE = b"# cloison "
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_FORMATS = "send a message in iso-8859-1, a table in utf-8 with its first line, or Parquet"
# Standing alone: a SIRET, or a time in digits, is longer.
_NUMBERS = re.compile(r"(?<![0-9])[0-9]{5}[0-9AB]{2}[0-9]{6}(?![0-9])", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one file. `loaded` is False where it was loaded before: nothing changed."""

    name: str
    loaded: bool
    lines: int
    declarations: int
    records: int


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of every file, in order."""

    files: tuple[FileReport, ...]

    @property
    def records(self) -> int:
        """Records written."""
        return sum(file.records for file in self.files)

    @property
    def lines(self) -> int:
        """Lines read of the files loaded now."""
        return sum(file.lines for file in self.files)


def load_files(
    store: Store,
    catalogue: Catalogue,
    files: Sequence[Path],
    now: datetime | None = None,
    progress: Callable[[FileReport], None] | None = None,
    month: Month | None = None,
) -> LoadReport:
    """Loads files in the order given; a refused one stops, and those before it stay loaded.

    Args:
        store: The body's.
        catalogue: The body's.
        files: NEODeS messages, tables and Parquet files, told apart by their first bytes.
        now: The time of the load; the system's clock where none is given.
        progress: Called after each file.
        month: The month the declarations are sent for; None: any. Corrections may be of earlier
            ones.

    Raises:
        FileRejectedError: `FILE_REJECTED`: everything wrong with a file, each with its line.
        InputError: `NIR_IN_TEXT`, `TEXT_TOO_LONG`: the file's own name.
        StorageError: `FILE_READ`, `FILE_CHANGED`, `STORE_WRITE`.
    """
    mappings = compile_messages(catalogue)
    row_keys = RowKeys(store.row_key)
    reports = []
    for path in files:
        time = now or datetime.now(UTC)
        loader = _FileLoader(store, catalogue, mappings, row_keys, time, month)
        report = loader.load(path)
        if progress is not None:
            progress(report)
        reports.append(report)
    store.settle()
    return LoadReport(tuple(reports))


class _FileLoader:
    """Loads one file."""

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        mappings: dict[str, MessageMapping],
        row_keys: RowKeys,
        now: datetime,
        month: Month | None,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._mappings = mappings
        self._row_keys = row_keys
        self._now = now
        self._months = Months(Month.of(now.year, now.month), month)

    def load(self, path: Path) -> FileReport:
        _check_name(path.name)
        digest, start = _digest(path)
        if self._store.has_loaded(digest):
            return FileReport(path.name, loaded=False, lines=0, declarations=0, records=0)
        faults = Faults(path.name)
        read_into = self._reader(start, faults)
        source = Source(path)
        with self._store.loading(path.name, digest, self._now) as loading:
            read = read_into(source, loading, faults)
            faults.check()
            source.check_read(digest)
        return FileReport(path.name, True, read.lines, read.declarations, read.records)

    def _reader(self, start: bytes, faults: Faults) -> Callable[[Source, Loading, Faults], Read]:
        text = start.removeprefix(BYTE_ORDER_MARK)
        if _MESSAGE.match(text):
            return self._load_messages
        if text.startswith(_TABLE):
            return self._load_table
        if start.startswith(MAGIC):
            return self._load_columns
        why = "no NEODeS message, table or Parquet file"
        error = InputError("UNKNOWN_FORMAT", why, _FORMATS)
        if start.startswith(_UTF16):
            error = InputError("BAD_ENCODING", "written in UTF-16", _FORMATS)
        faults.add(1, "", error)
        faults.check()
        raise error

    def _load_messages(self, source: Source, loading: Loading, faults: Faults) -> Read:
        loader = MessageLoader(loading, self._mappings, self._row_keys, self._months, faults)
        return loader.load(source)

    def _load_table(self, source: Source, loading: Loading, faults: Faults) -> Read:
        loader: TableLoader | None = None
        lines = records = 0
        for number, name, cells in read_lines(source, self._catalogue, faults):
            if loader is None:
                loader = self._table_loader(name, loading, faults)
            records += loader.take(number, cells)
            lines += 1
        return Read(lines, 0, records)

    def _load_columns(self, source: Source, loading: Loading, faults: Faults) -> Read:
        table: TableLoader | None = None
        declared: PaymentLoader | None = None
        lines = records = 0
        for number, name, cells in read_cells(source, self._catalogue, faults):
            dataset = self._catalogue.dataset(name)
            if table is None and declared is None:
                if dataset.table is None:
                    declared = PaymentLoader(
                        name, dataset, loading, self._row_keys, self._months, faults
                    )
                else:
                    table = self._table_loader(name, loading, faults)
            if declared is not None:
                records += declared.take(number, cells)
            elif table is not None:
                records += table.take(number, cells)
            lines += 1
        source.hash_again()
        return Read(lines, 0 if declared is None else declared.declarations, records)

    def _table_loader(self, name: str, loading: Loading, faults: Faults) -> TableLoader:
        dataset = self._catalogue.dataset(name)
        if dataset.table is None:
            raise InputError("UNKNOWN_DATASET", f"dataset `{name}`: does not come as a table")
        return TableLoader(name, dataset, dataset.table, loading, self._row_keys, faults)


def _check_name(name: str) -> None:
    """A file's name is kept, cited as a source and printed: it names no person.

    Raises:
        InputError: `NIR_IN_TEXT`, `TEXT_TOO_LONG`; the name is not quoted.
    """
    try:
        parse_text(name)
    except InputError as error:
        raise InputError(error.reason, f"name of a file: {error.message}", "rename it") from error
    if any(map(_is_number, _NUMBERS.findall(name))):
        raise InputError("NIR_IN_TEXT", "name of a file: holds a person's number", "rename it")


def _is_number(text: str) -> bool:
    try:
        nir_of_number(text)
    except InputError:
        return False
    return True


def _digest(path: Path) -> tuple[bytes, bytes]:
    """SHA-256 of a file, and its first bytes. Raises `StorageError` (`FILE_READ`)."""
    try:
        with path.open("rb") as file:
            start = file.read(_SNIFF_BYTES)
            file.seek(0)
            return hashlib.file_digest(file, "sha256").digest(), start
    except OSError as error:
        raise StorageError("FILE_READ", f"file `{path.name}`: {error.strerror}") from error
