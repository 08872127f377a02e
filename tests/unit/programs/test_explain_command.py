"""`cloison entitlement explain`, over an in-memory gateway."""

import json
import re
import stat
from pathlib import Path

import pytest
from tests.unit.pages.spoken import read_aloud
from tests.unit.programs import on_paper
from tests.unit.programs.fake_gateway import FakeGateway, FakePerson
from tests.unit.programs.notices import JUNE, recompute

from cloison.cli import app as command_line
from cloison.cli import explain

EXPLAIN = ["entitlement", "explain", "--benefit", "ppa", "--month", "2026-06", "--case"]


@pytest.fixture
def caf(gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> FakeGateway:
    """CAF's gateway: one claim that can be computed, one that cannot."""
    monkeypatch.setattr(explain, "connect", lambda *_: gateway)
    monkeypatch.setenv("COLUMNS", "200")
    income = {("salary", month): 140_000 for month in (JUNE - 4).to(JUNE - 2)}
    gateway.add("C1", FakePerson(income=income))
    gateway.add("C2", FakePerson(temporary=True))
    return gateway


@pytest.mark.usefixtures("caf")
def test_entitlement_explain_shows_the_notice_in_french(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command_line.run([*EXPLAIN, "C1"]) == 0

    shown = capsys.readouterr().out
    for number, words in enumerate(("Degré", "Données", "Paramètres", "Opérations", "Vos droits")):
        assert f"{number + 1}. {words}" in shown
    assert "246,90\u00a0€" in shown
    assert "1er avril 2026" in shown
    assert "59,85\u202f%\u00a0[P6]" in shown


@pytest.mark.usefixtures("caf")
def test_entitlement_explain_in_a_narrow_terminal_breaks_no_amount(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert command_line.run([*EXPLAIN, "C1"]) == 0

    shown = capsys.readouterr().out
    assert shown.count("1\u202f400,00\u00a0€") == shown.count("400,00\u00a0€") >= 3
    assert not re.search("[\ue000\ue001]|^ *[€%:;]", shown, re.MULTILINE)


@pytest.mark.usefixtures("caf")
def test_entitlement_explain_json_alone_gives_the_amount(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command_line.run([*EXPLAIN, "C1", "--json"]) == 0

    assert recompute(json.loads(capsys.readouterr().out)) == 246_90


@pytest.mark.usefixtures("caf")
def test_entitlement_explain_html_is_a_private_file_and_nothing_of_it_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notice.html"
    assert command_line.run([*EXPLAIN, "C1", "--html", str(path)]) == 0

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "246,90\u00a0€" in path.read_text("utf-8")
    assert "246,90" not in capsys.readouterr().out


@pytest.mark.usefixtures("caf")
def test_entitlement_explain_pdf_alone_gives_the_amount_and_is_private(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notice.pdf"
    assert command_line.run([*EXPLAIN, "C1", "--pdf", str(path)]) == 0

    assert on_paper.recompute(read_aloud(path.read_bytes())) == 246_90
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert capsys.readouterr().out == f"notice written to {path}\n"


@pytest.mark.usefixtures("caf")
def test_entitlement_explain_pdf_of_a_case_set_aside_says_why_and_gives_no_amount(
    tmp_path: Path,
) -> None:
    path = tmp_path / "notice.pdf"
    assert command_line.run([*EXPLAIN, "C2", "--pdf", str(path)]) == 0

    said = read_aloud(path.read_bytes()).text
    assert "Pourquoi il n'y a pas de montant" in said
    assert "€" not in said


@pytest.mark.parametrize("form", ["html", "pdf"])
def test_entitlement_explain_file_that_is_there_asks_nothing(
    caf: FakeGateway, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "notice"
    path.touch()

    assert command_line.run([*EXPLAIN, "C1", f"--{form}", str(path)]) == 3
    assert caf.asked == []
    assert path.read_bytes() == b""


def test_entitlement_explain_asks_and_closes_as_run_does(caf: FakeGateway) -> None:
    assert command_line.run([*EXPLAIN, "C1", "--json"]) == 0

    assert [question.dataset for question in caf.asked] == [
        "members",
        "households",
        "payments",
        "monthly_resources",
    ]
    assert len(caf.deposits) == 1
    assert caf.closed == {"C1": "decided"}


@pytest.mark.usefixtures("caf")
def test_entitlement_explain_case_set_aside_says_why_and_gives_no_amount(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command_line.run([*EXPLAIN, "C2"]) == 0

    shown = capsys.readouterr().out
    assert "Pourquoi il n'y a pas de montant" in shown
    assert "numéro de sécurité sociale définitif" in shown
    assert "€" not in shown


def test_entitlement_explain_household_without_a_head_says_so_and_names_nobody(
    caf: FakeGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    caf.add("C3", FakePerson(role="child"))
    assert command_line.run([*EXPLAIN, "C3"]) == 0

    shown = capsys.readouterr().out
    assert "ne dit pas qui est le demandeur" in shown
    assert "L'organisme corrige la place de chacun au foyer" in shown
    assert "Demandeur" not in shown
    assert caf.asked == []


@pytest.mark.usefixtures("caf")
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([*EXPLAIN, "C9"], "UNKNOWN_CLAIM"),
        ([*EXPLAIN[:4], "--month", "2026-13", "--case", "C1"], "BAD_MONTH"),
        ([*EXPLAIN, "C1", "--body", "dgfip"], "UNKNOWN_ACTIVITY"),
    ],
)
def test_entitlement_explain_bad_input_exits_3_with_its_reason(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.run(arguments) == 3
    assert reason in capsys.readouterr().err
