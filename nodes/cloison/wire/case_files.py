"""Cases as the vault keeps them: whom they are about, and where they stand in the ledger."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cloison.exchange.statement import from_milliseconds, to_milliseconds
from cloison.identity import Nir
from cloison.months import Month
from cloison.store import Database

_CASE = b"cloison/v1 vault case\n"
_CLAIM = b"cloison/v1 vault claim\n"
_REMEMBERED = 200_000

_CaseRow = tuple[bytes, int, int | None, str, str, int, bytes, int, int, bytes]


@dataclass(frozen=True, slots=True)
class CaseMember:
    """A person of a case file, with the salt of their digest in the entry."""

    role: str
    nir: Nir
    birth_name: str
    birth_date: str
    salt: bytes


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A case this body opened."""

    leaf_hash: bytes
    leaf_index: int
    renewal_index: int | None
    activity: str
    type: str
    month: Month
    reference: str
    valid_until: datetime
    closed: bool
    members: tuple[CaseMember, ...]


class CasePlace(NamedTuple):
    """Where a case stands in this body's ledger: its entry, and that of its latest renewal."""

    leaf_index: int
    renewal_index: int | None
    closed: bool


class CaseRows:
    """Rows of the vault's own database; the caller holds its transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._closed: dict[bytes, bool] = {}

    def keep(self, case: CaseFile) -> None:
        """Keeps a case file."""
        self._run(
            "INSERT INTO case_file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            case.leaf_hash,
            case.leaf_index,
            case.renewal_index,
            case.activity,
            case.type,
            case.month.number,
            self._claim(case.activity, case.month, case.reference),
            to_milliseconds(case.valid_until),
            int(case.closed),
            self._database.seal(_to_json(case.reference, case.members), _CASE + case.leaf_hash),
        )

    def one(self, leaf_hash: bytes) -> CaseFile | None:
        """The case file of an entry of this body's ledger."""
        row = self._ask("SELECT * FROM case_file WHERE leaf_hash = ?", leaf_hash).fetchone()
        return self._file(row) if row else None

    def live(
        self, activity: str, case_type: str, month: Month, reference: str, now: datetime
    ) -> CaseFile | None:
        """The case of this type of a claim, if one is open and not past its end."""
        row = self._ask(
            "SELECT * FROM case_file WHERE claim = ? AND closed = 0 AND type = ?"
            " AND valid_until_ms > ? LIMIT 1",
            self._claim(activity, month, reference),
            case_type,
            to_milliseconds(now),
        ).fetchone()
        return self._file(row) if row else None

    def latest(self, activity: str, month: Month, reference: str) -> CaseFile | None:
        """The case last opened for a claim, whatever became of it."""
        row = self._ask(
            "SELECT * FROM case_file WHERE claim = ? ORDER BY leaf_index DESC LIMIT 1",
            self._claim(activity, month, reference),
        ).fetchone()
        return self._file(row) if row else None

    def closed(self, activity: str, month: Month, reference: str) -> list[CaseFile]:
        """The closed cases of a claim."""
        rows = self._ask(
            "SELECT * FROM case_file WHERE claim = ? AND closed = 1",
            self._claim(activity, month, reference),
        ).fetchall()
        return [self._file(row) for row in rows]

    def places(self, case_leaf_hashes: Sequence[bytes]) -> dict[bytes, CasePlace]:
        """Where the entries of this body's cases stand; only of those it opened."""
        marks = ", ".join("?" * len(case_leaf_hashes))
        rows = self._ask(
            "SELECT leaf_hash, leaf_index, renewal_index, closed FROM case_file"  # noqa: S608 - no input in it
            f" WHERE leaf_hash IN ({marks})",
            *case_leaf_hashes,
        )
        return {
            leaf: CasePlace(index, renewal, closed=bool(closed))
            for leaf, index, renewal, closed in rows
        }

    def oldest_live(self, now: datetime) -> int | None:
        """The oldest entry that a case still to be proved stands in."""
        query = "SELECT min(leaf_index) FROM case_file WHERE closed = 0 AND valid_until_ms > ?"
        (index,) = self._ask(query, to_milliseconds(now)).fetchone()
        return None if index is None else int(index)

    def is_closed(self, leaf_hash: bytes) -> bool | None:
        """Whether a case is closed; None if this body never opened it."""
        known = self._closed.get(leaf_hash)
        if known is None:
            row = self._ask(
                "SELECT closed FROM case_file WHERE leaf_hash = ?", leaf_hash
            ).fetchone()
            if row is None:
                return None
            if len(self._closed) >= _REMEMBERED:
                self._closed.clear()
            known = self._closed[leaf_hash] = bool(row[0])
        return known

    def close(self, leaf_hash: bytes) -> None:
        """Marks a case closed."""
        self._run("UPDATE case_file SET closed = 1 WHERE leaf_hash = ?", leaf_hash)
        self._closed[leaf_hash] = True

    def renew(self, leaf_hash: bytes, renewal_index: int, valid_until: datetime) -> None:
        """Moves a case's end."""
        self._run(
            "UPDATE case_file SET renewal_index = ?, valid_until_ms = ? WHERE leaf_hash = ?",
            renewal_index,
            to_milliseconds(valid_until),
            leaf_hash,
        )

    def erase_member(self, nir: Nir, now: datetime) -> datetime | None:
        """Takes a person out of the files of cases that are over. Every file is opened.

        Where nobody is left, the claim is not known any more either.

        Returns:
            When the last case that holds them still is over; None: none does.
        """
        held, last = [], None
        for row in self._ask("SELECT * FROM case_file"):
            case = self._file(row)
            if all(member.nir != nir for member in case.members):
                continue
            if case.valid_until > now:
                last = case.valid_until if last is None else max(last, case.valid_until)
            else:
                held.append(case)
        for case in held:
            members = [member for member in case.members if member.nir != nir]
            reference = case.reference if members else ""
            self._run(
                "UPDATE case_file SET sealed = ?, claim = iif(?, claim, randomblob(32))"
                " WHERE leaf_hash = ?",
                self._database.seal(_to_json(reference, members), _CASE + case.leaf_hash),
                len(members),
                case.leaf_hash,
            )
        return last

    def prune(self, minimum: int, now: datetime) -> None:
        """Drops the files of cases that are over, whose entry is no longer kept.

        Args:
            minimum: The first entry that is.
            now: The time.
        """
        self._run(
            "DELETE FROM case_file WHERE leaf_index < ? AND valid_until_ms <= ?",
            minimum,
            to_milliseconds(now),
        )
        self.reread()

    def reread(self) -> None:
        """What is remembered may have been taken back."""
        self._closed.clear()

    def _claim(self, activity: str, month: Month, reference: str) -> bytes:
        return self._database.hide(f"{activity}\n{month.number}\n{reference}", _CLAIM)

    def _file(self, row: _CaseRow) -> CaseFile:
        leaf, index, renewal, activity, kind, month, _, until, closed, sealed = row
        reference, members = _from_json(self._database.unseal(sealed, _CASE + leaf))
        return CaseFile(
            leaf_hash=leaf,
            leaf_index=index,
            renewal_index=renewal,
            activity=activity,
            type=kind,
            month=Month.from_number(month),
            reference=reference,
            valid_until=from_milliseconds(until),
            closed=bool(closed),
            members=members,
        )

    def _run(self, sql: str, *values: bytes | str | int | None) -> sqlite3.Cursor:
        return self._database.connection.execute(sql, values)

    def _ask(self, sql: str, *values: bytes | str | int | None) -> sqlite3.Cursor:
        with self._database.reading():
            return self._run(sql, *values)


def _to_json(reference: str, members: Sequence[CaseMember]) -> bytes:
    """What a case file says of whom, before it is sealed."""
    rows = [[m.role, m.nir, m.birth_name, m.birth_date, m.salt.hex()] for m in members]
    return json.dumps([reference, rows]).encode("utf-8")


def _from_json(data: bytes) -> tuple[str, tuple[CaseMember, ...]]:
    """The reference and the members of a case file."""
    reference, rows = json.loads(data)
    return reference, tuple(
        CaseMember(role, Nir(nir), name, born, bytes.fromhex(salt))
        for role, nir, name, born, salt in rows
    )
