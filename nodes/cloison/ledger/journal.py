"""The append files: where a commit becomes durable, with one `fdatasync`.

Files `entries/<first index, 20 digits>`, each a run of commit records. Room is written in advance
with zeros, in the same write as a record, so that most commits change no file size: an
`fdatasync` then costs about half. A new file is begun when the last one is long enough; an old one
goes once its entries stand in full tiles on disk.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cloison.errors import IntegrityError
from cloison.ledger.commit_record import CommitRecord, parse_records, records_after
from cloison.ledger.files import guard_reads, guard_writes, sync_path, write_whole

SEGMENT_BYTES = 8 * 1024 * 1024
_ROOM_BYTES = 256 * 1024
_NAME = re.compile(r"[0-9]{20}", re.ASCII)

NoteCheck = Callable[[bytes], int]


@dataclass(frozen=True, slots=True)
class Segment:
    """One append file as read: its whole records, where they end, what follows."""

    path: Path
    records: list[CommitRecord]
    end: int
    rest: bytes


def segment_path(directory: Path, first_index: int) -> Path:
    """The append file that begins with this entry."""
    return directory / f"{first_index:020d}"


def read_segments(directory: Path, signed_size: NoteCheck) -> list[Segment]:
    """The append files in order, a file without a whole record left out.

    Only the last file may end in a torn record.

    Args:
        directory: `entries` of a ledger.
        signed_size: The size a note signs, or -1 where it is not this ledger's.

    Raises:
        StorageError: `LEDGER_READ`.
        IntegrityError: `LEDGER_DAMAGED`: records that do not follow each other, or bytes that
            are no record where an acknowledged one must have stood.
    """
    with guard_reads(f"`{directory}`"):
        paths = sorted(path for path in directory.iterdir() if _NAME.fullmatch(path.name))
        segments = [_read_segment(path) for path in paths]
    if len(segments) > 1 and not segments[-1].records:
        segments.pop()
    if not segments or not segments[-1].records:
        raise IntegrityError("LEDGER_DAMAGED", f"ledger: `{directory}`: no commit is left")
    _check_order(segments)
    _check_rests(segments, signed_size)
    return segments


class Journal:
    """The append files, open for one writer."""

    def __init__(self, directory: Path, starts: list[int], descriptor: int, end: int) -> None:
        self._directory = directory
        self._starts = starts
        self._descriptor = descriptor
        self._end = end
        self._room_end = os.fstat(descriptor).st_size
        self._begin = False

    @classmethod
    def create(cls, directory: Path, record: CommitRecord) -> None:
        """The first append file, with the ledger's first record, durable."""
        directory.mkdir(mode=0o700)
        descriptor = _create_segment(directory, record.first_index)
        try:
            write_whole(descriptor, record.encode(), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_path(directory)

    @classmethod
    def reopen(cls, directory: Path, segments: Sequence[Segment]) -> Self:
        """Ready to append after the last whole record; a torn one is cut off.

        INVARIANT: what was read is on disk. After a failed `fdatasync` the system may show bytes
        the disk never got, so the last record, the only one that can be such, is written again.
        """
        last = segments[-1]
        for stray in sorted(directory.iterdir()):
            if _NAME.fullmatch(stray.name) and stray.name > last.path.name:
                stray.unlink()
        descriptor = os.open(last.path, os.O_RDWR)
        record = last.records[-1].encode()
        os.ftruncate(descriptor, last.end)
        write_whole(descriptor, record, last.end - len(record))
        os.fsync(descriptor)
        sync_path(directory)
        return cls(directory, [int(item.path.name) for item in segments], descriptor, last.end)

    def append(self, record: CommitRecord) -> None:
        """The record is on disk when this returns.

        Raises:
            StorageError: `LEDGER_WRITE`; the record may or may not be on disk.
        """
        data = record.encode()
        with guard_writes("write the commit"):
            fresh = self._begin or self._end >= SEGMENT_BYTES
            self._begin = False
            if fresh:
                self._begin_segment(record.first_index)
            end = self._end + len(data)
            if end > self._room_end:
                self._room_end = -(-end // _ROOM_BYTES) * _ROOM_BYTES
                data = data.ljust(self._room_end - self._end, b"\0")
            write_whole(self._descriptor, data, self._end)
            os.fdatasync(self._descriptor)
            if fresh:
                sync_path(self._directory)
            self._end = end

    @property
    def first_index(self) -> int:
        """The first entry an append file still holds."""
        return self._starts[0]

    @property
    def last_start(self) -> int:
        """The first entry of the file that is written to."""
        return self._starts[-1]

    def begin_next(self) -> None:
        """The next record begins a file of its own, unless this one holds none yet."""
        self._begin = self._end > 0

    def drop_below(self, index: int) -> None:
        """Remove append files all of whose entries stand below `index`, but the last."""
        with guard_writes("remove an append file"):
            while len(self._starts) > 1 and self._starts[1] <= index:
                segment_path(self._directory, self._starts.pop(0)).unlink()

    def close(self) -> None:
        """Release the file."""
        os.close(self._descriptor)

    def _begin_segment(self, first_index: int) -> None:
        descriptor = _create_segment(self._directory, first_index)
        os.close(self._descriptor)
        self._starts.append(first_index)
        self._descriptor, self._end, self._room_end = descriptor, 0, 0


def _create_segment(directory: Path, first_index: int) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    return os.open(segment_path(directory, first_index), flags, 0o600)


def _read_segment(path: Path) -> Segment:
    data = path.read_bytes()
    records, end = parse_records(data)
    return Segment(path, records, end, data[end:].rstrip(b"\0"))


def _check_order(segments: list[Segment]) -> None:
    size = int(segments[0].path.name)
    for segment in segments:
        if int(segment.path.name) != size:
            raise _damaged(segment, f"does not begin with entry {size}")
        for record in segment.records:
            if record.first_index != size:
                raise _damaged(segment, f"entry {size} is missing")
            size = record.size


def _check_rests(segments: list[Segment], signed_size: NoteCheck) -> None:
    """A torn record is the last thing a writer wrote: nothing signed can stand behind it."""
    for segment in segments[:-1]:
        if segment.rest:
            raise _damaged(segment, "bytes after the last record that are none")
    last = segments[-1]
    size = last.records[-1].size
    for record in records_after(last.rest, 0):
        if record.first_index >= size and signed_size(record.note) == record.size:
            raise _damaged(last, f"entry {size} is damaged, and later ones stand behind it")


def _damaged(segment: Segment, why: str) -> IntegrityError:
    return IntegrityError("LEDGER_DAMAGED", f"ledger: `entries/{segment.path.name}`: {why}")
