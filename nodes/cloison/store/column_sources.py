"""Where the rows of a file come from: the records in force of a dataset, or the identities."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloison.errors import StorageError
from cloison.store.catalogue import Catalogue, Dataset
from cloison.store.column_files import IDENTITY_SCHEMA, record_schema, storing
from cloison.store.database import Database
from cloison.store.layouts import DatasetIds, Layouts
from cloison.store.manifest import IDENTITIES
from cloison.store.values import Value

IDENTITY_FOLDER = "_identities"
"""No dataset's: their names begin with a letter."""

Periods = npt.NDArray[np.int32]

_CHUNK_ROWS = 8_000
_LIVE = (
    "SELECT subject, version, source, payload IS NULL, named, period, layout, payload FROM record"
    " WHERE dataset = ? AND until_load IS NULL"
)
_SCAN = f"{_LIVE} AND period IN (SELECT value FROM json_each(?)) ORDER BY subject"  # noqa: S608 - no input in it
_ONE = f"{_LIVE} AND subject = ? AND period = ?"
_IDENTITIES = "SELECT person, permanent, dead, objected, traits FROM identity"

_Row = tuple[bytes, int, str, int, bytes, int, int, str | None]


class Source(Protocol):
    """Rows of one dataset's files.

    Attributes:
        number: The dataset's, as the manifest has it.
        folder: Name of its folder.
        layout: A file made under another one is made anew.
        schema: Of its files.
    """

    number: int
    folder: str
    layout: int
    schema: pa.Schema

    def scan(self, periods: Sequence[int]) -> Iterator[tuple[Periods, pa.Table]]:
        """All rows of these periods, in the order of persons; of each row, the period."""

    def rows_of(self, period: int, persons: Iterable[bytes]) -> pa.Table:
        """The rows of these persons in one period, in their order."""


class RecordSource:
    """The records in force of one dataset."""

    def __init__(self, database: Database, name: str, dataset: Dataset, ids: DatasetIds) -> None:
        self.number = ids.id
        self.folder = name
        self.layout = ids.layout
        self.schema = record_schema(dataset)
        self._database = database
        self._dataset = dataset
        self._layouts = Layouts(database)

    def scan(self, periods: Sequence[int]) -> Iterator[tuple[Periods, pa.Table]]:
        """As `Source`."""
        asked = (self.number, json.dumps(list(periods)))
        cursor = self._database.connection.execute(_SCAN, asked)
        while rows := cursor.fetchmany(_CHUNK_ROWS):
            yield np.array([row[5] for row in rows], np.int32), self._table(rows)

    def rows_of(self, period: int, persons: Iterable[bytes]) -> pa.Table:
        """As `Source`."""
        run = self._database.connection.execute
        return self._table(
            [row for person in persons for row in run(_ONE, (self.number, person, period))]
        )

    def _table(self, rows: Sequence[_Row]) -> pa.Table:
        if not rows:
            return self.schema.empty_table()
        subjects, versions, sources, corrected, named, _, layouts, payloads = zip(
            *rows, strict=True
        )
        held = [
            subjects,
            versions,
            sources,
            [bool(one) for one in corrected],
            [one or None for one in named],
            *self._columns(layouts, payloads),
        ]
        with storing():
            return pa.Table.from_arrays(
                [pa.array(one, field.type) for one, field in zip(held, self.schema, strict=True)],
                schema=self.schema,
            )

    def _columns(
        self, layouts: Sequence[int], payloads: Sequence[str | None]
    ) -> list[tuple[Value, ...]]:
        """The values of each field; all at once, for each by itself takes four times as long."""
        fields = tuple(self._dataset.fields)
        nothing = (None,) * len(fields)
        decoded = json.loads(f"[{','.join([one or 'null' for one in payloads])}]")
        rows = [nothing if one is None else one for one in decoded]
        for layout in set(layouts) - {self.layout}:
            getter = self._layouts.getter(layout, self._dataset, fields)
            for place, other in enumerate(layouts):
                if other == layout and payloads[place] is not None:
                    rows[place] = getter(rows[place])
        columns = list(zip(*rows, strict=False))[: len(fields)]
        if len(rows) != len(payloads) or len(columns) != len(fields):
            raise StorageError("STORE_READ", "store: a record has not the values of its layout")
        return columns


class IdentitySource:
    """What bars an answer about each person."""

    number = IDENTITIES
    folder = IDENTITY_FOLDER
    layout = 0
    schema = IDENTITY_SCHEMA

    def __init__(self, database: Database) -> None:
        self._database = database

    def scan(self, periods: Sequence[int]) -> Iterator[tuple[Periods, pa.Table]]:
        """As `Source`; of the one period there is."""
        cursor = self._database.connection.execute(f"{_IDENTITIES} ORDER BY person")
        while periods and (rows := cursor.fetchmany(_CHUNK_ROWS)):
            yield np.zeros(len(rows), np.int32), self._table(rows)

    def rows_of(self, _period: int, persons: Iterable[bytes]) -> pa.Table:
        """As `Source`."""
        run = self._database.connection.execute
        sql = f"{_IDENTITIES} WHERE person = ?"
        return self._table([row for person in persons for row in run(sql, (person,))])

    def _table(self, rows: Sequence[tuple[bytes, int, int, int, bytes]]) -> pa.Table:
        if not rows:
            return self.schema.empty_table()
        person, *flags, traits = zip(*rows, strict=True)
        held = [person, *([bool(one) for one in flag] for flag in flags), traits]
        with storing():
            return pa.Table.from_arrays(
                [pa.array(one, field.type) for one, field in zip(held, self.schema, strict=True)],
                schema=self.schema,
            )


def sources(
    database: Database, catalogue: Catalogue, ids: Mapping[str, DatasetIds]
) -> tuple[Source, ...]:
    """Everything a store keeps columns of."""
    datasets = (
        RecordSource(database, name, dataset, ids[name])
        for name, dataset in catalogue.datasets.items()
    )
    return (*datasets, IdentitySource(database))
