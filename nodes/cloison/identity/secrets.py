"""Secrets come by file path, and only from files no one else may read.

A secret file holds the raw bytes and nothing else: no text, no line end.
"""

import os
import stat
from pathlib import Path

from cloison.errors import StorageError

SECRET_BYTES = 32
_LOOSE = 0o077
_MOST_BYTES = 16_384


def load_secret(path: Path, size_bytes: int = SECRET_BYTES) -> bytes:
    """The bytes of a secret file, if it has exactly that many and only its owner may use it.

    Raises:
        StorageError: `NO_SECRET`: missing or unreadable. `LOOSE_MODE`: group or others have any
            right on it. `BAD_SECRET`: another size, or not a regular file.
    """
    secret = load_private_file(path)
    if len(secret) != size_bytes:
        raise StorageError("BAD_SECRET", f"secret `{path}`: {len(secret)} bytes, not {size_bytes}")
    return secret


def load_private_file(path: Path, most_bytes: int = _MOST_BYTES) -> bytes:
    """The bytes of a private file, at most 16 KiB or as many as said. Raises as `load_secret`."""
    try:
        with path.open("rb") as file:
            _check_private(path, os.fstat(file.fileno()))
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise StorageError("NO_SECRET", f"secret `{path}`: {error.strerror}") from error
    if len(content) > most_bytes:
        raise StorageError("BAD_SECRET", f"secret `{path}`: more than {most_bytes} bytes")
    return content


def write_secret(path: Path, secret: bytes) -> None:
    """Writes a new file of mode 0600, its bytes durable on return (not its folder's entry).

    Raises:
        StorageError: `SECRET_EXISTS`: never overwritten. `SECRET_WRITE`: the disk refused.
    """
    write_new(path, secret, 0o600)


def write_new(path: Path, content: bytes, mode: int) -> None:
    """As `write_secret`, for any mode, whatever the umask."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode & 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except FileExistsError as error:
        raise StorageError("SECRET_EXISTS", f"file `{path}`: already there") from error
    except OSError as error:
        raise StorageError("SECRET_WRITE", f"file `{path}`: {error.strerror}") from error


def _check_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise StorageError("BAD_SECRET", f"secret `{path}`: not a regular file")
    if status.st_mode & _LOOSE:
        mode = stat.S_IMODE(status.st_mode)
        raise StorageError(
            "LOOSE_MODE",
            f"secret `{path}`: mode {mode:04o} lets others use it",
            f"run `chmod 600 {path}`",
        )
