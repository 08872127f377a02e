"""An SQLite file: opened, migrated, checked against its keys; transactions and wrapped errors."""

import hmac
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cloison.errors import IntegrityError, StorageError

_NONCE_BYTES = 12
_BUSY_SECONDS = 0.5
_CHECK = b"cloison/v1 store key check\n"
_HIDING = b"cloison/v1 store hiding key\n"
_MIGRATION = re.compile(r"([0-9]{4})_[a-z_]+\.sql")

# WAL with NORMAL survives a killed process; after a power cut the last transactions may be missing,
# and the ledger, which is flushed before every answer, says which. A small cache over mmap is
# quicker than a large one (measured: 9 µs a look-up against 31). The map is as large as SQLite
# lets it be: a look-up beyond it costs a system call a page.
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "foreign_keys = ON",
    "secure_delete = ON",  # what is deleted is overwritten, not left on a free page
    "busy_timeout = 10000",
    "cache_size = -4000",
    "mmap_size = 2147418112",
)


class Database:
    """One connection; used by one thread at a time.

    Args:
        path: Created with mode 0600 if absent; its stem names it in errors.
        body: The body whose it is.
        vault_key: 32 bytes; seals what names a person and what an activity deposited.
        other_keys: What else it must be opened with each time, in the order of its `owner` table.
        package: In whose folder `migrations` its tables are; the first has the `owner` table.

    Raises:
        StorageError: `STORE_OPEN`: not a database, no room, no right. `WRONG_STORE`: another
            body's, made with other keys, or by a later version of this program.
    """

    def __init__(
        self,
        path: Path,
        body: str,
        vault_key: bytes,
        other_keys: Sequence[bytes] = (),
        package: str = "cloison.store",
    ) -> None:
        self._path = path
        self._aead = AESGCM(vault_key)
        self._hiding_key = hmac.digest(vault_key, _HIDING, "sha256")
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for pragma in _PRAGMAS:
                self.connection.execute(f"PRAGMA {pragma}")
            self._migrate(package)
        except (OSError, sqlite3.Error) as error:
            raise StorageError("STORE_OPEN", f"{path.stem} `{path}`: {error}") from error
        self._check_owner(body, (*other_keys, vault_key))

    def _migrate(self, package: str) -> None:
        files = {}
        for file in (resources.files(package) / "migrations").iterdir():
            if match := _MIGRATION.fullmatch(file.name):
                files[int(match[1])] = file.read_text("utf-8")
        done = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if done > max(files):
            raise StorageError(
                "WRONG_STORE", f"{self._path.stem}: made by a later version of this program"
            )
        for number in sorted(files):
            if number > done:
                script = (
                    f"BEGIN IMMEDIATE; {files[number]}; PRAGMA user_version = {number}; COMMIT;"
                )
                self.connection.executescript(script)

    def _check_owner(self, body: str, keys: Sequence[bytes]) -> None:
        expected = (body, *map(_check_value, keys))
        with self.transaction():
            found = self.connection.execute("SELECT * FROM owner").fetchone()
            if found is None:
                marks = ", ".join("?" * len(expected))
                self.connection.execute(
                    f"INSERT INTO owner VALUES ({marks})",  # noqa: S608 - no input in it
                    expected,
                )
                return
        if found != expected:
            self.connection.close()
            raise StorageError(
                "WRONG_STORE",
                f"{self._path.stem} `{self._path}`: not of `{body}`, or made with other keys",
                "open it with the keys it was made with",
            )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything or nothing; within another transaction, part of that one.

        Raises:
            StorageError: `STORE_WRITE`: the disk or the database refused; nothing was kept.
        """
        if self.connection.in_transaction:
            yield
            return
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StorageError("STORE_WRITE", f"{self._path.stem}: {error}") from error

    @contextmanager
    def snapshot(self) -> Iterator[bool]:
        """All that is read within is of one moment; others may write meanwhile.

        Gives False within a transaction, which sees what it has written so far.

        Raises:
            StorageError: `STORE_READ`.
        """
        with self.reading():
            if self.connection.in_transaction:
                yield False
                return
            self.connection.execute("BEGIN")
            try:
                yield True
            finally:
                self.connection.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Raises `StorageError` (`STORE_READ`) where the disk or the database refused."""
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError("STORE_READ", f"{self._path.stem}: {error}") from error

    def seal(self, plain: bytes, purpose: bytes) -> bytes:
        """AES-256-GCM under the vault key; `purpose` ties it to the row it is kept in."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, purpose)

    def seal_each(self, plains: Sequence[bytes], purposes: Sequence[bytes]) -> list[bytes]:
        """As `seal`, of each with its purpose; the nonces are drawn at once."""
        drawn = os.urandom(_NONCE_BYTES * len(plains))
        nonces = (drawn[at : at + _NONCE_BYTES] for at in range(0, len(drawn), _NONCE_BYTES))
        encrypt = self._aead.encrypt
        return [
            nonce + encrypt(nonce, plain, purpose)
            for nonce, plain, purpose in zip(nonces, plains, purposes, strict=True)
        ]

    def unseal(self, sealed: bytes, purpose: bytes) -> bytes:
        """Raises `IntegrityError` (`VAULT_SEAL`): altered, or moved from another row."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose)
        except InvalidTag as error:
            raise IntegrityError(
                "VAULT_SEAL", f"{self._path.stem}: a sealed row does not open"
            ) from error

    def hide(self, text: str, purpose: bytes) -> bytes:
        """What stands for a text that is looked up by: equal for equal texts, under a key."""
        return hmac.digest(self._hiding_key, purpose + text.encode(), "sha256")

    @property
    def total_changes(self) -> int:
        """Rows changed since it was opened, those taken back included."""
        return self.connection.total_changes

    @property
    def columns_path(self) -> Path:
        """The folder beside it for columns of what it holds."""
        return self._path.with_suffix(".columns")

    @property
    def log_path(self) -> Path:
        """Its write-ahead log, which is there while it is open."""
        return self._path.with_name(self._path.name + "-wal")

    def defer_checkpoints(self) -> None:
        """Leave it to another connection to move the write-ahead log into the file."""
        self.connection.execute("PRAGMA wal_autocheckpoint = 0")

    def checkpoint(self) -> bool:
        """Flushes everything to the main file; False where a reader of older data held it up.

        Raises:
            StorageError: `STORE_WRITE`.
        """
        try:
            row = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise StorageError("STORE_WRITE", f"{self._path.stem}: {error}") from error
        return bool(row[0] == 0)

    def empty_log(self) -> bool:
        """What was committed is in the main file and on disk, and the log is empty.

        Returns:
            False where somebody reads or writes, here or in another process; waited for half a
            second, for this may stand in the way of questions.

        Raises:
            StorageError: `STORE_WRITE`.
        """
        try:
            with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS)) as apart:
                busy, *_ = apart.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise StorageError("STORE_WRITE", f"{self._path.stem}: {error}") from error
        return not busy

    def close(self) -> None:
        """Closes the file; nothing may be asked afterwards."""
        self.connection.close()


def _check_value(key: bytes) -> bytes:
    return hmac.digest(key, _CHECK, "sha256")[:16]


def to_ms(time: datetime) -> int:
    """Unix milliseconds of an aware time."""
    return int(time.timestamp() * 1000)


def from_ms(milliseconds: int) -> datetime:
    """The UTC time of Unix milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
