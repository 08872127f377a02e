"""Absent is not zero, by source: nothing held means nothing until those who declare are done."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.store.conftest import ANNE, BRUNO, NOW, ROW_KEY, VAULT_KEY

from cloison.errors import InputError
from cloison.months import Month
from cloison.store import STATUS_NUMBERS, Kind, NewRecord, SlotName, Status, Store, load_catalogue
from cloison.store.expectation import Expectation

CATALOGUE = """
version = 1
body = "essai"

[datasets.pay]
title = "Pay"
description = "Pay by month."
period = "month"
category = "nature"
due = { periods_later = 1, day = 15 }
expected = { months = 3, until = "ends" }

[datasets.pay.fields]
nature = { type = "code", required = true, description = "kind" }
gross = { type = "cents", description = "gross" }
ends = { type = "date", description = "last day of the contract" }

[datasets.pay.messages.dsn]
nature = "01"
types = { normal = ["01"], replace = ["03"], cancel = ["05"] }
unit = "S21.G00.50"
subject = "S21.G00.30.001"
period = "S21.G00.50.001"

[datasets.pay.messages.dsn.fields]
nature = { value = "salary" }
"""
SHOP, FARM, OTHERS = "01/10000000000001", "01/20000000000002", "01/30000000000003"
JANUARY, FEBRUARY, MARCH, APRIL, MAY = (202600 + month for month in range(1, 6))
LATE, NOTHING, NOT_DUE = Status.LATE, Status.NOTHING_DECLARED, Status.NOT_YET_DUE
DECLARED = Status.DECLARED


class Payroll:
    """Declarations, each a load of its own."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._files = count(1)

    def declare(
        self,
        declarant: str,
        month: int,
        *persons: bytes,
        ends: int | None = None,
        kind: Kind = "normal",
        fraction: str = "11",
        now: datetime = NOW,
        of: int | None = None,
    ) -> None:
        """A declaration of a month; its records are of that month, or of another."""
        number = next(self._files)
        name = SlotName(declarant, month, fraction)
        with self.store.loading("f", number.to_bytes(32, "big"), now) as loading:
            slot = loading.declare("pay", name, f"{name}-{number}", kind, number)
            for place, person in enumerate(persons):
                payload = json.dumps(["salary", 100, ends])
                loading.append(slot, place, NewRecord(person, of or month, payload))

    def statuses(
        self,
        first: int,
        last: int,
        person: bytes = ANNE,
        now: datetime = NOW,
        as_of: datetime | None = None,
        granularity: str = "month",
    ) -> list[Status]:
        months = Month.from_number(first), Month.from_number(last)
        load = None if as_of is None else self.store.last_load(as_of)
        (data,) = self.store.fetch("pay", [person], ("gross",), *months, granularity, now, load)
        return [period.status for period in data.periods]

    def march(self, person: bytes = ANNE, **options: datetime | None) -> Status:
        (status,) = self.statuses(MARCH, MARCH, person, **options)  # type: ignore[arg-type]
        return status


@pytest.fixture
def payroll(tmp_path: Path, write: Callable[[str], Path]) -> Iterator[Payroll]:
    catalogue = load_catalogue(write(CATALOGUE))
    store = Store.open(tmp_path / "pay.sqlite", catalogue, ROW_KEY, VAULT_KEY)
    payroll = Payroll(store)
    payroll.declare(OTHERS, MARCH, BRUNO)
    yield payroll
    store.close()


def test_fetch_month_its_payer_declared_without_the_person_is_nothing_declared(
    payroll: Payroll,
) -> None:
    payroll.declare(SHOP, FEBRUARY, ANNE)
    payroll.declare(SHOP, MARCH, BRUNO)
    assert payroll.statuses(FEBRUARY, MARCH) == [DECLARED, NOTHING]


def test_fetch_month_its_payer_did_not_declare_is_late(payroll: Payroll) -> None:
    payroll.declare(SHOP, FEBRUARY, ANNE)
    assert payroll.statuses(FEBRUARY, MARCH) == [DECLARED, LATE]


def test_fetch_month_nobody_declared_is_late_for_who_has_a_payer(payroll: Payroll) -> None:
    payroll.declare(SHOP, MARCH, ANNE)
    assert payroll.statuses(MARCH, APRIL) == [DECLARED, LATE]


def test_fetch_month_is_not_late_before_its_due_day_is_over(payroll: Payroll) -> None:
    payroll.declare(SHOP, FEBRUARY, ANNE)
    days = [datetime(2026, 4, day, tzinfo=UTC) for day in (15, 16)]
    assert [payroll.march(now=day) for day in days] == [NOT_DUE, LATE]


def test_fetch_month_of_two_payers_waits_for_both(payroll: Payroll) -> None:
    payroll.declare(SHOP, FEBRUARY, ANNE)
    payroll.declare(FARM, JANUARY, ANNE)
    payroll.declare(FARM, MARCH)
    assert payroll.march() is LATE


def test_fetch_month_one_of_two_payers_declared_is_late_with_what_came(payroll: Payroll) -> None:
    """Half of what a person earned is no month's income, however well it was declared."""
    for payer in (SHOP, FARM):
        payroll.declare(payer, FEBRUARY, ANNE)
    seen = []
    for payer in (SHOP, FARM):
        payroll.declare(payer, MARCH, ANNE)
        months = Month.from_number(MARCH), Month.from_number(MARCH)
        (data,) = payroll.store.fetch("pay", [ANNE], ("gross",), *months, "month", NOW)
        seen += [(one.status, len(one.records)) for one in data.periods]
    assert seen == [(LATE, 1), (DECLARED, 2)]


def test_fetch_total_of_a_month_one_of_two_payers_declared_is_not_given(payroll: Payroll) -> None:
    for payer in (SHOP, FARM):
        payroll.declare(payer, FEBRUARY, ANNE)
    payroll.declare(SHOP, MARCH, ANNE)
    assert payroll.statuses(FEBRUARY, MARCH, granularity="window-total") == [LATE]


def test_fetch_month_a_person_is_in_one_of_two_fractions_of_is_declared(payroll: Payroll) -> None:
    """A payer splits its staff among the parts: who came in one is in no other."""
    payroll.declare(SHOP, FEBRUARY, ANNE)
    payroll.declare(SHOP, MARCH, ANNE, fraction="12")
    assert payroll.march() is DECLARED


def test_fetch_month_known_from_a_later_correction_alone_is_late(payroll: Payroll) -> None:
    payroll.declare(SHOP, FEBRUARY, ANNE)
    payroll.declare(SHOP, APRIL, ANNE, of=MARCH)
    assert payroll.march() is LATE


def test_fetch_month_paid_in_advance_is_declared(payroll: Payroll) -> None:
    payroll.declare(SHOP, FEBRUARY, ANNE, of=MARCH)
    assert payroll.march() is DECLARED


def test_fetch_month_of_a_stranger_is_what_it_is_for_everybody(payroll: Payroll) -> None:
    payroll.declare(SHOP, FEBRUARY, BRUNO)
    assert payroll.statuses(MARCH, APRIL) == [NOTHING, NOT_DUE]


def test_fetch_person_declared_more_than_three_months_before_is_expected_by_nobody(
    payroll: Payroll,
) -> None:
    payroll.declare(SHOP, JANUARY, ANNE)
    payroll.declare(OTHERS, APRIL, BRUNO)
    payroll.declare(OTHERS, MAY, BRUNO)
    assert payroll.statuses(APRIL, MAY) == [LATE, NOTHING]


CONTRACTS = {
    "ended the month before": (20260228, NOTHING),
    "ends within the month": (20260301, LATE),
    "has no end": (None, LATE),
}


@pytest.mark.parametrize("name", CONTRACTS)
def test_fetch_month_after_the_contract_expects_nothing(name: str, payroll: Payroll) -> None:
    ends, status = CONTRACTS[name]
    payroll.declare(SHOP, FEBRUARY, ANNE, ends=ends)
    assert payroll.march() is status


def test_fetch_contract_that_was_renewed_is_the_one_that_counts(payroll: Payroll) -> None:
    payroll.declare(SHOP, JANUARY, ANNE, ends=20260131)
    payroll.declare(SHOP, FEBRUARY, ANNE, ends=20260630)
    assert payroll.march() is LATE


def test_fetch_one_contract_that_goes_on_beside_one_that_ended_is_expected(
    payroll: Payroll,
) -> None:
    payroll.declare(SHOP, FEBRUARY, ANNE, ends=20260228)
    payroll.declare(SHOP, FEBRUARY, ANNE, fraction="22")
    assert payroll.march() is LATE


def test_fetch_month_waits_for_every_fraction(payroll: Payroll) -> None:
    payroll.declare(SHOP, FEBRUARY, ANNE)
    seen = []
    for fraction in ("12", "22"):
        payroll.declare(SHOP, MARCH, fraction=fraction)
        seen.append(payroll.march())
    assert seen == [LATE, NOTHING]


def test_fetch_month_of_another_nature_does_not_stand_for_it(payroll: Payroll) -> None:
    payroll.declare(SHOP, FEBRUARY, ANNE)
    payroll.declare("14" + SHOP[2:], MARCH)
    assert payroll.march() is LATE


def test_fetch_declaration_that_was_withdrawn_does_not_count(payroll: Payroll) -> None:
    payroll.declare(SHOP, FEBRUARY, ANNE)
    seen = []
    for kind in ("normal", "cancel", "replace"):
        payroll.declare(SHOP, MARCH, kind=kind)
        seen.append(payroll.march())
    assert seen == [NOTHING, LATE, NOTHING]


def test_fetch_declared_withdrawn_and_declared_in_one_load_counts(payroll: Payroll) -> None:
    payroll.declare(SHOP, FEBRUARY, ANNE)
    name = SlotName(SHOP, MARCH)
    with payroll.store.loading("g", b"g" * 32, NOW) as loading:
        for order, kind in enumerate(("normal", "cancel", "normal"), 1):
            loading.declare("pay", name, f"s{order}", kind, order)  # type: ignore[arg-type]
    assert payroll.march() is NOTHING


def test_fetch_as_of_a_time_waits_for_who_had_not_declared_by_then(payroll: Payroll) -> None:
    payroll.declare(SHOP, FEBRUARY, ANNE, now=NOW + timedelta(days=1))
    payroll.declare(SHOP, MARCH, now=NOW + timedelta(days=2))
    payroll.declare(SHOP, MARCH, kind="cancel", now=NOW + timedelta(days=3))
    times = [NOW + timedelta(days=day, hours=1) for day in range(4)]
    assert [payroll.march(as_of=time) for time in times] == [NOTHING, LATE, NOTHING, LATE]


def test_fetch_as_of_a_time_does_not_know_later_payers(payroll: Payroll) -> None:
    payroll.declare(SHOP, FEBRUARY, ANNE, now=NOW + timedelta(days=1))
    assert payroll.march(as_of=NOW) is NOTHING


def test_fetch_window_total_with_a_late_month_is_not_given(payroll: Payroll) -> None:
    payroll.declare(SHOP, FEBRUARY, ANNE)
    assert payroll.statuses(FEBRUARY, MARCH, granularity="window-total") == [LATE]


def test_fetch_month_under_correction_is_that_and_not_late(payroll: Payroll) -> None:
    payroll.declare(SHOP, FEBRUARY, ANNE)
    payroll.declare(SHOP, MARCH, ANNE)
    payroll.declare(SHOP, MARCH, kind="cancel")
    assert payroll.march() is Status.UNDER_CORRECTION


def test_fetch_loads_of_another_process_are_seen_whole_or_not_at_all(
    payroll: Payroll, tmp_path: Path
) -> None:
    """The month comes after its records were looked for, before its payer is asked about."""
    other = Payroll(
        Store.open(tmp_path / "pay.sqlite", payroll.store.catalogue, ROW_KEY, VAULT_KEY)
    )
    payroll.declare(SHOP, FEBRUARY, ANNE)
    loads = iter([lambda: other.declare(SHOP, MARCH, ANNE, ends=1, now=NOW)])

    def load(statement: str) -> None:
        if "FROM declared" in statement:
            next(loads, lambda: None)()

    other._files = count(100)
    payroll.store._database.connection.set_trace_callback(load)
    seen = [payroll.march(), payroll.march()]
    other.store.close()
    assert (seen, next(loads, None)) == ([LATE, DECLARED], None)


def changed(payroll: Payroll, after: int) -> list[tuple[int, tuple[bytes, ...]]]:
    store = payroll.store
    found = store.changes(after, store.last_load(), lambda _, month: month >= MARCH)
    return [(change.period, change.persons) for change in found]


def test_changes_name_those_a_late_payer_declared_before_and_not_now(payroll: Payroll) -> None:
    payroll.declare(SHOP, FEBRUARY, ANNE, BRUNO)
    after = payroll.store.last_load()
    payroll.declare(SHOP, MARCH, BRUNO)
    assert changed(payroll, after) == [(MARCH, (BRUNO,)), (MARCH, (ANNE, BRUNO))]


def test_changes_name_those_who_wait_again_for_a_declaration_withdrawn(payroll: Payroll) -> None:
    payroll.declare(SHOP, FEBRUARY, ANNE)
    payroll.declare(SHOP, MARCH)
    after = payroll.store.last_load()
    payroll.declare(SHOP, MARCH, kind="cancel")
    assert changed(payroll, after) == [(MARCH, (ANNE,))]


def test_changes_nobody_asked_for_are_not_looked_into(payroll: Payroll) -> None:
    payroll.declare(SHOP, JANUARY, ANNE)
    after = payroll.store.last_load()
    payroll.declare(SHOP, FEBRUARY, BRUNO)
    assert changed(payroll, after) == []


MONTHS = [JANUARY, FEBRUARY, MARCH, APRIL, MAY]
HISTORIES = st.lists(
    st.tuples(
        st.sampled_from((SHOP, FARM)),
        st.sampled_from(MONTHS),
        st.sets(st.sampled_from((ANNE, BRUNO))),
        st.sampled_from((None, 20260131, 20260331)),
    ),
    max_size=8,
    unique_by=lambda one: one[:2],
)


def expected_status(
    history: Mapping[tuple[str, int], tuple[set[bytes], int | None]], person: bytes, month: int
) -> Status:
    """The rule again, in other words."""
    held = any(person in named for (_, when), (named, _) in history.items() if when == month)
    waits, known = False, False
    for declarant in (SHOP, FARM):
        before = [
            (when, ends)
            for (who, when), (named, ends) in history.items()
            if who == declarant and person in named and month - 3 <= when < month
        ]
        if before and (max(before)[1] or 99999999) >= month * 100 + 1:
            known = True
            waits |= (declarant, month) not in history
    if held:
        return LATE if waits else DECLARED
    if known:
        return LATE if waits else NOTHING
    return NOTHING if any(when == month for _, when in history) else NOT_DUE


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(history=HISTORIES)
def test_fetch_any_history_gives_each_month_as_the_rule_says(
    history: list[tuple[str, int, set[bytes], int | None]],
    tmp_path_factory: pytest.TempPathFactory,
    write: Callable[[str], Path],
) -> None:
    path = tmp_path_factory.mktemp("history") / "pay.sqlite"
    store = Store.open(path, load_catalogue(write(CATALOGUE)), ROW_KEY, VAULT_KEY)
    payroll = Payroll(store)
    for declarant, month, persons, ends in history:
        payroll.declare(declarant, month, *sorted(persons), ends=ends)
    said = {one[:2]: one[2:] for one in history}
    found = {person: payroll.statuses(JANUARY, MAY, person) for person in (ANNE, BRUNO)}
    store.close()
    assert found == {
        person: [expected_status(said, person, month) for month in MONTHS]
        for person in (ANNE, BRUNO)
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(history=HISTORIES, settled=st.sets(st.integers(0, 8)), asked=st.sets(st.integers(0, 8)))
def test_fetch_many_says_of_any_history_what_fetch_says(
    history: list[tuple[str, int, set[bytes], int | None]],
    settled: set[int],
    asked: set[int],
    tmp_path_factory: pytest.TempPathFactory,
    write: Callable[[str], Path],
) -> None:
    """Files hold some declarations, the others stand beside them; all are asked about between."""
    path = tmp_path_factory.mktemp("history") / "pay.sqlite"
    store = Store.open(path, load_catalogue(write(CATALOGUE)), ROW_KEY, VAULT_KEY)
    payroll = Payroll(store)
    for place, (declarant, month, persons, ends) in enumerate(history):
        if place in settled:
            store.settle()
        payroll.declare(declarant, month, *sorted(persons), ends=ends)
        if place in asked:
            check_many_says_the_same(payroll)
    check_many_says_the_same(payroll)
    store.close()


def check_many_says_the_same(payroll: Payroll) -> None:
    for first in MONTHS:
        for last in range(first, MAY + 1):
            assert many_statuses(payroll.store, first, last) == [
                (place, STATUS_NUMBERS[status])
                for place, person in enumerate((ANNE, BRUNO))
                for status in payroll.statuses(first, last, person)
            ]


def test_fetch_many_again_knows_who_became_late_as_a_declaration_was_withdrawn(
    payroll: Payroll,
) -> None:
    """No record of hers changed: the payer had declared the month without her."""
    payroll.declare(SHOP, FEBRUARY, ANNE)
    payroll.declare(SHOP, MARCH, BRUNO)
    payroll.store.settle()
    assert many_statuses(payroll.store, MARCH, MARCH)[0] == (0, STATUS_NUMBERS[NOTHING])
    payroll.declare(SHOP, MARCH, kind="cancel")
    payroll.store.settle()
    assert many_statuses(payroll.store, MARCH, MARCH)[0] == (0, STATUS_NUMBERS[LATE])


def test_fetch_many_again_knows_who_became_late_as_a_declaration_was_replaced(
    payroll: Payroll,
) -> None:
    """Her payer was late before: it had not named her."""
    payroll.declare(SHOP, FEBRUARY, BRUNO)
    payroll.store.settle()
    assert many_statuses(payroll.store, MARCH, MARCH)[0] == (0, STATUS_NUMBERS[NOTHING])
    payroll.declare(SHOP, FEBRUARY, BRUNO, ANNE, kind="replace")
    payroll.store.settle()
    assert many_statuses(payroll.store, MARCH, MARCH)[0] == (0, STATUS_NUMBERS[LATE])


@pytest.mark.parametrize(("limit", "most"), [("_ADDED_PERSONS", -2), ("_ANEW_SECONDS", -1.0)])
def test_fetch_many_finds_anew_who_may_be_late(
    limit: str, most: float, payroll: Payroll, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    waited_for = Expectation.waited_for

    def kept(expectation: Expectation) -> set[bytes] | None:
        found.append(waited_for(expectation))
        return found[-1]

    monkeypatch.setattr(Expectation, "waited_for", kept)
    payroll.declare(SHOP, FEBRUARY, ANNE)
    payroll.store.settle()
    many_statuses(payroll.store, MARCH, MARCH)
    payroll.declare(SHOP, MARCH, ANNE)
    many_statuses(payroll.store, MARCH, MARCH)
    assert found == [{ANNE}]
    monkeypatch.setattr(f"cloison.store.waiting.{limit}", most)
    payroll.declare(FARM, JANUARY, BRUNO)
    many_statuses(payroll.store, MARCH, MARCH)
    assert found == [{ANNE}, {BRUNO}]


@pytest.mark.parametrize("most", ["_MOST_DECLARANTS", "_MOST_PERSONS"])
def test_fetch_many_where_too_many_are_late_to_name_them_says_what_fetch_says(
    most: str, payroll: Payroll, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"cloison.store.expectation.{most}", 0)
    for payer in (SHOP, FARM):
        payroll.declare(payer, FEBRUARY, ANNE)
    payroll.declare(SHOP, MARCH, ANNE)
    payroll.store.settle()
    said = {status for _, status in many_statuses(payroll.store, MARCH, MARCH)}
    assert said == {STATUS_NUMBERS[LATE], STATUS_NUMBERS[DECLARED]}


def many_statuses(store: Store, first: int, last: int) -> list[tuple[int, int]]:
    """Place and status of each person and month asked, whatever records there are."""
    months = Month.from_number(first), Month.from_number(last)
    table = store.fetch_many("pay", ANNE + BRUNO, ("gross",), *months, "month", NOW).table
    person, period, status = (table.column(place).to_pylist() for place in range(3))
    each = {(one, when): what for one, when, what in zip(person, period, status, strict=True)}
    return [(one, what) for (one, _), what in each.items()]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (('until = "ends"', 'until = "gross"'), "must be a date"),
        (('until = "ends"', 'until = "nobody"'), "not a field"),
        (("due = { periods_later = 1, day = 15 }\n", ""), "`expected` is for"),
    ],
)
def test_load_catalogue_that_expects_what_it_cannot_is_refused(
    change: tuple[str, str], why: str, write: Callable[[str], Path]
) -> None:
    with pytest.raises(InputError, match=why):
        load_catalogue(write(CATALOGUE.replace(*change)))


def test_open_store_made_before_knows_who_had_declared(
    tmp_path: Path, write: Callable[[str], Path]
) -> None:
    """Tables as of the fourth migration, one declaration of February and an empty one of March."""
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as old:
        for file in sorted((resources.files("cloison.store") / "migrations").iterdir(), key=str):
            if file.name < "0005":
                old.executescript(file.read_text("utf-8"))
        old.executescript(OLD.replace("ANNE", ANNE.hex()))
    old.close()
    store = Store.open(path, load_catalogue(write(CATALOGUE)), ROW_KEY, VAULT_KEY)
    found = Payroll(store).statuses(FEBRUARY, APRIL)
    past = Payroll(store).statuses(FEBRUARY, MARCH, as_of=datetime(2026, 3, 20, tzinfo=UTC))
    store.close()
    assert (found, past) == ([DECLARED, NOTHING, LATE], [DECLARED, LATE])


OLD = """
PRAGMA user_version = 4;
INSERT INTO dataset VALUES (1, 'pay');
INSERT INTO layout VALUES (1, 1, '[["nature", "code"], ["gross", "cents"], ["ends", "date"]]');
INSERT INTO load VALUES (1, zeroblob(32), 'a', 1772884800000, 1);
INSERT INTO load VALUES (2, randomblob(32), 'b', 1775563200000, 0);
INSERT INTO slot VALUES (1, 1, '01/10000000000001/202602/11', 1, 1, 0);
INSERT INTO slot VALUES (2, 1, '01/10000000000001/202603/11', 1, 1, 0);
INSERT INTO record VALUES
  (1, x'ANNE', 202602, x'01', 1, 1, NULL, 1, 1, 's', '["salary",100,null]', x'', NULL);
INSERT INTO coverage VALUES (1, 202602, 1), (1, 202603, 2);
"""
