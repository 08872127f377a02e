"""The vault's rows of what persons say, and are told, of an entry that has its hash.

Of contested accesses: who, what they say, what they were answered. Of a contested line that is
maintained: who, and why; its entry contests nothing, so no operator is asked to answer it.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from cloison.store import Database

_SAID = b"cloison/v1 vault access contested\n"
_ANSWER = b"cloison/v1 vault access answered\n"
_SALT_BYTES = 32
_INDEX_BYTES = 8


@dataclass(frozen=True, slots=True)
class Words:
    """What somebody said, and the salt it is hashed with: the hash alone stands in a ledger."""

    salt: bytes
    says: str

    @classmethod
    def new(cls, says: str) -> "Words":
        """With a fresh salt."""
        return cls(os.urandom(_SALT_BYTES), says)

    @property
    def hash(self) -> bytes:
        """As the entry has it."""
        return sha256(self.salt + self.says.encode()).digest()


@dataclass(frozen=True, slots=True)
class ContestedAccess:
    """One row.

    Attributes:
        leaf_index: Of the `access_contested` entry, or of the one that maintains a line.
        person: Row key.
        answer_index: Of the entry that answers; None while there is none.
    """

    leaf_index: int
    person: bytes
    said: Words
    answer_index: int | None
    answer: Words | None


class AccessContests:
    """Rows of the vault's own database; the caller holds its transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, leaf_index: int, person: bytes, said: Words) -> None:
        """Keeps what a person said, or is told; again for the same entry replaces it."""
        self._run(
            "INSERT OR REPLACE INTO access_contest VALUES (?, ?, ?, NULL, NULL)",
            leaf_index,
            person,
            self._seal(said, _SAID, leaf_index),
        )

    def answer(self, leaf_index: int, answer_index: int, answer: Words) -> None:
        """Keeps what a person is answered."""
        self._run(
            "UPDATE access_contest SET answer_index = ?, sealed_answer = ? WHERE leaf_index = ?",
            answer_index,
            self._seal(answer, _ANSWER, leaf_index),
            leaf_index,
        )

    def all(self) -> Iterator[ContestedAccess]:
        """Every row, oldest first."""
        return map(self._row, self._ask("SELECT * FROM access_contest ORDER BY leaf_index"))

    def of(self, person: bytes) -> dict[int, Words]:
        """What a person said and was answered, by the place of the entry that has its hash."""
        found: dict[int, Words] = {}
        for row in self.of_person(person):
            found[row.leaf_index] = row.said
            if row.answer is not None and row.answer_index is not None:
                found[row.answer_index] = row.answer
        return found

    def of_person(self, person: bytes) -> list[ContestedAccess]:
        """The rows of one person, by row key."""
        return [*map(self._row, self._ask("SELECT * FROM access_contest WHERE person = ?", person))]

    def one(self, leaf_index: int) -> ContestedAccess | None:
        """The row of an entry."""
        rows = self._ask("SELECT * FROM access_contest WHERE leaf_index = ?", leaf_index)
        return self._row(rows[0]) if rows else None

    def forget(self, person: bytes) -> None:
        """Nothing is kept of what a person said."""
        self._run("DELETE FROM access_contest WHERE person = ?", person)

    def prune(self, minimum: int) -> None:
        """Nor of entries that are no longer kept."""
        self._run("DELETE FROM access_contest WHERE leaf_index < ?", minimum)

    def _seal(self, words: Words, domain: bytes, leaf_index: int) -> bytes:
        plain = json.dumps([words.salt.hex(), words.says]).encode()
        return self._database.seal(plain, domain + leaf_index.to_bytes(_INDEX_BYTES, "big"))

    def _unseal(self, sealed: bytes, domain: bytes, leaf_index: int) -> Words:
        place = domain + leaf_index.to_bytes(_INDEX_BYTES, "big")
        salt, says = json.loads(self._database.unseal(sealed, place))
        return Words(bytes.fromhex(salt), says)

    def _row(self, row: tuple[int, bytes, bytes, int | None, bytes | None]) -> ContestedAccess:
        leaf_index, person, sealed, answer_index, answer = row
        return ContestedAccess(
            leaf_index,
            person,
            self._unseal(sealed, _SAID, leaf_index),
            answer_index,
            None if answer is None else self._unseal(answer, _ANSWER, leaf_index),
        )

    def _run(self, sql: str, *values: bytes | int | None) -> sqlite3.Cursor:
        return self._database.connection.execute(sql, values)

    def _ask(
        self, sql: str, *values: bytes | int
    ) -> list[tuple[int, bytes, bytes, int | None, bytes | None]]:
        with self._database.reading():
            return self._run(sql, *values).fetchall()
