"""Rows on their way into a study: the columns its table needs, under an index or a pseudonym."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from google.protobuf.message import DecodeError

from cloison.errors import InputError
from cloison.exchange.tables import read_table, write_table
from cloison.statistics.encoding import CORRECTED, SUBJECT
from cloison.statistics.held import HeldPeriod
from cloison.v1 import study_service_pb2 as wire

INDEX, CODE, NUMBER = "index", "code", "nir"
Rows = Mapping[str, pa.Table]


def pack(rows: Rows) -> bytes:
    """Of each dataset its rows, to be sealed."""
    parts = [
        wire.DatasetRows(dataset=name, rows=write_table(_one_batch(found)))
        for name, found in rows.items()
    ]
    return wire.StudyRows(datasets=parts).SerializeToString()


def unpack(data: bytes, expected: Mapping[str, Sequence[str]]) -> dict[str, pa.Table]:
    """As packed: these datasets and columns, no other.

    Raises:
        InputError: `MALFORMED`.
    """
    try:
        parts = wire.StudyRows.FromString(data).datasets
    except DecodeError as error:
        raise InputError("MALFORMED", "study: rows cannot be decoded") from error
    found = {one.dataset: pa.Table.from_batches([read_table(one.rows, "study")]) for one in parts}
    columns = {name: tuple(rows.column_names) for name, rows in found.items()}
    if columns != {name: tuple(names) for name, names in expected.items()}:
        raise InputError("MALFORMED", "study: other columns than the table needs")
    return found


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


def keyed(rows: pa.Table, keys: Mapping[bytes, int | bytes], name: str) -> pa.Table:
    """The rows of those who have a key, with it in place of what they were known by."""
    column = rows.column_names[0]
    found = [keys.get(one) for one in rows[column].to_pylist()]
    kind = pa.uint32() if name == INDEX else pa.binary()
    mine = rows.set_column(0, name, pa.array(found, kind))
    return mine.filter(mine[name].is_valid())


def as_held(rows: pa.Table) -> list[HeldPeriod]:
    """Rows under pseudonyms as the counting takes rows."""
    subjects = rows[CODE].cast(pa.binary(16))
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
