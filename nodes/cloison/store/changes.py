"""Which records a load touched: kept small beside them, so that a correction finds who used them.

A load leaves the row keys of everyone it wrote or ended a record of, by dataset and period: 16
bytes a person, which cost a fraction of the records themselves. Whether what is said of a person is
another thing than before is found by reading both, when somebody must be told.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from cloison.months import Month
from cloison.store.catalogue import Catalogue
from cloison.store.database import Database, to_ms
from cloison.store.expectation import declared_by
from cloison.store.layouts import DatasetIds

Wanted = Callable[[str, int], bool]
"""Whether anybody asks for what changed of a dataset in a period."""

_WRITTEN = """
SELECT load, place, dataset.name, period FROM change
JOIN dataset ON dataset.id = change.dataset
WHERE load > ? AND load <= ? ORDER BY load, place
"""
_SUBJECTS = "SELECT subjects FROM change WHERE load = ? AND place = ?"
_DECLARED = """
SELECT load, dataset.id, dataset.name, period, declarant FROM (
  SELECT since_load AS load, dataset, period, declarant FROM declared
  WHERE since_load > ?1 AND since_load <= ?2
  UNION
  SELECT until_load, dataset, period, declarant FROM declared
  WHERE until_load > ?1 AND until_load <= ?2
) AS said JOIN dataset ON dataset.id = said.dataset
ORDER BY load, dataset.id, period, declarant
"""
_PERSON_BYTES = 16
_HELD_PERSONS = 20_000


class Change(NamedTuple):
    """Some of the persons of whom one dataset and period may say something else since a load.

    The load wrote or ended their records, or one who declares them declared the period without.
    """

    load: int
    dataset: str
    period: int
    persons: tuple[bytes, ...]


class Noted:
    """What one load touches, as it goes; part of the load's own transaction."""

    def __init__(self, database: Database, load: int) -> None:
        self._run = database.connection.execute
        self._load = load
        self._held: dict[tuple[int, int], set[bytes]] = defaultdict(set)
        self._count = 0
        self._place = 0

    def add(self, dataset: int, period: int, person: bytes) -> None:
        """A record of this person was written or ended."""
        self._held[dataset, period].add(person)
        self._count += 1
        if self._count >= _HELD_PERSONS:
            self.write()

    def write(self) -> None:
        """Writes what is held."""
        for (dataset, period), persons in self._held.items():
            self._run(
                "INSERT INTO change VALUES (?, ?, ?, ?, ?)",
                (self._load, self._place, dataset, period, b"".join(sorted(persons))),
            )
            self._place += 1
        self._held.clear()
        self._count = 0


class Changes:
    """The changes of a store, to be read.

    Args:
        database: The store's.
        catalogue: Says of which datasets somebody is expected to declare, and for how long.
        ids: The datasets' in this store, by name.
    """

    def __init__(
        self, database: Database, catalogue: Catalogue, ids: Mapping[str, DatasetIds]
    ) -> None:
        self._database = database
        # By number of the dataset, for how many months after.
        self._expected = {
            ids[name].id: dataset.expected.months
            for name, dataset in catalogue.datasets.items()
            if dataset.expected is not None
        }

    def last_load(self, by: datetime | None) -> int:
        """As `Store.last_load`."""
        with self._database.reading():
            run = self._database.connection.execute
            found = (
                run("SELECT max(id) FROM load")
                if by is None
                else run("SELECT max(id) FROM load WHERE loaded_ms <= ?", (to_ms(by),))
            )
            (last,) = found.fetchone()
        return int(last or 0)

    def find(self, after: int, until: int, wanted: Wanted) -> Iterator[Change]:
        """As `Store.changes`."""
        # No statement stays open between two results: questions are answered there.
        for load, place, dataset, period in self._rows(_WRITTEN, after, until):
            if wanted(dataset, period):
                ((subjects,),) = self._rows(_SUBJECTS, load, place)
                ends = range(0, len(subjects), _PERSON_BYTES)
                persons = tuple(subjects[at : at + _PERSON_BYTES] for at in ends)
                yield Change(load, dataset, period, persons)
        for load, number, dataset, period, declarant in self._rows(_DECLARED, after, until):
            if number in self._expected and wanted(dataset, period):
                waited = self._waited(number, declarant, period)
                if waited:
                    yield Change(load, dataset, period, waited)

    def _rows(self, sql: str, *values: int) -> list[tuple[Any, ...]]:
        with self._database.reading():
            return self._database.connection.execute(sql, values).fetchall()

    def _waited(self, number: int, declarant: str, period: int) -> tuple[bytes, ...]:
        """Of whom a period waited for a declarant that has declared it now, or withdrawn it."""
        first = (Month.from_number(period) - self._expected[number]).number
        with self._database.reading():
            waited = declared_by(self._database, number, declarant, first, period - 1)
        return tuple(sorted(waited))

    def forget(self, before: datetime) -> int:
        """As `Store.forget_changes`."""
        with self._database.transaction():
            return self._database.connection.execute(
                "DELETE FROM change WHERE load <= (SELECT max(id) FROM load WHERE loaded_ms < ?)",
                (to_ms(before),),
            ).rowcount
