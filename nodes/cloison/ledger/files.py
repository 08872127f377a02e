"""Durable files: whole writes, atomic replacement, synced directories; `OSError` told as ours.

What is made here is its owner's alone, whatever the umask.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cloison.errors import StorageError


@contextmanager
def guard_writes(what: str) -> Iterator[None]:
    """Tell an `OSError` as `StorageError` (`LEDGER_WRITE`)."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            "LEDGER_WRITE",
            f"ledger: cannot {what}: {error.strerror}",
            "nothing was acknowledged; make room or repair the disk, then restart the node",
        ) from error


@contextmanager
def guard_reads(what: str) -> Iterator[None]:
    """Tell an `OSError` as `StorageError` (`LEDGER_READ`)."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            "LEDGER_READ", f"ledger: cannot read {what}: {error.strerror}"
        ) from error


def write_whole(descriptor: int, data: bytes, offset: int) -> None:
    """Every byte of `data` at `offset`, however many calls it takes; not yet durable."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def sync_path(path: Path) -> None:
    """What the file or directory holds is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, data: bytes) -> None:
    """The file holds `data` or what it held before; not yet durable."""
    fresh = path.with_name(path.name + ".new")
    with _open_fresh(fresh) as file:
        file.write(data)
    fresh.replace(path)


def replace_file_durably(path: Path, data: bytes) -> None:
    """The file holds `data`, on disk, or what it held before."""
    fresh = path.with_name(path.name + ".new")
    with _open_fresh(fresh) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_path(path.parent)


def make_directories(path: Path) -> None:
    """The directory and its parents exist, and their names are on disk."""
    if path.is_dir():
        return
    make_directories(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    sync_path(path.parent)


def _open_fresh(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
