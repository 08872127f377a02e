"""One period's records in force as a Parquet file: what stands in it, written and read whole.

Files are never changed: a new one is written, and counts once the manifest names it. Columns of our
own begin with `_`, as no field does.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cloison.errors import StorageError
from cloison.store.catalogue import Dataset
from cloison.store.manifest import PeriodFile
from cloison.store.many import PERSON_BYTES, TRAITS_BYTES, Bytes, arrow_type

SUBJECT, VERSION, SOURCE = "_subject", "_version", "_source"
CORRECTED = "_corrected"
"""A correction was announced and its content is not here: the row holds no values."""
NAMED = "_named"
"""Row keys of the other persons a record names, one after the other; null: none."""
IDENTITY_SCHEMA = pa.schema(
    [
        pa.field(SUBJECT, pa.binary(PERSON_BYTES), nullable=False),
        pa.field("permanent", pa.bool_(), nullable=False),
        pa.field("dead", pa.bool_(), nullable=False),
        pa.field("objected", pa.bool_(), nullable=False),
        pa.field("traits", pa.binary(TRAITS_BYTES), nullable=False),
    ]
)
GROUP_ROWS = 1 << 17
"""Rows of a row group, as DuckDB and Spark like them; so many of a period wait in memory."""


def record_schema(dataset: Dataset) -> pa.Schema:
    """The columns of a dataset's files, sorted by `_subject`; fields as in `ManyData`."""
    head = [
        pa.field(SUBJECT, pa.binary(PERSON_BYTES), nullable=False),
        pa.field(VERSION, pa.int32(), nullable=False),
        pa.field(SOURCE, pa.string(), nullable=False),
        pa.field(CORRECTED, pa.bool_(), nullable=False),
        pa.field(NAMED, pa.binary()),
    ]
    fields = [pa.field(name, arrow_type(spec.type)) for name, spec in dataset.fields.items()]
    return pa.schema(head + fields)


@contextmanager
def storing() -> Iterator[None]:
    """Raises `StorageError` (`COLUMNS_WRITE`) where the disk refused, or a value its type."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            "COLUMNS_WRITE",
            f"columns: {error.strerror or 'not written'}",
            "the records are loaded; the next load, or `cloison columns`, writes their columns",
        ) from error
    except (pa.ArrowException, OverflowError):
        # Not chained: the cause quotes the value.
        raise StorageError(
            "COLUMNS_WRITE", "columns: a record's value is not of its field's type"
        ) from None


class FileWriter:
    """Writes one file; durable once it is finished and its folder flushed (`sync_folder`).

    Args:
        folder: The dataset's, made if absent.
        name: How the file's name begins: the period and the load.
        schema: Of all that is appended.
    """

    def __init__(self, folder: Path, name: str, schema: pa.Schema) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder / f"{name}-{token_hex(4)}.parquet"
        self.rows = 0
        self._schema = schema
        self._file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")
        texts = [field.name for field in schema if field.type == pa.string()]
        self._writer = pq.ParquetWriter(
            self._file,
            schema,
            compression="zstd",
            use_dictionary=texts,
            write_page_checksum=True,
        )

    def append(self, table: pa.Table) -> None:
        """Rows that follow those appended before, in the order of `_subject`."""
        self._writer.write_table(table, row_group_size=GROUP_ROWS)
        self.rows += len(table)

    def finish(self) -> tuple[int, bytes]:
        """Flushes the file to the disk; its size and SHA-256."""
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.seek(0)
        digest = hashlib.file_digest(self._file, "sha256").digest()
        size = self._file.tell()
        self._file.close()
        return size, digest

    def abandon(self) -> None:
        """Removes what was written."""
        with suppress(OSError, ValueError, pa.ArrowException):
            self._writer.close()
        with suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def check_file(path: Path, known: PeriodFile) -> None:
    """Raises `StorageError` (`COLUMNS_DAMAGED`): not there, or not the bytes that were written."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
            whole = (file.tell(), digest) == (known.size_bytes, known.sha256)
    except OSError as error:
        raise damaged(path, error.strerror or "cannot be read") from error
    if not whole:
        raise damaged(path, "not as it was written")


def read_file(path: Path, columns: Sequence[str]) -> pa.Table:
    """Those columns of a file that was checked. Raises `StorageError` (`COLUMNS_DAMAGED`)."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read(list(columns))
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, "not as it was written") from error


def fixed_bytes(column: pa.Array) -> Bytes:
    """A column of as many bytes a row, none null, as an array of shape (rows, bytes)."""
    width = column.type.byte_width
    start = column.offset * width
    flat = np.frombuffer(column.buffers()[1], np.uint8)
    return flat[start : start + len(column) * width].reshape(-1, width)


def damaged(path: Path, why: str) -> StorageError:
    """The error of a file that counts and cannot be used."""
    return StorageError(
        "COLUMNS_DAMAGED",
        f"columns `{path.parent.name}/{path.name}`: {why}",
        "`cloison columns` writes anew what is damaged, from the records",
    )
