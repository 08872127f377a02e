"""Ledgers read after the fact: decisions made again, explained, and put to a draft."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.federation import NOW, Federation, Program

from cloison.bodies import BodyId
from cloison.cli.app import run
from cloison.cli.root import find_root, read_policy
from cloison.exchange import conclude
from cloison.exchange.values import decision_from_proto
from cloison.law import Decision, Outcome

_ROOT = find_root(Path(__file__).parent)
_DRAFT = """
id = "projet"
title = "Projet de texte"
read = "whole"
in_force = { from = 2030-01-01 }
sources = [{ code = "X", where = "x", part = "tout" }]
"""
_RULE = """
@id("open")
@article("1")
permit (principal == Activity::"caf-ppa", action == Action::"ask", resource in System::"drm")
when { context.purpose in [Purpose::"calculation", Purpose::"eligibility"] };
"""
_EXAMPLE = """
- {name: x, day: 2030-01-01, activity: caf-ppa, purpose: calculation, basis: projet,
   asks: cnav/monthly_resources, fields: [mns], months: 2029-01..2029-01, granularity: month,
   expect: deny}
"""


@pytest.fixture
def asked(federation: Federation, ppa: Program) -> Federation:
    """One answer and two refusals about the same persons: no case, then none again."""
    ppa.ask(ppa.question(ppa.open_case()))
    ppa.ask(ppa.question(None))
    ppa.ask(ppa.question(None))
    return federation


@pytest.fixture
def ledger(asked: Federation) -> Callable[[str], str]:
    def place(body: str) -> str:
        return str(asked.settings(BodyId(body)).state / "ledger" / "traces")

    return place


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    folder = tmp_path / "projet"
    folder.mkdir()
    (folder / "text.toml").write_text(_DRAFT)
    (folder / "rules.cedar").write_text(_RULE)
    (folder / "examples.yaml").write_text(_EXAMPLE)
    return folder


def _decided(federation: Federation, outcome: str) -> int:
    """Index of a decision of that outcome at the holder."""
    return next(
        index
        for index, entry in enumerate(federation.entries(BodyId("cnav")))
        if entry.HasField("decided")
        and decision_from_proto(entry.decided.decision).outcome == outcome
    )


def test_replay_makes_every_decision_again(
    ledger: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["law", "replay", ledger("cnav"), "--root", str(_ROOT)]) == 0
    assert "3 of 3 decisions made again alike: 100 %" in capsys.readouterr().out


def test_replay_of_a_decision_the_law_does_not_give_shows_it(
    federation: Federation, ppa: Program, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A holder that decided by other rules than those it names."""
    federation.forged.add(BodyId("cnav"))
    refuse = Decision(Outcome.DENY, "NO_TEXT\x1b[2J")
    with monkeypatch.context() as patch:
        patch.setattr(conclude, "decide", lambda *_: refuse)
        ppa.ask(ppa.question(ppa.open_case()))
    place = str(federation.settings(BodyId("cnav")).state / "ledger" / "traces")

    assert run(["law", "replay", place, "--json", "--root", str(_ROOT)]) == 1
    [difference] = json.loads(capsys.readouterr().out)["differences"]
    assert difference["differs"].startswith(
        "deny NO_TEXT\N{REPLACEMENT CHARACTER}[2J 0 near / permit"
    )


def test_replay_without_the_set_of_the_time_exits_3(
    ledger: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _copy_policy(tmp_path / "other", "# another set\n")

    place = ledger("cnav")
    shutil.rmtree(Path(place).parents[1] / "policy-sets")

    assert run(["law", "replay", place, "--root", str(tmp_path / "other")]) == 3
    assert "not kept here" in capsys.readouterr().err


def test_replay_finds_the_set_of_the_time_by_content(
    ledger: Callable[[str], str], tmp_path: Path
) -> None:
    _copy_policy(tmp_path / "other", "# another set\n")
    _copy_policy(tmp_path / "old", "")
    root = ["--root", str(tmp_path / "other")]

    assert (
        run(["law", "replay", ledger("cnav"), "--policy", str(tmp_path / "old/policy"), *root]) == 0
    )


def test_replay_of_a_ledger_without_decision_exits_3(ledger: Callable[[str], str]) -> None:
    assert run(["law", "replay", ledger("msa"), "--root", str(_ROOT)]) == 3


def test_explain_a_refusal_in_a_ledger(
    asked: Federation, ledger: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    index = str(_decided(asked, "deny"))
    entry = ["law", "explain", "--ledger", ledger("cnav"), "--index", index]

    assert run([*entry, "--root", str(_ROOT)]) == 2
    shown = capsys.readouterr().out
    assert "il manque : le dossier est en cours" in shown
    assert "Serait licite (decret-2025-1288) : un dossier en cours de type claim" in shown


def test_explain_a_permit_in_a_ledger(
    asked: Federation, ledger: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    index = str(_decided(asked, "permit"))
    entry = ["law", "explain", "--ledger", ledger("cnav"), "--index", index, "--json"]

    assert run([*entry, "--root", str(_ROOT)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rules"] == ["decret-2025-1288/ppa-rsa"]
    assert found["lawful_if"] == []


@pytest.mark.parametrize("index", ["0", "100000"])
def test_explain_what_decides_nothing_exits_3(ledger: Callable[[str], str], index: str) -> None:
    assert run(["law", "explain", "--ledger", ledger("caf"), "--index", index,
                "--root", str(_ROOT)]) == 3  # fmt: skip


def test_explain_ledger_and_question_exits_3(ledger: Callable[[str], str]) -> None:
    options = ["--ledger", ledger("cnav"), "--activity", "caf-ppa"]

    assert run(["law", "explain", *options, "--root", str(_ROOT)]) == 3


def test_what_if_counts_refusals_and_people_once(
    ledger: Callable[[str], str], draft: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = NOW.date().isoformat()
    both = [ledger("cnav"), ledger("caf")]
    command = ["law", "what-if", str(draft), *both, "--since", day, "--root", str(_ROOT)]

    assert run([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)

    assert (found["refused"], found["would_pass"], found["distinct_people"]) == (2, 2, 1)
    assert found["rows"][0]["activity"] == "caf-ppa"
    assert run(command) == 0
    assert "2 of 2 refusals" in capsys.readouterr().out


def test_what_if_without_the_ledger_that_asked_counts_questions(
    ledger: Callable[[str], str], draft: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = NOW.date().isoformat()
    command = ["law", "what-if", str(draft), ledger("cnav"), "--since", day, "--json"]

    run([*command, "--root", str(_ROOT)])
    [row] = json.loads(capsys.readouterr().out)["rows"]

    assert (row["people"], row["questions_about_untraced"]) == (0, 2)


def test_what_if_looks_at_no_earlier_day(
    ledger: Callable[[str], str], draft: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    later = (NOW + timedelta(days=2)).date().isoformat()
    command = ["law", "what-if", str(draft), ledger("cnav"), "--since", later, "--json"]

    assert run([*command, "--root", str(_ROOT)]) == 0
    assert json.loads(capsys.readouterr().out)["refused"] == 0


def test_what_if_draft_that_cannot_parse_exits_3_with_its_line(
    ledger: Callable[[str], str], draft: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (draft / "rules.cedar").write_text(_RULE.replace("permit", "allow"))
    command = ["law", "what-if", str(draft), ledger("cnav"), "--since", "2026-01-01"]

    assert run([*command, "--root", str(_ROOT)]) == 3
    assert "texts/projet/rules.cedar:2`: not a Cedar rule" in capsys.readouterr().err


def _copy_policy(root: Path, note: str) -> None:
    """The policy at another root, with a note that changes its hash."""
    for path, content in read_policy(_ROOT).items():
        place = root / "policy" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content + (note.encode() if path == "purposes.toml" else b""))
