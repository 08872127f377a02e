"""Which Parquet files count, and what changed beside them: kept in the loads' own transactions.

INVARIANT: a period that is not `behind` is its file, with the persons that changed read from the
records in place of what the file says of them.
"""

from typing import NamedTuple

from cloison.store.database import Database

IDENTITIES = 0
"""The dataset number of the identities; they have one period, 0."""
LEAST_ROOM = 2_000
"""So many persons of any period may change before its file is left behind."""
_ROOM_SHARE = 64
_DUE_SHARE = 16

Place = tuple[int, int]
"""A dataset's number and a period."""


class PeriodFile(NamedTuple):
    """What the columns hold of one period. `file` is None where they hold no row."""

    period: int
    last_load: int
    behind: bool
    changes: int
    layout: int
    file: str | None
    rows: int
    size_bytes: int
    sha256: bytes | None

    @property
    def due(self) -> bool:
        """So much changed that writing the file anew is worth it."""
        return self.changes > min(self.rows // _DUE_SHARE, room(self.rows) // 2)


_COLUMNS = ", ".join(PeriodFile._fields)
_SELECT = f"SELECT {_COLUMNS} FROM column_period WHERE dataset = ?"  # noqa: S608 - no input in it


def room(rows: int) -> int:
    """Persons that may change beside a file of so many rows before it no longer counts."""
    return max(LEAST_ROOM, rows // _ROOM_SHARE)


def load_periods(database: Database, dataset: int) -> dict[int, PeriodFile]:
    """Every period of a dataset that has, or had, records."""
    rows = database.connection.execute(_SELECT, (dataset,))
    return {row[0]: PeriodFile(*row) for row in rows}


def load_window(database: Database, dataset: int, low: int, high: int) -> dict[int, PeriodFile]:
    """As `load_periods`, from period `low` to `high`, both included."""
    sql = _SELECT + " AND period BETWEEN ? AND ?"
    rows = database.connection.execute(sql, (dataset, low, high))
    return {row[0]: PeriodFile(*row) for row in rows}


def load_changed(database: Database, place: Place) -> list[bytes]:
    """The persons whose records of a period are not what its file says, in order."""
    rows = database.connection.execute(
        "SELECT subject FROM column_change WHERE dataset = ? AND period = ? ORDER BY subject", place
    )
    return [row[0] for row in rows]


def put_file(database: Database, dataset: int, new: PeriodFile) -> bool:
    """Makes a file count; False, and nothing, where records changed since it was begun."""
    done = database.connection.execute(
        "UPDATE column_period SET behind = 0, changes = 0, layout = ?, file = ?, rows = ?,"
        " size_bytes = ?, sha256 = ? WHERE dataset = ? AND period = ? AND last_load = ?",
        (
            new.layout,
            new.file,
            new.rows,
            new.size_bytes,
            new.sha256,
            dataset,
            new.period,
            new.last_load,
        ),
    )
    if done.rowcount != 1:
        return False
    _forget_changes(database, (dataset, new.period))
    return True


def leave_behind(database: Database, place: Place) -> None:
    """The period is read from the records until its file is written anew."""
    database.connection.execute(
        "UPDATE column_period SET behind = 1, changes = 0, file = NULL, rows = 0"
        " WHERE dataset = ? AND period = ?",
        place,
    )
    _forget_changes(database, place)


def named_files(database: Database) -> frozenset[str]:
    """Every file that counts."""
    rows = database.connection.execute("SELECT file FROM column_period WHERE file IS NOT NULL")
    return frozenset(row[0] for row in rows)


def _forget_changes(database: Database, place: Place) -> None:
    database.connection.execute("DELETE FROM column_change WHERE dataset = ? AND period = ?", place)


class Changes:
    """The persons and periods whose records one load changes, as it goes.

    A load that brings more than there is room for leaves the period behind: remembering each
    person would cost more than reading the records once.
    """

    def __init__(self, database: Database, load_id: int) -> None:
        self._database = database
        self._load = load_id
        self._subjects: dict[Place, set[bytes] | None] = {}
        self._room: dict[Place, int] = {}

    def touch(self, dataset: int, period: int, subject: bytes) -> None:
        """A record of the person in that period is added or ended."""
        place = dataset, period
        try:
            subjects = self._subjects[place]
        except KeyError:
            subjects = self._subjects[place] = self._open(place)
        if subjects is not None:
            subjects.add(subject)
            if len(subjects) > self._room[place]:
                self._subjects[place] = None

    def _open(self, place: Place) -> set[bytes] | None:
        known = load_window(self._database, place[0], place[1], place[1]).get(place[1])
        if known is None:
            self._room[place] = room(0)
        elif known.behind:
            return None
        else:
            self._room[place] = room(known.rows) - known.changes
        return set() if self._room[place] > 0 else None

    def flush(self) -> None:
        """Writes what was touched, within the load's transaction."""
        run = self._database.connection
        for place, subjects in self._subjects.items():
            run.execute(
                "INSERT INTO column_period (dataset, period, last_load, behind, changes)"
                " VALUES (?, ?, ?, 0, ?) ON CONFLICT DO UPDATE SET"
                " last_load = excluded.last_load, changes = changes + excluded.changes",
                (*place, self._load, len(subjects or ())),
            )
            if subjects is None:
                leave_behind(self._database, place)
            else:
                run.executemany(
                    "INSERT INTO column_change VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                    ((*place, subject) for subject in sorted(subjects)),
                )
        self._subjects.clear()
