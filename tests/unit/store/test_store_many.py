"""Many at once: the same values as one by one, whatever was loaded, corrected and asked."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.store.conftest import NOW
from tests.unit.store.many import (
    MONTHS,
    PERSONS,
    QUESTIONS,
    History,
    check_same,
    fetch_many,
    open_store,
    rows_of,
)

from cloison.errors import InputError, StorageError
from cloison.store import Store

Step = Callable[[History], object]
UNKNOWN = b"?" * 16
ANYONE = [*PERSONS, UNKNOWN]

_person = st.integers(0, len(PERSONS) - 1)
_month = st.sampled_from(MONTHS)
_nature = st.sampled_from(["salary", "pension", "à part"])
_cents = st.none() | st.integers(-(10**12), 10**12)
_flag = st.none() | st.booleans()
_named = st.sampled_from([b"", PERSONS[0], PERSONS[5] + UNKNOWN])


def _step(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    drawn = st.tuples(*arguments)
    return drawn.map(lambda given: lambda history: getattr(history, name)(*given))


_steps = st.one_of(
    _step("pay", _person, _month, _nature, _cents, _cents, _named),
    _step("end_pay", _person, _month, _nature),
    _step(
        "declare",
        st.sampled_from("xy"),
        st.lists(st.tuples(_person, _month, _nature, _cents), max_size=4),
        st.booleans(),
    ),
    _step("notice", st.tuples(_person, _person), st.sampled_from([2023, 2024]), _cents),
    _step("file", _person, st.just("open"), st.none() | st.text(max_size=3), _flag),
    _step("identity", _person, *[st.booleans()] * 3),
    _step("settle"),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(_steps, max_size=12),
    st.lists(st.sampled_from(ANYONE), max_size=8),
    st.sampled_from([NOW, datetime(2026, 4, 1, tzinfo=UTC)]),
)
def test_fetch_many_gives_what_fetch_gives(
    steps: list[Step], persons: list[bytes], now: datetime
) -> None:
    with TemporaryDirectory() as folder:
        history = History(open_store(Path(folder)))
        reader = open_store(Path(folder))
        for step in steps:
            step(history)
            for question in QUESTIONS.values():
                check_same(reader, question, persons, now)
            _check_identities(reader, persons)
        reader.close()
        history.store.close()


def _check_identities(store: Store, persons: list[bytes]) -> None:
    many = store.identities(b"".join(persons))
    for place, person in enumerate(persons):
        known = store.identity(person)
        assert many.found[place] == (known is not None)
        facts = many.permanent[place], many.dead[place], many.objected[place]
        said = known and (known.permanent, known.dead, known.objected)
        assert facts == (said or (False, False, False))
        assert many.traits[place].tobytes() == (known.traits_digest if known else bytes(32))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def history(store: Store) -> History:
    return History(store)


def test_fetch_many_lays_out_rows_by_person_and_period(store: Store, history: History) -> None:
    history.pay(0, 202602, "salary", 100, None)
    history.pay(0, 202602, "pension", 7, 6)
    history.pay(5, 202604, "salary", 50, 40)
    data = fetch_many(store, QUESTIONS["months"], [PERSONS[5], PERSONS[0]])
    nothing, unknown = 2, 3
    assert sorted(map(repr, rows_of(data))) == sorted(
        map(
            repr,
            [
                (0, 202602, nothing, None, None, None, None, None, None),
                (0, 202603, unknown, None, None, None, None, None, None),
                (0, 202604, 1, "f:é", 1, 40, "salary", 50, None),
                (1, 202602, 1, "f:é", 1, 6, "pension", 7, None),
                (1, 202602, 1, "f:é", 1, None, "salary", 100, None),
                (1, 202603, unknown, None, None, None, None, None, None),
                (1, 202604, nothing, None, None, None, None, None, None),
            ],
        )
    )


def test_fetch_many_types_columns_by_the_catalogue(store: Store) -> None:
    schema = fetch_many(store, QUESTIONS["what is in force"], []).table.schema
    assert list(zip(schema.names, schema.types, strict=True)) == [
        ("person", pa.int32()),
        ("period", pa.int32()),
        ("status", pa.int8()),
        ("source", pa.string()),
        ("version", pa.int32()),
        ("open", pa.bool_()),
        ("source", pa.string()),
        ("status", pa.string()),
    ]


def test_fetch_many_names_others_once_and_nobody_asked(store: Store, history: History) -> None:
    history.pay(0, 202602, "salary", 1, 1, named=PERSONS[5] + UNKNOWN)
    history.pay(1, 202603, "salary", 1, 1, named=UNKNOWN)
    asked = [PERSONS[0], PERSONS[1], PERSONS[5]]
    data = fetch_many(store, QUESTIONS["months"], asked)
    assert data.others(asked) == [UNKNOWN]
    assert set(data.between(0, 2).others(asked[:2])) == {UNKNOWN, PERSONS[5]}
    assert data.between(2, 3).others(asked[2:]) == []


def test_fetch_many_takes_an_array_as_well_as_bytes(store: Store, history: History) -> None:
    history.file(0, "open", "t", True)
    question = QUESTIONS["what is in force"]
    array = np.frombuffer(PERSONS[0] + UNKNOWN, np.uint8).reshape(2, 16)
    asked = question.fields, question.first, question.last, question.granularity, NOW
    found = store.fetch_many(question.dataset, array, *asked)
    assert found.table.equals(fetch_many(store, question, [PERSONS[0], UNKNOWN]).table)


@pytest.mark.parametrize(
    "persons", [b"a" * 17, np.zeros((2, 15), np.uint8), np.zeros((2, 16), np.int8)]
)
def test_fetch_many_of_what_are_no_row_keys_is_refused(persons: bytes, store: Store) -> None:
    question = QUESTIONS["what is in force"]
    with pytest.raises(InputError) as caught:
        store.fetch_many("files", persons, (), question.first, question.last, "current", NOW)
    assert caught.value.reason == "MALFORMED"


def test_fetch_many_from_a_closed_store_is_a_storage_error(store: Store) -> None:
    store.close()
    with pytest.raises(StorageError) as caught:
        fetch_many(store, QUESTIONS["months"], [UNKNOWN])
    assert caught.value.reason == "STORE_READ"


def test_fetch_many_month_its_payer_did_not_declare_is_late(store: Store, history: History) -> None:
    """Its payer declared March alone; another payer is why April is not unknown to everybody."""
    history.declare("y", [(0, 202603, "pension", 100)])
    history.declare("x", [(1, 202604, "pension", 100)])
    history.settle()
    declared, nothing, late = 1, 2, 5
    data = fetch_many(store, QUESTIONS["no field"], [PERSONS[0], PERSONS[2]])
    assert [row[:3] for row in rows_of(data)][1:] == [
        (0, 202603, declared),
        (0, 202604, late),
        (1, 202602, nothing),
        (1, 202603, nothing),
        (1, 202604, nothing),
    ]
    assert [row[2] for row in rows_of(fetch_many(store, QUESTIONS["a total"], [PERSONS[0]]))] == [
        late
    ]
