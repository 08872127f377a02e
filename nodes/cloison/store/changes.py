"""Which records a load touched: kept small beside them, so that a correction finds who used them.

A load leaves the row keys of everyone it wrote or ended a record of, by dataset and period: 16
bytes a person, which cost a fraction of the records themselves. Whether what is said of a person is
another thing than before is found by reading both, when somebody must be told.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from cloison.store.database import Database, to_ms

_PERSON_BYTES = 16
_HELD_PERSONS = 20_000


class Change(NamedTuple):
    """Some of the persons whose records of one dataset and period a load wrote or ended."""

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
    """The changes of a store, to be read."""

    def __init__(self, database: Database) -> None:
        self._database = database

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

    def find(self, after: int, until: int) -> Iterator[Change]:
        """As `Store.changes`."""
        with self._database.reading():
            rows = self._database.connection.execute(
                "SELECT load, dataset.name, period, subjects FROM change"
                " JOIN dataset ON dataset.id = change.dataset"
                " WHERE load > ? AND load <= ? ORDER BY load, place",
                (after, until),
            )
            for load, dataset, period, subjects in rows:
                ends = range(0, len(subjects), _PERSON_BYTES)
                persons = tuple(subjects[at : at + _PERSON_BYTES] for at in ends)
                yield Change(load, dataset, period, persons)

    def forget(self, before: datetime) -> int:
        """As `Store.forget_changes`."""
        with self._database.transaction():
            return self._database.connection.execute(
                "DELETE FROM change WHERE load <= (SELECT max(id) FROM load WHERE loaded_ms < ?)",
                (to_ms(before),),
            ).rowcount
