"""What the vault keeps of objections: the keyed row key of who objected to what, and a date."""

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from cloison.exchange.statement import to_milliseconds
from cloison.store import Database


class ObjectionRecords:
    """A table of the vault; what is written is kept as its transaction is."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._purposes: frozenset[str] | None = None

    def _ask(self, sql: str, *values: bytes | str | int) -> sqlite3.Cursor:
        with self._database.reading():
            return self._database.connection.execute(sql, values)

    def keep(self, row_key: bytes, purpose: str, until: datetime) -> None:
        """A person objects to a purpose; that is kept until then."""
        self._database.connection.execute(
            "INSERT OR REPLACE INTO objection VALUES (?, ?, ?)",
            (row_key, purpose, to_milliseconds(until)),
        )
        self.reread()

    def any_of(self, row_keys: Iterable[bytes], purposes: Iterable[str]) -> bool:
        """Whether any of these persons objected to any of these purposes."""
        return any(True for _ in self.of(row_keys, purposes))

    def of(self, row_keys: Iterable[bytes], purposes: Iterable[str]) -> Iterable[int]:
        """The places of those of these persons who objected to any of these purposes."""
        if self._purposes is None:
            rows = self._ask("SELECT DISTINCT purpose FROM objection")
            self._purposes = frozenset(purpose for (purpose,) in rows)
        # Most purposes nobody can object to: their questions must not pay for those that can be.
        asked = self._purposes.intersection(purposes)
        if not asked:
            return
        sql = "SELECT 1 FROM objection WHERE person = ? AND purpose = ?"
        for place, row_key in enumerate(row_keys):
            if any(self._ask(sql, row_key, purpose).fetchone() for purpose in asked):
                yield place

    def forget(self, now: datetime) -> None:
        """Drops objections kept as long as they may be."""
        self._database.connection.execute(
            "DELETE FROM objection WHERE until_ms <= ?", (to_milliseconds(now),)
        )
        self.reread()

    def reread(self) -> None:
        """What is known of the table may have been taken back, or changed."""
        self._purposes = None
