"""Parquet files: the cells of the tables, and the payments of the messages, in columns of text.

Every column is text and holds no null; a cell that says nothing is empty, and each is spelt as in
the table of its dataset. Which dataset it is stands in the file's metadata as `cloison`.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from cloison.declarations.faults import Faults
from cloison.declarations.lines import Source
from cloison.declarations.months import Months
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
from cloison.store import MOST_PLACE, Catalogue, Dataset, Loading, NewRecord, Slot, SlotName, pack

T = TypeVar("T")

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


class DeclaredLoader:
    """Payments of messages on their way into the store, a declaration after the other.

    Args:
        name: The dataset's.
        dataset: As the catalogue declares it.
        loading: The transaction of this file.
        row_keys: The row key of a NIR.
        months: Which months may be declared.
        faults: Takes what is wrong; the caller loads nothing if there is any.
    """

    def __init__(
        self,
        name: str,
        dataset: Dataset,
        loading: Loading,
        row_keys: RowKeys,
        months: Months,
        faults: Faults,
    ) -> None:
        self._name = name
        self._loading = loading
        self._row_keys = row_keys
        self._months = months
        self._faults = faults
        self._types = {message.nature: message.types for message in dataset.messages.values()}
        self._parsers = [(field, field_parser(spec)) for field, spec in dataset.fields.items()]
        self._head: list[str] = []
        self._slot: Slot | None = None
        self._month = 0
        self._cancels = False
        self._places: dict[bytes, int] = {}
        self.declarations = 0

    def take(self, row: int, cells: list[str]) -> int:
        """Writes a payment; how many records that is. A declaration that cancels has one empty row.

        Faults: as `Loading.declare` and `Months`, or `UNKNOWN_NATURE`, `UNKNOWN_TYPE`,
        `CANCEL_WITH_PERSONS`, `BAD_NIR`, `TOO_MANY_RECORDS`, `NIR_IN_TEXT`, what a spelling says.
        """
        if cells[:_HEAD] != self._head:
            self._begin(row, cells[:_HEAD])
        if self._cancels:
            if any(cells[_HEAD:]):
                why = "a declaration that cancels names nobody"
                self._faults.add(row, "nir", InputError("CANCEL_WITH_PERSONS", why))
            return 0
        record = self._record(row, *cells[_HEAD:])
        if record is None or self._slot is None:
            return 0
        place = self._places.get(record.subject, 0)
        self._places[record.subject] = place + 1
        if place <= MOST_PLACE:
            self._loading.append(self._slot, place, record)
        elif place == MOST_PLACE + 1:
            why = "more payments of one person than are kept"
            self._faults.add(row, "nir", InputError("TOO_MANY_RECORDS", why))
        return 1

    def _begin(self, row: int, head: list[str]) -> None:
        self._head, self._slot, self._month, self._cancels = head, None, 0, False
        self._places.clear()
        self.declarations += 1
        try:
            self._slot = self._declare(*head)
        except InputError as error:
            self._faults.add(row, "", error)

    def _declare(
        self, nature: str, type_: str, fraction: str, order: str, month: str, declarant: str
    ) -> Slot | None:
        types = self._types.get(nature)
        if types is None:
            raise InputError("UNKNOWN_NATURE", "no dataset takes declarations of this nature")
        kind = types.kind(type_)
        if kind is None:
            raise InputError("UNKNOWN_TYPE", "the type of the declaration is not known")
        self._cancels = kind == "cancel"
        self._month = of = parse_month(month)
        payer = siret(declarant)
        self._months.check_declared(of, kind)
        slot = self._loading.declare(
            self._name,
            SlotName(f"{nature}/{payer}", of, parse_code(fraction)),
            f"{payer}-{of}-{nature}-{fraction}-{order}",
            kind,
            parse_integer(order),
        )
        return None if self._cancels else slot

    def _record(self, row: int, nir: str, paid: str, *cells: str) -> NewRecord | None:
        """What a row says; None where any of it is spelled wrongly."""
        subject = self._parsed(row, "nir", self._row_keys, nir)
        day = self._parsed(row, "paid", parse_date, paid)
        values = [
            self._parsed(row, name, parse, text)
            for (name, parse), text in zip(self._parsers, cells, strict=True)
        ]
        if subject is None or day is None:
            return None
        if self._month:
            self._parsed(row, "paid", self._check_paid, paid)
        payload = pack(values)
        if nir[:_NUMBER_CHARACTERS] in payload:
            hint = "use a number that names nobody"
            error = InputError("NIR_IN_TEXT", "a value holds the person's number", hint)
            self._faults.add(row, "", error)
        return NewRecord(subject, day // _DAYS, payload)

    def _check_paid(self, paid: str) -> None:
        self._months.check_paid(parse_date(paid) // _DAYS, self._month)

    def _parsed(self, row: int, column: str, parse: Callable[[str], T], text: str) -> T | None:
        try:
            return parse(text)
        except InputError as error:
            self._faults.add(row, column, error)
            return None
