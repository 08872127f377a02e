"""Rows on their way into a study: the columns its table needs, under an index or a pseudonym.

* A study's persons are in the order of this node's keys of them, and travel in parts of so many.
* What is sealed is padded: its size tells the parts, and not how many rows are in them.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from google.protobuf.message import DecodeError

from cloison.errors import InputError
from cloison.exchange import limits
from cloison.exchange.tables import read_table, write_table
from cloison.statistics.encoding import CORRECTED, SUBJECT
from cloison.statistics.held import Held, HeldPeriod
from cloison.v1 import study_service_pb2 as wire

INDEX, CODE, NUMBER = "index", "code", "nir"
SIZE_STEP_BYTES = 128 * 1024
MOST_BYTES = limits.MESSAGE_BYTES // 4
_LENGTH_BYTES = 4
_SUBJECT_BYTES = 16
_KINDS = {INDEX: pa.uint32(), CODE: pa.binary(), NUMBER: pa.string()}
Rows = Mapping[str, pa.Table]


def pack(rows: Rows) -> bytes:
    """Of each dataset its rows, to be sealed; of a size that says little of them.

    Raises:
        InputError: `TOO_LARGE`: more lines a person than a message of so many persons holds.
    """
    parts = [
        wire.DatasetRows(dataset=name, rows=write_table(_one_batch(found)))
        for name, found in rows.items()
    ]
    plain = wire.StudyRows(datasets=parts).SerializeToString()
    size = _LENGTH_BYTES + len(plain)
    size += -size % SIZE_STEP_BYTES
    if size > MOST_BYTES:
        raise InputError("TOO_LARGE", "study: too many lines a person for one message")
    return (len(plain).to_bytes(_LENGTH_BYTES, "big") + plain).ljust(size, b"\0")


def unpack(data: bytes, expected: Mapping[str, Sequence[str]]) -> dict[str, pa.Table]:
    """As packed: these datasets and columns, no other.

    Raises:
        InputError: `MALFORMED`.
    """
    end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")
    try:
        parts = wire.StudyRows.FromString(data[_LENGTH_BYTES:end]).datasets
    except DecodeError as error:
        raise InputError("MALFORMED", "study: rows cannot be decoded") from error
    found = {one.dataset: pa.Table.from_batches([read_table(one.rows, "study")]) for one in parts}
    columns = {name: tuple(rows.column_names) for name, rows in found.items()}
    wrong = any(
        rows.schema.field(name).type != kind
        for rows in found.values()
        for name, kind in _KINDS.items()
        if name in rows.column_names
    )
    if wrong or columns != {name: tuple(names) for name, names in expected.items()}:
        raise InputError("MALFORMED", "study: other columns than the table needs")
    return found


class Listed:
    """The persons a study is about, and their rows; in parts, by index.

    Args:
        everybody: All rows of each dataset, whose persons are listed whatever the rows say: who is
            told of them learns of none what is counted.
        counted: Of each dataset, the rows that may be counted.
        part_persons: So many persons a part.
    """

    def __init__(self, everybody: Rows, counted: Rows, part_persons: int) -> None:
        held = [one for rows in everybody.values() for one in rows[SUBJECT].chunks]
        subjects = pc.unique(pa.chunked_array(held, pa.binary()))
        self._subjects = subjects.take(pc.array_sort_indices(subjects))
        self._rows = {name: _by_index(rows, self._subjects) for name, rows in counted.items()}
        self._part_persons = part_persons

    @property
    def parts(self) -> int:
        """One or more: of nobody, an empty one."""
        return max(1, -(-len(self._subjects) // self._part_persons))

    def persons(self, part: int) -> dict[int, bytes]:
        """The keys of a part's persons, by index."""
        first = part * self._part_persons
        keys = self._subjects.slice(first, self._part_persons).to_pylist()
        return dict(enumerate(keys, first))

    def columns(self, part: int, indexes: Sequence[int]) -> dict[str, pa.Table]:
        """The rows of those of a part's persons."""
        first = part * self._part_persons
        ends = first, first + self._part_persons
        chosen = pa.array(indexes, pa.uint32())
        found = {}
        for name, rows in self._rows.items():
            low, high = np.searchsorted(rows[INDEX].to_numpy(), ends)
            mine = rows.slice(low, high - low)
            found[name] = mine.filter(pc.is_in(mine[INDEX], value_set=chosen))
        return found


class Joining:
    """Rows of a study under pseudonyms, part after part. They live in memory alone."""

    def __init__(self) -> None:
        self._rows: dict[str, list[pa.Table]] = {}

    def add(self, indexed: Rows, coded: pa.Table, given: Sequence[Rows]) -> None:
        """One part: rows by index with the pseudonyms of its indexes, and rows under those."""
        for name, rows in indexed.items():
            named = keyed(rows, coded[INDEX].combine_chunks(), coded[CODE].combine_chunks())
            self._rows.setdefault(name, []).append(named)
        for part in given:
            for name, rows in part.items():
                self._rows.setdefault(name, []).append(rows)

    def held(self) -> Held:
        """As the counting takes rows."""
        return {name: _as_held(pa.concat_tables(rows)) for name, rows in self._rows.items()}


def held_rows(periods: Sequence[HeldPeriod], fields: Sequence[str]) -> pa.Table:
    """What counts of a dataset's periods: `SUBJECT` and the fields of rows not withdrawn."""
    names = [SUBJECT, CORRECTED, *fields]
    parts = []
    for one in periods:
        if one.file is not None:
            rows = pq.read_table(one.file, columns=names, partitioning=None)
            gone = pa.array(one.changed, rows.schema.field(SUBJECT).type)
            parts.append(rows.filter(pc.invert(pc.is_in(rows[SUBJECT], value_set=gone))))
        if one.rows is not None:
            parts.append(one.rows.select(names))
    plain = [_plain(part) for part in parts]
    whole = pa.concat_tables(plain, promote_options="permissive")
    return whole.filter(pc.invert(whole[CORRECTED])).select([SUBJECT, *fields])


def keyed(rows: pa.Table, known: pa.Array, codes: pa.Array) -> pa.Table:
    """The rows of those who are known, with the code at their place for what they were known by."""
    places = pc.index_in(rows.column(0), value_set=known)
    return rows.set_column(0, CODE, codes.take(places)).filter(places.is_valid())


def _by_index(rows: pa.Table, subjects: pa.Array) -> pa.Table:
    """Rows under the place of their person, in that order."""
    places = pc.index_in(rows[SUBJECT], value_set=subjects).cast(pa.uint32())
    return rows.set_column(0, INDEX, places).sort_by(INDEX).combine_chunks()


def _as_held(rows: pa.Table) -> list[HeldPeriod]:
    subjects = rows[CODE].cast(pa.binary(_SUBJECT_BYTES))
    named = rows.set_column(0, SUBJECT, subjects)
    none = pa.array([False] * len(rows), pa.bool_())
    return [HeldPeriod(None, rows=named.append_column(CORRECTED, none))]


def _plain(rows: pa.Table) -> pa.Table:
    """Dictionaries and fixed widths as plain columns, so that parts can be put together."""
    kinds = {SUBJECT: pa.binary()}
    columns = []
    for name in rows.column_names:
        column = rows[name]
        kind = kinds.get(name, column.type)
        columns.append(column.cast(kind.value_type if pa.types.is_dictionary(kind) else kind))
    return pa.table(dict(zip(rows.column_names, columns, strict=True)))


def _one_batch(rows: pa.Table) -> pa.RecordBatch:
    batches = rows.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], rows.schema)
