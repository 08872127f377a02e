"""What a load touched: whose records of which period, found again after it, and dropped in time."""

import json
from datetime import timedelta

import pytest
from tests.unit.store.conftest import ANNE, BRUNO, NOW

from cloison.errors import InputError
from cloison.store import Change, NewRecord, SlotName, Store

FEBRUARY, MARCH = 202602, 202603
SLOT = SlotName("01/1", FEBRUARY)


def record(person: bytes, cents: int, period: int = FEBRUARY) -> NewRecord:
    return NewRecord(person, period, json.dumps(["salary", cents, cents, None]))


def declare(store: Store, number: int, *records: NewRecord) -> None:
    """Sends the one declaration there is, anew or for the first time."""
    with store.loading("f", bytes([number]) * 32, NOW + timedelta(days=number)) as loading:
        slot = loading.declare("pay", SLOT, f"s{number}", "replace", number)
        for place, one in enumerate(records):
            loading.append(slot, place, one)


def changes(store: Store, after: int, until: int) -> list[Change]:
    return list(store.changes(after, until, lambda dataset, _: dataset == "pay"))


def test_changes_of_a_first_declaration_name_each_person_and_period_once(store: Store) -> None:
    declare(store, 1, record(ANNE, 1), record(ANNE, 2), record(BRUNO, 3, MARCH))
    assert changes(store, 0, 1) == [
        Change(1, "pay", FEBRUARY, (ANNE,)),
        Change(1, "pay", MARCH, (BRUNO,)),
    ]


def test_changes_of_a_replacement_name_whom_it_leaves_out(store: Store) -> None:
    declare(store, 1, record(ANNE, 1), record(BRUNO, 3))
    declare(store, 2, record(BRUNO, 3))
    (change,) = changes(store, 1, 2)
    assert set(change.persons) == {ANNE, BRUNO}


def test_changes_of_a_cancel_name_whose_months_it_opens(store: Store) -> None:
    declare(store, 1, record(ANNE, 1))
    with store.loading("f", b"c" * 32, NOW) as loading:
        loading.declare("pay", SLOT, "s2", "cancel", 2)
    assert changes(store, 1, 2) == [Change(2, "pay", FEBRUARY, (ANNE,))]


def test_changes_of_a_line_that_moves_name_both_persons(store: Store) -> None:
    for number, person in enumerate((ANNE, BRUNO), 1):
        with store.loading("f", bytes([number]) * 32, NOW) as loading:
            loading.put_line("pay", ["line"], 0, record(person, 1), "f")
    (change,) = changes(store, 1, 2)
    assert set(change.persons) == {ANNE, BRUNO}


def test_changes_of_a_line_that_says_the_same_are_none(store: Store) -> None:
    for number in (1, 2):
        with store.loading("f", bytes([number]) * 32, NOW) as loading:
            loading.put_line("pay", ["line"], 0, record(ANNE, 1), "f")
    assert changes(store, 1, 2) == []


def test_changes_of_a_file_that_is_rejected_are_none(store: Store) -> None:
    declare(store, 1, record(ANNE, 1))
    with pytest.raises(InputError) as rejected:
        declare(store, 0, record(ANNE, 2))
    assert rejected.value.reason == "STALE_ORDER"
    assert (store.last_load(), len(changes(store, 0, 9))) == (1, 1)


def test_changes_of_many_persons_are_all_there(store: Store) -> None:
    people = [number.to_bytes(16, "big") for number in range(20_001)]
    declare(store, 1, *(record(person, 1) for person in people))
    found = [person for change in changes(store, 0, 1) for person in change.persons]
    assert sorted(found) == people


def test_forget_changes_keeps_those_loaded_since(store: Store) -> None:
    declare(store, 1, record(ANNE, 1))
    declare(store, 2, record(ANNE, 2))
    store.forget_changes(NOW + timedelta(days=2))
    assert [change.load for change in changes(store, 0, 2)] == [2]


def test_last_load_by_a_time_is_the_last_file_loaded_by_then(store: Store) -> None:
    assert store.last_load() == 0
    declare(store, 1, record(ANNE, 1))
    declare(store, 2, record(ANNE, 2))
    assert (store.last_load(NOW + timedelta(days=1)), store.last_load()) == (1, 2)
