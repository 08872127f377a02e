"""One process a folder: a lock that goes with its process, however that ends."""

import fcntl
import os
from pathlib import Path

from cloison.errors import StorageError
from cloison.ledger.files import guard_writes


def lock_ledger(directory: Path) -> int:
    """The descriptor whose closing lets go of a ledger's one lock.

    Raises:
        StorageError: `LEDGER_MISSING`, `LEDGER_LOCKED`, `LEDGER_WRITE`.
    """
    if not directory.is_dir():
        raise StorageError("LEDGER_MISSING", f"ledger `{directory}`: no such directory")
    return _lock(directory, "LEDGER_LOCKED", f"ledger `{directory}`: another process writes to it")


def lock_witness(directory: Path) -> int:
    """As `lock_ledger`, of a witness's folder, which is there.

    Raises:
        StorageError: `WITNESS_LOCKED`, `LEDGER_WRITE`.
    """
    held = f"witness `{directory}`: another process cosigns from it"
    return _lock(directory, "WITNESS_LOCKED", held)


def _lock(directory: Path, reason: str, held: str) -> int:
    with guard_writes(f"open `{directory / 'lock'}`"):
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StorageError(reason, held) from error
    return lock
