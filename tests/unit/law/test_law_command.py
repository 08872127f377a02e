"""`cloison law`: what is printed, and the exit code."""

import json
import shutil
from pathlib import Path

import pytest

from cloison.cli.app import run
from cloison.cli.root import find_root, read_policy
from cloison.errors import InputError

_ROOT = find_root(Path(__file__).parent)
_PPA = [
    "law", "decide", "--activity", "caf-ppa", "--purpose", "calculation", "--holder", "cnav",
    "--dataset", "monthly_resources", "--months", "2026-02:2026-04", "--case-month", "2026-06",
    "--law-date", "2026-11-21",
]  # fmt: skip
_DMDE = [
    "law", "decide", "--activity", "caf-dmde", "--purpose", "control-targeting", "--holder", "cnav",
    "--dataset", "monthly_resources", "--cohort", "--persons", "13800000",
]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root of its own, to be spoilt."""
    shutil.copytree(_ROOT / "policy", tmp_path / "policy")
    return tmp_path


def test_check_valid_set_prints_its_hash(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["law", "check", "--root", str(_ROOT)]) == 0
    assert "policy set" in capsys.readouterr().out


def test_check_bad_file_exits_3_with_file_and_line(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = root / "policy/texts/gdpr-15/text.toml"
    path.write_text(path.read_text().replace("read =", "wrote ="))

    assert run(["law", "check", "--root", str(root)]) == 3
    assert "texts/gdpr-15/text.toml:3`: `wrote`: unknown key" in capsys.readouterr().err


def test_check_json_counts(capsys: pytest.CaptureFixture[str]) -> None:
    run(["law", "check", "--json", "--root", str(_ROOT)])

    counts = json.loads(capsys.readouterr().out)

    assert len(counts["policy_set"]) == 64
    assert counts["activities"] == 30


def test_list_names_texts_and_activities(capsys: pytest.CaptureFixture[str]) -> None:
    run(["law", "list", "--json", "--root", str(_ROOT)])

    found = json.loads(capsys.readouterr().out)

    assert {"id": "crpa-l114-8", "from": "2022-02-23 (read)", "until": "", "in_force": True,
            "read": "whole", "rules": 3, "no_rule": ""} in found["texts"]  # fmt: skip
    assert "caf-dmde" in {activity["id"] for activity in found["activities"]}


def test_list_prints_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["law", "list", "--root", str(_ROOT)]) == 0
    assert "crpa-l114-8" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["decret-2024-50", "caf-dmde"])
def test_show_prints_the_record(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["law", "show", name, "--root", str(_ROOT)]) == 0
    assert f"id: {name}" in capsys.readouterr().out


def test_show_text_prints_its_rules(capsys: pytest.CaptureFixture[str]) -> None:
    run(["law", "show", "decret-2024-50", "--root", str(_ROOT)])
    assert '@id("experiment")' in capsys.readouterr().out


def test_show_json_is_the_record(capsys: pytest.CaptureFixture[str]) -> None:
    run(["law", "show", "decret-2024-50", "--json", "--root", str(_ROOT)])

    record = json.loads(capsys.readouterr().out)

    assert record["read"] == "in-part"
    assert len(record["rules"]) == 1


def test_show_unknown_id_exits_3() -> None:
    assert run(["law", "show", "nothing", "--root", str(_ROOT)]) == 3


def test_decide_permitted_exits_0_with_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*_PPA, "--case-type", "claim", "--root", str(_ROOT)]) == 0
    assert "permit decret-2025-1288/ppa-rsa" in capsys.readouterr().out


def test_decide_without_case_exits_2_with_what_is_lacking(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run([*_PPA, "--no-case", "--root", str(_ROOT)]) == 2
    assert "lacks: the case is live" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("day", "code", "outcome"),
    [
        ("2023-06-01", 2, "deny"),
        ("2024-06-01", 0, "permit_with_obligations"),
        ("2026-06-01", 2, "deny"),
    ],
)
def test_decide_targeting_depends_on_the_law_date(
    day: str, code: int, outcome: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*_DMDE, "--law-date", day, "--json", "--root", str(_ROOT)]) == code
    assert json.loads(capsys.readouterr().out)["outcome"] == outcome


def test_decide_received_for_non_take_up_is_forbidden(capsys: pytest.CaptureFixture[str]) -> None:
    label = ["--received-for", "non-take-up", "--received-by", "caf-outreach"]

    assert run([*_DMDE, *label, "--json", "--root", str(_ROOT)]) == 2
    assert json.loads(capsys.readouterr().out)["reason"] == "FORBIDDEN"


@pytest.mark.parametrize(
    "options",
    [
        ["--law-date", "soon"],
        ["--months", "2026-13"],
        ["--no-case", "--case-type", "claim"],
        ["--granularity", "minute"],
        ["--holder", "CNAV"],
    ],
)
def test_decide_bad_option_exits_3(options: list[str]) -> None:
    assert run([*_PPA, *options, "--root", str(_ROOT)]) == 3


def test_test_shipped_examples_exit_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["law", "test", "--root", str(_ROOT)]) == 0
    assert "0 differ" in capsys.readouterr().out


def test_test_wrong_expectation_exits_1_with_table(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = root / "policy/texts/gdpr-15/examples.yaml"
    before, after = path.read_text().split("Ses retraites")
    after = after.replace("expect: permit", "expect: deny", 1)
    path.write_text(f"{before}Ses retraites{after}")

    assert run(["law", "test", "--json", "--root", str(root)]) == 1

    found = json.loads(capsys.readouterr().out)
    assert found["failed"] == 1
    assert found["differences"][0]["found"] == "permit"
    assert run(["law", "test", "--root", str(root)]) == 1


def test_test_no_text_exits_3(root: Path) -> None:
    for folder in ("texts", "activities"):
        shutil.rmtree(root / "policy" / folder)
    promises = root / "policy/promises.toml"
    promises.write_text("")

    assert run(["law", "test", "--root", str(root)]) == 3


def test_read_policy_leaves_hidden_files_out(root: Path) -> None:
    (root / "policy" / ".draft.toml").write_text("x")

    assert read_policy(root) == read_policy(_ROOT)


def test_find_root_from_below_finds_the_nearest(root: Path) -> None:
    below = root / "policy" / "texts"

    assert find_root(below) == root


def test_find_root_nowhere_refuses(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no policy here or above"):
        find_root(tmp_path)


def test_decide_json_is_the_shape_promised(capsys: pytest.CaptureFixture[str]) -> None:
    """Dataset before the field, no number for the cohort, the purpose of the record."""
    question = ["--activity", "caf-dmde", "--holder", "cnav", "--fields", "monthly_resources.mns"]
    options = ["--cohort", "--law-date", "2024-06-01", "--json", "--root", str(_ROOT)]

    assert run(["law", "decide", *question, *options]) == 0
    found = json.loads(capsys.readouterr().out)

    assert list(found) == [
        "outcome", "reason", "rules", "articles", "obligations", "provisional", "nearest",
    ]  # fmt: skip
    assert found["rules"] == ["decret-2024-50/experiment"]
    assert found["obligations"] == ["flag=control-targeting", "notice=individual-logic"]


@pytest.mark.parametrize(
    "options",
    [
        ["--holder", "cnav", "--dataset", "monthly_resources"],
        ["--activity", "caf-ppa", "--dataset", "monthly_resources"],
        ["--activity", "caf-ppa", "--holder", "cnav"],
        ["--activity", "caf-ppa", "--holder", "cnav", "--fields", "a.x,b.y"],
    ],
)
@pytest.mark.parametrize("command", ["decide", "explain"])
def test_question_that_names_too_little_exits_3(command: str, options: list[str]) -> None:
    assert run(["law", command, *options, "--root", str(_ROOT)]) == 3


def _explained(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert run(["law", "explain", *options, "--root", str(_ROOT)]) == 2
    return capsys.readouterr().out


def test_explain_says_what_no_change_would_open(capsys: pytest.CaptureFixture[str]) -> None:
    shown = _explained(capsys, *_DMDE[2:], "--law-date", "2026-06-01")

    assert "Refusé : caf-dmde ne peut lire" in shown
    assert "Refused: caf-dmde may not read" in shown
    assert "il y faudrait un\ntexte" in shown


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (["--case-type", "claim", "--months", "2026-01:2026-04"], "de M-4 à M-2 du dossier"),
        ([], "un dossier en cours de type claim (Demande) pour 2026-06"),
        (["--case-type", "claim", "--granularity", "year"], "demander mois par mois"),
        (["--case-type", "claim", "--fields", "mns,gross"], "les seuls champs mns"),
        (
            ["--case-type", "claim", "--legal-basis", "lpf-l152"],
            "se fonder sur decret-2025-1288",
        ),
    ],
)
def test_explain_says_what_would_be_lawful(
    options: list[str], remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = _explained(capsys, *_PPA[2:], *options)

    assert "Serait licite (decret-2025-1288) : " in shown
    assert remedy in shown
