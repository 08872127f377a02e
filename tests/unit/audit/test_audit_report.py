"""The report of an inspection: the same bytes, checked by others, all words but text."""

import base64
import csv
import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.federation import CANARY_CENTS, PEOPLE

from cloison.audit import Finding, Severity
from cloison.audit.findings import Evidence
from cloison.audit.report.document import SHOWN_FINDINGS, report_document
from cloison.audit.report.report import Report, evidence_sheet, findings_sheet
from cloison.audit.report.sheet import sheet
from cloison.cli.app import run
from cloison.cli.audit import open_sets
from cloison.cli.audit_report import write_report
from cloison.ledger.reader import WITNESSED
from cloison.pages.notice import notice_page
from cloison.pages.notice_pdf import notice_pdf

from .conftest import Audited

Made = tuple[Path, Report]
HOSTILE = "<script>alert(1)</script>\x1b[31m=cmd()"


@pytest.fixture(scope="module")
def made(audited: Audited, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made") / "report"
    return folder, write(audited, folder)


def write(audited: Audited, folder: Path) -> Report:
    sets = open_sets(audited.place, ())
    only = (("caf", "cnav"), ())
    return write_report(audited.place, folder, (None, None), only, sets)[0]


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    text = (folder / f"tables/{name}.csv").read_text("utf-8")
    return list(csv.DictReader(io.StringIO(text), delimiter=";"))


def test_report_of_the_same_ledgers_is_the_same_to_the_byte(
    made: Made, audited: Audited, tmp_path: Path
) -> None:
    write(audited, tmp_path / "again")
    assert files(tmp_path / "again") == files(made[0])


def test_report_files_are_for_their_owner_alone(made: Made) -> None:
    modes = {path.stat().st_mode & 0o777 for path in made[0].rglob("*") if path.is_file()}
    assert modes == {0o600}


def test_report_names_no_person_and_no_income(made: Made) -> None:
    """Raw, hexadecimal or base64: evidence holds entries, and entries hold neither."""
    secrets = [person.nir for person in PEOPLE] + [str(CANARY_CENTS)]
    needles = []
    for secret in secrets:
        raw = str(secret).encode()
        needles += [raw, raw.hex().encode(), base64.b64encode(raw).rstrip(b"=")]
    needles.append(str(CANARY_CENTS // 100).encode())
    found = [
        (name, needle)
        for name, data in files(made[0]).items()
        for needle in needles
        if needle in data
    ]
    assert found == []


def test_report_counts_decisions_by_activity_purpose_and_month(made: Made) -> None:
    counted = {
        (one["activity"], one["purpose"], one["outcome"]): int(one["decisions"])
        for one in rows(made[0], "decisions")
    }
    assert counted["caf-dmde", "control-targeting", "refusé"] == 3
    assert {one["month"] for one in rows(made[0], "decisions")} == {"2026-06"}
    assert sum(counted.values()) == 6


def test_report_findings_are_the_audits_and_their_evidence_is_in_the_pack(made: Made) -> None:
    folder, report = made
    assert report.examined.findings
    assert [one["code"] for one in rows(folder, "findings")] == [
        one.code for one in report.examined.findings
    ]
    for one in rows(folder, "evidence"):
        assert all((folder / name).is_file() for name in one["files"].split())


def test_report_json_holds_every_table(made: Made) -> None:
    folder, report = made
    told = json.loads((folder / "rapport.json").read_text("utf-8"))
    for name, one in report.sheets.items():
        assert [list(map(str, row.values())) for row in told["tables"][name]] == [
            list(map(str, row)) for row in one.rows
        ]


def test_report_names_every_ledger_it_was_given(made: Made) -> None:
    assert {one["ledger"] for one in rows(made[0], "ledgers")} == {
        f"{body}.cloison.local/{log}" for body in ("caf", "cnav") for log in ("traces", "register")
    }


def test_report_period_is_audited_where_the_overseer_cosigned(made: Made) -> None:
    assert {one["state"] for one in rows(made[0], "ledgers")} == {"auditée"}
    assert "cnil" in {one["witness"] for one in rows(made[0], "cosignatures")}


def test_report_period_without_the_overseers_cosignature_is_not_audited(
    audited: Audited, tmp_path: Path
) -> None:
    path = audited.federation.node("caf").traces.directory / WITNESSED  # type: ignore[arg-type]
    kept = path.read_bytes()
    path.write_bytes(
        b"".join(x for x in kept.splitlines(True) if not x.startswith("— cnil".encode()))
    )
    try:
        report = write(audited, tmp_path / "report")
    finally:
        path.write_bytes(kept)
    states = {str(row[0]): str(row[6]) for row in report.sheets["ledgers"].rows}
    assert states["caf.cloison.local/traces"].startswith("non auditée : ")
    facts = dict(report_document(report).facts)
    assert facts["Période auditée"].startswith("non, pour 1 registre(s) sur 4")


def test_report_in_a_folder_that_is_not_empty_is_refused(
    audited: Audited, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there").touch()
    assert run(["audit", "report", *audited.options("--out", str(tmp_path))]) == 1
    assert "REPORT_EXISTS" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_report_of_a_period_without_entries_is_refused(
    audited: Audited, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report of nothing would say that nothing is wrong."""
    out = tmp_path / "report"
    ends = ("--since", "2020-01-01", "--until", "2020-02-01", "--out", str(out), "--json")
    assert run(["audit", "report", *audited.options(*ends)]) == 3
    assert "[NO_ENTRIES]" in capsys.readouterr().err
    assert not out.exists()


def finding(number: int, words: str) -> Finding:
    place = Evidence("caf.cloison.local/traces", number, "00" * 32)
    return Finding("CODE", Severity.HIGH, words, words, words, 1, (place,), words)


def found(report: Report, findings: list[Finding]) -> Report:
    made = (findings_sheet(findings), evidence_sheet(findings))
    examined = replace(report.examined, findings=tuple(findings))
    sheets = {**report.sheets, **{one.name: one for one in made}}
    return replace(report, examined=examined, sheets=sheets)


def test_report_hostile_words_stay_text(made: Made) -> None:
    page = notice_page(report_document(found(made[1], [finding(0, HOSTILE)])))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_report_letter_no_font_has_does_not_keep_it_from_being_made(made: Made) -> None:
    """A ledger's words are another's: they may not stop an inspection."""
    words = "caf-\U0001f9ff\u4e2d\x00\u202ereverse"
    report = found(made[1], [finding(0, words)])
    assert notice_pdf(report_document(report), report.period.until).startswith(b"%PDF")
    assert "caf-\ufffd\ufffd\ufffd\ufffdreverse" in notice_page(report_document(report))


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@a", "'@a"),
        ("\r=1", "\ufffd=1"),
        ("a\nb;c\x1b[31m", "a\ufffdb;c\ufffd[31m"),
        ("12\u202f345 « à »", "12\u202f345 « à »"),
    ],
)
def test_report_cell_is_text_on_one_line_and_never_a_formula(cell: str, shown: str) -> None:
    table = sheet("one", "Une", {"cell": "Cellule"}, [(cell,)]).csv().decode()
    (row,) = csv.DictReader(io.StringIO(table, newline=""), delimiter=";")
    assert row["cell"] == shown


def test_report_size_is_bounded_and_says_what_is_left_out(made: Made) -> None:
    many = [finding(number, f"constat {number}") for number in range(5_000)]
    pages = [notice_page(report_document(found(made[1], many[:count]))) for count in (150, 5_000)]
    assert len(pages[1]) - len(pages[0]) < 2_000
    assert "4\u202f900 constat(s) de plus dans tables/findings.csv" in pages[1]
    assert f"constat {SHOWN_FINDINGS - 1}<" in pages[1]
    assert f"constat {SHOWN_FINDINGS}<" not in pages[1]


def test_report_pictures_say_in_words_what_they_show(made: Made) -> None:
    page = (made[0] / "rapport.html").read_text("utf-8")
    labels = re.findall(r'<svg role="img" aria-label="([^"]+)"', page)
    assert any("Calcul d'une prestation" in one.replace("&#39;", "'") for one in labels)
    assert len(labels) == page.count("<svg")
    assert "<script" not in page
    assert "http://www.w3.org/2000/svg" in page


@pytest.fixture(scope="module")
def pack_check(
    made: Made, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path], subprocess.CompletedProcess[str]]:
    """The pack's own Go program, built as VERIFIER.md says."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("no go here: .ci/run installs it")
    program = tmp_path_factory.mktemp("go") / "check"
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(program.parent / "cache"),
    }
    source = made[0] / "evidence/check.go"
    subprocess.run([go, "build", "-o", str(program), str(source)], check=True, env=environment)
    return lambda pack: subprocess.run(
        [str(program), str(pack)], capture_output=True, text=True, check=False
    )


def test_evidence_pack_is_accepted_by_go(
    made: Made, pack_check: Callable[[Path], subprocess.CompletedProcess[str]]
) -> None:
    done = pack_check(made[0] / "evidence")
    assert (done.returncode, done.stderr) == (0, "")
    assert "cnav.traces: head of " in done.stdout
    assert "3 witnesses" in done.stdout


@pytest.mark.parametrize("ending", [".entry", ".tlog-proof", "checkpoint", "vkey"])
def test_evidence_pack_with_a_byte_changed_is_refused_by_go(
    ending: str,
    made: Made,
    pack_check: Callable[[Path], subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    pack = tmp_path / "evidence"
    shutil.copytree(made[0] / "evidence", pack)
    name = "cnav.traces" if ending[0] != "." else f"cnav.traces/{one_entry(pack)}{ending}"
    path = pack / name / ending if ending[0] != "." else pack / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert pack_check(pack).returncode == 1


def one_entry(pack: Path) -> str:
    return min(path.stem for path in (pack / "cnav.traces").glob("*.entry"))


def test_evidence_is_verified_by_hand_as_the_page_says(made: Made, tmp_path: Path) -> None:
    """The very commands of VERIFIER.md, with sha256sum and openssl."""
    bash = shutil.which("bash")
    if bash is None or shutil.which("openssl") is None:
        pytest.skip("no bash or openssl here")
    shutil.copytree(made[0], tmp_path / "report")
    pack = tmp_path / "report/evidence"
    text = (pack / "VERIFIER.md").read_text("utf-8").partition("# Verifying")[0]
    commands = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    by_hand = [one for one in commands if "check.go" not in one and "protoc" not in one]
    entry = one_entry(pack)
    script = "\n".join(by_hand).replace("cd .. && sha256sum", "(cd ..; sha256sum", 1)
    script = script.replace("evidence/SHA256SUMS", "evidence/SHA256SUMS)", 1)
    script = script.replace("caf.traces/902.entry", f"cnav.traces/{entry}.entry")
    script = script.replace("cd caf.traces", "cd cnav.traces")
    done = subprocess.run(
        [bash, "-euo", "pipefail", "-c", script],
        cwd=pack,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Signature Verified Successfully" in done.stdout
    leaf = next(
        one["leaf_hash"]
        for one in rows(made[0], "evidence")
        if (one["ledger"], one["index"]) == ("cnav.cloison.local/traces", entry)
    )
    assert f"{leaf}  -" in done.stdout
