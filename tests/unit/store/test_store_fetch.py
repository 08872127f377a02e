"""Reading: absent is not zero; totals are exact or not given; the past stays readable."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.store.conftest import ANNE, BRUNO, CATALOGUE, NOW, ROW_KEY, VAULT_KEY

from cloison.errors import InputError, StorageError
from cloison.months import Month
from cloison.store import (
    NewRecord,
    PeriodData,
    PersonData,
    RecordData,
    SlotName,
    Status,
    Store,
    Value,
    load_catalogue,
)

FEBRUARY, MARCH, APRIL = (Month.of(2026, month) for month in (2, 3, 4))


class Writer:
    """Writes lines, each file under a new hash."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.files = 0

    def pay(
        self,
        month: int,
        *values: Value,
        person: bytes = ANNE,
        now: datetime = NOW,
        named: bytes = b"",
    ) -> None:
        self.files += 1
        with self.store.loading("f", self.files.to_bytes(32, "big"), now) as loading:
            record = NewRecord(person, month, json.dumps(values), named)
            loading.put_line(
                "pay", [str(month), str(values[0])], person[0], record, f"f{self.files}"
            )
            loading.cover("pay", month)

    def cancelled(self, month: int, person: bytes = ANNE) -> None:
        self.files += 1
        with self.store.loading("f", self.files.to_bytes(32, "big"), NOW) as loading:
            name = SlotName("01/1", month)
            slot = loading.declare("pay", name, "s1", "normal", 1)
            loading.append(slot, 0, NewRecord(person, month, json.dumps(["salary", 1, 1, None])))
            loading.declare("pay", name, "s2", "cancel", 2)


@pytest.fixture
def writer(store: Store) -> Writer:
    return Writer(store)


def fetch(
    store: Store,
    fields: Sequence[str] = ("gross",),
    first: Month = FEBRUARY,
    last: Month = APRIL,
    granularity: str = "month",
    now: datetime = NOW,
    as_of: datetime | None = None,
) -> PersonData:
    load = None if as_of is None else store.last_load(as_of)
    (data,) = store.fetch("pay", [ANNE], fields, first, last, granularity, now, load)
    return data


def statuses(data: PersonData) -> list[Status]:
    return [period.status for period in data.periods]


def test_fetch_months_have_each_their_status(store: Store, writer: Writer) -> None:
    writer.pay(202602, "salary", 100, 80, None)
    writer.pay(202603, "salary", 100, 80, None, person=BRUNO)
    assert statuses(fetch(store)) == [
        Status.DECLARED,
        Status.NOTHING_DECLARED,
        Status.NOT_YET_DUE,  # nobody declared anything for April
    ]


def test_fetch_values_come_in_the_order_asked(store: Store, writer: Writer) -> None:
    writer.pay(202602, "salary", 100, 80, 20260228)
    (record,) = fetch(store, ("paid", "net", "nature"), FEBRUARY, FEBRUARY).periods[0].records
    assert record == RecordData("f1", 1, (20260228, 80, "salary"))


@pytest.mark.parametrize(
    ("day", "status"),
    [
        (datetime(2026, 3, 15, 23, 59, tzinfo=UTC), Status.NOT_YET_DUE),
        (datetime(2026, 3, 16, 0, 0, tzinfo=UTC), Status.NOTHING_DECLARED),
    ],
)
def test_fetch_month_is_due_until_the_day_is_over(
    day: datetime, status: Status, store: Store, writer: Writer
) -> None:
    writer.pay(202602, "salary", 100, 80, None, person=BRUNO)
    assert statuses(fetch(store, last=FEBRUARY, now=day)) == [status]


def test_fetch_before_the_due_day_gives_what_came_but_not_as_all(
    store: Store, writer: Writer
) -> None:
    writer.pay(202602, "salary", 100, 80, None)
    early = datetime(2026, 3, 2, tzinfo=UTC)
    assert fetch(store, last=FEBRUARY, now=early).periods == (
        PeriodData(202602, Status.NOT_YET_DUE, (RecordData("f1", 1, (100,)),)),
    )


def test_fetch_cancelled_month_is_under_correction(store: Store, writer: Writer) -> None:
    writer.cancelled(202603)
    assert statuses(fetch(store, first=MARCH, last=MARCH)) == [Status.UNDER_CORRECTION]


def test_fetch_names_every_person_of_the_records(store: Store, writer: Writer) -> None:
    writer.pay(202602, "salary", 100, 80, None, named=BRUNO)
    writer.pay(202603, "salary", 100, 80, None, named=BRUNO)
    assert fetch(store).named == (ANNE, BRUNO)


def test_fetch_persons_come_in_their_order(store: Store, writer: Writer) -> None:
    writer.pay(202602, "salary", 100, 80, None)
    found = store.fetch("pay", [BRUNO, ANNE], ("gross",), FEBRUARY, FEBRUARY, "month", NOW)
    assert [statuses(data) for data in found] == [[Status.NOTHING_DECLARED], [Status.DECLARED]]


def total(store: Store, *fields: str) -> PeriodData:
    (period,) = fetch(store, fields, granularity="window-total").periods
    return period


def test_fetch_window_total_sums_each_category(store: Store, writer: Writer) -> None:
    writer.pay(202602, "salary", 100, 80, 20260228)
    writer.pay(202603, "salary", 50, 40, 20260331)
    writer.pay(202603, "pension", 7, 6, None)
    writer.pay(202604, "salary", 1, 1, None, person=BRUNO)
    assert total(store, "gross", "nature", "paid", "net") == PeriodData(
        202602,
        Status.DECLARED,
        (
            RecordData("total 202602 to 202604", 1, (7, "pension", None, 6)),
            RecordData("total 202602 to 202604", 1, (150, "salary", None, 120)),
        ),
    )


def test_fetch_window_total_with_a_value_not_stated_is_not_stated(
    store: Store, writer: Writer
) -> None:
    for month, net in ((202602, 80), (202603, None), (202604, 80)):
        writer.pay(month, "salary", 100, net, None)
    assert total(store, "gross", "net").records[0].values == (300, None)


def test_fetch_window_total_with_an_unknown_month_is_not_given(
    store: Store, writer: Writer
) -> None:
    writer.pay(202602, "salary", 100, 80, None)
    writer.pay(202603, "salary", 100, 80, None)
    assert total(store, "gross") == PeriodData(202602, Status.NOT_YET_DUE, ())


def test_fetch_window_total_with_a_corrected_month_is_not_given(
    store: Store, writer: Writer
) -> None:
    writer.pay(202602, "salary", 100, 80, None)
    writer.pay(202604, "salary", 100, 80, None)
    writer.cancelled(202603)
    assert total(store, "gross") == PeriodData(202602, Status.UNDER_CORRECTION, ())


def test_fetch_window_total_of_nothing_is_nothing_declared(store: Store, writer: Writer) -> None:
    for month in (202602, 202603, 202604):
        writer.pay(month, "salary", 100, 80, None, person=BRUNO)
    assert total(store, "gross") == PeriodData(202602, Status.NOTHING_DECLARED, ())


def test_fetch_as_of_a_time_gives_what_was_loaded_by_then(store: Store, writer: Writer) -> None:
    for day, gross in ((1, 100), (2, 200), (3, 300)):
        writer.pay(202602, "salary", gross, 80, None, now=NOW + timedelta(days=day))
    seen = [
        fetch(store, last=FEBRUARY, as_of=NOW + timedelta(days=day, hours=1)).periods[0].records
        for day in (1, 2, 3)
    ]
    assert [(one.version, one.values) for (one,) in seen] == [(1, (100,)), (2, (200,)), (3, (300,))]


BAD_QUESTIONS: dict[str, tuple[str, tuple[str, ...], tuple[str, str], str, str]] = {
    "unknown dataset": ("secrets", ("gross",), ("2026-02", "2026-04"), "month", "UNKNOWN_DATASET"),
    "unknown field": ("pay", ("iban",), ("2026-02", "2026-04"), "month", "UNKNOWN_FIELD"),
    "years of monthly data": ("pay", ("gross",), ("2026-01", "2026-12"), "year", "BAD_GRANULARITY"),
    "a word of its own": ("pay", ("gross",), ("2026-01", "2026-12"), "day", "BAD_GRANULARITY"),
    "a total of what is in force": (
        "files",
        ("status",),
        ("2026-01", "2026-12"),
        "window-total",
        "BAD_GRANULARITY",
    ),
    "last month first": ("pay", ("gross",), ("2026-04", "2026-02"), "month", "BAD_WINDOW"),
    "half a year": ("notices", ("income",), ("2024-01", "2024-06"), "year", "BAD_WINDOW"),
}


@pytest.mark.parametrize("name", BAD_QUESTIONS)
def test_fetch_bad_question_is_refused(name: str, store: Store) -> None:
    dataset, fields, (first, last), granularity, reason = BAD_QUESTIONS[name]
    months = Month.parse(first), Month.parse(last)
    with pytest.raises(InputError) as caught:
        store.fetch(dataset, [ANNE], fields, *months, granularity, NOW)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (datetime(2025, 9, 30, tzinfo=UTC), Status.NOT_YET_DUE),
        (datetime(2025, 10, 1, tzinfo=UTC), Status.NOTHING_DECLARED),
    ],
)
def test_fetch_year_is_due_until_its_day(now: datetime, status: Status, store: Store) -> None:
    with store.loading("f", bytes(32), NOW) as loading:
        loading.cover("notices", 2024)
    months = Month.of(2024, 1), Month.of(2024, 12)
    (data,) = store.fetch("notices", [ANNE], ("income",), *months, "year", now)
    assert data.periods == (PeriodData(2024, status, ()),)


def test_fetch_current_takes_no_notice_of_months(store: Store) -> None:
    with store.loading("f", bytes(32), NOW) as loading:
        loading.put_line("files", ["k"], 0, NewRecord(ANNE, 0, '["open"]'), "f:1")
    (data,) = store.fetch("files", [ANNE], ("status",), APRIL, APRIL, "current", NOW)
    assert data.periods == (PeriodData(0, Status.DECLARED, (RecordData("f:1", 1, ("open",)),)),)


def test_fetch_after_the_catalogue_grew_reads_old_records(
    tmp_path: Path, writer: Writer, write: Callable[[str], Path]
) -> None:
    writer.pay(202602, "salary", 100, 80, None)
    grown = CATALOGUE.replace(
        "gross = {", 'bonus = { type = "cents", description = "bonus" }\ngross = {'
    ).replace('"gross", "net"', '"bonus", "gross", "net"')
    catalogue = load_catalogue(write(grown))
    later = Store.open(tmp_path / "store.sqlite", catalogue, ROW_KEY, VAULT_KEY)
    (period, *_) = fetch(later, ("net", "bonus", "gross")).periods
    later.close()
    assert period.records[0].values == (80, None, 100)


def test_fetch_sees_what_another_process_loads(
    tmp_path: Path, writer: Writer, write: Callable[[str], Path]
) -> None:
    catalogue = load_catalogue(write(CATALOGUE))
    other = Store.open(tmp_path / "store.sqlite", catalogue, ROW_KEY, VAULT_KEY)
    before = statuses(fetch(other, last=FEBRUARY))
    writer.pay(202602, "salary", 100, 80, None)
    after = statuses(fetch(other, last=FEBRUARY))
    other.close()
    assert (before, after) == ([Status.NOT_YET_DUE], [Status.DECLARED])


def test_fetch_from_a_closed_store_is_a_storage_error(store: Store) -> None:
    store.close()
    with pytest.raises(StorageError) as caught:
        fetch(store)
    assert caught.value.reason == "STORE_READ"


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("which", ["row", "vault", "body"])
def test_open_with_other_keys_or_body_is_refused(
    which: str, tmp_path: Path, write: Callable[[str], Path]
) -> None:
    text = CATALOGUE.replace('"essai"', '"autre"') if which == "body" else CATALOGUE
    row_key = b"x" * 32 if which == "row" else ROW_KEY
    vault_key = b"x" * 32 if which == "vault" else VAULT_KEY
    with pytest.raises(StorageError) as caught:
        Store.open(tmp_path / "store.sqlite", load_catalogue(write(text)), row_key, vault_key)
    assert caught.value.reason == "WRONG_STORE"


def test_open_what_is_no_database_is_refused(tmp_path: Path, write: Callable[[str], Path]) -> None:
    (tmp_path / "other.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(StorageError) as caught:
        Store.open(tmp_path / "other.sqlite", load_catalogue(write(CATALOGUE)), ROW_KEY, VAULT_KEY)
    assert caught.value.reason == "STORE_OPEN"


@pytest.mark.usefixtures("store")
def test_open_makes_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    assert (tmp_path / "store.sqlite").stat().st_mode & 0o077 == 0


def test_loading_that_raises_keeps_nothing(store: Store) -> None:
    line = ("files", ["k"], 0, NewRecord(ANNE, 0, '["open"]'), "f:1")
    with pytest.raises(InputError), store.loading("f", bytes(32), NOW) as loading:
        assert [loading.put_line(*line) for _ in range(2)]  # the second is refused
    assert not store.has_loaded(bytes(32))
    (data,) = store.fetch("files", [ANNE], ("status",), APRIL, APRIL, "current", NOW)
    assert data.periods[0].status is Status.NOTHING_DECLARED


def test_loading_the_same_hash_twice_is_refused(store: Store) -> None:
    with store.loading("f", bytes(32), NOW):
        pass
    with pytest.raises(InputError) as caught, store.loading("f", bytes(32), NOW):
        pass
    assert caught.value.reason == "ALREADY_LOADED"
