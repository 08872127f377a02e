"""Whom the digests of statements are about: NIRs with their salts, sealed, outside the ledger.

Of a cohort's run one row: its salts follow from the seed. Where a person of it was erased the seed
is gone, and the others' salts stand in its place.
"""

import os
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from cloison.errors import PeerError
from cloison.exchange import limits
from cloison.exchange.statement import to_milliseconds
from cloison.identity import Nir, cohort_salts
from cloison.store import Database

_SALT = b"cloison/v1 vault salt\n"
_BATCH = b"cloison/v1 vault batch\n"
_NIR_BYTES = 15
_NOBODY = b" " * _NIR_BYTES
_NO_SALT = bytes(limits.SALT_BYTES)


class Openings:
    """Tables of the vault; what is written is kept as its transaction is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _run(self, sql: str, *values: bytes | int) -> sqlite3.Cursor:
        return self._database.connection.execute(sql, values)

    def keep(self, salt: bytes, nir: Nir, statement_hash: bytes, now: datetime) -> None:
        """Raises `PeerError` (`SALT_REUSED`) if the salt came with another statement."""
        kept = self._run(
            "INSERT INTO salt (salt, statement_hash, sealed_nir, kept_ms) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            salt,
            statement_hash,
            self._database.seal(nir.encode("ascii"), _SALT + salt),
            to_milliseconds(now),
        )
        if kept.rowcount:
            return
        (owner,) = self._run("SELECT statement_hash FROM salt WHERE salt = ?", salt).fetchone()
        if owner != statement_hash:
            raise PeerError(
                "SALT_REUSED", "person: the salt was used before", "draw 32 fresh bytes"
            )

    def keep_run(
        self, seed: bytes, nirs: Sequence[Nir], statement_hash: bytes, part: int, now: datetime
    ) -> None:
        """Keeps who is in a run; `part` is its first batch.

        Raises:
            PeerError: `SALT_REUSED`: the seed came with another run.
        """
        kept = self._run(
            "INSERT INTO cohort_batch (salt_seed, statement_hash, part, sealed_nirs, kept_ms)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            seed,
            statement_hash,
            part,
            self._database.seal("".join(nirs).encode("ascii"), _BATCH + seed),
            to_milliseconds(now),
        )
        if kept.rowcount:
            return
        query = "SELECT statement_hash, part FROM cohort_batch WHERE salt_seed = ?"
        if self._run(query, seed).fetchone() != (statement_hash, part):
            raise PeerError(
                "SALT_REUSED", "batch: its salt seed was used before", "draw 32 fresh bytes"
            )

    def erase(self, nir: Nir) -> None:
        """No digest can be told to be this person's any more; others' still can.

        Every row is opened: seconds for a million salts, or a million persons of runs.
        """
        number = nir.encode("ascii")
        with self._database.reading():
            theirs = [
                (salt,)
                for salt, sealed in self._run("SELECT salt, sealed_nir FROM salt")
                if self._database.unseal(sealed, _SALT + salt) == number
            ]
            self._database.connection.executemany("DELETE FROM salt WHERE salt = ?", theirs)
            runs = self._run("SELECT rowid, salt_seed, sealed_nirs FROM cohort_batch")
            held = [
                (row, seed, places)
                for row, seed, sealed in runs
                if (places := _places(self._database.unseal(sealed, _BATCH + seed), number))
            ]
            for row, seed, places in held:
                self._erase_in_run(row, seed, places)

    def _erase_in_run(self, row: int, seed: bytes, places: Sequence[int]) -> None:
        sealed, salts = self._run(
            "SELECT sealed_nirs, salts FROM cohort_batch WHERE rowid = ?", row
        ).fetchone()
        numbers = bytearray(self._database.unseal(sealed, _BATCH + seed))
        if salts is None:
            salts = b"".join(cohort_salts(seed, len(numbers) // _NIR_BYTES))
        left = bytearray(salts)
        for place in places:
            numbers[place * _NIR_BYTES : (place + 1) * _NIR_BYTES] = _NOBODY
            left[place * limits.SALT_BYTES : (place + 1) * limits.SALT_BYTES] = _NO_SALT
        nobodys = os.urandom(limits.SALT_BYTES)
        self._run(
            "UPDATE cohort_batch SET salt_seed = ?, sealed_nirs = ?, salts = ? WHERE rowid = ?",
            nobodys,
            self._database.seal(bytes(numbers), _BATCH + nobodys),
            bytes(left),
            row,
        )

    def prune(self, before: datetime) -> None:
        """Nor are they kept that were kept before then."""
        for table in ("salt", "cohort_batch"):  # in the order of time: no row that stays is read
            self._run(
                f"DELETE FROM {table} WHERE rowid < coalesce("  # noqa: S608 - no input in it
                f" (SELECT rowid FROM {table} WHERE kept_ms >= ? ORDER BY rowid LIMIT 1),"
                f" (SELECT max(rowid) + 1 FROM {table}))",
                to_milliseconds(before),
            )


def _places(numbers: bytes, number: bytes) -> list[int]:
    """Where in a run a person stands, counted in persons."""
    places, at = [], numbers.find(number)
    while at >= 0:
        if at % _NIR_BYTES == 0:
            places.append(at // _NIR_BYTES)
        at = numbers.find(number, at + 1)
    return places
