"""The append file's records: one a commit, carrying entries and the signed head after them.

A record is `CLR1`, first index (8 bytes), number of entries (4), bytes of the entries (4), bytes
of the note (4), the entries as a C2SP bundle, the note, and the CRC-32 of all that; numbers are
big-endian. Zeros after the last record are room written in advance. The CRC tells a torn record
from a whole one and nothing more: what a whole record says is held to its signed head.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

from cloison.errors import InputError
from cloison.ledger.tiles import MAX_ENTRY_BYTES, encode_bundle, parse_bundle

_MAGIC = b"CLR1"
_HEADER = struct.Struct(">4sQIII")
_CRC = struct.Struct(">I")
MAX_GROUP_ENTRIES = 16_384


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """One commit: where its entries begin, the entries, the signed head that covers them."""

    first_index: int
    entries: Sequence[bytes]
    note: bytes

    @property
    def size(self) -> int:
        """The log's size after this commit."""
        return self.first_index + len(self.entries)

    def encode(self) -> bytes:
        """The record's bytes.

        Raises:
            InputError: `ENTRY_TOO_LONG`.
        """
        body = encode_bundle(self.entries)
        header = _HEADER.pack(
            _MAGIC, self.first_index, len(self.entries), len(body), len(self.note)
        )
        record = header + body + self.note
        return record + _CRC.pack(crc32(record))


def check_entries(entries: Sequence[bytes]) -> None:
    """The entries may be committed together.

    Raises:
        InputError: `NO_ENTRIES`, `TOO_MANY_ENTRIES`, `ENTRY_TOO_LONG`.
    """
    if not entries:
        raise InputError("NO_ENTRIES", "commit: no entries")
    if len(entries) > MAX_GROUP_ENTRIES:
        raise InputError(
            "TOO_MANY_ENTRIES", f"commit: {len(entries)} entries, at most {MAX_GROUP_ENTRIES}"
        )
    longest = max(map(len, entries))
    if longest > MAX_ENTRY_BYTES:
        raise InputError(
            "ENTRY_TOO_LONG", f"entry: {longest} bytes where {MAX_ENTRY_BYTES} is the most"
        )


def parse_record(data: bytes, offset: int) -> tuple[CommitRecord, int] | None:
    """The whole record at `offset` and where it ends; None where no whole record stands."""
    if len(data) < offset + _HEADER.size:
        return None
    magic, first_index, count, body_bytes, note_bytes = _HEADER.unpack_from(data, offset)
    if magic != _MAGIC or count > MAX_GROUP_ENTRIES:
        return None
    body = offset + _HEADER.size
    note = body + body_bytes
    crc = note + note_bytes
    end = crc + _CRC.size
    if end > len(data) or _CRC.unpack_from(data, crc)[0] != crc32(memoryview(data)[offset:crc]):
        return None
    return CommitRecord(first_index, parse_bundle(data[body:note], count), data[note:crc]), end


def parse_records(data: bytes) -> tuple[list[CommitRecord], int]:
    """The whole records from the start of `data`, and where the last of them ends."""
    records, offset = [], 0
    while (found := parse_record(data, offset)) is not None:
        record, offset = found
        records.append(record)
    return records, offset


def records_after(data: bytes, offset: int) -> Iterator[CommitRecord]:
    """Whatever looks like a whole record beyond `offset`, where none should stand."""
    place = data.find(_MAGIC, offset)
    while place >= 0:
        found = parse_record(data, place)
        if found is not None:
            yield found[0]
        place = data.find(_MAGIC, place + 1)
