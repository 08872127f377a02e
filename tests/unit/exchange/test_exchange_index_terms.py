"""A question under a case is counted once, by who answers it."""

from datetime import UTC, datetime

from cloison.bodies import BodyId
from cloison.exchange.entries import cohort_part_entry
from cloison.exchange.index_terms import COUNTED, index_terms
from cloison.ledger.terms import Group

CASES = [bytes([number]) * 32 for number in (1, 2, 1)]


def counted(received: bytes) -> list[Group]:
    now = datetime(2026, 6, 16, tzinfo=UTC)
    entry = cohort_part_entry(
        b"s" * 32,
        0,
        [],
        [],
        b"sealed",
        BodyId("caf"),
        now,
        last=True,
        cases=CASES,
        received=received,
    )
    return [one for one in index_terms(entry) if isinstance(one, Group) and one.kind in COUNTED]


def test_case_named_twice_in_a_batch_is_counted_once() -> None:
    assert counted(b"") == [Group("case", (CASES[0], CASES[1]))]


def test_case_of_a_batch_that_came_is_not_counted() -> None:
    assert counted(b"l" * 32) == []
