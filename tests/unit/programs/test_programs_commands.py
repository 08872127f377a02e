"""`cloison entitlement run` and `cloison targeting run`, over an in-memory gateway."""

import json
import stat
from pathlib import Path

import pytest
from tests.unit.programs.fake_gateway import FakeGateway, FakePerson, nir_of

from cloison.cli import app as command_line
from cloison.cli import entitlement, targeting
from cloison.law.question import Decision, Outcome, RuleRef
from cloison.months import Month

JUNE = Month.of(2026, 6)
RUN = ["entitlement", "run", "--benefit", "ppa", "--month", "2026-06"]


@pytest.fixture
def caf(gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> FakeGateway:
    """CAF's gateway: one claim that can be computed, one that cannot."""
    for module in (entitlement, targeting):
        monkeypatch.setattr(module, "connect", lambda *_: gateway)
    monkeypatch.setenv("COLUMNS", "200")
    pay = {("salary", month): 140_000 for month in (JUNE - 4).to(JUNE - 2)}
    gateway.add("C1", FakePerson(income=pay))
    gateway.add("C2", FakePerson(temporary=True))
    return gateway


@pytest.mark.usefixtures("caf")
def test_entitlement_run_all_shows_amounts_as_the_french_write_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command_line.run([*RUN, "--all"]) == 0

    shown = capsys.readouterr().out
    assert "PPA · juin 2026" in shown
    assert "246,90\u00a0€" in shown
    assert "no permanent NIR" in shown


@pytest.mark.usefixtures("caf")
def test_entitlement_run_case_shows_every_input_with_its_receipt(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command_line.run([*RUN, "--case", "C1"]) == 0

    shown = capsys.readouterr().out
    assert shown.count("cnav") == 3
    assert "2026-03" in shown
    assert "mns 1\u202f400,00\u00a0€" in shown
    assert "message-1 v1" in shown


@pytest.mark.usefixtures("caf")
def test_entitlement_run_case_set_aside_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.run([*RUN, "--case", "C2"]) == 0

    assert "C2: set aside, a person has no permanent NIR" in capsys.readouterr().out


@pytest.mark.usefixtures("caf")
def test_entitlement_run_json_holds_summary_and_results(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command_line.run([*RUN, "--all", "--json"]) == 0

    content = json.loads(capsys.readouterr().out)
    assert content["summary"] == {
        "cases": 2,
        "computed": 1,
        "set_aside": {"NO_PERMANENT_NIR": 1},
        "asked": 4,
        "permitted": 4,
        "refused": 0,
    }
    assert [one["amount_cents"] for one in content["results"]] == [24_690, None]


@pytest.mark.usefixtures("caf")
def test_entitlement_run_out_writes_a_private_line_a_result(tmp_path: Path) -> None:
    path = tmp_path / "ppa.jsonl"
    assert command_line.run([*RUN, "--all", "--out", str(path)]) == 0

    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["case"] for line in lines] == ["C1", "C2"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_entitlement_run_out_that_is_there_asks_nothing(caf: FakeGateway, tmp_path: Path) -> None:
    path = tmp_path / "ppa.jsonl"
    path.touch()

    assert command_line.run([*RUN, "--all", "--out", str(path)]) == 3
    assert caf.asked == []


@pytest.mark.usefixtures("caf")
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (RUN, "BAD_CASES"),
        ([*RUN, "--all", "--case", "C1"], "BAD_CASES"),
        ([*RUN[:-1], "2026-13", "--all"], "BAD_MONTH"),
        ([*RUN, "--all", "--body", "dgfip"], "UNKNOWN_ACTIVITY"),
    ],
)
def test_entitlement_run_bad_input_exits_3_with_its_reason(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.run(arguments) == 3
    assert reason in capsys.readouterr().err


# --- targeting


RULE = RuleRef("crpa-l114-8", "only-to-inform", "II, al. 2", "forbid", provisional=False)


@pytest.fixture
def persons(tmp_path: Path) -> list[str]:
    """Options that name two persons."""
    path = tmp_path / "persons.csv"
    rows = [f"{nir_of(number)};NOM;1990-01-01" for number in (1, 2)]
    path.write_text("\n".join(["nir;birth_name;birth_date", *rows]) + "\n", "utf-8")
    return ["--persons", str(path)]


def test_targeting_run_refused_exits_2_and_names_the_rule(
    caf: FakeGateway, persons: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    caf.decide = lambda _question: Decision(Outcome.DENY, "FORBIDDEN", rules=(RULE,))
    assert command_line.run(["targeting", "run", *persons]) == 2

    shown = capsys.readouterr().out
    assert "FORBIDDEN" in shown
    assert "crpa-l114-8/only-to-inform" in shown
    assert "invented" in shown


def test_targeting_run_json_counts_each_side(
    caf: FakeGateway, persons: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    caf.decide = lambda _question: Decision(Outcome.DENY, "NO_TEXT")
    assert command_line.run(["targeting", "run", *persons, "--json"]) == 2

    content = json.loads(capsys.readouterr().out)
    assert content["targeting"] == {"asked": 5, "permitted": 0, "refused": 5}
    assert content["targeting_local"] == {"asked": 6, "permitted": 0, "refused": 6}


@pytest.mark.parametrize(
    ("where", "holders"), [("afar", {"cnav", "msa", "dgfip"}), ("local", {"caf"})]
)
def test_targeting_run_where_asks_only_there(
    caf: FakeGateway, persons: list[str], where: str, holders: set[str]
) -> None:
    command_line.run(["targeting", "run", "--where", where, *persons])

    assert {str(question.holder) for question in caf.asked} == holders


def test_targeting_run_permitted_exits_0(caf: FakeGateway, persons: list[str]) -> None:
    assert command_line.run(["targeting", "run", *persons]) == 0
    assert {question.first for question in caf.asked} == {caf.asked[0].last}


def test_targeting_run_without_decision_exits_1(caf: FakeGateway, persons: list[str]) -> None:
    caf.decide = lambda _question: None
    assert command_line.run(["targeting", "run", *persons]) == 1


def test_targeting_run_asks_the_months_named(caf: FakeGateway, persons: list[str]) -> None:
    command_line.run(["targeting", "run", "--first", "2024-01", "--last", "2024-03", *persons])

    months = {(str(question.first), str(question.last)) for question in caf.asked}
    assert months == {("2024-01", "2024-03")}


@pytest.mark.usefixtures("caf")
def test_targeting_run_months_the_wrong_way_round_exits_3(persons: list[str]) -> None:
    arguments = ["targeting", "run", "--first", "2024-03", "--last", "2024-01", *persons]

    assert command_line.run(arguments) == 3


@pytest.mark.usefixtures("caf")
def test_targeting_run_without_people_exits_1(tmp_path: Path) -> None:
    assert command_line.run(["targeting", "run", "--population", str(tmp_path)]) == 1
