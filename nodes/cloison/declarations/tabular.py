"""`;` files: `# cloison <dataset> 1`, the columns, the lines, `# end <lines>`, in UTF-8."""

import re
from collections.abc import Iterator, Mapping

from cloison.declarations.lines import UTF8, Source, read_chunks, refuse
from cloison.declarations.persons import RowKeys
from cloison.declarations.spelling import (
    Parser,
    field_parser,
    parse_date,
    parse_integer,
    parse_month,
    parse_text,
    parse_year,
)
from cloison.errors import InputError
from cloison.identity import is_temporary, traits_digest
from cloison.store import Catalogue, Dataset, IdentityFacts, Loading, NewRecord, Period, Value, pack
from cloison.store.sources import Table, TableRow, Traits

_FIRST_LINE = re.compile(r"# cloison ([a-z][a-z0-9_]{0,63}) 1", re.ASCII)
_END = re.compile(r"# end (0|[1-9][0-9]{0,9})", re.ASCII)
_HEAD_LINES = 2
_DAYS = 100
_MONTH_CHARACTERS = 7


def read_lines(source: Source, catalogue: Catalogue) -> Iterator[tuple[int, str, list[str]]]:
    """Line number, dataset and cells of every line of a table, its head and end checked.

    Raises:
        InputError: with file and line. `BAD_HEADER`, `UNKNOWN_DATASET`, `WRONG_COLUMNS`,
            `TRUNCATED`, `WRONG_COUNT`, `BAD_ENCODING`.
        StorageError: `FILE_READ`.
    """
    number = width = 0
    dataset = ""
    end: re.Match[str] | None = None
    for chunk in read_chunks(source, UTF8):
        for number, line in enumerate(chunk, number + 1):  # noqa: B020 - goes on counting
            if end is not None:
                raise refuse(
                    source.name, number, "", InputError("BAD_LINE", "a line after the end")
                )
            if number == 1:
                dataset = _dataset(source.name, line, catalogue)
            elif number == _HEAD_LINES:
                width = _columns(source.name, line, catalogue.dataset(dataset))
            elif (end := _END.fullmatch(line)) is None:
                cells = line.split(";")
                if len(cells) != width:
                    why = f"{len(cells)} columns instead of {width}"
                    raise refuse(source.name, number, "", InputError("WRONG_COLUMNS", why))
                yield number, dataset, cells
    if end is None:
        error = InputError("TRUNCATED", "the file ends without `# end` and its count")
        raise refuse(source.name, max(number, 1), "", error)
    lines = number - _HEAD_LINES - 1
    if end[1] != str(lines):
        error = InputError("WRONG_COUNT", f"says another number of lines than the {lines} read")
        raise refuse(source.name, number, "", error)


def _dataset(name: str, line: str, catalogue: Catalogue) -> str:
    try:
        return _table_name(line, catalogue)
    except InputError as error:
        raise refuse(name, 1, "", error) from error


def _table_name(line: str, catalogue: Catalogue) -> str:
    match = _FIRST_LINE.fullmatch(line)
    if match is None:
        hint = "the first line is `# cloison <dataset> 1`"
        raise InputError("BAD_HEADER", "not a table", hint)
    if catalogue.dataset(match[1]).table is None:
        raise InputError("UNKNOWN_DATASET", f"dataset `{match[1]}`: does not come as a table")
    return match[1]


def _columns(name: str, line: str, dataset: Dataset) -> int:
    columns = dataset.table.columns if dataset.table is not None else ()
    if line != ";".join(columns):
        error = InputError(
            "WRONG_COLUMNS", "not the columns of the catalogue", f"they are {';'.join(columns)}"
        )
        raise refuse(name, _HEAD_LINES, "", error)
    return len(columns)


class _Row:
    """One record of a line, its columns found."""

    def __init__(self, dataset: Dataset, row: TableRow, places: Mapping[str, int]) -> None:
        self.subject = places[row.subject]
        self.optional = row.optional
        self.fields: list[tuple[str, int | None, Value, Parser]] = []
        for name, spec in dataset.fields.items():
            parse = field_parser(spec)
            if name in row.values:
                self.fields.append((name, None, parse(row.values[name]), parse))
            else:
                column = row.columns.get(name, name)
                self.fields.append((column, places[column], None, parse))

    def values(self, cells: list[str]) -> Iterator[Value]:
        for name, place, value, parse in self.fields:
            if place is None:
                yield value
                continue
            try:
                yield parse(cells[place])
            except InputError as error:
                raise InputError(error.reason, f"{name}: {error.message}", error.hint) from error


class TableLoader:
    """Lines of one dataset on their way into the store.

    Args:
        name: The dataset's.
        dataset: As the catalogue declares it.
        table: Its table.
        loading: The transaction of this file.
        row_keys: The row key of a NIR.
    """

    def __init__(
        self, name: str, dataset: Dataset, table: Table, loading: Loading, row_keys: RowKeys
    ) -> None:
        self._name = name
        self._dataset = dataset
        self._table = table
        self._loading = loading
        self._row_keys = row_keys
        self._places = {column: place for place, column in enumerate(table.columns)}
        self._rows = [_Row(dataset, row, self._places) for row in table.rows]
        self._key = [self._places[column] for column in table.key]
        self._persons = [(column, self._places[column]) for column in table.person_columns]
        needed = {row.subject for row in table.rows if not row.optional}
        self._optional = set(table.person_columns) - needed
        lookup = dataset.lookup
        self._lookup = None if lookup is None else dataset.positions[lookup]

    def take(self, cells: list[str], source: str) -> int:
        """Writes what a line says; how many records changed.

        Raises:
            InputError: its column in front: what the spelling says, `BAD_NIR`, `DUPLICATE_LINE`,
                `STALE_REVISION`.
        """
        period = self._period(cells)
        if self._dataset.period is not Period.CURRENT:
            self._loading.cover(self._name, period)
        revision = self._revision(cells)
        keys = {column: self._person(cells, column, place) for column, place in self._persons}
        named = [key for key in keys.values() if key is not None]
        line_key = [cells[place] for place in self._key]
        changed = 0
        for place, row in enumerate(self._rows):
            record = self._record(row, cells, period, named)
            changed += self._loading.put_line(self._name, line_key, place, record, source, revision)
        return changed

    def _record(
        self, row: _Row, cells: list[str], period: int, named: list[bytes]
    ) -> NewRecord | None:
        text = cells[row.subject]
        if not text and row.optional:
            return None
        subject = self._row_keys(text)
        values = list(row.values(cells))
        lookup = None if self._lookup is None else str(values[self._lookup])
        if self._table.traits is not None:
            digest = self._traits(self._table.traits, subject, text, cells, values)
            values.append(digest.hex())
        others = b"".join(dict.fromkeys(key for key in named if key != subject))
        return NewRecord(subject, period, pack(values), others, lookup)

    def _traits(
        self, traits: Traits, subject: bytes, text: str, cells: list[str], values: list[Value]
    ) -> bytes:
        """Uses the civil-status traits: for the digest, the identity facts, the vault."""
        nir = self._row_keys.nir(text)
        name = parse_text(cells[self._places[traits.birth_name]])
        born = cells[self._places[traits.birth_date]]
        digest = traits_digest(self._row_keys.key, nir, name, born)
        role = self._dataset.identity
        if role is not None:
            said = dict(zip(self._dataset.fields, values, strict=True))
            facts = IdentityFacts(
                permanent=said[role.status] == role.permanent and not is_temporary(nir),
                traits_digest=digest,
                dead=said[role.death_date] is not None,
                objected=bool(said[role.objection]),
            )
            self._loading.put_identity(subject, facts)
        if self._dataset.keeps_nir:
            self._loading.put_named(subject, nir, name, born)
        return digest

    def _period(self, cells: list[str]) -> int:
        column = self._table.period
        if column is None:
            return 0
        text = cells[self._places[column]]
        try:
            if self._dataset.period is Period.YEAR:
                return parse_year(text)
            return (
                parse_month(text) if len(text) <= _MONTH_CHARACTERS else parse_date(text) // _DAYS
            )
        except InputError as error:
            raise InputError(error.reason, f"{column}: {error.message}", error.hint) from error

    def _revision(self, cells: list[str]) -> int | None:
        column = self._table.revision
        if column is None:
            return None
        number = parse_integer(cells[self._places[column]])
        if number < 1:
            raise InputError("BAD_NUMBER", f"{column}: versions begin with 1")
        return number

    def _person(self, cells: list[str], column: str, place: int) -> bytes | None:
        text = cells[place]
        if not text and column in self._optional:
            return None
        try:
            return self._row_keys(text)
        except InputError as error:
            raise InputError(error.reason, f"{column}: {error.message}", error.hint) from error
