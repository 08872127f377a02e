"""What the store answers about many persons at once: flat columns, one row a record.

The same values as `PersonData`, laid out for Arrow; `from_persons` turns the one into the other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloison.errors import InputError
from cloison.store.arrays import to_arrow, to_numpy
from cloison.store.catalogue import Dataset, FieldType
from cloison.store.values import PersonData, Status, Value

PERSON_BYTES = 16
TRAITS_BYTES = 32
TEXTUAL = frozenset((FieldType.CODE, FieldType.TEXT, FieldType.SIRET))
"""Types whose values are text; the others are integers, or truth values."""
STATUS_NUMBERS = {
    Status.DECLARED: 1,
    Status.NOTHING_DECLARED: 2,
    Status.NOT_YET_DUE: 3,
    Status.UNDER_CORRECTION: 4,
    Status.LATE: 5,
}
"""Numbers of the statuses in columns: those of the wire's `PeriodStatus`, held equal by test."""

Bytes = npt.NDArray[np.uint8]
Halves = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ManyData:
    """What is held of many persons.

    Attributes:
        table: Columns by place: `person` int32 (place among those asked), `period` int32, `status`
            int8 (`STATUS_NUMBERS`), `source` utf8, `version` int32, then the fields asked, named
            and ordered as asked: int64, utf8 or bool; null is "not stated". A field may bear the
            name of one of the first five. Sorted by person, then period; within a period, records
            as `fetch` gives them. A period without records has one row, null from `source` on.
        named: Row keys of the persons whom records name, 16 bytes after 16 bytes, by the place of
            the person asked; themselves among them, and one of them more than once.
    """

    table: pa.RecordBatch
    named: Mapping[int, bytes]

    def placed(self, places: npt.NDArray[np.integer]) -> "ManyData":
        """The same, of persons who stand in these places among those asked; in growing order."""
        persons = places.astype(np.int32)[to_numpy(self.table.column(0))]
        table = self.table.set_column(0, self.table.schema.field(0), to_arrow(persons))
        return ManyData(table, {int(places[at]): keys for at, keys in self.named.items()})

    def between(self, first: int, end: int) -> "ManyData":
        """Of the persons from place `first` to before `end`, who then stand from place 0 on."""
        persons = to_numpy(self.table.column(0)).astype(np.int32, copy=False)
        start, after = np.searchsorted(persons, (first, end)).tolist()
        moved = to_arrow(persons[start:after] - np.int32(first))
        rows = self.table.slice(start, after - start)
        table = rows.set_column(0, rows.schema.field(0), moved)
        named = {at - first: keys for at, keys in self.named.items() if first <= at < end}
        return ManyData(table, named)

    def others(self, asked: Sequence[bytes]) -> list[bytes]:
        """Row keys of those the records name, each once, without those asked."""
        return list(set(split_keys(b"".join(self.named.values()))).difference(asked))


@dataclass(frozen=True, slots=True)
class ManyIdentities:
    """What may bar an answer about each of n persons; all false and zero where not `found`.

    Attributes:
        traits: Shape (n, 32): as `IdentityFacts.traits_digest`.
    """

    found: Mask
    permanent: Mask
    dead: Mask
    objected: Mask
    traits: Bytes

    @classmethod
    def unknown(cls, persons: int) -> Self:
        """As many persons, none of whom is known."""
        none = np.zeros((4, persons), np.bool_)
        return cls(none[0], none[1], none[2], none[3], np.zeros((persons, TRAITS_BYTES), np.uint8))

    @property
    def flags(self) -> dict[str, Mask]:
        """What bars an answer, by name."""
        return {"permanent": self.permanent, "dead": self.dead, "objected": self.objected}


def arrow_type(kind: FieldType) -> pa.DataType:
    """The Arrow type of a field's values."""
    if kind in TEXTUAL:
        return pa.string()
    return pa.bool_() if kind is FieldType.BOOL else pa.int64()


def answer_schema(dataset: Dataset, fields: Sequence[str]) -> pa.Schema:
    """The schema of `ManyData.table`."""
    head = [
        pa.field("person", pa.int32(), nullable=False),
        pa.field("period", pa.int32(), nullable=False),
        pa.field("status", pa.int8(), nullable=False),
        pa.field("source", pa.string()),
        pa.field("version", pa.int32()),
    ]
    asked = [pa.field(name, arrow_type(dataset.fields[name].type)) for name in fields]
    return pa.schema(head + asked)


def person_keys(persons: bytes | Bytes) -> Bytes:
    """Row keys as an array of shape (n, 16), not copied where it can be.

    Raises:
        InputError: `MALFORMED`: not n times 16 bytes.
    """
    if isinstance(persons, bytes):
        if len(persons) % PERSON_BYTES:
            raise InputError("MALFORMED", f"row keys: {len(persons)} bytes, not 16 a person")
        return np.frombuffer(persons, np.uint8).reshape(-1, PERSON_BYTES)
    if persons.dtype != np.uint8 or persons.ndim != 2 or persons.shape[1] != PERSON_BYTES:  # noqa: PLR2004 - rows and bytes
        raise InputError("MALFORMED", "row keys: not an array of 16 bytes a person")
    return np.ascontiguousarray(persons)


def key_halves(keys: Bytes) -> tuple[Halves, Halves]:
    """The first and last eight bytes of row keys as numbers, in the order of the bytes."""
    halves = keys.reshape(-1).view(">u8").reshape(-1, 2).astype(np.uint64)
    return np.ascontiguousarray(halves[:, 0]), np.ascontiguousarray(halves[:, 1])


def split_keys(keys: bytes | Bytes) -> list[bytes]:
    """Each row key by itself."""
    joined = keys if isinstance(keys, bytes) else keys.tobytes()
    return [joined[at : at + PERSON_BYTES] for at in range(0, len(joined), PERSON_BYTES)]


def from_persons(schema: pa.Schema, data: Sequence[PersonData]) -> pa.RecordBatch:
    """The rows of `ManyData.table` for persons fetched one by one, in their order."""
    rows = list(_rows(len(schema) - 3, data))
    columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _rows(width: int, data: Sequence[PersonData]) -> Iterator[tuple[Value, ...]]:
    nothing = (None,) * width
    for place, person in enumerate(data):
        for period, status, records in person.periods:
            head = (place, period, STATUS_NUMBERS[status])
            for source, version, values in records:
                yield (*head, source, version, *values)
            if not records:
                yield (*head, *nothing)
