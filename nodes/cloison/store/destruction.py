"""What is to be destroyed, and its deletion: rows overwritten, nothing left in the log."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from cloison.store.database import Database, to_ms
from cloison.store.values import Doomed

_KEPT = "SELECT statement_hash, part, received_by, case_leaf_hash FROM received WHERE"
_OF_CASES = " received_by = ? AND case_leaf_hash IN ({}) ORDER BY statement_hash, part"
_OF_PERSON = (
    " received_by = ? AND (statement_hash, part) IN"
    " (SELECT statement_hash, part FROM received_person WHERE person = ?)"
    " ORDER BY statement_hash, part"
)
_ENDED = " until_ms <= ? ORDER BY received_by, statement_hash, part LIMIT ?"
_PERSONS = "SELECT person FROM received_person WHERE statement_hash = ? AND part = ?"
_DEPOSITS = "SELECT deposit_hash FROM output WHERE activity = ? AND case_leaf_hash IN ({})"


class Destruction:
    """Received releases and the outputs that rest on them: which, and gone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_cases(self, activity: str, cases: Sequence[bytes]) -> list[Doomed]:
        """As `Store.doomed_of_cases`."""
        return list(self._kept(_OF_CASES.format(_marks(cases)), activity, *cases))

    def of_person(self, activity: str, person: bytes) -> list[Doomed]:
        """As `Store.doomed_of_person`."""
        return list(self._kept(_OF_PERSON, activity, person))

    def of_statement(self, statement_hash: bytes) -> list[Doomed]:
        """As `Store.doomed_of_statement`."""
        return list(self._kept(" statement_hash = ? ORDER BY part", statement_hash))

    def ended(self, now: datetime, most: int) -> list[Doomed]:
        """As `Store.doomed_ended`."""
        return list(self._kept(_ENDED, to_ms(now), most))

    def deposits(self, activity: str, cases: Sequence[bytes]) -> list[bytes]:
        """As `Store.deposits_of_cases`."""
        with self._database.reading():
            rows = self._database.connection.execute(
                _DEPOSITS.format(_marks(cases)), (activity, *cases)
            )
            return sorted(row[0] for row in rows)

    def ended_deposits(self, now: datetime, most: int) -> list[tuple[str, bytes]]:
        """As `Store.deposits_ended`."""
        with self._database.reading():
            rows = self._database.connection.execute(
                "SELECT activity, deposit_hash FROM output WHERE until_ms <= ?"
                " ORDER BY activity, deposit_hash LIMIT ?",
                (to_ms(now), most),
            )
            return list(rows)

    def _kept(self, where: str, *values: bytes | str | int) -> Iterator[Doomed]:
        with self._database.reading():
            rows = self._database.connection.execute(_KEPT + where, values).fetchall()
            for statement_hash, part, activity, case in rows:
                persons = self._database.connection.execute(_PERSONS, (statement_hash, part))
                named = tuple(person for (person,) in persons)
                yield Doomed(statement_hash, part, activity, case, named)

    def destroy(self, releases: Sequence[tuple[bytes, int]], deposits: Sequence[bytes]) -> bool:
        """As `Store.destroy`."""
        with self._database.transaction():
            self._database.connection.executemany(
                "DELETE FROM received WHERE statement_hash = ? AND part = ?", releases
            )
            self._database.connection.executemany(
                "DELETE FROM output WHERE deposit_hash = ?", [(one,) for one in deposits]
            )
        # Before this, the bytes stand in the write-ahead log, and a power cut brings the rows back.
        return self._database.empty_log()


def _marks(values: Sequence[bytes]) -> str:
    return ", ".join("?" * len(values))
