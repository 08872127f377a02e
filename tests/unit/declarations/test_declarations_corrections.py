"""Corrections are new versions; a cancelled declaration leaves its months open; twice is once."""

from datetime import timedelta

import pytest
from tests.unit.declarations.conftest import NOW, Body
from tests.unit.declarations.written import (
    ANNE,
    BRUNO,
    SIRET,
    Declaration,
    Folder,
    Pay,
    dsn_lines,
    recount,
)

from cloison.errors import InputError
from cloison.store import PeriodData, Status

FIRST = Declaration()
REPLACED = Declaration((Pay(gross="1900.00"),), kind="03", order=2)
CANCELLED = Declaration((), kind="05", order=2)


def february(body: Body, **options: object) -> PeriodData:
    data = body.fetch("monthly_resources", ("gross", "mns"), "2026-02", "2026-02", **options)  # type: ignore[arg-type]
    return data.periods[0]


def test_load_payment_keeps_every_field_in_cents(cnav: Body, folder: Folder) -> None:
    cnav.load(folder.dsn(FIRST))
    fields = tuple(cnav.catalogue.dataset("monthly_resources").fields)
    (month,) = cnav.fetch("monthly_resources", fields, "2026-02", "2026-02").periods
    (record,) = month.records
    assert record.source == f"{SIRET}-202602-01-11-1"
    assert dict(zip(fields, record.values, strict=True)) == {
        "payer": SIRET,
        "nature": "salary",
        "gross": 180_000,
        "net_fiscal": 145_000,
        "mns": 140_000,
        "net_paid": 138_000,
        "pas": 2_000,
        "contract": "00001",
        "contract_start": 20_200_901,
        "contract_end": None,
        "status": "01",
    }


def test_load_same_file_twice_changes_nothing(cnav: Body, folder: Folder) -> None:
    path = folder.dsn(FIRST)
    cnav.load(path)
    before = february(cnav)
    report = cnav.load(path)
    assert (report.files[0].loaded, report.records, february(cnav)) == (False, 0, before)


def test_load_replacing_declaration_makes_new_version(cnav: Body, folder: Folder) -> None:
    cnav.load(folder.dsn(FIRST), folder.dsn(REPLACED))
    (record,) = february(cnav).records
    assert (record.version, record.values) == (2, (190_000, 140_000))


def test_fetch_as_of_before_the_correction_gives_the_past(cnav: Body, folder: Folder) -> None:
    cnav.load(folder.dsn(FIRST), now=NOW - timedelta(days=10))
    cnav.load(folder.dsn(REPLACED))
    (record,) = february(cnav, as_of=NOW - timedelta(days=5)).records
    assert (record.version, record.values) == (1, (180_000, 140_000))


def test_fetch_as_of_before_any_load_says_not_yet_due(cnav: Body, folder: Folder) -> None:
    cnav.load(folder.dsn(FIRST))
    assert february(cnav, as_of=NOW - timedelta(days=1)).status is Status.NOT_YET_DUE


def test_load_replacement_without_a_person_leaves_nothing_declared(
    cnav: Body, folder: Folder
) -> None:
    cnav.load(folder.dsn(FIRST), folder.dsn(Declaration((Pay(BRUNO),), kind="03", order=2)))
    assert february(cnav) == PeriodData(202602, Status.NOTHING_DECLARED, ())


def test_load_replacement_of_the_highest_first_order_counts(cnav: Body, folder: Folder) -> None:
    highest = 10**10 - 1
    again = Declaration((Pay(gross="1900.00"),), kind="03", order=2 * highest)
    cnav.load(folder.dsn(Declaration(order=highest)), folder.dsn(again))
    assert [record.version for record in february(cnav).records] == [2]


def test_load_cancel_puts_its_months_under_correction(cnav: Body, folder: Folder) -> None:
    cnav.load(folder.dsn(FIRST), folder.dsn(CANCELLED))
    assert february(cnav) == PeriodData(202602, Status.UNDER_CORRECTION, ())


@pytest.mark.parametrize("kind", ["01", "03"])
def test_load_declaration_after_cancel_ends_the_correction(
    kind: str, cnav: Body, folder: Folder
) -> None:
    anew = Declaration((Pay(gross="1900.00"),), kind=kind, order=3)
    cnav.load(folder.dsn(FIRST), folder.dsn(CANCELLED), folder.dsn(anew))
    month = february(cnav)
    assert (month.status, month.records[0].version) == (Status.DECLARED, 3)


def test_load_other_employer_keeps_counting_while_one_is_corrected(
    cnav: Body, folder: Folder
) -> None:
    other = Declaration((Pay(gross="500.00"),), nic="90018")
    cnav.load(folder.dsn(FIRST, other), folder.dsn(CANCELLED))
    month = february(cnav)
    assert month.status is Status.UNDER_CORRECTION
    assert [record.values[0] for record in month.records] == [50_000]


def test_load_correction_in_the_same_file_counts(cnav: Body, folder: Folder) -> None:
    cnav.load(folder.dsn(FIRST, REPLACED))
    assert [record.version for record in february(cnav).records] == [2]


REFUSED: dict[str, tuple[tuple[Declaration, ...], str]] = {
    "declared twice": ((FIRST, Declaration(order=2)), "ALREADY_DECLARED"),
    "replaced by what was sent before": (
        (FIRST, Declaration(kind="03", order=1)),
        "STALE_ORDER",
    ),
    "first with a number that leaves no room": ((Declaration(order=10**10),), "ORDER_TOO_HIGH"),
    "replaced with a number that leaves no room": (
        (FIRST, Declaration(kind="03", order=10**10 + 1)),
        "ORDER_TOO_HIGH",
    ),
    "cancels nothing": ((CANCELLED,), "NOTHING_TO_CANCEL"),
    "cancels and names somebody": (
        (FIRST, Declaration(kind="05", order=2)),
        "CANCEL_WITH_PERSONS",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_load_declaration_out_of_turn_is_refused(name: str, cnav: Body, folder: Folder) -> None:
    *before, last = REFUSED[name][0]
    cnav.load(*(folder.dsn(each) for each in before))
    held = february(cnav)
    fault = cnav.fault(folder.dsn(last))
    assert (fault.reason, february(cnav)) == (REFUSED[name][1], held)
    assert fault.line in {12, 13}


def test_load_two_payments_of_a_month_are_two_records(cnav: Body, folder: Folder) -> None:
    cnav.load(folder.dsn(Declaration((Pay(day="10022026"), Pay(day="28022026", gross="5.00")))))
    assert [record.values[0] for record in february(cnav).records] == [180_000, 500]


def test_load_payment_of_the_next_month_counts_there(cnav: Body, folder: Folder) -> None:
    cnav.load(folder.dsn(Declaration((Pay(day="05032026"),))))
    data = cnav.fetch("monthly_resources", ("gross",), "2026-02", "2026-03")
    assert [(one.period, one.status) for one in data.periods] == [
        (202602, Status.NOTHING_DECLARED),
        (202603, Status.DECLARED),
    ]


def test_load_payment_of_an_earlier_month_declares_that_month_of_nobody_else(
    cnav: Body, folder: Folder
) -> None:
    cnav.load(folder.dsn(Declaration((Pay(BRUNO, day="15122025"),))))
    bruno, anne = (
        cnav.fetch("monthly_resources", ("gross",), "2025-12", "2025-12", nir=nir).periods[0]
        for nir in (BRUNO, ANNE)
    )
    assert (bruno.status, anne.status) == (Status.DECLARED, Status.NOT_YET_DUE)


def test_load_replacement_income_maps_its_class(cnav: Body, folder: Folder) -> None:
    lines = []
    for line in Declaration(nature="14").lines():
        lines.append(line)
        if line.startswith("S21.G00.50.009"):
            lines.append("S21.G00.50.011,'02'")
    head = [
        "S10.G00.00.001,'Essai'",
        "S10.G00.01.001,'000000109'",
        *lines,
    ]
    path = folder.lines([*head, f"S90.G00.90.001,'{len(head) + 2}'", "S90.G00.90.002,'1'"])
    cnav.load(path)
    (month,) = cnav.fetch("monthly_resources", ("nature",), "2026-02", "2026-02").periods
    assert month.records[0].values == ("unemployment",)


def test_load_later_bad_file_keeps_those_before(cnav: Body, folder: Folder) -> None:
    good, bad = folder.dsn(FIRST), folder.lines(["S10.G00.00.001,'Essai'"])
    with pytest.raises(InputError):
        cnav.load(good, bad)
    assert february(cnav).status is Status.DECLARED


def dated(
    amount: str, first: str = "01022026", last: str = "28022026", **changes: object
) -> list[str]:
    """March, with an amount that belongs to other days."""
    changes = {"month": "01032026", **changes}
    pays = changes.pop("pays", (Pay(day="31032026"),))
    lines = dsn_lines(Declaration(pays, **changes))  # type: ignore[arg-type]
    block = [
        f"S21.G00.58.001,'{first}'",
        f"S21.G00.58.002,'{last}'",
        "S21.G00.58.003,'03'",
        f"S21.G00.58.004,'{amount}'",
    ]
    return recount([*lines[:-2], *block, *lines[-2:]])


def both(body: Body) -> list[list[object]]:
    """The montants nets sociaux of February and of March."""
    data = body.fetch("monthly_resources", ("mns",), "2026-02", "2026-03")
    return [[record.values[0] for record in month.records] for month in data.periods]


def test_load_difference_of_a_past_month_counts_there(cnav: Body, folder: Folder) -> None:
    cnav.load(folder.dsn(FIRST), folder.lines(dated("-150.00")))
    assert both(cnav) == [[140_000, -15_000], [140_000]]
    total = cnav.fetch("monthly_resources", ("gross", "mns"), "2026-02", "2026-03", "window-total")
    assert total.periods[0].records[0].values == (360_000, 265_000)


def test_load_a_year_corrected_at_once_counts_in_each_of_its_months(
    cnav: Body, folder: Folder
) -> None:
    year = [f"{month:02}2025" for month in range(1, 13)]
    paid = [Declaration((Pay(day=f"28{month}"),), month=f"01{month}") for month in year]
    lines = dsn_lines(Declaration())
    for place, month in enumerate(year, 1):
        amount = f"S21.G00.58.004,'-{place}.00'"
        dates = [f"S21.G00.58.001,'01{month}'", f"S21.G00.58.002,'28{month}'"]
        lines[-2:-2] = [*dates, "S21.G00.58.003,'03'", amount]
    cnav.load(*map(folder.dsn, paid), folder.lines(recount(lines)))
    months = cnav.fetch("monthly_resources", ("mns",), "2025-01", "2026-02").periods
    counted = [[record.values[0] for record in month.records] for month in months]
    assert counted == [*([140_000, -100 * place] for place in range(1, 13)), [], [140_000]]


def test_load_difference_cites_what_it_corrects(cnav: Body, folder: Folder) -> None:
    cnav.load(folder.dsn(FIRST), folder.lines(dated("-150.00")))
    first, difference = february(cnav).records
    assert difference.source == f"{SIRET}-202603-01-11-1 corrects {first.source}"


def test_fetch_as_of_before_a_difference_leaves_it_out(cnav: Body, folder: Folder) -> None:
    cnav.load(folder.dsn(FIRST), now=NOW - timedelta(days=10))
    cnav.load(folder.lines(dated("-150.00")))
    assert len(february(cnav, as_of=NOW - timedelta(days=5)).records) == 1


def test_load_difference_ends_with_the_declaration_that_brought_it(
    cnav: Body, folder: Folder
) -> None:
    march = Declaration((Pay(day="31032026"),), month="01032026", kind="03", order=2)
    cnav.load(folder.dsn(FIRST), folder.lines(dated("-150.00")), folder.dsn(march))
    assert both(cnav) == [[140_000], [140_000]]


def test_load_difference_stays_when_what_it_corrects_is_replaced(
    cnav: Body, folder: Folder
) -> None:
    cnav.load(folder.dsn(FIRST), folder.lines(dated("-150.00")), folder.dsn(REPLACED))
    assert {record.values for record in february(cnav).records} == {
        (190_000, 140_000),
        (0, -15_000),
    }


def test_load_difference_in_the_file_of_what_it_corrects_counts(cnav: Body, folder: Folder) -> None:
    lines = dated("10.00", pays=(Pay(day="31032026"),))
    head, body = lines[:4], FIRST.lines()
    whole = recount([*head, *body, *lines[4:-1], "S90.G00.90.002,'2'"])
    cnav.load(folder.lines(whole))
    assert both(cnav) == [[140_000, 1_000], [140_000]]


def test_load_amount_dated_in_its_own_month_is_no_difference(cnav: Body, folder: Folder) -> None:
    cnav.load(folder.lines(dated("10.00", "01032026", "31032026")))
    assert both(cnav) == [[], [141_000]]


def test_load_payment_that_only_corrects_states_nothing_of_its_month(
    cnav: Body, folder: Folder
) -> None:
    lines = dated("10.00")
    own = next(at for at, line in enumerate(lines) if line == "S21.G00.58.003,'03'")
    cnav.load(folder.dsn(FIRST), folder.lines(recount([*lines[:own], *lines[own + 2 :]])))
    assert both(cnav) == [[140_000, 1_000], [0]]


NO_DIFFERENCE: dict[str, tuple[tuple[str, ...], str]] = {
    "to a month never declared": (("10.00", "01012026", "31012026"), "NOTHING_TO_CORRECT"),
    "over a year": (("10.00", "01012025", "31122025"), "SEVERAL_MONTHS"),
    "to a month after the payment": (("10.00", "01042026", "30042026"), "OTHER_PERIOD"),
    "to a day that is none": (("10.00", "30022026", "30022026"), "BAD_DATE"),
}


@pytest.mark.parametrize("name", NO_DIFFERENCE)
def test_load_difference_that_cannot_count_is_refused(
    name: str, cnav: Body, folder: Folder
) -> None:
    arguments, reason = NO_DIFFERENCE[name]
    cnav.load(folder.dsn(FIRST))
    fault = cnav.fault(folder.lines(dated(*arguments)))
    assert (fault.line, fault.reason) == (20, reason)
    assert both(cnav) == [[140_000], []]
    assert cnav.store.last_load() == 1  # and so reaches nobody


def test_load_difference_to_another_payers_month_is_refused(cnav: Body, folder: Folder) -> None:
    cnav.load(folder.dsn(Declaration(nic="90018")))
    assert cnav.fault(folder.lines(dated("10.00"))).reason == "NOTHING_TO_CORRECT"


def test_load_difference_to_a_cancelled_month_is_refused(cnav: Body, folder: Folder) -> None:
    cnav.load(folder.dsn(FIRST), folder.dsn(CANCELLED))
    assert cnav.fault(folder.lines(dated("10.00"))).reason == "NOTHING_TO_CORRECT"


def test_load_replacing_declaration_of_a_month_never_declared_is_its_first(
    cnav: Body, folder: Folder
) -> None:
    cnav.load(folder.dsn(REPLACED))
    (record,) = february(cnav).records
    assert (record.version, record.values) == (1, (190_000, 140_000))
