"""Parquet files: the cells of the tables, and the payments of the messages, in columns of text.

Every column is text and holds no null; a cell that says nothing is empty, and each is spelt as in
the table of its dataset. Which dataset it is stands in the file's metadata as `cloison`.
"""

import re
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from cloison.declarations.faults import Faults
from cloison.declarations.lines import Source
from cloison.declarations.payments import DECLARED
from cloison.errors import InputError, StorageError
from cloison.store import Catalogue, Dataset

MAGIC = b"PAR1"
_METADATA_KEY = b"cloison"
_NAME = re.compile(rb"([a-z][a-z0-9_]{0,63}) 1")
_ROWS = 1 << 13


def columns_of(dataset: Dataset) -> tuple[str, ...]:
    """The columns a dataset's Parquet file has, in their order."""
    if dataset.table is not None:
        return dataset.table.columns
    return (*DECLARED, *dataset.fields)


def read_cells(
    source: Source, catalogue: Catalogue, faults: Faults
) -> Iterator[tuple[int, str, list[str]]]:
    """Row number from 1, dataset and cells of every whole row, the schema checked before the first.

    Args:
        source: Read once.
        catalogue: The body's.
        faults: Takes, with their row: `BAD_PARQUET`: not a Parquet file, or one whose lengths,
            offsets or bytes do not hold together; `BAD_HEADER`, `UNKNOWN_DATASET`,
            `WRONG_COLUMNS`, after which nothing is read; `NULL_VALUE`.

    Raises:
        StorageError: `FILE_READ`.
    """
    try:
        with pq.ParquetFile(source.path, page_checksum_verification=True) as file:
            yield from _rows(file, catalogue, faults)
    except InputError as error:
        faults.add(1, "", error)
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise StorageError("FILE_READ", f"file `{source.name}`: {error.strerror}") from error
        faults.add(1, "", InputError("BAD_PARQUET", "not a Parquet file that holds together"))


def _rows(
    file: pq.ParquetFile, catalogue: Catalogue, faults: Faults
) -> Iterator[tuple[int, str, list[str]]]:
    name = _checked(file.schema_arrow, catalogue)
    before = 0
    for batch in file.iter_batches(_ROWS):
        batch.validate(full=True)
        columns = batch.to_pydict()
        for number, cells in enumerate(zip(*columns.values(), strict=True), before + 1):
            if None in cells:
                _add_nulls(number, columns, cells, faults)
            else:
                yield number, name, list(cells)
        before += batch.num_rows
    if before != file.metadata.num_rows:
        raise pa.ArrowInvalid("rows are missing")


def _checked(schema: pa.Schema, catalogue: Catalogue) -> str:
    """The dataset's name, its columns as the catalogue has them."""
    match = _NAME.fullmatch((schema.metadata or {}).get(_METADATA_KEY, b""))
    if match is None:
        hint = "its metadata `cloison` is `<dataset> 1`"
        raise InputError("BAD_HEADER", "does not say which dataset it is", hint)
    name = match[1].decode()
    dataset = catalogue.dataset(name)
    if dataset.table is None and not dataset.messages:
        raise InputError("UNKNOWN_DATASET", f"dataset `{name}`: does not come as a file")
    columns = columns_of(dataset)
    if tuple(schema.names) != columns or any(kind != pa.string() for kind in schema.types):
        hint = f"they are {';'.join(columns)}, each of type string"
        raise InputError("WRONG_COLUMNS", "not the columns of the catalogue", hint)
    return name


def _add_nulls(
    row: int, columns: Iterable[str], cells: Iterable[str | None], faults: Faults
) -> None:
    for column, cell in zip(columns, cells, strict=True):
        if cell is None:
            error = InputError("NULL_VALUE", "holds no value", "leave what is unknown empty")
            faults.add(row, column, error)
