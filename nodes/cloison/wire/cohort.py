"""The batches of a cohort, as both ends read and write them: persons as Arrow, places as bytes.

Batches travel in runs of up to four: what a run costs beside its persons (half of all, where each
batch travelled alone) is looked up, checked, made durable once.
"""

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
from cloison.exchange.statement import Cohort
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
class Batch:
    """A batch, by its place in the cohort and that of its persons in their run.

    Attributes:
        index: In the cohort.
        last: Of the cohort.
        first: Place of its first person.
        end: One past that of its last.
    """

    index: int
    last: bool
    first: int
    end: int

    @property
    def persons(self) -> slice:
        """Of what the run says of each person."""
        return slice(self.first, self.end)


def batches_of(cohort: Cohort, index: int, persons: int, *, last: bool) -> list[Batch]:
    """The batches of a run, in order.

    Args:
        cohort: Every batch but the last is full, and the last brings what was announced, to the
            person.
        index: Of the first.
        persons: How many the run has, at least one.
        last: Whether the run is the cohort's last.

    Raises:
        InputError: `MALFORMED`: a batch but the last is short.
        PeerError: `COHORT_EXCEEDED`, `COHORT_SHORT`.
    """
    size = cohort.batch_persons
    if not last and persons % size:
        raise InputError("MALFORMED", "batch: only the last may be short of `batch_persons`")
    total = index * size + persons
    if total > cohort.size or (total == cohort.size and not last):
        raise PeerError("COHORT_EXCEEDED", "cohort: more persons than the statement announced")
    if last and total < cohort.size:
        raise PeerError("COHORT_SHORT", "cohort: fewer persons than the statement announced")
    starts = range(0, persons, size)
    return [
        Batch(index + place, last and start + size >= persons, start, min(start + size, persons))
        for place, start in enumerate(starts)
    ]


def run_persons(cohort: Cohort) -> int:
    """How many persons a run holds at most."""
    return limits.COHORT_RUN_BATCHES * cohort.batch_persons


@dataclass(frozen=True, slots=True)
class RunPersons:
    """The persons of a run, a column each, in order.

    Attributes:
        cases: Place of each person's case among the run's cases; `NO_CASE` where none.
        case_salts: 32 bytes each; empty where there is no case.
    """

    nirs: Sequence[Nir]
    birth_names: Sequence[str]
    birth_dates: Sequence[str]
    cases: Sequence[int]
    case_salts: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.nirs)


def write_persons(persons: RunPersons) -> bytes:
    """A run's persons as an Arrow IPC stream of one record batch."""
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


def read_persons(data: bytes, most: int) -> RunPersons:
    """The persons of a run.

    Raises:
        InputError: `MALFORMED`, `TOO_LARGE`; `BAD_NIR`, `BAD_DATE` of one of them.
    """
    nirs, names, dates, cases, salts = _read_columns(data, most)
    return RunPersons(
        parse_nirs(nirs.to_pylist()),
        names.to_pylist(),
        dates.to_pylist(),
        cases.to_pylist(),
        salts.to_pylist(),
    )


def read_nirs(data: bytes, most: int) -> tuple[Sequence[Nir], Sequence[int]]:
    """Who is in a run and the place of each one's case; all of it checked, as `read_persons`."""
    nirs, _, _, cases, _ = _read_columns(data, most)
    return parse_nirs(nirs.to_pylist()), cases.to_pylist()


def cases_of(batches: Sequence[Batch], cases: Sequence[int]) -> list[list[int]]:
    """Places of the cases that the persons of each batch stand in, each once, growing.

    Args:
        batches: Of one run.
        cases: As `RunPersons.cases`.
    """
    return [sorted({*cases[batch.persons]} - {NO_CASE}) for batch in batches]


def _read_columns(data: bytes, most: int) -> list[pa.Array]:
    batch = read_table(data, "batch")
    if batch.schema != _SCHEMA:
        raise InputError("MALFORMED", "batch: not the columns AskMany states")
    limits.check_count("persons of a run", batch.num_rows, 1, most)
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
