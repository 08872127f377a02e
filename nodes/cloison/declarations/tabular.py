"""`;` files: `# cloison <dataset> 1`, the columns, the lines, `# end <lines>`, in UTF-8."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from cloison.declarations.faults import Faults
from cloison.declarations.lines import UTF8, Source, read_chunks
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
from cloison.identity import is_temporary, normal_name, traits_digest
from cloison.store import Catalogue, Dataset, IdentityFacts, Loading, NewRecord, Period, Value, pack
from cloison.store.sources import Table, TableRow, Traits

_FIRST_LINE = re.compile(r"# cloison ([a-z][a-z0-9_]{0,63}) 1", re.ASCII)
_END = re.compile(r"# end (0|[1-9][0-9]{0,9})", re.ASCII)
_HEAD_LINES = 2
_DAYS = 100
_MONTH_CHARACTERS = 7


def read_lines(
    source: Source, catalogue: Catalogue, faults: Faults
) -> Iterator[tuple[int, str, list[str]]]:
    """Line number, dataset and cells of every line of a table that has its columns.

    Args:
        source: Read once.
        catalogue: The body's.
        faults: Takes `BAD_HEADER`, `UNKNOWN_DATASET`, `WRONG_COLUMNS`, `TRUNCATED`, `WRONG_COUNT`,
            `BAD_LINE`, `BAD_ENCODING`. Lines under a head that is wrong are not read.

    Raises:
        StorageError: `FILE_READ`.
    """
    number = width = 0
    dataset = ""
    ended = False
    for text in read_chunks(source, UTF8, faults):
        for number, line in enumerate(text.split("\n"), number + 1):  # noqa: B020 - goes on counting
            if ended:
                why, hint = "a line after the end", "what follows was not read"
                faults.add(number, "", InputError("BAD_LINE", why, hint))
                return
            if number <= _HEAD_LINES:
                try:
                    dataset = dataset or _table_name(line, catalogue)
                    width = _columns(line, catalogue.dataset(dataset)) if number > 1 else 0
                except InputError as error:
                    faults.add(number, "", error)
                    return
            elif line.startswith("# end"):
                ended = True
                _check_end(number, line, faults)
            elif len(cells := line.split(";")) == width:
                yield number, dataset, cells
            else:
                why = f"{len(cells)} columns instead of {width}"
                faults.add(number, "", InputError("WRONG_COLUMNS", why))
    if not ended and "TRUNCATED" not in faults.reasons:
        why = "the file ends without `# end` and its count"
        faults.add(max(number, 1), "", InputError("TRUNCATED", why))


def _check_end(number: int, line: str, faults: Faults) -> None:
    lines = number - _HEAD_LINES - 1
    match = _END.fullmatch(line)
    if match is None:
        faults.add(number, "", InputError("BAD_LINE", "not `# end` and the count of lines"))
    elif match[1] != str(lines):
        why = f"says another number of lines than the {lines} read"
        faults.add(number, "", InputError("WRONG_COUNT", why))


def _table_name(line: str, catalogue: Catalogue) -> str:
    match = _FIRST_LINE.fullmatch(line)
    if match is None:
        hint = "the first line is `# cloison <dataset> 1`"
        raise InputError("BAD_HEADER", "not a table", hint)
    if catalogue.dataset(match[1]).table is None:
        raise InputError("UNKNOWN_DATASET", f"dataset `{match[1]}`: does not come as a table")
    return match[1]


def _columns(line: str, dataset: Dataset) -> int:
    columns = dataset.table.columns if dataset.table is not None else ()
    if line != ";".join(columns):
        raise InputError(
            "WRONG_COLUMNS", "not the columns of the catalogue", f"they are {';'.join(columns)}"
        )
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

    def values(self, cells: list[str]) -> list[Value]:
        """Raises `InputError`: the first of `faults`, without its column."""
        return [
            value if place is None else parse(cells[place])
            for _, place, value, parse in self.fields
        ]

    def faults(self, cells: list[str]) -> Iterator[tuple[str, InputError]]:
        """The columns of a line that are spelled wrongly."""
        for column, place, _, parse in self.fields:
            try:
                if place is not None:
                    parse(cells[place])
            except InputError as error:
                yield column, error


class TableLoader:
    """Lines of one dataset on their way into the store.

    Args:
        name: The dataset's.
        dataset: As the catalogue declares it.
        table: Its table.
        loading: The transaction of this file.
        row_keys: The row key of a NIR.
        faults: Takes what is wrong; the caller loads nothing if there is any.
    """

    def __init__(
        self,
        name: str,
        dataset: Dataset,
        table: Table,
        loading: Loading,
        row_keys: RowKeys,
        faults: Faults,
    ) -> None:
        self._name = name
        self._dataset = dataset
        self._table = table
        self._loading = loading
        self._row_keys = row_keys
        self._faults = faults
        self._places = {column: place for place, column in enumerate(table.columns)}
        self._rows = [_Row(dataset, row, self._places) for row in table.rows]
        self._key = [self._places[column] for column in table.key]
        self._persons = [(column, self._places[column]) for column in table.person_columns]
        needed = {row.subject for row in table.rows if not row.optional}
        self._optional = set(table.person_columns) - needed
        lookup = dataset.lookup
        self._lookup = None if lookup is None else dataset.positions[lookup]

    def take(self, line: int, cells: list[str]) -> int:
        """Writes what a line says; how many records changed.

        Faults, with their column: what the spelling says, `BAD_NIR`; of the line, `DUPLICATE_LINE`,
        `STALE_REVISION`.
        """
        try:
            return self._write(cells, f"{self._faults.file}:{line}")
        except InputError as error:
            found = dict(self._examine(cells)) or {"": error}
        for column, each in found.items():
            self._faults.add(line, column, each)
        return 0

    def _examine(self, cells: list[str]) -> Iterator[tuple[str, InputError]]:
        """Every column spelled wrongly; one that two rows read, more than once."""
        for row in self._rows:
            if cells[row.subject] or not row.optional:
                yield from row.faults(cells)
        checks: list[tuple[str | None, Callable[[], object]]] = [
            (self._table.period, lambda: self._period(cells)),
            (self._table.revision, lambda: self._revision(cells)),
        ]
        checks += [
            (column, partial(self._person, cells, column, place)) for column, place in self._persons
        ]
        if self._table.traits is not None:
            checks += _trait_checks(self._table.traits, self._places, cells)
        for column, check in checks:
            try:
                if column is not None:
                    check()
            except InputError as error:
                yield column or "", error

    def _write(self, cells: list[str], source: str) -> int:
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
        values = row.values(cells)
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
        if self._dataset.period is Period.YEAR:
            return parse_year(text)
        return parse_month(text) if len(text) <= _MONTH_CHARACTERS else parse_date(text) // _DAYS

    def _revision(self, cells: list[str]) -> int | None:
        column = self._table.revision
        if column is None:
            return None
        number = parse_integer(cells[self._places[column]])
        if number < 1:
            raise InputError("BAD_NUMBER", "versions begin with 1")
        return number

    def _person(self, cells: list[str], column: str, place: int) -> bytes | None:
        text = cells[place]
        if not text and column in self._optional:
            return None
        return self._row_keys(text)


def _trait_checks(
    traits: Traits, places: Mapping[str, int], cells: list[str]
) -> list[tuple[str | None, Callable[[], object]]]:
    """How a person's name and day of birth are spelled."""
    name, born = cells[places[traits.birth_name]], cells[places[traits.birth_date]]
    return [
        (traits.birth_name, lambda: normal_name(parse_text(name))),
        (traits.birth_date, lambda: parse_date(born)),
    ]
