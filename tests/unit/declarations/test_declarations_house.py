"""The two tests of the house that are this room's: no NIR leaks, and a fifth body is a folder."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.declarations.conftest import NOW, Body
from tests.unit.declarations.written import (
    ANNE,
    BRUNO,
    Declaration,
    Folder,
    Pay,
    dsn_lines,
    recount,
)

from cloison.bodies import BodyId
from cloison.cli.app import run
from cloison.declarations import messages
from cloison.errors import InputError
from cloison.identity import init_keys
from cloison.months import Month
from cloison.population.make import make_population
from cloison.store import Status

FIFTH = """
version = 1
body = "france-travail"

[datasets.allowances]
title = "Allowances"
description = "Unemployment allowances paid, by month."
period = "month"
category = "kind"
due = { periods_later = 1, day = 5 }

[datasets.allowances.fields]
kind = { type = "code", required = true, codes = ["are", "ass"], description = "allowance" }
days = { type = "int", required = true, description = "days paid" }
amount = { type = "cents", required = true, description = "gross amount" }

[datasets.allowances.table]
columns = ["nir", "month", "allowance", "days", "gross"]
key = ["nir", "month", "allowance"]
period = "month"
rows = [{ subject = "nir", columns = { kind = "allowance", amount = "gross" } }]

[datasets.jobs]
title = "Jobs"
description = "Payments employers declared."
period = "month"

[datasets.jobs.fields]
employer = { type = "siret", required = true, description = "who paid" }
pay = { type = "cents", description = "gross pay" }

[datasets.jobs.messages.dsn]
nature = "01"
types = { normal = ["01"], replace = ["03"], cancel = ["05"] }
unit = "S21.G00.50"
subject = "S21.G00.30.001"
period = "S21.G00.50.001"

[datasets.jobs.messages.dsn.fields]
employer = { join = ["S21.G00.06.001", "S21.G00.11.001"] }
pay = { sum = "S21.G00.51.013", where = { "S21.G00.51.011" = "001" } }
"""


@pytest.fixture
def fifth(tmp_path: Path, body_of: Callable[..., Body]) -> Body:
    path = tmp_path / "nodes" / "france-travail" / "catalogue.toml"
    path.parent.mkdir(parents=True)
    path.write_text(FIFTH)
    return body_of("france-travail", tmp_path / "nodes")


def test_load_fifth_body_needs_no_python(fifth: Body, folder: Folder) -> None:
    columns = "nir;month;allowance;days;gross"
    rows = (f"{ANNE};2026-02;are;28;900.00", f"{ANNE};2026-03;ass;31;500.50")
    fifth.load(folder.table("allowances", columns, *rows), folder.dsn(Declaration()))
    total = fifth.fetch("allowances", ("kind", "amount"), "2026-02", "2026-03", "window-total")
    assert [one.values for one in total.periods[0].records] == [("are", 90_000), ("ass", 50_050)]
    jobs = fifth.fetch("jobs", ("pay",), "2026-02", "2026-02")
    assert jobs.periods[0].records[0].values == (180_000,)


BAD_MAPPINGS = {
    "a rubric that is not read": ("S21.G00.51.013", "S21.G00.51.099"),
    "a rubric of another block": ('"S21.G00.51.011" = "001"', '"S21.G00.58.003" = "001"'),
    "a sum of what is no amount": ("S21.G00.51.013", "S21.G00.51.010"),
    "a subject within the unit": ('subject = "S21.G00.30.001"', 'subject = "S21.G00.58.003"'),
    "a unit around the declaration": ('unit = "S21.G00.50"', 'unit = "S20.G00.05"'),
}


@pytest.mark.parametrize("name", BAD_MAPPINGS)
def test_load_with_mapping_that_cannot_be_read_is_refused(
    name: str, tmp_path: Path, body_of: Callable[..., Body], folder: Folder
) -> None:
    path = tmp_path / "nodes" / "france-travail" / "catalogue.toml"
    path.parent.mkdir(parents=True)
    path.write_text(FIFTH.replace(*BAD_MAPPINGS[name]))
    body = body_of("france-travail", tmp_path / "nodes")
    with pytest.raises(InputError) as caught:
        body.load(folder.dsn(Declaration()))
    assert caught.value.reason == "BAD_CATALOGUE"


def spellings(nir: str) -> Iterator[bytes]:
    for text in (nir, nir[:13]):
        raw = text.encode()
        yield from (raw, raw.hex().encode(), raw.hex().upper().encode(), raw[::-1])
        # Where the text stands in a longer one decides its base64: three ways.
        yield from (base64.b64encode(b"\0" * pad + raw)[4:-4] for pad in range(3))
        yield int(text[:13]).to_bytes(6, "big")
        yield int(text[:13]).to_bytes(6, "little")


def test_load_leaves_no_nir_in_the_store_files(caf: Body, cnav: Body, folder: Folder) -> None:
    members = (
        "household;nir;role;birth_name;birth_date;since;until;"
        "schemes;activity;unemployed_since;marital"
    )
    identities = "nir;birth_name;first_names;birth_date;nir_status;death_date;objection"
    caf.load(
        folder.table(
            "members",
            members,
            f"H1;{ANNE};applicant;Canarinette;1985-06-01;2020-01-01;;general;employee;;single",
        )
    )
    cnav.load(
        folder.dsn(Declaration((Pay(ANNE), Pay(BRUNO)))),
        folder.table("identities", identities, f"{ANNE};Canarinette;A;1985-06-01;permanent;;0"),
    )
    for body in (caf, cnav):
        data = b"".join(path.read_bytes() for path in body.path.parent.glob("*.sqlite*"))
        assert b"applicant" in data
        found = [one for nir in (ANNE, BRUNO) for one in spellings(nir) if one in data]
        assert found == []
        assert b"Canarinette" not in data


@pytest.mark.parametrize("number", [ANNE, ANNE[:13], "253072A073004"])
def test_load_file_named_after_a_person_is_refused_without_quoting_it(
    number: str, cnav: Body, folder: Folder
) -> None:
    path = folder.dsn(Declaration())
    named = path.rename(path.with_name(f"paie-{number}.dsn"))

    with pytest.raises(InputError) as caught:
        cnav.load(named)

    assert caught.value.reason == "NIR_IN_TEXT"
    assert number[:13] not in str(caught.value)


def test_load_file_named_after_an_establishment_is_loaded(cnav: Body, folder: Folder) -> None:
    path = folder.dsn(Declaration())
    assert cnav.load(path.rename(path.with_name("paie-17912750000026.dsn"))).records == 1


def test_load_more_payments_than_are_kept_is_refused_whole(
    cnav: Body, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "MOST_PLACE", 1)
    cnav.load(folder.dsn(Declaration((Pay(), Pay()), month="01012026")))

    fault = cnav.fault(folder.dsn(Declaration((Pay(), Pay(), Pay(), Pay()))))

    assert fault.reason == "TOO_MANY_RECORDS"
    assert (
        len(cnav.fetch("monthly_resources", ("mns",), "2026-02", "2026-02").periods[0].records) == 2
    )


def test_load_population_gives_every_claim_its_members_and_months(
    tmp_path: Path, body_of: Callable[[str], Body]
) -> None:
    manifest = make_population(300, 7, tmp_path / "people")
    bodies = {name: body_of(name) for name in ("dgfip", "caf", "cnav", "msa")}
    for name, body in bodies.items():
        files = sorted((tmp_path / "people" / name).iterdir())
        report = body.load(*files)
        assert all(file.loaded for file in report.files)
    june = Month.parse("2026-06")
    claims = [
        claim
        for name in ("caf", "msa")
        for benefit in manifest.claims
        for claim in bodies[name].store.claims(benefit, june)
    ]
    assert len(claims) == sum(manifest.claims.values())
    statuses = {
        period.status
        for claim in claims
        for member in claim.members
        for period in bodies["cnav"]
        .fetch("monthly_resources", ("mns",), "2026-02", "2026-04", nir=member.nir)
        .periods
    }
    assert statuses >= {Status.DECLARED, Status.NOTHING_DECLARED}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    init_keys(tmp_path / "keys", [BodyId("cnav")], {}, NOW)
    return tmp_path / "keys"


def test_load_command_loads_and_says_what(
    tmp_path: Path, keys: Path, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder.dsn(Declaration())
    options = ["--var", str(tmp_path / "var"), "--keys", str(keys)]
    assert run(["load", "cnav", str(path), *options]) == 0
    assert capsys.readouterr().out.split()[-6:] == ["cnav", "1", "0", "34", "1", "1"]


def test_load_command_bad_file_exits_3_with_its_line(
    tmp_path: Path, keys: Path, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder.lines(recount(dsn_lines(Declaration())[:-1]))
    options = ["--var", str(tmp_path / "var"), "--keys", str(keys)]
    assert run(["load", "cnav", str(path), *options]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-3:] == [
        "file `file-1.dsn`: 1 error, nothing of it is loaded",
        "  file-1.dsn:33: S90.G00.90.002: is missing in its block [MISSING_RUBRIC]",
        "  [FILE_REJECTED]",
    ]


def test_load_command_bad_file_as_json_gives_files_before_and_faults(
    tmp_path: Path, keys: Path, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = folder.lines(recount(dsn_lines(Declaration(month="01012026"))[:-1]))
    good = folder.dsn(Declaration())
    options = ["--var", str(tmp_path / "var"), "--keys", str(keys), "--json"]
    assert run(["load", "cnav", str(good), str(bad), *options]) == 3
    content = json.loads(capsys.readouterr().out)
    assert [file["name"] for file in content["files"]] == ["file-2.dsn"]
    assert (content["rejected"]["name"], content["rejected"]["more"]) == ("file-1.dsn", 0)
    assert content["rejected"]["faults"] == [
        {
            "line": 33,
            "place": "S90.G00.90.002",
            "reason": "MISSING_RUBRIC",
            "what": "is missing in its block",
            "remedy": "",
        }
    ]
