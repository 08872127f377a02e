"""Step 7 to 8: the permitted data as a release, absent told apart from zero."""

from collections.abc import Sequence

from cloison.errors import StorageError
from cloison.exchange.statement import Statement
from cloison.store import PersonData, Status
from cloison.v1 import release_pb2

VERSION = 1
_STATUSES = {
    Status.DECLARED: release_pb2.PERIOD_STATUS_DECLARED,
    Status.NOTHING_DECLARED: release_pb2.PERIOD_STATUS_NOTHING_DECLARED,
    Status.NOT_YET_DUE: release_pb2.PERIOD_STATUS_NOT_YET_DUE,
    Status.UNDER_CORRECTION: release_pb2.PERIOD_STATUS_UNDER_CORRECTION,
    Status.LATE: release_pb2.PERIOD_STATUS_LATE,
}


def build_release(
    statement: Statement,
    label: release_pb2.Label,
    person_digests: Sequence[bytes],
    data: Sequence[PersonData],
) -> release_pb2.Release:
    """The release of a permitted question; persons in the order of the digests.

    Raises:
        StorageError: `STORE`: not one person's data for each digest.
    """
    if len(data) != len(person_digests):
        raise StorageError("STORE", "store: not one answer for each person")
    release = release_pb2.Release(
        version=VERSION,
        label=label,
        statement_hash=statement.hash,
        fields=statement.question.fields,
    )
    for digest, one in zip(person_digests, data, strict=True):
        build_periods(release.persons.add(person_digest=digest), one)
    return release


def build_periods(person: release_pb2.PersonRelease, data: PersonData) -> None:
    """What is held of one person, period by period, into their part of a release."""
    for period in data.periods:
        answer = person.periods.add(period=period.period, status=_STATUSES[period.status])
        for record in period.records:
            row = answer.records.add(source=record.source, version=record.version)
            for value in record.values:
                set_value(row.values.add(), value)


def set_value(target: release_pb2.Value, value: int | str | bool | None) -> None:
    """Writes a value; None leaves it unset: not stated."""
    if isinstance(value, bool):
        target.boolean = value
    elif isinstance(value, int):
        target.integer = value
    elif value is not None:
        target.text = value
