"""Parquet files: the cells of the tables, and the payments of the messages, in columns of text.

Every column is text and holds no null; a cell that says nothing is empty, and each is spelt as in
the table of its dataset. Which dataset it is stands in the file's metadata as `cloison`.
"""

import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from cloison.declarations.lines import Source, refuse
from cloison.declarations.persons import RowKeys
from cloison.declarations.spelling import (
    field_parser,
    parse_code,
    parse_date,
    parse_integer,
    parse_month,
    siret,
)
from cloison.errors import InputError, StorageError
from cloison.store import MOST_PLACE, Catalogue, Dataset, Loading, NewRecord, Slot, Value, pack

MAGIC = b"PAR1"
DECLARED = (
    "message", "type", "fraction", "order", "month", "declarant", "nir", "paid",
)  # fmt: skip
"""Before the fields of a dataset that comes as messages: whose declaration, about whom, when."""

_METADATA_KEY = b"cloison"
_NAME = re.compile(rb"([a-z][a-z0-9_]{0,63}) 1")
_ROWS = 1 << 13
_HEAD = 6
_DAYS = 100
_NUMBER_CHARACTERS = 13


def columns_of(dataset: Dataset) -> tuple[str, ...]:
    """The columns a dataset's Parquet file has, in their order."""
    if dataset.table is not None:
        return dataset.table.columns
    return (*DECLARED, *dataset.fields)


def read_cells(source: Source, catalogue: Catalogue) -> Iterator[tuple[int, str, list[str]]]:
    """Row number from 1, dataset and cells of every row, the schema checked before the first.

    Raises:
        InputError: with file and row. `BAD_PARQUET`: not a Parquet file, or one whose lengths,
            offsets or bytes do not hold together; `BAD_HEADER`, `UNKNOWN_DATASET`,
            `WRONG_COLUMNS`, `NULL_VALUE`.
        StorageError: `FILE_READ`.
    """
    try:
        with pq.ParquetFile(source.path, page_checksum_verification=True) as file:
            yield from _rows(source.name, file, catalogue)
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise StorageError("FILE_READ", f"file `{source.name}`: {error.strerror}") from error
        broken = InputError("BAD_PARQUET", "not a Parquet file that holds together")
        raise refuse(source.name, 1, "", broken) from error


def _rows(
    file_name: str, file: pq.ParquetFile, catalogue: Catalogue
) -> Iterator[tuple[int, str, list[str]]]:
    try:
        name = _checked(file.schema_arrow, catalogue)
    except InputError as error:
        raise refuse(file_name, 1, "", error) from error
    before = 0
    for batch in file.iter_batches(_ROWS):
        batch.validate(full=True)
        _check_nulls(file_name, batch, before)
        columns = batch.to_pydict().values()
        for number, cells in enumerate(zip(*columns, strict=True), before + 1):
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


def _check_nulls(file_name: str, batch: pa.RecordBatch, before: int) -> None:
    for column, values in zip(batch.schema.names, batch.columns, strict=True):
        if values.null_count:
            row = before + 1 + values.is_null().to_pylist().index(True)
            error = InputError("NULL_VALUE", "holds no value", "leave what is unknown empty")
            raise refuse(file_name, row, column, error)


class DeclaredLoader:
    """Payments of messages on their way into the store, a declaration after the other.

    Args:
        name: The dataset's.
        dataset: As the catalogue declares it.
        loading: The transaction of this file.
        row_keys: The row key of a NIR.
    """

    def __init__(self, name: str, dataset: Dataset, loading: Loading, row_keys: RowKeys) -> None:
        self._name = name
        self._loading = loading
        self._row_keys = row_keys
        self._types = {message.nature: message.types for message in dataset.messages.values()}
        self._parsers = [(field, field_parser(spec)) for field, spec in dataset.fields.items()]
        self._head: list[str] = []
        self._slot: Slot | None = None
        self._places: dict[bytes, int] = {}
        self.declarations = 0

    def take(self, cells: list[str]) -> int:
        """Writes a payment; how many records that is. A declaration that cancels has one empty row.

        Raises:
            InputError: as `Loading.declare`, or `UNKNOWN_NATURE`, `UNKNOWN_TYPE`,
                `CANCEL_WITH_PERSONS`, `BAD_NIR`, `TOO_MANY_RECORDS`, `NIR_IN_TEXT`, what a
                spelling says.
        """
        if cells[:_HEAD] != self._head:
            self._head = cells[:_HEAD]
            self._slot = self._declare(*self._head)
            self._places.clear()
            self.declarations += 1
        if self._slot is None:
            if any(cells[_HEAD:]):
                raise InputError("CANCEL_WITH_PERSONS", "a declaration that cancels names nobody")
            return 0
        nir, paid, *values = cells[_HEAD:]
        subject = self._row_keys(nir)
        record = NewRecord(subject, parse_date(paid) // _DAYS, self._payload(values, nir))
        self._loading.append(self._slot, self._place(subject), record)
        return 1

    def _declare(
        self, nature: str, type_: str, fraction: str, order: str, month: str, declarant: str
    ) -> Slot | None:
        types = self._types.get(nature)
        if types is None:
            raise InputError("UNKNOWN_NATURE", "no dataset takes declarations of this nature")
        kind = types.kind(type_)
        if kind is None:
            raise InputError("UNKNOWN_TYPE", "the type of the declaration is not known")
        payer, of = siret(declarant), parse_month(month)
        slot = self._loading.declare(
            self._name,
            f"{nature}/{payer}/{of}/{parse_code(fraction)}",
            f"{payer}-{of}-{nature}-{fraction}-{order}",
            kind,
            parse_integer(order),
        )
        self._loading.cover(self._name, of)
        return None if kind == "cancel" else slot

    def _payload(self, cells: list[str], nir: str) -> str:
        values: list[Value] = []
        for (name, parse), text in zip(self._parsers, cells, strict=True):
            try:
                values.append(parse(text))
            except InputError as error:
                raise InputError(error.reason, f"{name}: {error.message}", error.hint) from error
        payload = pack(values)
        if nir[:_NUMBER_CHARACTERS] in payload:
            hint = "use a number that names nobody"
            raise InputError("NIR_IN_TEXT", "a value holds the person's number", hint)
        return payload

    def _place(self, subject: bytes) -> int:
        place = self._places.get(subject, 0)
        if place > MOST_PLACE:
            raise InputError("TOO_MANY_RECORDS", "more payments of one person than are kept")
        self._places[subject] = place + 1
        return place
