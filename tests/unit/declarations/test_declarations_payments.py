"""Payments in columns: differences and empty declarations make the records their messages make."""

from pathlib import Path

import pytest
from tests.unit.declarations.columns import content, declared, pay
from tests.unit.declarations.conftest import NODES, Body
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

from cloison.store import Status, load_catalogue

CONTRACT = ("00001", "2020-09-01", "", "01")


def payment(nir: str, month: str, paid: str, mns: str = "1400.00", **head: str) -> tuple[str, ...]:
    """What `Pay` says, as a row."""
    cells = pay(nir, month=month, paid=paid, **head)
    amounts = ("1800.00", "1450.00", mns, "1380.00", "20.00")
    return (*cells[:11], *amounts, *CONTRACT)


def difference(
    corrects: str = "2026-02", mns: str = "-150.00", gross: str = "0.00", **head: str
) -> tuple[str, ...]:
    """A row of March that corrects an earlier month."""
    changes = {"month": "2026-03", "paid": "2026-03-31", "corrects": corrects, **head}
    cells = pay(changes.pop("nir", ANNE), **changes)
    return (*cells[:11], gross, "0.00", mns, "0.00", "0.00", *CONTRACT)


def nobody(month: str, **head: str) -> tuple[str, ...]:
    """The row of a declaration that names nobody."""
    return (*pay(month=month, **head)[:6], *[""] * 14)


def dated(amount: str, first: str, last: str) -> list[str]:
    return [
        f"S21.G00.58.001,'{first}'",
        f"S21.G00.58.002,'{last}'",
        "S21.G00.58.003,'03'",
        f"S21.G00.58.004,'{amount}'",
    ]


def messages(folder: Folder) -> list[Path]:
    """January to April: two differences in March, which is replaced by one; April names nobody."""
    months = [
        Declaration((Pay(ANNE, day="31012026"), Pay(BRUNO, day="31012026")), month="01012026"),
        Declaration((Pay(ANNE), Pay(BRUNO)), month="01022026"),
    ]
    march = Declaration((Pay(BRUNO, day="31032026"), Pay(day="31032026")), month="01032026")
    again = Declaration((Pay(day="31032026"),), month="01032026", kind="03", order=2)
    differences = [
        *dated("-150.00", "01022026", "28022026"),
        *dated("20.00", "01012026", "31012026"),
        *dated("0.50", "01022026", "28022026"),
    ]
    lines, once = dsn_lines(march), dsn_lines(again)
    return [
        folder.dsn(*months),
        folder.lines(recount([*lines[:-2], *differences, *lines[-2:]])),
        folder.lines(recount([*once[:-2], *differences[4:8], *once[-2:]])),
        folder.dsn(Declaration((), month="01042026")),
    ]


ROWS = (
    payment(ANNE, "2026-01", "2026-01-31"),
    payment(BRUNO, "2026-01", "2026-01-31"),
    payment(ANNE, "2026-02", "2026-02-28"),
    payment(BRUNO, "2026-02", "2026-02-28"),
    payment(BRUNO, "2026-03", "2026-03-31"),
    payment(ANNE, "2026-03", "2026-03-31"),
    difference(mns="-149.50"),
    difference("2026-01", mns="20.00"),
    payment(ANNE, "2026-03", "2026-03-31", type="03", order="2"),
    difference("2026-01", mns="20.00", type="03", order="2"),
    nobody("2026-04"),
)


def test_load_differences_as_columns_give_the_same_store_as_their_messages(
    folder: Folder, tmp_path: Path
) -> None:
    catalogue = load_catalogue(NODES / "cnav" / "catalogue.toml")
    bodies = [Body(tmp_path / f"{form}.sqlite", catalogue) for form in ("messages", "columns")]
    bodies[0].load(*messages(folder))
    bodies[1].load(declared(bodies[1], tmp_path / "p.parquet", *ROWS))
    held = [content(body) for body in bodies]
    for body in bodies:
        body.store.close()
    assert len(held[0][0]) == 10
    assert held[0] == held[1]


def test_load_difference_in_columns_counts_in_the_month_it_corrects(
    cnav: Body, tmp_path: Path
) -> None:
    cnav.load(declared(cnav, tmp_path / "p.parquet", ROWS[2], ROWS[5], difference()))
    months = cnav.fetch("monthly_resources", ("mns",), "2026-02", "2026-03").periods
    sums = [[record.values[0] for record in month.records] for month in months]
    assert sums == [[140_000, -15_000], [140_000]]
    assert months[0].records[1].source == f"{SIRET}-202603-01-11-1 corrects {SIRET}-202602-01-11-1"


def test_load_empty_declaration_in_columns_declares_its_month(cnav: Body, tmp_path: Path) -> None:
    cnav.load(declared(cnav, tmp_path / "p.parquet", ROWS[2], nobody("2026-03")))
    months = cnav.fetch("monthly_resources", ("mns",), "2026-02", "2026-04").periods
    found = [month.status for month in months]
    assert found == [Status.DECLARED, Status.NOTHING_DECLARED, Status.LATE]


BAD = {
    "to a month never declared": (difference("2026-01"), "NOTHING_TO_CORRECT"),
    "of a person not declared then": (difference(nir=BRUNO), "NOTHING_TO_CORRECT"),
    "of another payer": (difference(declarant="00000010990018"), "NOTHING_TO_CORRECT"),
    "to its own month": (difference("2026-03"), "OTHER_PERIOD"),
    "to a month after": (difference("2026-04"), "OTHER_PERIOD"),
    "to a month that is none": (difference("2026-00"), "BAD_MONTH"),
    "of an amount that is not dated": (difference(gross="10.00"), "NOT_DATED"),
    "without an amount": (difference(mns=""), "MISSING_VALUE"),
}


@pytest.mark.parametrize("name", BAD)
def test_load_difference_in_columns_that_cannot_count_is_refused(
    name: str, cnav: Body, tmp_path: Path
) -> None:
    row, reason = BAD[name]
    fault = cnav.fault(declared(cnav, tmp_path / "p.parquet", ROWS[2], row))
    assert (fault.line, fault.reason) == (2, reason)
    assert not content(cnav)[0]
