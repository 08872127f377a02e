"""The batches of cohorts that were answered: one row a batch, read through where months change.

Some forty bytes a person. Reading them through takes 0.2 µs a person for each month corrected; an
index by person would cost the cohort more than its answers do.
"""

import struct
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from cloison.bodies import BodyId
from cloison.exchange.statement import Statement, to_milliseconds
from cloison.store import Database

_PERSON_BYTES = 16
_NOBODY = bytes(_PERSON_BYTES)
_CASE = struct.Struct("<32sq")
_FORGOTTEN_AT_ONCE = 500
_FIND = (
    "SELECT id, persons, places FROM answered_batch WHERE peer = ? AND dataset = ?"
    " AND last_month >= ? AND first_month <= ? AND load < ? AND until_ms > ? AND id > ?"
    " ORDER BY id LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class AnsweredBatch:
    """A batch that held data.

    Attributes:
        batch: Its place in the cohort.
        load: Number of the last load whose records it could hold.
        persons: Row keys of those answered about, 16 bytes each.
        places: Of each person, the place of their case in `cases`; 16 bits each, little endian.
        cases: Leaf hash and end of each case, Unix milliseconds: a batch has hundreds.
    """

    peer: BodyId
    dataset: str
    first_month: int
    last_month: int
    statement_hash: bytes
    batch: int
    load: int
    persons: bytes
    places: bytes
    cases: tuple[tuple[bytes, int], ...]

    def persons_of(self, place: int) -> tuple[bytes, ...]:
        """The persons who stand in one of its cases."""
        found = np.flatnonzero(np.frombuffer(self.places, "<u2") == place)
        return tuple(self.persons[at * _PERSON_BYTES : (at + 1) * _PERSON_BYTES] for at in found)


def answered_batch(
    statement: Statement,
    batch: int,
    load: int,
    persons: Sequence[bytes],
    places: Sequence[int],
    cases: Sequence[tuple[bytes, int]],
) -> AnsweredBatch:
    """An answered batch; `persons` are row keys, `places` those of their cases."""
    question = statement.question
    return AnsweredBatch(
        peer=statement.requester,
        dataset=question.dataset,
        first_month=question.first_month.number,
        last_month=question.last_month.number,
        statement_hash=statement.hash,
        batch=batch,
        load=load,
        persons=b"".join(persons),
        places=np.array(places, "<u2").tobytes(),
        cases=tuple(cases),
    )


class AnsweredBatches:
    """The batches of one vault. Writes belong to the transaction of the vault's caller."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, one: AnsweredBatch) -> None:
        """Keeps a batch."""
        self._database.connection.execute(
            "INSERT OR IGNORE INTO answered_window VALUES (?, ?, ?, ?)",
            (one.peer, one.dataset, one.first_month, one.last_month),
        )
        self._database.connection.execute(
            "INSERT INTO answered_batch VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                one.peer,
                one.dataset,
                one.first_month,
                one.last_month,
                one.statement_hash,
                one.batch,
                max(until for _, until in one.cases),
                one.load,
                one.persons,
                one.places,
                b"".join([_CASE.pack(*case) for case in one.cases]),
            ),
        )

    def touched(
        self,
        peer: BodyId,
        dataset: str,
        months: tuple[int, int],
        load: int,
        persons: AbstractSet[bytes],
        now: datetime,
        at_once: int,
    ) -> Iterator[set[tuple[int, int]]]:
        """Row and case of each live answer about these persons; some rows at a time.

        Args:
            peer: To whom.
            dataset: About which data.
            months: First and last, YYYYMM: answers that have one of them.
            load: Answers given before this load.
            persons: Row keys.
            now: Cases that end after it.
            at_once: Rows read between two results, each of up to 500 persons.
        """
        scope = (peer, dataset, *months, load, to_milliseconds(now))
        last = 0
        while True:
            with self._database.reading():
                rows = self._database.connection.execute(_FIND, (*scope, last, at_once)).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield {
                (row_id, int(places[2 * at]) + 256 * int(places[2 * at + 1]))
                for row_id, kept, places in rows
                for at in _places_of(kept, persons)
            }

    def get(self, row_id: int) -> AnsweredBatch | None:
        """A batch that was touched; None if it was forgotten since."""
        with self._database.reading():
            row = self._database.connection.execute(
                "SELECT peer, dataset, first_month, last_month, statement_hash, batch, load,"
                " persons, places, cases FROM answered_batch WHERE id = ?",
                (row_id,),
            ).fetchone()
        if row is None:
            return None
        peer, dataset, first, last, statement, batch, load, persons, places, cases = row
        return AnsweredBatch(
            peer=BodyId(peer),
            dataset=dataset,
            first_month=first,
            last_month=last,
            statement_hash=statement,
            batch=batch,
            load=load,
            persons=persons,
            places=places,
            cases=tuple(_CASE.iter_unpack(cases)),
        )

    def forget(self, before: datetime) -> None:
        """Drops batches all of whose cases were over by then: of the oldest, some at a time."""
        self._database.connection.execute(
            "DELETE FROM answered_batch WHERE until_ms <= ? AND id IN"
            " (SELECT id FROM answered_batch ORDER BY id LIMIT ?)",
            (to_milliseconds(before), _FORGOTTEN_AT_ONCE),
        )

    def erase(self, person: bytes, now_ms: int) -> list[int]:
        """Takes a person out where their case is over; when those end that are not."""
        run, live = self._database.connection.execute, []
        with self._database.reading():
            found = run("SELECT id FROM answered_batch WHERE instr(persons, ?)", (person,))
            held = [(row_id, one) for (row_id,) in found.fetchall() if (one := self.get(row_id))]
        for row_id, one in held:
            left = bytearray(one.persons)
            for at in _places_of(one.persons, {person}):
                _, until = one.cases[int.from_bytes(one.places[2 * at : 2 * at + 2], "little")]
                if until > now_ms:
                    live.append(until)
                else:
                    left[at * _PERSON_BYTES : (at + 1) * _PERSON_BYTES] = _NOBODY
            run("UPDATE answered_batch SET persons = ? WHERE id = ?", (bytes(left), row_id))
        return live


def _places_of(kept: bytes, persons: AbstractSet[bytes]) -> Iterator[int]:
    for at in range(len(kept) // _PERSON_BYTES):
        if kept[at * _PERSON_BYTES : (at + 1) * _PERSON_BYTES] in persons:
            yield at
