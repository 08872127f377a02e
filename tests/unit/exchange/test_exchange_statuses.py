"""Columns of the store and messages of the wire number the statuses alike."""

from cloison.store import STATUS_NUMBERS, Status
from cloison.v1 import release_pb2


def test_status_numbers_are_those_of_the_wire() -> None:
    wire = dict(release_pb2.PeriodStatus.items())
    assert {each: wire[f"PERIOD_STATUS_{each.name}"] for each in Status} == STATUS_NUMBERS
