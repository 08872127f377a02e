"""The vault's rows of contestations: which line, whom it is about, how it was answered.

What names the person is sealed, and erased with the answer.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from cloison.bodies import BodyId
from cloison.exchange.contestation import Line
from cloison.exchange.statement import from_milliseconds, to_milliseconds
from cloison.identity import Nir
from cloison.months import Month
from cloison.store import Database, Redeclared

MAINTAINED = Redeclared(0, changed=False)
"""How a contestation ended that no declaration answered: declarations count from 1."""
_SEAL = b"cloison/v1 vault contestation\n"
_LINE = b"cloison/v1 vault contested line\n"
_COLUMNS = (
    "hash, peer, subject, dataset, declarant, period, source, record_version, after_load,"
    " entered_time_ms, answered_version, answered_changed"
)
_OPEN = f"SELECT {_COLUMNS} FROM contestation WHERE answered_version IS NULL"  # noqa: S608 - no input in it
_Row = tuple[bytes, str, bytes, str, str, int, str, int, int, int, int | None, int | None]
_ALL = f"SELECT {_COLUMNS} FROM contestation"  # noqa: S608 - no input in it


@dataclass(frozen=True, slots=True)
class ContestedPerson:
    """Whom a contestation is about, and what they say: never in a ledger."""

    nir: Nir
    birth_name: str
    birth_date: str
    says: str
    amount_cents: int | None


@dataclass(frozen=True, slots=True)
class ContestedLine:
    """A contestation this node holds.

    Attributes:
        peer: The node it came from.
        subject: The person's row key.
        after_load: The last load when it came: what was loaded later may answer it.
        answer: How its declarant answered, or `MAINTAINED`; None while it is open.
    """

    hash: bytes
    peer: BodyId
    subject: bytes
    dataset: str
    declarant: str
    month: Month
    source: str
    version: int
    after_load: int
    entered_time: datetime
    answer: Redeclared | None = None


class ContestationRows:
    """Rows of the vault's own database; the caller holds its transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, activity: str, one: ContestedLine, person: ContestedPerson) -> None:
        """Keeps a contestation; the same again replaces it."""
        plain = json.dumps(
            [
                person.nir,
                person.birth_name,
                person.birth_date,
                person.says,
                person.amount_cents,
            ]
        )
        self._run(
            "INSERT OR REPLACE INTO contestation"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
            one.hash,
            one.peer,
            self._line(activity, one.dataset, one.subject, one.month, one.source, one.version),
            one.subject,
            one.dataset,
            one.declarant,
            one.month.number,
            one.source,
            one.version,
            one.after_load,
            to_milliseconds(one.entered_time),
            self._database.seal(plain.encode(), _SEAL + one.hash),
        )

    def of_line(
        self, activity: str, dataset: str, subject: bytes, line: Line
    ) -> list[ContestedLine]:
        """The contestations of a line that came from this activity."""
        key = self._line(activity, dataset, subject, line.month, line.source, line.version)
        return [_row(row) for row in self._ask(f"{_ALL} WHERE line = ?", key)]

    def all(self, declarant: str = "") -> Iterator[ContestedLine]:
        """Every contestation, or those of one declarant's lines, oldest first."""
        rows = self._ask(
            f"{_ALL} WHERE ? = '' OR declarant = ? ORDER BY entered_time_ms, hash",
            declarant,
            declarant,
        )
        return map(_row, rows)

    def open(self, declarant: str = "") -> Iterator[ContestedLine]:
        """Those nobody answered, of all or of one declarant's lines, oldest first."""
        rows = self._ask(
            f"{_OPEN} AND (? = '' OR declarant = ?) ORDER BY entered_time_ms, hash",
            declarant,
            declarant,
        )
        return map(_row, rows)

    def of_person(self, subject: bytes) -> list[ContestedLine]:
        """The contestations of the lines of one person, by row key."""
        return [_row(row) for row in self._ask(f"{_ALL} WHERE subject = ?", subject)]

    def one(self, contestation_hash: bytes) -> ContestedLine | None:
        """The contestation of this hash."""
        rows = self._ask(f"{_ALL} WHERE hash = ?", contestation_hash)
        return _row(rows[0]) if rows else None

    def person(self, contestation_hash: bytes) -> ContestedPerson:
        """Whom an open contestation is about. Raises `IntegrityError` (`VAULT_SEAL`)."""
        with self._database.reading():
            (sealed,) = self._run(
                "SELECT sealed FROM contestation WHERE hash = ?", contestation_hash
            ).fetchone()
        nir, name, born, says, amount = json.loads(
            self._database.unseal(sealed, _SEAL + contestation_hash)
        )
        return ContestedPerson(Nir(nir), name, born, says, amount)

    def answer(self, contestation_hash: bytes, answer: Redeclared) -> None:
        """Closes a contestation, and erases what names its person."""
        self._run(
            "UPDATE contestation SET answered_version = ?, answered_changed = ?, sealed = NULL"
            " WHERE hash = ?",
            answer.version,
            int(answer.changed),
            contestation_hash,
        )

    def forget(self, hashes: Iterable[bytes]) -> None:
        """Nothing is kept of these contestations, open or answered."""
        self._database.connection.executemany(
            "DELETE FROM contestation WHERE hash = ?", [(one,) for one in hashes]
        )

    def _line(
        self, activity: str, dataset: str, subject: bytes, month: Month, source: str, version: int
    ) -> bytes:
        text = f"{activity}\n{dataset}\n{subject.hex()}\n{month.number}\n{version}\n{source}"
        return self._database.hide(text, _LINE)

    def _run(self, sql: str, *values: bytes | str | int | None) -> sqlite3.Cursor:
        return self._database.connection.execute(sql, values)

    def _ask(self, sql: str, *values: bytes | str | int) -> list[_Row]:
        with self._database.reading():
            return self._run(sql, *values).fetchall()


def _row(row: _Row) -> ContestedLine:
    key, peer, subject, dataset, declarant, period = row[:6]
    source, version, load, entered, answered, changed = row[6:]
    return ContestedLine(
        hash=key,
        peer=BodyId(peer),
        subject=subject,
        dataset=dataset,
        declarant=declarant,
        month=Month.from_number(period),
        source=source,
        version=version,
        after_load=load,
        entered_time=from_milliseconds(entered),
        answer=None if answered is None else Redeclared(answered, bool(changed)),
    )
