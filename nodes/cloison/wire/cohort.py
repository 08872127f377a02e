"""The batches of a cohort, as both ends read and write them: persons as Arrow, places as bytes."""

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa

from cloison.bodies import BodyId
from cloison.errors import InputError, PeerError
from cloison.exchange import limits
from cloison.v1 import statement_pb2

Part = TypeVar("Part")
_SCHEMA = pa.schema(
    [
        ("nir", pa.utf8()),
        ("salt", pa.binary()),
        ("birth_name", pa.utf8()),
        ("birth_date", pa.utf8()),
        ("case", pa.int32()),
        ("case_salt", pa.binary()),
    ]
)


@dataclass(frozen=True, slots=True)
class BatchPerson:
    """A person of a batch; `case` is the place of their case in the batch's list, -1 where none."""

    reference: statement_pb2.PersonReference
    case: int


def write_persons(persons: Sequence[BatchPerson]) -> bytes:
    """A batch's persons as an Arrow IPC stream of one record batch."""
    references = [person.reference for person in persons]
    columns = [
        pa.array([one.nir for one in references], pa.utf8()),
        pa.array([one.salt for one in references], pa.binary()),
        pa.array([one.birth_name for one in references], pa.utf8()),
        pa.array([one.birth_date for one in references], pa.utf8()),
        pa.array([person.case for person in persons], pa.int32()),
        pa.array([one.case_salt for one in references], pa.binary()),
    ]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _SCHEMA) as writer:
        writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))
    return bytes(sink.getvalue())


def read_persons(data: bytes, most: int) -> list[BatchPerson]:
    """The persons of a batch.

    Raises:
        InputError: `MALFORMED`: compressed too, since a few bytes could then ask for gigabytes;
            `TOO_LARGE`.
        PeerError: `SALT_REUSED`: two of them share a salt.
    """
    try:
        messages = pa.ipc.MessageReader.open_stream(data)
        if pa.ipc.read_schema(messages.read_next_message()) != _SCHEMA:
            raise InputError("MALFORMED", "batch: not the columns AskMany states")
        message = messages.read_next_message()
        if _is_compressed(bytes(message.metadata)):
            raise InputError("MALFORMED", "batch: compressed", "send it plain")
        batch = pa.ipc.read_record_batch(message, _SCHEMA)
        limits.check_count("persons of a batch", batch.num_rows, 1, most)
        # Offsets and text come from a peer: until checked, reading them may leave the buffer.
        batch.validate(full=True)
    except (pa.ArrowException, StopIteration, OSError, struct.error) as error:
        raise InputError("MALFORMED", "batch: not an Arrow stream of one record batch") from error
    if any(column.null_count for column in batch.columns):
        raise InputError("MALFORMED", "batch: a value is missing")
    if len(set(batch.column("salt").to_pylist())) != batch.num_rows:
        raise PeerError("SALT_REUSED", "batch: two persons share a salt", "draw 32 fresh bytes")
    for name, born in zip(batch.column("birth_name"), batch.column("birth_date"), strict=True):
        limits.check_traits(name.as_py(), born.as_py())
    rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
    return [
        BatchPerson(
            statement_pb2.PersonReference(
                nir=nir, salt=salt, birth_name=name, birth_date=born, case_salt=case_salt
            ),
            case,
        )
        for nir, salt, name, born, case, case_salt in rows
    ]


def _is_compressed(metadata: bytes) -> bool:
    """Whether a record batch's header has a `compression`.

    Source: Arrow's Message.fbs (`Message.header` is field 2, `RecordBatch.compression` field 3)
    in FlatBuffers' encoding: a table begins with the distance back to its list of field offsets.
    """

    def field(table: int, number: int) -> int:
        offsets = table - int(struct.unpack_from("<i", metadata, table)[0])
        (size_bytes,) = struct.unpack_from("<H", metadata, offsets)
        at = 4 + 2 * number
        offset = struct.unpack_from("<H", metadata, offsets + at)[0] if at < size_bytes else 0
        return table + int(offset) if offset else 0

    def target(at: int) -> int:
        return at + int(struct.unpack_from("<I", metadata, at)[0])

    return bool(field(target(field(target(0), 2)), 3))


def part_of(index: int, *, last: bool) -> bytes:
    """What binds a sealed batch to its place."""
    return index.to_bytes(8, "big") + (b"\x01" if last else b"\x00")


async def next_part(parts: AsyncIterator[Part]) -> Part | None:
    """The next message of a stream; None at its end.

    Raises:
        InputError: `STREAM_IDLE`: nothing came for a minute.
    """
    try:
        return await asyncio.wait_for(anext(parts, None), limits.STREAM_IDLE_SECONDS)
    except TimeoutError as error:
        raise InputError("STREAM_IDLE", "stream: nothing came for a minute", "ask anew") from error


async def next_answer(holder: BodyId, answers: AsyncIterator[Part]) -> Part | None:
    """The next answer of a holder's stream; None at its end.

    Raises:
        PeerError: `STREAM_IDLE`: nothing came for two minutes. A holder that works speaks sooner:
            within one it ends a stream on which nothing comes to it.
    """
    try:
        return await asyncio.wait_for(anext(answers, None), 2 * limits.STREAM_IDLE_SECONDS)
    except TimeoutError as error:
        raise PeerError(
            "STREAM_IDLE", f"body `{holder}`: nothing came for two minutes", "ask anew"
        ) from error
