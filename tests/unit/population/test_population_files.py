"""The files as the bodies would read them."""

import hashlib
import json
from collections import Counter, defaultdict

import pytest
from tests.unit.population.reading import Declared, Written, declarations, rubrics

from cloison.months import Month


def _all(written: Written, *bodies: str) -> list[tuple[str, Declared]]:
    return [
        (path.name, declaration)
        for body in bodies
        for path in written.declared(body)
        for declaration in declarations(path)
    ]


def test_make_every_declared_line_has_the_norms_syntax(written: Written) -> None:
    files = written.declared("cnav") + written.declared("msa")

    assert len(files) > 24 * 4
    assert all(rubrics(path) for path in files)


def test_make_closing_block_counts_lines_and_declarations(written: Written) -> None:
    for path in written.declared("cnav") + written.declared("msa"):
        found = rubrics(path)
        declared = sum(rubric == "S20.G00.05.001" for rubric, _ in found)
        assert found[-2:] == [
            ("S90.G00.90.001", str(len(found))),
            ("S90.G00.90.002", str(declared)),
        ]


def test_make_rubrics_of_a_person_stand_in_the_norms_order(written: Written) -> None:
    for _, declaration in _all(written, "msa"):
        for person in declaration.persons:
            blocks = [rubric[:10] for rubric, _ in person]
            assert blocks == sorted(blocks)


def test_make_nature_and_name_of_a_file_agree(written: Written) -> None:
    natures = {"dsn": "01", "pasrau": "14"}
    for name, declaration in _all(written, "cnav", "msa"):
        assert declaration.head["S20.G00.05.001"] == natures[name.partition("-")[0]]


def test_make_a_payer_declares_to_one_body_only(written: Written) -> None:
    general = {declaration.siret for _, declaration in _all(written, "cnav")}
    agricultural = {declaration.siret for _, declaration in _all(written, "msa")}

    assert agricultural
    assert not general & agricultural


def test_make_a_person_with_both_kinds_of_employers_is_declared_to_both(written: Written) -> None:
    rows = [row for body in ("caf", "msa") for row in written.rows(f"{body}/members.csv")]
    both = {row["nir"] for row in rows if row["schemes"] == "general agricole"}
    declared = {
        body: {nir for _, declaration in _all(written, body) for nir in declaration.nirs}
        for body in ("cnav", "msa")
    }

    assert both
    assert both <= set(written.identities("cnav")) & set(written.identities("msa"))
    assert both & declared["cnav"] & declared["msa"]


def test_make_a_person_stands_once_in_a_declaration(written: Written) -> None:
    for _, declaration in _all(written, "cnav", "msa"):
        assert len(set(declaration.nirs)) == len(declaration.nirs)


def test_make_a_payer_declares_a_month_once_and_corrects_it_at_most_once(written: Written) -> None:
    sent = Counter(
        (declaration.siret, declaration.month, declaration.head["S20.G00.05.004"])
        for _, declaration in _all(written, "cnav", "msa")
    )

    assert max(sent.values()) == 1


def test_make_corrections_come_in_later_files_than_what_they_correct(written: Written) -> None:
    for body in ("cnav", "msa"):
        first: dict[tuple[str, str], str] = {}
        for name, declaration in _all(written, body):
            key = declaration.siret, declaration.month
            if declaration.kind == "01":
                first[key] = name
            else:
                assert first[key] < name


def test_make_a_replacement_changes_the_pay_of_few_persons(written: Written) -> None:
    normal = {(d.siret, d.month): d for _, d in _all(written, "cnav") if d.kind == "01"}
    replacing = [d for _, d in _all(written, "cnav") if d.kind == "03"]

    assert replacing
    for declaration in replacing:
        before = normal[declaration.siret, declaration.month]
        assert before.nirs == declaration.nirs
        pairs = zip(before.persons, declaration.persons, strict=True)
        assert 1 <= sum(one != other for one, other in pairs) <= 6


def test_make_a_month_stays_cancelled_shortly_before_the_end(written: Written) -> None:
    cancelled = [d for _, d in _all(written, "cnav", "msa") if d.kind == "05"]

    assert all(not declaration.persons for declaration in cancelled)
    assert {d.month for d in cancelled} & {"01022026", "01032026", "01042026"}


def test_make_payments_fall_in_the_month_declared(written: Written) -> None:
    for _, declaration in _all(written, "cnav"):
        for person in declaration.persons:
            paid = {value[2:] for rubric, value in person if rubric == "S21.G00.50.001"}
            assert paid == {declaration.month[2:]}


def test_make_withholding_is_what_payers_declared(written: Written) -> None:
    declared: dict[tuple[str, str], str] = {}
    for body in ("cnav", "msa"):
        for path in written.declared(body, "*-202511-01-0*"):
            for declaration in declarations(path):
                for person in declaration.persons:
                    found = dict(person)
                    declared[found["S21.G00.30.001"], declaration.siret] = found["S21.G00.50.009"]
    rows = written.rows("dgfip/withholding-202511.csv")

    assert rows
    assert {(row["nir"][:13], row["payer"]): row["amount"] for row in rows} == {
        key: amount for key, amount in declared.items() if amount != "0.00"
    }


@pytest.mark.parametrize("body", ["caf", "msa"])
def test_make_household_files_agree_with_each_other(written: Written, body: str) -> None:
    members = written.rows(f"{body}/members.csv")
    applicants = {r["household"]: r["nir"] for r in members if r["role"] == "applicant"}
    known = set(written.identities(body))

    assert {row["nir"] for row in members} <= known
    for name in ("households", "claims", "payments", "file_events"):
        rows = written.rows(f"{body}/{name}.csv")
        assert rows
        assert all(applicants[row["household"]] == row["applicant"] for row in rows)


def test_make_a_household_has_one_live_file_at_one_body(written: Written) -> None:
    files = {body: written.rows(f"{body}/members.csv") for body in ("caf", "msa")}
    numbers = {body: {row["household"] for row in rows} for body, rows in files.items()}
    nirs = [row["nir"] for rows in files.values() for row in rows if not row["until"]]

    assert not numbers["caf"] & numbers["msa"]
    assert len(set(nirs)) == len(nirs)


def test_make_events_of_a_file_are_all_different(written: Written) -> None:
    rows = [tuple(row.values()) for row in written.rows("caf/file_events.csv")]

    assert len(set(rows)) == len(rows)


def test_make_unemployed_members_say_since_when(written: Written) -> None:
    rows = [row for row in written.rows("caf/members.csv") if row["activity"] == "unemployed"]

    assert rows
    assert all(row["unemployed_since"] for row in rows)


def test_make_married_couples_share_a_notice_and_cohabiting_ones_do_not(written: Written) -> None:
    declared = defaultdict(list)
    for row in written.rows("dgfip/tax_notices-2025.csv"):
        for place in ("declarant1", "declarant2"):
            declared[row[place]].append(row["notice"])
    couples: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for row in written.rows("caf/members.csv"):
        if row["role"] != "child" and row["since"] < "2025" and not row["until"]:
            couples[row["household"], row["marital"]][row["role"]] = row["nir"]
    for key, couple in couples.items():
        if len(couple) == 2:
            first, second = (declared[nir] for nir in couple.values())
            assert len(first) == len(second) == 1
            assert (first == second) == (key[1] in {"married", "pacs"})


def test_make_tax_notices_cover_the_years_claims_look_back_to(written: Written) -> None:
    years = sorted(path.stem[-4:] for path in written.path.glob("dgfip/tax_notices-*.csv"))

    assert years == ["2023", "2024", "2025"]


def test_make_tables_begin_with_their_name_and_end_with_their_count(written: Written) -> None:
    tables = sorted(written.path.glob("*/*.csv"))

    assert len(tables) == 24 + 3 + 4 + 1 + 2 * 5
    for path in tables:
        lines = path.read_text("utf-8").splitlines()
        dataset = path.stem.partition("-")[0]
        assert lines[0] == f"# cloison {dataset} 1"
        assert lines[-1] == f"# end {len(lines) - 3}"


def test_make_manifest_names_every_file_with_its_hash(written: Written) -> None:
    manifest = json.loads((written.path / "manifest.json").read_bytes())
    names = {str(p.relative_to(written.path)) for p in written.path.rglob("*") if p.is_file()}

    assert set(manifest["files"]) == names - {"manifest.json"}
    for name, file in manifest["files"].items():
        data = (written.path / name).read_bytes()
        assert file == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@pytest.mark.parametrize("name", ["manifest.json", "population.json"])
def test_make_summaries_hold_no_nir(written: Written, name: str) -> None:
    text = (written.path / name).read_text("utf-8")

    assert not any(nir in text for nir in written.identities("cnav"))


def test_make_corrections_come_one_to_twelve_months_later(written: Written) -> None:
    months = set()
    for name, declaration in _all(written, "cnav", "msa"):
        if declaration.kind == "03":
            sent = Month.from_number(int(name.split("-")[1]))
            months.add(sent - Month.parse(f"{declaration.month[4:]}-{declaration.month[2:4]}"))

    assert months <= set(range(1, 13))
    assert max(months) > 6


def test_make_employers_file_on_the_5th_or_the_15th_and_a_file_holds_one_of_both(
    written: Written,
) -> None:
    days = defaultdict(set)
    for name, declaration in _all(written, "cnav"):
        if declaration.kind == "01":
            days[name].add(declaration.head["S20.G00.05.007"][:2])

    assert {day for found in days.values() for day in found} == {"05", "15"}
    assert all(len(found) == 1 for found in days.values())


def test_make_a_payer_declares_for_three_months_after_its_last_payment(written: Written) -> None:
    """As catalogues expect: else every former employee's month would be late."""
    named, declared = defaultdict(set), defaultdict(set)
    for _, one in _all(written, "cnav", "msa"):
        payer = one.head["S20.G00.05.001"], one.siret
        month = Month.of(int(one.month[4:]), int(one.month[2:4]))
        declared[payer].add(month)
        if one.persons:
            named[payer].add(month)
    last = max(month for months in declared.values() for month in months)
    expected = {
        (payer, month + later)
        for payer, months in named.items()
        for month in months
        for later in (1, 2, 3)
        if month + later < last
    }
    assert not {(payer, month) for payer, month in expected if month not in declared[payer]}
    assert any(declared[payer] - named[payer] for payer in named)
