"""What the vault keeps of cohorts: who was in each run, and the answers to the last of them."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from cloison.errors import PeerError
from cloison.exchange import limits
from cloison.exchange.statement import to_milliseconds
from cloison.identity import Nir
from cloison.store import Database

DECISION = -1
"""In a batch's place: the answer to the cohort's statement."""

_BATCH = b"cloison/v1 vault batch\n"


class CohortRecords:
    """Tables of the vault; what is written is kept as its transaction is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _run(self, sql: str, *values: bytes | int) -> sqlite3.Cursor:
        return self._database.connection.execute(sql, values)

    def keep_run(self, seed: bytes, nirs: Sequence[Nir], statement_hash: bytes, part: int) -> None:
        """Keeps who is in a run, sealed; `part` is its first batch.

        Raises:
            PeerError: `SALT_REUSED`: the seed came with another run.
        """
        sealed = self._database.seal("".join(nirs).encode("ascii"), _BATCH + seed)
        kept = self._run(
            "INSERT INTO cohort_batch VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            seed,
            statement_hash,
            part,
            sealed,
        )
        if kept.rowcount:
            return
        query = "SELECT statement_hash, part FROM cohort_batch WHERE salt_seed = ?"
        if self._run(query, seed).fetchone() != (statement_hash, part):
            raise PeerError(
                "SALT_REUSED", "batch: its salt seed was used before", "draw 32 fresh bytes"
            )

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
