"""Faults a payroll engineer knows: persons, names, nets, months, encodings, classes of income."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.declarations.conftest import Body
from tests.unit.declarations.written import (
    ANNE,
    BRUNO,
    SIREN,
    Declaration,
    Folder,
    Pay,
    dsn_lines,
    recount,
)

from cloison.months import Month

FEBRUARY = Declaration()


def twice_in_a_declaration() -> list[str]:
    lines = dsn_lines(FEBRUARY)
    return recount([*lines[:-2], *Pay(day="27022026").lines(), *lines[-2:]])


def salary(**changes: str) -> list[str]:
    return dsn_lines(Declaration((Pay(**changes),)))


def allowance(code: str | None) -> list[str]:
    """A replacement income of that class."""
    lines = [
        "S10.G00.00.001,'Essai'",
        f"S10.G00.01.001,'{SIREN}'",
        *Declaration(nature="14").lines(),
    ]
    at = next(at for at, line in enumerate(lines) if line.startswith("S21.G00.50.009"))
    if code is not None:
        lines.insert(at + 1, f"S21.G00.50.011,'{code}'")
    return [*lines, f"S90.G00.90.001,'{len(lines) + 2}'", "S90.G00.90.002,'1'"]


OTHER_NAME = dsn_lines(
    Declaration((Pay(), Pay(BRUNO))), Declaration((Pay(name="Lemy"),), nic="90018")
)

FAULTS: dict[str, tuple[list[str], tuple[int, str, str]]] = {
    "a person twice in a declaration": (
        twice_in_a_declaration(),
        (33, "S21.G00.30", "DUPLICATE_PERSON"),
    ),
    "a number with two names": (OTHER_NAME, (61, "S21.G00.30", "NAME_MISMATCH")),
    "a negative net paid": (salary(net="-0.01"), (20, "S21.G00.50", "TOO_LOW")),
    "a negative montant net social": (salary(social="-12.00"), (20, "S21.G00.50", "TOO_LOW")),
    "a month to come": (
        dsn_lines(Declaration(month="01122026")),
        (12, "S21.G00.11", "FUTURE_MONTH"),
    ),
    "a payment in a month to come": (
        dsn_lines(Declaration((Pay(day="01122026"),), month="01112026")),
        (20, "S21.G00.50", "FUTURE_MONTH"),
    ),
    "a payment two months after": (salary(day="01042026"), (20, "S21.G00.50", "OTHER_PERIOD")),
    "the same declaration twice in a file": (
        dsn_lines(FEBRUARY, FEBRUARY),
        (40, "S21.G00.11", "ALREADY_DECLARED"),
    ),
    "a class of income that is none": (allowance("09"), (18, "S21.G00.50", "BAD_CODE")),
    "an income without class": (allowance(None), (18, "S21.G00.50", "BAD_CODE")),
    "a fraction that is none": (
        [line.replace("05.003,'11'", "05.003,'10'") for line in dsn_lines(FEBRUARY)],
        (7, "S20.G00.05.003", "BAD_CODE"),
    ),
    "two messages in a file": (
        dsn_lines(FEBRUARY) + dsn_lines(Declaration(month="01012026")),
        (35, "S10.G00.00", "BLOCK_ORDER"),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_load_payroll_fault_is_said_once_and_nothing_kept(
    name: str, cnav: Body, folder: Folder
) -> None:
    lines, expected = FAULTS[name]
    fault = cnav.fault(folder.lines(lines))
    assert (fault.line, fault.place, fault.reason) == expected
    assert not set(fault.what.split()) & {ANNE[:13], BRUNO[:13], "-0.01", "-12.00", "Lemy"}
    assert cnav.store._database.connection.execute("SELECT count(*) FROM load").fetchone() == (0,)


def test_load_number_with_one_name_written_otherwise_is_loaded(cnav: Body, folder: Folder) -> None:
    other = Declaration((Pay(name="OBRIEN ETE"),), nic="90018")
    assert cnav.load(folder.dsn(FEBRUARY, other)).records == 2


def test_load_name_mismatch_names_the_first_line(cnav: Body, folder: Folder) -> None:
    assert "at line 13" in cnav.fault(folder.lines(OTHER_NAME)).what


def test_load_payment_taken_back_within_a_positive_net_is_loaded(
    cnav: Body, folder: Folder
) -> None:
    lines = dsn_lines(FEBRUARY)
    more = ["S21.G00.58.003,'03'", "S21.G00.58.004,'-100.00'"]
    cnav.load(folder.lines(recount([*lines[:-2], *more, *lines[-2:]])))
    (month,) = cnav.fetch("monthly_resources", ("mns",), "2026-02", "2026-02").periods
    assert month.records[0].values == (130_000,)


def test_load_net_below_zero_where_the_catalogue_sets_no_minimum_is_loaded(
    tmp_path: Path, body_of: Callable[..., Body], folder: Folder
) -> None:
    source = Path(__file__).parents[3] / "nodes" / "cnav" / "catalogue.toml"
    path = tmp_path / "nodes" / "cnav" / "catalogue.toml"
    path.parent.mkdir(parents=True)
    path.write_text(source.read_text("utf-8").replace("minimum = 0, ", ""), "utf-8")
    body = body_of("cnav", tmp_path / "nodes")
    assert body.load(folder.lines(salary(net="-5.00"))).records == 1


MONTHS: dict[str, tuple[Declaration, str | None]] = {
    "the month it is for": (FEBRUARY, None),
    "another month": (Declaration(month="01012026"), "OTHER_PERIOD"),
    "a later month": (Declaration(month="01032026"), "OTHER_PERIOD"),
    "a correction of an earlier month": (Declaration(month="01012026", kind="03", order=2), None),
    "a correction of a later month": (
        Declaration(month="01032026", kind="03", order=2),
        "OTHER_PERIOD",
    ),
}


@pytest.mark.parametrize("name", MONTHS)
def test_load_for_a_month_refuses_declarations_of_another(
    name: str, cnav: Body, folder: Folder
) -> None:
    declaration, reason = MONTHS[name]
    path = folder.dsn(declaration)
    february = Month.parse("2026-02")
    if reason is None:
        assert cnav.load(path, month=february).records == 1
    else:
        fault = cnav.fault(path, month=february)
        assert (fault.line, fault.reason) == (12, reason)


MESSAGE = "".join(f"{line}\n" for line in dsn_lines(FEBRUARY))
ENCODED: dict[str, tuple[bytes, list[int]]] = {
    "UTF-8": (MESSAGE.encode(), [14]),
    "a byte-order mark": (b"\xef\xbb\xbf" + MESSAGE.encode("iso-8859-1"), [1]),
    "UTF-8 with its mark": (b"\xef\xbb\xbf" + MESSAGE.encode(), [1, 14]),
    "UTF-16": (MESSAGE.encode("utf-16"), [1]),
    "Windows line ends": (MESSAGE.replace("\n", "\r\n").encode("iso-8859-1"), [1]),
    "one Windows line end": (
        MESSAGE.replace("'Anne'\n", "'Anne'\r\n").encode("iso-8859-1"),
        [15],
    ),
    "one line of another": (
        MESSAGE.encode("iso-8859-1").replace(b"'Anne'", "'Anne-Zoé'".encode()),
        [15],
    ),
}


@pytest.mark.parametrize("name", ENCODED)
def test_load_encoding_that_is_not_the_formats_is_said_by_line(
    name: str, cnav: Body, folder: Folder
) -> None:
    data, lines = ENCODED[name]
    faults = cnav.faults(folder.bytes(data))
    assert [(fault.line, fault.reason) for fault in faults] == [(n, "BAD_ENCODING") for n in lines]
