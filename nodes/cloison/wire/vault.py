"""The vault: (NIR, salt) pairs, trace keys, sealed answers and case files, outside the ledger.

* Everything that could name a person is AES-GCM under the vault key.
* A group's rows are on disk before any answer of the group leaves.
* Erasing a person's row unlinks every trace of them; the ledger's tree stays.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import resources
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cloison.bodies import BodyId
from cloison.errors import IntegrityError, PeerError, StorageError
from cloison.exchange.statement import from_milliseconds, to_milliseconds
from cloison.identity import Nir, trace_key
from cloison.months import Month

_NONCE_BYTES = 12
_KEY_BYTES = 32
_CACHED_PERSONS = 200_000
_CACHED_CASES = 200_000
_SLOW_SECONDS = 0.0005


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


class Vault:
    """One SQLite file beside the store. Not shared between processes.

    Args:
        path: The database; created if absent.
        vault_key: 32 bytes; encrypts what names a person.
        node: The node's body, part of every trace key.
    """

    def __init__(self, path: Path, vault_key: bytes, node: BodyId) -> None:
        self._node = node
        self._aead = AESGCM(vault_key)
        self._keys: dict[bytes, bytes] = {}
        self._closed: dict[bytes, bool] = {}
        self._syncer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="vault-sync")
        self._dirty = True
        self._slow = True
        self._lost = False
        self._changes = 0
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            # NORMAL syncs at checkpoints only; `durable` syncs the write-ahead log for each group.
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._migrate()
            self._wal = os.open(path.with_name(path.name + "-wal"), os.O_RDWR)
        except sqlite3.Error as error:
            raise StorageError("VAULT", f"vault `{path}`: {error}") from error

    def _migrate(self) -> None:
        done = self._db.execute("PRAGMA user_version").fetchone()[0]
        folder = resources.files("cloison.wire") / "migrations"
        for file in sorted(folder.iterdir(), key=lambda one: one.name):
            number = int(file.name[:4])
            if number > done:
                script = file.read_text("utf-8")
                self._db.executescript(f"BEGIN; {script}; PRAGMA user_version={number}; COMMIT;")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All kept on leaving, nothing if it raises; on disk after the next `durable`.

        Raises:
            StorageError: `VAULT`: the disk or the database refused.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._dirty = self._dirty or self._db.total_changes != self._changes
                self._changes = self._db.total_changes
                self._db.execute("COMMIT")
            except BaseException:
                # First: no key or closing may be believed that was taken back.
                self._keys.clear()
                self._closed.clear()
                if self._db.in_transaction:  # a full disk has ended it already
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StorageError("VAULT", f"vault: {error}") from error

    @contextmanager
    def durable(self) -> Iterator[None]:
        """What was committed is on disk on leaving. A slow disk works while the block does.

        A quick one is waited for after it: handing a thread 0.1 ms of work costs more than that.

        Raises:
            StorageError: `VAULT`: the disk refused; nothing may leave, now or until the vault is
                opened again: after a failed sync the next one would call lost bytes safe.
        """
        if self._lost:
            raise StorageError("VAULT", "vault: stopped by a failed write", "restart the node")
        if not self._dirty:
            yield
            return
        syncing = self._syncer.submit(self._sync) if self._slow else None
        try:
            yield
        finally:
            try:
                self._slow = (syncing.result() if syncing else self._sync()) > _SLOW_SECONDS
            except OSError as error:
                self._lost = True
                raise StorageError("VAULT", f"vault: {error.strerror}") from error
        self._dirty = False

    def _sync(self) -> float:
        """Seconds it took."""
        start = time.monotonic()
        os.fdatasync(self._wal)
        return time.monotonic() - start

    def _seal(self, plain: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, None)

    def _open(self, sealed: bytes) -> bytes:
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except InvalidTag as error:
            raise IntegrityError("VAULT_KEY", "vault: not sealed under this key") from error

    def keep_salt(self, salt: bytes, nir: Nir, statement_hash: bytes) -> None:
        """Raises `PeerError` (`SALT_REUSED`) if the salt came with another statement."""
        kept = self._db.execute(
            "INSERT INTO salt VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (salt, statement_hash, self._seal(nir.encode("ascii"))),
        )
        if kept.rowcount:
            return
        (owner,) = self._db.execute(
            "SELECT statement_hash FROM salt WHERE salt = ?", (salt,)
        ).fetchone()
        if owner != statement_hash:
            raise PeerError(
                "SALT_REUSED", "person: the salt was used before", "draw 32 fresh bytes"
            )

    def trace_keys(self, row_keys: Iterable[bytes], day: date) -> list[bytes]:
        """One trace key a person, in order, duplicates dropped; new persons get a random key."""
        return [
            trace_key(self._person_key(row_key), self._node, day)
            for row_key in dict.fromkeys(row_keys)
        ]

    def _person_key(self, row_key: bytes) -> bytes:
        key = self._keys.get(row_key)
        if key is None:
            row = self._db.execute(
                "SELECT sealed_key FROM person WHERE row_key = ?", (row_key,)
            ).fetchone()
            key = self._open(row[0]) if row else self._new_person(row_key)
            if len(self._keys) >= _CACHED_PERSONS:
                self._keys.clear()
            self._keys[row_key] = key
        return key

    def _new_person(self, row_key: bytes) -> bytes:
        key = os.urandom(_KEY_BYTES)
        self._db.execute("INSERT INTO person VALUES (?, ?)", (row_key, self._seal(key)))
        return key

    def keep_answer(self, statement_hash: bytes, sealed: bytes, now: datetime) -> None:
        """Keeps a sealed answer for repeats of the same statement."""
        self._db.execute(
            "INSERT OR REPLACE INTO answer VALUES (?, ?, ?)",
            (statement_hash, sealed, to_milliseconds(now)),
        )

    def answer(self, statement_hash: bytes) -> tuple[bytes, datetime] | None:
        """The sealed answer of a statement and when it was made, if it is still kept."""
        row = self._db.execute(
            "SELECT sealed, kept_time_ms FROM answer WHERE statement_hash = ?", (statement_hash,)
        ).fetchone()
        return (row[0], from_milliseconds(row[1])) if row else None

    def forget_answers(self, before: datetime) -> None:
        """Drops the answers made before then."""
        self._db.execute("DELETE FROM answer WHERE kept_time_ms < ?", (to_milliseconds(before),))

    def keep_case(self, case: CaseFile) -> None:
        """Keeps a case file."""
        self._db.execute(
            "INSERT INTO case_file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                case.leaf_hash,
                case.leaf_index,
                case.renewal_index,
                case.activity,
                case.type,
                case.month.number,
                case.reference,
                to_milliseconds(case.valid_until),
                int(case.closed),
                self._seal(_members_to_json(case.members)),
            ),
        )

    def case(self, leaf_hash: bytes) -> CaseFile | None:
        """The case file of an entry of this body's ledger."""
        row = self._db.execute(
            "SELECT * FROM case_file WHERE leaf_hash = ?", (leaf_hash,)
        ).fetchone()
        return self._case(row) if row else None

    def live_case(
        self, activity: str, month: Month, reference: str, now: datetime
    ) -> CaseFile | None:
        """The case of a claim, if one is open and not past its end."""
        row = self._db.execute(
            "SELECT * FROM case_file WHERE activity = ? AND month = ? AND reference = ?"
            " AND closed = 0 AND valid_until_ms > ? LIMIT 1",
            (activity, month.number, reference, to_milliseconds(now)),
        ).fetchone()
        return self._case(row) if row else None

    def case_closed(self, leaf_hash: bytes) -> bool | None:
        """Whether a case is closed; None if this body never opened it."""
        known = self._closed.get(leaf_hash)
        if known is None:
            row = self._db.execute(
                "SELECT closed FROM case_file WHERE leaf_hash = ?", (leaf_hash,)
            ).fetchone()
            if row is None:
                return None
            if len(self._closed) >= _CACHED_CASES:
                self._closed.clear()
            known = self._closed[leaf_hash] = bool(row[0])
        return known

    def close_case(self, leaf_hash: bytes) -> None:
        """Marks a case closed."""
        self._db.execute("UPDATE case_file SET closed = 1 WHERE leaf_hash = ?", (leaf_hash,))
        self._closed[leaf_hash] = True

    def renew_case(self, leaf_hash: bytes, renewal_index: int, valid_until: datetime) -> None:
        """Moves a case's end."""
        self._db.execute(
            "UPDATE case_file SET renewal_index = ?, valid_until_ms = ? WHERE leaf_hash = ?",
            (renewal_index, to_milliseconds(valid_until), leaf_hash),
        )

    def _case(self, row: Sequence[object]) -> CaseFile:
        leaf, index, renewal, activity, kind, month, reference, until, closed, members = row
        assert isinstance(members, bytes)  # noqa: S101 - the column is BLOB NOT NULL, STRICT
        return CaseFile(
            leaf_hash=bytes(leaf),  # type: ignore[call-overload]
            leaf_index=int(str(index)),
            renewal_index=None if renewal is None else int(str(renewal)),
            activity=str(activity),
            type=str(kind),
            month=Month.from_number(int(str(month))),
            reference=str(reference),
            valid_until=from_milliseconds(int(str(until))),
            closed=bool(closed),
            members=_members_from_json(self._open(members)),
        )

    def defer_checkpoints(self) -> None:
        """Leave it to another connection to move the write-ahead log into the file."""
        self._db.execute("PRAGMA wal_autocheckpoint = 0")

    def close(self) -> None:
        """Closes the database."""
        self._syncer.shutdown()
        os.close(self._wal)
        self._db.close()


def _members_to_json(members: Sequence[CaseMember]) -> bytes:
    rows = [[m.role, m.nir, m.birth_name, m.birth_date, m.salt.hex()] for m in members]
    return json.dumps(rows).encode("utf-8")


def _members_from_json(data: bytes) -> tuple[CaseMember, ...]:
    return tuple(
        CaseMember(role, Nir(nir), name, born, bytes.fromhex(salt))
        for role, nir, name, born, salt in json.loads(data)
    )


def utc_day(time: datetime) -> date:
    """The UTC day of a time: trace keys change with it."""
    return time.astimezone(UTC).date()
