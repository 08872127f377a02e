"""Persons: what bars an answer, and, sealed, who they are where the law has the body know."""

import json
import sqlite3
from datetime import date

from cloison.errors import IntegrityError, StorageError
from cloison.identity import Nir
from cloison.store.database import Database
from cloison.store.values import IdentityFacts

_VAULT = b"cloison/v1 store vault\n"


class People:
    """Identities and the vault of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def identity(self, person: bytes) -> IdentityFacts | None:
        """As `Store.identity`."""
        try:
            row = self._database.connection.execute(
                "SELECT permanent, traits, dead, objected FROM identity WHERE person = ?", (person,)
            ).fetchone()
        except sqlite3.Error as error:
            raise StorageError("STORE_READ", f"store: {error}") from error
        if row is None:
            return None
        return IdentityFacts(bool(row[0]), row[1], bool(row[2]), bool(row[3]))

    def put_identity(self, person: bytes, facts: IdentityFacts) -> None:
        """Replaces what is known of a person; the versions stand with the records."""
        self._database.connection.execute(
            "INSERT OR REPLACE INTO identity VALUES (?, ?, ?, ?, ?)",
            (person, facts.permanent, facts.dead, facts.objected, facts.traits_digest),
        )

    def put_named(self, person: bytes, nir: Nir, birth_name: str, birth_date: str) -> None:
        """Seals a person's NIR and traits."""
        plain = json.dumps([nir, birth_name, birth_date]).encode()
        self._database.connection.execute(
            "INSERT OR REPLACE INTO vault VALUES (?, ?)",
            (person, self._database.seal(plain, _VAULT + person)),
        )

    def keeps_number(self, person: bytes) -> bool:
        """Whether the catalogue keeps a NIR for this person."""
        with self._database.reading():
            found = self._database.connection.execute(
                "SELECT 1 FROM vault WHERE person = ?", (person,)
            )
            return found.fetchone() is not None

    def named(self, person: bytes) -> tuple[Nir, str, date]:
        """NIR, birth name, birth date.

        Raises:
            IntegrityError: `VAULT_MISSING`: the catalogue keeps no NIR for this person.
                `VAULT_SEAL`: the row was altered.
        """
        with self._database.reading():
            row = self._database.connection.execute(
                "SELECT sealed FROM vault WHERE person = ?", (person,)
            ).fetchone()
        if row is None:
            raise IntegrityError("VAULT_MISSING", "store: a member is not in the vault")
        nir, birth_name, birth_date = json.loads(self._database.unseal(row[0], _VAULT + person))
        return Nir(nir), birth_name, date.fromisoformat(birth_date)
