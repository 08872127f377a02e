"""Steps 7 and 8 for a cohort: what a release says of each person, as one table for the batch."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from google.protobuf.message import DecodeError

from cloison.errors import InputError, IntegrityError
from cloison.exchange import limits
from cloison.exchange.release import set_value
from cloison.exchange.statement import Statement
from cloison.exchange.tables import read_table, write_table
from cloison.v1 import release_pb2

VERSION = 1
_HEAD = (pa.int32(), pa.int32(), pa.int8(), pa.utf8(), pa.int32())
_NAMES = ("person", "period", "status", "source", "version")
_KINDS = (pa.int64(), pa.utf8(), pa.bool_())


def build_cohort_release(
    statement: Statement, label: release_pb2.Label, table: pa.RecordBatch
) -> bytes:
    """The serialised release of a permitted batch.

    Args:
        statement: The cohort's.
        label: Of the whole cohort.
        table: As `ManyData.table`; `person` is the place in the batch.
    """
    return release_pb2.CohortRelease(
        version=VERSION, label=label, statement_hash=statement.hash, table=write_table(table)
    ).SerializeToString()


def read_cohort_release(
    plain: bytes, statement_hash: bytes, fields: Sequence[str], persons: int
) -> tuple[release_pb2.Label, pa.RecordBatch]:
    """The label and table of an opened release.

    Args:
        plain: What the seal held.
        statement_hash: Of the statement it must answer.
        fields: What was asked: the columns after the first five, in this order.
        persons: How many the batch has.

    Raises:
        IntegrityError: `BAD_SEAL`: of another statement, other fields or other persons.
    """
    try:
        release = release_pb2.CohortRelease.FromString(plain)
        table = read_table(release.table, "release")
    except (DecodeError, InputError) as error:
        raise IntegrityError("BAD_SEAL", "release: cannot be decoded") from error
    if release.version != VERSION or release.statement_hash != statement_hash:
        raise IntegrityError("BAD_SEAL", "release: of another statement")
    if not _is_whole(table, fields, persons):
        raise IntegrityError("BAD_SEAL", "release: of other fields or persons than were asked")
    return release.label, table


def read_cohort_envelope(plain: bytes, statement_hash: bytes) -> release_pb2.Release:
    """A batch's release handed back later, as a single question's: whose it is, its entry says.

    Raises:
        IntegrityError: `BAD_SEAL`.
    """
    fields: tuple[str, ...] = ()
    try:
        table = read_table(release_pb2.CohortRelease.FromString(plain).table, "release")
        fields = tuple(table.schema.names[len(_HEAD) :])
    except (DecodeError, InputError) as error:
        raise IntegrityError("BAD_SEAL", "release: cannot be decoded") from error
    label, table = read_cohort_release(plain, statement_hash, fields, limits.COHORT_BATCH_PERSONS)
    persons = 1 + max(table.column(0).to_pylist(), default=-1)
    return release_pb2.Release(
        version=VERSION,
        label=label,
        statement_hash=statement_hash,
        fields=fields,
        persons=person_releases(table, [b""] * persons),
    )


def _is_whole(table: pa.RecordBatch, fields: Sequence[str], persons: int) -> bool:
    kinds = table.schema.types
    if tuple(table.schema.names) != (*_NAMES, *fields) or tuple(kinds[: len(_HEAD)]) != _HEAD:
        return False
    if any(kind not in _KINDS for kind in kinds[len(_HEAD) :]):
        return False
    if any(table.column(place).null_count for place in range(3)):
        return False
    places = np.from_dlpack(table.column(0))
    in_order = bool((places[1:] >= places[:-1]).all())
    return not len(places) or (in_order and places[0] >= 0 and places[-1] < persons)


def person_releases(
    table: pa.RecordBatch, person_digests: Sequence[bytes]
) -> list[release_pb2.PersonRelease]:
    """The same as a `Release` says of each person; without periods where nobody answers."""
    persons = [release_pb2.PersonRelease(person_digest=digest) for digest in person_digests]
    period = None
    last = None
    for place, number, status, source, version, *values in _rows(table):
        if (place, number) != last:
            period = persons[place].periods.add(period=number, status=status)
            last = (place, number)
        if source is not None and period is not None:
            record = period.records.add(source=source, version=version)
            for value in values:
                set_value(record.values.add(), value)
    return persons


def _rows(table: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)
