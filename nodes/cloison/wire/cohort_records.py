"""What the vault keeps of cohorts: the answers to the last of their batches."""

import sqlite3
from datetime import datetime

from cloison.exchange import limits
from cloison.exchange.statement import to_milliseconds
from cloison.store import Database

DECISION = -1
"""In a batch's place: the answer to the cohort's statement."""


class CohortRecords:
    """Tables of the vault; what is written is kept as its transaction is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _run(self, sql: str, *values: bytes | int) -> sqlite3.Cursor:
        return self._database.connection.execute(sql, values)

    def keep_answer(self, statement_hash: bytes, part: int, sealed: bytes, now: datetime) -> None:
        """Keeps an answer for a stream that is cut; of a cohort's batches, the last few."""
        kept = to_milliseconds(now)
        # First: what is kept then overwrites its pages, which are written once and not twice.
        self._run(
            "DELETE FROM cohort_answer WHERE statement_hash = ? AND part BETWEEN 0 AND ?",
            statement_hash,
            part - limits.COHORT_ANSWERS_KEPT,
        )
        self._run(
            "INSERT OR REPLACE INTO cohort_answer VALUES (?, ?, ?, ?)",
            statement_hash,
            part,
            sealed,
            kept,
        )
        self._run(
            "UPDATE cohort_answer SET kept_time_ms = ? WHERE statement_hash = ? AND part = ?",
            kept,
            statement_hash,
            DECISION,
        )

    def answer(self, statement_hash: bytes, part: int) -> bytes | None:
        """The kept answer to a batch: a sealed release; empty for the decision."""
        with self._database.reading():
            row = self._run(
                "SELECT sealed FROM cohort_answer WHERE statement_hash = ? AND part = ?",
                statement_hash,
                part,
            ).fetchone()
        return row[0] if row else None

    def forget_answers(self, before: datetime) -> None:
        """Drops the answers made before then."""
        self._run("DELETE FROM cohort_answer WHERE kept_time_ms < ?", to_milliseconds(before))
