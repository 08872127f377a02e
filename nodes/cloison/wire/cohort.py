"""The batches of a cohort, as both ends read and write them: persons as Arrow, places as bytes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloison.bodies import BodyId
from cloison.errors import InputError, PeerError
from cloison.exchange import limits
from cloison.exchange.tables import read_table, write_table
from cloison.identity import Nir, parse_nirs

NO_CASE = -1
"""In a case's place."""

Part = TypeVar("Part")
_SCHEMA = pa.schema(
    [
        ("nir", pa.utf8()),
        ("birth_name", pa.utf8()),
        ("birth_date", pa.utf8()),
        ("case", pa.int32()),
        ("case_salt", pa.binary()),
    ]
)
_FIRST_DAY, _LAST_DAY = (
    int(np.datetime64(day).astype(int)) for day in ("1000-01-01", "2999-12-31")
)


@dataclass(frozen=True, slots=True)
class BatchPersons:
    """The persons of a batch, a column each, in order.

    Attributes:
        cases: Place of each person's case among the batch's cases; `NO_CASE` where none.
        case_salts: 32 bytes each; empty where there is no case.
    """

    nirs: Sequence[Nir]
    birth_names: Sequence[str]
    birth_dates: Sequence[str]
    cases: Sequence[int]
    case_salts: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.nirs)


def write_persons(persons: BatchPersons) -> bytes:
    """A batch's persons as an Arrow IPC stream of one record batch."""
    texts = (persons.nirs, persons.birth_names, persons.birth_dates)
    columns = [_of_bytes(pa.utf8(), list(map(str.encode, column))) for column in texts]
    cases = pa.py_buffer(np.array(persons.cases, np.int32))
    columns.append(pa.Array.from_buffers(pa.int32(), len(persons), [None, cases]))
    columns.append(_of_bytes(pa.binary(), persons.case_salts))
    return write_table(pa.RecordBatch.from_arrays(columns, schema=_SCHEMA))


def _of_bytes(kind: pa.DataType, values: Sequence[bytes]) -> pa.Array:
    # `pa.array` looks at each value, and at the first loads all of pandas: 0.3 s.
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum(list(map(len, values)), out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(values))]
    return pa.Array.from_buffers(kind, len(values), buffers)


def read_persons(data: bytes, most: int) -> BatchPersons:
    """The persons of a batch.

    Raises:
        InputError: `MALFORMED`, `TOO_LARGE`; `BAD_NIR`, `BAD_DATE` of one of them.
    """
    nirs, names, dates, cases, salts = _read_columns(data, most)
    return BatchPersons(
        parse_nirs(nirs.to_pylist()),
        names.to_pylist(),
        dates.to_pylist(),
        cases.to_pylist(),
        salts.to_pylist(),
    )


def read_nirs(data: bytes, most: int) -> Sequence[Nir]:
    """As `read_persons`, all of it checked, for who needs to know no more than who they are."""
    return parse_nirs(_read_columns(data, most)[0].to_pylist())


def _read_columns(data: bytes, most: int) -> list[pa.Array]:
    batch = read_table(data, "batch")
    if batch.schema != _SCHEMA:
        raise InputError("MALFORMED", "batch: not the columns AskMany states")
    limits.check_count("persons of a batch", batch.num_rows, 1, most)
    if any(column.null_count for column in batch.columns):
        raise InputError("MALFORMED", "batch: a value is missing")
    columns: list[pa.Array] = batch.columns
    longest = pc.max(pc.binary_length(columns[1])).as_py()
    limits.check_count("birth name bytes", longest, 0, limits.BIRTH_NAME_BYTES)
    _check_dates(columns[2])
    return columns


def _check_dates(dates: pa.StringArray) -> None:
    # As `traits_digest` reads one: ten characters, of a year of four digits.
    try:
        days = pc.min_max(dates.cast(pa.date32()).cast(pa.int32())).as_py()
    except pa.ArrowInvalid as error:
        raise _bad_date() from error
    lengths = pc.min_max(pc.binary_length(dates)).as_py()
    whole = set(lengths.values()) == {limits.BIRTH_DATE_BYTES}
    if not whole or days["min"] < _FIRST_DAY or days["max"] > _LAST_DAY:
        raise _bad_date()


def _bad_date() -> InputError:
    return InputError("BAD_DATE", "batch: a birth date is not a date", "use YYYY-MM-DD")


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
