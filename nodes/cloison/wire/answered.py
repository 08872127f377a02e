"""What a holder answered about whom, kept while the case of the question lasts.

No value and no NIR: row keys, the statement's hash, its months, and the last load its data were
read from. A correction is looked up here, and never by reading the ledger through: person by person
among single questions, batch by batch among cohorts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cloison.bodies import BodyId
from cloison.exchange.statement import Statement, from_milliseconds, to_milliseconds
from cloison.store import Change, Database
from cloison.wire.answered_batches import AnsweredBatch, AnsweredBatches

SINGLE = -1
"""In a batch's place where the question was a single one."""
Key = tuple[int, int]
"""Where an answer is kept: a row, and the place of its case among a batch's, or `SINGLE`."""

_PERSON_BYTES = 16
_CURRENT = 0
_MOST_YEAR = 9999
_FORGOTTEN_AT_ONCE = 2_000
_IN_WINDOW = "peer = ? AND dataset = ? AND last_month >= ? AND first_month <= ?"
_ANY_WINDOW = f"SELECT 1 FROM answered_window WHERE {_IN_WINDOW} LIMIT 1"  # noqa: S608 - no input
_TOLD = """
SELECT coalesce((SELECT load FROM told WHERE peer = ?1), (SELECT min(load) FROM (
  SELECT min(load) AS load FROM answered WHERE peer = ?1
  UNION ALL SELECT min(load) FROM answered_batch WHERE peer = ?1
)))
"""
_OF_PERSON = (
    "SELECT id FROM answered_person AS p CROSS JOIN answered ON id = p.answered"  # noqa: S608 - no input
    f" WHERE p.row_key = ? AND {_IN_WINDOW} AND load < ? AND until_ms > ?"
)

_ALL_OF_PERSON = (
    "SELECT id, until_ms, persons FROM answered_person CROSS JOIN answered ON id = answered"
    " WHERE row_key = ?"
)


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that held data, and one case it was given under.

    Attributes:
        batch: Place of the batch in its cohort; `SINGLE` for a single question.
        until: End of the case, as it was proved with the question.
        load: Number of the last load whose records the answer could hold.
        persons: Row keys of those answered about who stand in the case.
    """

    peer: BodyId
    dataset: str
    first_month: int
    last_month: int
    statement_hash: bytes
    batch: int
    case_leaf_hash: bytes
    until: datetime
    load: int
    persons: tuple[bytes, ...]


def answered_under(
    statement: Statement,
    case_leaf_hash: bytes,
    until: datetime,
    persons: tuple[bytes, ...],
    load: int,
) -> Answered:
    """An answer to a single question about these persons of one case."""
    question = statement.question
    return Answered(
        peer=statement.requester,
        dataset=question.dataset,
        first_month=question.first_month.number,
        last_month=question.last_month.number,
        statement_hash=statement.hash,
        batch=SINGLE,
        case_leaf_hash=case_leaf_hash,
        until=until,
        load=load,
        persons=persons,
    )


class AnsweredTable:
    """The answers of one vault; written with the vault's transaction, many at once.

    Attributes:
        batches: Those to cohorts.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.batches = AnsweredBatches(database)
        self._windows: set[tuple[str, str, int, int]] = set()
        self._waiting: list[Answered] = []
        with database.reading():
            query = "SELECT coalesce(max(id), 0) FROM answered"
            (self._last,) = database.connection.execute(query).fetchone()

    def keep(self, one: Answered) -> None:
        """Keeps a single answer with the transaction under way."""
        self._waiting.append(one)

    def write(self) -> None:
        """Writes what waits, as the transaction it belongs to ends."""
        if not self._waiting:
            return
        run, numbered = self._database.connection, list(enumerate(self._waiting, self._last + 1))
        new = {_window(one) for one in self._waiting} - self._windows
        run.executemany("INSERT OR IGNORE INTO answered_window VALUES (?, ?, ?, ?)", list(new))
        run.executemany(
            "INSERT INTO answered VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_row(key, one) for key, one in numbered],
        )
        run.executemany(
            "INSERT OR IGNORE INTO answered_person VALUES (?, ?)",
            sorted((person, key) for key, one in numbered for person in one.persons),
        )
        self._windows |= new
        self._last += len(numbered)
        self._waiting.clear()

    def take_back(self) -> None:
        """A transaction was taken back: nothing of it is remembered."""
        self._windows.clear()
        self._waiting.clear()

    def any_in(self, peer: BodyId, dataset: str, months: tuple[int, int]) -> bool:
        """Whether any answer to a peer has one of these months; past cases may count.

        The month a source declares on time is in none yet: nobody need be looked up.
        """
        with self._database.reading():
            window = (peer, dataset, *months)
            found = self._database.connection.execute(_ANY_WINDOW, window).fetchone()
        return found is not None

    def touched(self, peer: BodyId, change: Change, now: datetime) -> set[Key]:
        """Live single answers to a peer, given before a change, about what it touches."""
        window = (peer, change.dataset, *months_of(change.period))
        with self._database.reading():
            run = self._database.connection.execute
            live = (*window, change.load, to_milliseconds(now))
            return {
                (row[0], SINGLE)
                for person in change.persons
                for row in run(_OF_PERSON, (person, *live))
            }

    def get(self, key: Key) -> Answered | None:
        """An answer that was touched; None if it was forgotten since."""
        row_id, place = key
        if place != SINGLE:
            return _of_batch(self.batches.get(row_id), place)
        with self._database.reading():
            row = self._database.connection.execute(
                "SELECT peer, dataset, first_month, last_month, statement_hash, case_leaf_hash,"
                " until_ms, load, persons FROM answered WHERE id = ?",
                (row_id,),
            ).fetchone()
        if row is None:
            return None
        peer, dataset, first, last, statement, case, until, load, persons = row
        return Answered(
            peer=BodyId(peer),
            dataset=dataset,
            first_month=first,
            last_month=last,
            statement_hash=statement,
            batch=SINGLE,
            case_leaf_hash=case,
            until=from_milliseconds(until),
            load=load,
            persons=tuple(_split(persons)),
        )

    def told(self, peer: BodyId) -> int:
        """The last load of which the peer was told all there was to tell.

        At first, that of the oldest answer kept: what was loaded before is in it.
        """
        with self._database.reading():
            row = self._database.connection.execute(_TOLD, (peer,)).fetchone()
        return row[0] or 0

    def set_told(self, peer: BodyId, load: int) -> None:
        """Everything that loads brought, up to this one, is entered."""
        self._database.connection.execute("INSERT OR REPLACE INTO told VALUES (?, ?)", (peer, load))

    def forget(self, before: datetime) -> None:
        """Drops answers whose case was over by then: of the oldest, some thousands at a time.

        One that is over may stay while older ones last: no longer than the longest case there is.
        """
        run, end = self._database.connection, to_milliseconds(before)
        oldest: Sequence[tuple[int, int, bytes]] = run.execute(
            "SELECT id, until_ms, persons FROM answered ORDER BY id LIMIT ?", (_FORGOTTEN_AT_ONCE,)
        ).fetchall()
        self._drop([(key, persons) for key, until, persons in oldest if until <= end])
        self.batches.forget(before)

    def erase(self, person: bytes, now: datetime) -> datetime | None:
        """Takes a person out of the answers whose case is over. Every batch is read through.

        Returns:
            When the last case they were answered about under is over; None: all are.
        """
        run, end = self._database.connection, to_milliseconds(now)
        with self._database.reading():
            rows = run.execute(_ALL_OF_PERSON, (person,)).fetchall()
        self._drop([(key, persons) for key, until, persons in rows if until <= end])
        live = [until for _, until, _ in rows if until > end]
        live += self.batches.erase(person, end)
        return from_milliseconds(max(live)) if live else None

    def _drop(self, rows: Sequence[tuple[int, bytes]]) -> None:
        """Rows and their persons."""
        run = self._database.connection
        run.executemany(
            "DELETE FROM answered_person WHERE row_key = ? AND answered = ?",
            [(person, key) for key, persons in rows for person in _split(persons)],
        )
        run.executemany("DELETE FROM answered WHERE id = ?", [(key,) for key, _ in rows])


def _window(one: Answered) -> tuple[str, str, int, int]:
    return (one.peer, one.dataset, one.first_month, one.last_month)


def _row(key: int, one: Answered) -> tuple[object, ...]:
    return (
        key,
        *_window(one),
        one.statement_hash,
        one.case_leaf_hash,
        to_milliseconds(one.until),
        one.load,
        b"".join(one.persons),
    )


def _split(persons: bytes) -> Iterable[bytes]:
    return (persons[at : at + _PERSON_BYTES] for at in range(0, len(persons), _PERSON_BYTES))


def _of_batch(one: AnsweredBatch | None, place: int) -> Answered | None:
    if one is None:
        return None
    case_leaf_hash, until_ms = one.cases[place]
    return Answered(
        peer=one.peer,
        dataset=one.dataset,
        first_month=one.first_month,
        last_month=one.last_month,
        statement_hash=one.statement_hash,
        batch=one.batch,
        case_leaf_hash=case_leaf_hash,
        until=from_milliseconds(until_ms),
        load=one.load,
        persons=one.persons_of(place),
    )


def months_of(period: int) -> tuple[int, int]:
    """First and last month (YYYYMM) of a period; every month for what is in force now."""
    if period == _CURRENT:
        return 0, _MOST_YEAR * 100
    return (period, period) if period > _MOST_YEAR else (period * 100 + 1, period * 100 + 12)
