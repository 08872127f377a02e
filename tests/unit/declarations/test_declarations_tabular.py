"""Tables: every bad input by its name; versions; who is named; identities, vault and claims."""

import re
from collections.abc import Callable
from datetime import date

import pytest
from tests.unit.declarations.conftest import ROW_KEY, Body, said
from tests.unit.declarations.written import ANNE, BRUNO, SIRET, TEMPORARY, Folder

from cloison.errors import InputError
from cloison.identity import Nir, row_key, traits_digest
from cloison.months import Month
from cloison.store import HouseholdMember, Status

WITHHELD = "nir;month;payer;amount"
NOTICES = (
    "notice;year;declarant1;declarant2;dependants;parts;rfr;wages1;wages2;pensions1;pensions2;"
    "self_employed1;self_employed2;capital;property;alimony_received;alimony_paid;version"
)
IDENTITIES = "nir;birth_name;first_names;birth_date;nir_status;death_date;objection"
MEMBERS = (
    "household;nir;role;birth_name;birth_date;since;until;schemes;activity;unemployed_since;marital"
)
CLAIMS = "claim;household;applicant;benefit;opened;status"
ANNE_IDENTITY = f"{ANNE};Lémy;Anne;1985-06-01;permanent;;0"

Write = Callable[[Folder], list[str]]


def row(amount: str = "12.34", nir: str = ANNE, month: str = "2026-02", payer: str = SIRET) -> str:
    return f"{nir};{month};{payer};{amount}"


def head(*rows: str, end: str | None = None) -> list[str]:
    return [
        "# cloison withholding 1",
        WITHHELD,
        *rows,
        f"# end {len(rows)}" if end is None else end,
    ]


BAD: dict[str, tuple[list[str], str, str]] = {
    "unknown dataset": (["# cloison secrets 1", "a", "# end 0"], "UNKNOWN_DATASET", r":1: "),
    "a later version of the format": (["# cloison withholding 2"], "BAD_HEADER", r":1: "),
    "columns in another order": (
        ["# cloison withholding 1", "month;nir;payer;amount", "# end 0"],
        "WRONG_COLUMNS",
        r":2: ",
    ),
    "a column too few": (head(f"{ANNE};2026-02;1.00"), "WRONG_COLUMNS", r":3: 3 columns"),
    "a column too many": (head(row() + ";"), "WRONG_COLUMNS", r":3: 5 columns"),
    "counted wrong": (head(row(), end="# end 2"), "WRONG_COUNT", r":4: "),
    "no end": (head(row())[:-1], "TRUNCATED", r":3: "),
    "no end, no lines": (["# cloison withholding 1"], "TRUNCATED", r":1: "),
    "a line after the end": ([*head(row()), row()], "BAD_LINE", r":5: "),
    "amount without decimals": (head(row("12")), "BAD_AMOUNT", r":3: amount: not an amount"),
    "amount with a comma": (head(row("12,34")), "BAD_AMOUNT", r":3: amount: "),
    "minus zero": (head(row("-0.00")), "BAD_AMOUNT", r":3: amount: "),
    "amount that is required": (head(row("")), "MISSING_VALUE", r":3: amount: "),
    "not a NIR": (head(row(nir=ANNE[:-1])), "BAD_NIR", r":3: nir: "),
    "no NIR": (head(row(nir="")), "BAD_NIR", r":3: nir: "),
    "not a month": (head(row(month="2026-2")), "BAD_MONTH", r":3: month: "),
    "not a SIRET": (head(row(payer="12345678901234")), "BAD_SIRET", r":3: payer: "),
    "the same line twice": (head(row(), row()), "DUPLICATE_LINE", r":4: "),
    "quotes": (head(row('"12.34"')), "BAD_AMOUNT", r":3: amount: "),
}


@pytest.mark.parametrize("name", BAD)
def test_load_bad_table_refused_with_line_and_nothing_kept(
    name: str, dgfip: Body, folder: Folder
) -> None:
    lines, reason, where = BAD[name]
    path = folder.lines(lines, "utf-8", "csv")
    fault = dgfip.fault(path)
    assert fault.reason == reason
    assert re.search(r"file-1\.csv" + where, said(path, fault))
    assert ANNE[:-1] not in said(path, fault)
    run = dgfip.store._database.connection.execute
    assert run("SELECT count(*) FROM record").fetchone() == (0,)


def test_load_table_in_another_encoding_is_refused(dgfip: Body, folder: Folder) -> None:
    lines = ["# cloison identities 1", IDENTITIES, ANNE_IDENTITY, "# end 1"]
    fault = dgfip.fault(folder.lines(lines, "iso-8859-1", "csv"))
    assert (fault.line, fault.reason) == (3, "BAD_ENCODING")


def withheld(body: Body) -> list[tuple[int, object]]:
    (month,) = body.fetch("withholding", ("amount",), "2026-02", "2026-02").periods
    return [(record.version, record.values[0]) for record in month.records]


def test_load_line_again_with_another_amount_is_a_new_version(dgfip: Body, folder: Folder) -> None:
    dgfip.load(folder.table("withholding", WITHHELD, row()))
    dgfip.load(folder.table("withholding", WITHHELD, row("13.00")))
    assert withheld(dgfip) == [(2, 1_300)]


def test_load_line_again_unchanged_stays_the_version_it_was(dgfip: Body, folder: Folder) -> None:
    dgfip.load(folder.table("withholding", WITHHELD, row()))
    report = dgfip.load(folder.table("withholding", WITHHELD, row(), row(month="2026-03")))
    assert (withheld(dgfip), report.records) == ([(1, 1_234)], 1)


def notice(version: int = 1, second: str = BRUNO, wages: str = "20000.00") -> str:
    theirs = f"{wages};{'9000.00' if second else ''};0.00;{'0.00' if second else ''}"
    return f"N1;2024;{ANNE};{second};1;250;31000.00;{theirs};;;0.00;0.00;;;{version}"


def test_load_notice_gives_each_declarant_their_own_income(dgfip: Body, folder: Folder) -> None:
    dgfip.load(folder.table("tax_notices", NOTICES, notice()))
    fields = ("place", "wages", "rfr", "alimony_paid")
    records = [
        dgfip.fetch("tax_notices", fields, "2024-01", "2024-12", "year", nir).periods[0].records
        for nir in (ANNE, BRUNO)
    ]
    assert [one.values for (one,) in records] == [
        (1, 2_000_000, 3_100_000, None),
        (2, 900_000, 3_100_000, None),
    ]


def test_fetch_notice_names_both_declarants(dgfip: Body, folder: Folder) -> None:
    dgfip.load(folder.table("tax_notices", NOTICES, notice()))
    data = dgfip.fetch("tax_notices", ("rfr",), "2024-01", "2024-12", "year")
    assert data.named == tuple(row_key(ROW_KEY, Nir(nir)) for nir in (ANNE, BRUNO))


def test_load_notice_that_drops_a_declarant_ends_their_record(dgfip: Body, folder: Folder) -> None:
    dgfip.load(folder.table("tax_notices", NOTICES, notice()))
    dgfip.load(folder.table("tax_notices", NOTICES, notice(2, second="")))
    data = dgfip.fetch("tax_notices", ("rfr",), "2024-01", "2024-12", "year", BRUNO)
    assert data.periods[0].status is Status.NOTHING_DECLARED


def test_load_notice_versions_in_one_file_keep_the_last(dgfip: Body, folder: Folder) -> None:
    later = notice(2, wages="21000.00")
    dgfip.load(folder.table("tax_notices", NOTICES, notice(), later))
    (year,) = dgfip.fetch("tax_notices", ("wages",), "2024-01", "2024-12", "year").periods
    assert [(one.version, one.values) for one in year.records] == [(2, (2_100_000,))]


def test_load_notice_version_that_is_past_is_refused(dgfip: Body, folder: Folder) -> None:
    dgfip.load(folder.table("tax_notices", NOTICES, notice(3)))
    path = folder.table("tax_notices", NOTICES, notice(2, wages="1.00"))
    assert dgfip.fault(path).reason == "STALE_REVISION"


@pytest.mark.parametrize(
    ("line", "permanent", "dead", "objected"),
    [
        (ANNE_IDENTITY, True, False, False),
        (f"{ANNE};LEMY;Anne;1985-06-01;temporary;;0", False, False, False),
        (f"{ANNE};Lemy;Anne;1985-06-01;permanent;2020-01-01;1", True, True, True),
    ],
)
def test_load_identity_says_what_bars_an_answer(
    line: str, permanent: bool, dead: bool, objected: bool, cnav: Body, folder: Folder
) -> None:
    cnav.load(folder.table("identities", IDENTITIES, line))
    facts = cnav.store.identity(row_key(ROW_KEY, Nir(ANNE)))
    assert facts is not None
    assert (facts.permanent, facts.dead, facts.objected) == (permanent, dead, objected)
    assert facts.traits_digest == traits_digest(ROW_KEY, Nir(ANNE), "Lémy", "1985-06-01")


def test_load_temporary_number_is_never_permanent(cnav: Body, folder: Folder) -> None:
    line = f"{TEMPORARY};Lemy;Anne;1985-06-01;permanent;;0"
    cnav.load(folder.table("identities", IDENTITIES, line))
    facts = cnav.store.identity(row_key(ROW_KEY, Nir(TEMPORARY)))
    assert facts is not None
    assert not facts.permanent


def test_identity_of_a_stranger_is_none(cnav: Body) -> None:
    assert cnav.store.identity(row_key(ROW_KEY, Nir(BRUNO))) is None


def member(nir: str, role: str, name: str, since: str = "2020-01-01", until: str = "") -> str:
    born = "1985-06-01" if nir == ANNE else "1979-12-01"
    return f"H1;{nir};{role};{name};{born};{since};{until};general agricole;employee;;married"


def with_claims(body: Body, folder: Folder, *members: str) -> None:
    body.load(
        folder.table("members", MEMBERS, *members),
        folder.table(
            "claims",
            CLAIMS,
            f"C1;H1;{ANNE};ppa;2026-05-02;open",
            f"C2;H1;{ANNE};rsa;2026-05-02;open",
            f"C3;H1;{ANNE};ppa;2026-05-02;closed",
            f"C4;H1;{ANNE};ppa;2026-07-01;open",
        ),
    )


def test_claims_gives_open_ones_with_their_household(caf: Body, folder: Folder) -> None:
    with_claims(caf, folder, member(BRUNO, "partner", "Roy"), member(ANNE, "applicant", "Lémy"))
    (claim,) = caf.store.claims("ppa", Month.parse("2026-06"))
    assert (claim.reference, claim.household, claim.benefit) == ("C1", "H1", "ppa")
    assert claim.members == (
        HouseholdMember("applicant", Nir(ANNE), "Lémy", date(1985, 6, 1)),
        HouseholdMember("partner", Nir(BRUNO), "Roy", date(1979, 12, 1)),
    )


@pytest.mark.parametrize(
    ("since", "until", "there"),
    [
        ("2020-01-01", "2026-05-31", False),
        ("2020-01-01", "2026-06-01", True),
        ("2026-06-30", "", True),
        ("2026-07-01", "", False),
    ],
)
def test_claims_members_are_those_of_the_month(
    since: str, until: str, there: bool, caf: Body, folder: Folder
) -> None:
    partner = member(BRUNO, "partner", "Roy", since, until)
    with_claims(caf, folder, member(ANNE, "applicant", "Lémy"), partner)
    (claim,) = caf.store.claims("ppa", Month.parse("2026-06"))
    assert (len(claim.members) == 2) is there


@pytest.mark.parametrize("reference", ["C2", "C3", "C4", "C9"])
def test_claims_reference_that_is_not_open_is_refused(
    reference: str, caf: Body, folder: Folder
) -> None:
    with_claims(caf, folder, member(ANNE, "applicant", "Lémy"))
    with pytest.raises(InputError, match=reference) as caught:
        list(caf.store.claims("ppa", Month.parse("2026-06"), [reference]))
    assert caught.value.reason == "UNKNOWN_CLAIM"


def test_claims_of_a_body_without_them_are_refused(cnav: Body) -> None:
    with pytest.raises(InputError) as caught:
        list(cnav.store.claims("ppa", Month.parse("2026-06")))
    assert caught.value.reason == "NO_CLAIMS"


def test_households_without_a_claim_leaves_out_those_who_have_one_open(
    caf: Body, folder: Folder
) -> None:
    other = f"H9;{BRUNO};applicant;Roy;1979-12-01;2020-01-01;;general;employee;;single"
    with_claims(caf, folder, member(ANNE, "applicant", "Lémy"), other)
    june = Month.parse("2026-06")
    found = [file.reference for file in caf.store.households(june, without_claim="ppa")]
    assert ([file.reference for file in caf.store.households(june)], found) == (
        ["H1", "H9"],
        ["H9"],
    )


@pytest.mark.parametrize(
    ("reference", "month", "reason"),
    [
        ("H1", "2026-06", "HAS_CLAIM"),
        ("H7", "2026-06", "UNKNOWN_HOUSEHOLD"),
        ("H1", "2019-12", "UNKNOWN_HOUSEHOLD"),
    ],
)
def test_households_one_named_that_is_not_such_is_refused(
    reference: str, month: str, reason: str, caf: Body, folder: Folder
) -> None:
    with_claims(caf, folder, member(ANNE, "applicant", "Lémy"))
    with pytest.raises(InputError, match=reference) as caught:
        list(caf.store.households(Month.parse(month), [reference], "ppa"))
    assert caught.value.reason == reason


def test_households_named_gives_members_of_the_month_whatever_they_claim(
    caf: Body, folder: Folder
) -> None:
    with_claims(caf, folder, member(ANNE, "applicant", "Lémy"))
    (file,) = caf.store.households(Month.parse("2026-06"), ["H1"])
    assert [(one.role, one.nir) for one in file.members] == [("applicant", ANNE)]


def test_households_of_a_body_without_them_are_refused(cnav: Body) -> None:
    with pytest.raises(InputError) as caught:
        list(cnav.store.households(Month.parse("2026-06")))
    assert caught.value.reason == "NO_HOUSEHOLDS"


def test_load_corrected_name_reaches_the_claims(caf: Body, folder: Folder) -> None:
    with_claims(caf, folder, member(ANNE, "applicant", "Lemi"))
    caf.load(folder.table("members", MEMBERS, member(ANNE, "applicant", "Lémy")))
    (claim,) = caf.store.claims("ppa", Month.parse("2026-06"), ["C1"])
    assert claim.members[0].birth_name == "Lémy"
