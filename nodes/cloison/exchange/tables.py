"""Tables in motion: one Arrow record batch as an IPC stream, written plain, read with suspicion."""

import struct

import pyarrow as pa

from cloison.errors import InputError


def write_table(batch: pa.RecordBatch) -> bytes:
    """The IPC stream of one record batch, not compressed."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def read_table(data: bytes, what: str) -> pa.RecordBatch:
    """The record batch of a stream that holds one; every offset and text in it is checked.

    Args:
        data: As `write_table` gives it.
        what: Names it in errors.

    Raises:
        InputError: `MALFORMED`: not such a stream; compressed too, since a few bytes could then ask
            for gigabytes.
    """
    try:
        messages = pa.ipc.MessageReader.open_stream(data)
        schema = pa.ipc.read_schema(messages.read_next_message())
        message = messages.read_next_message()
        if _is_compressed(bytes(message.metadata)):
            raise InputError("MALFORMED", f"{what}: compressed", "send it plain")
        batch = pa.ipc.read_record_batch(message, schema)
        # Offsets and text come from a peer: until checked, reading them may leave the buffer.
        batch.validate(full=True)
    except (pa.ArrowException, StopIteration, OSError, struct.error) as error:
        raise InputError("MALFORMED", f"{what}: not an Arrow stream of one record batch") from error
    return batch


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
