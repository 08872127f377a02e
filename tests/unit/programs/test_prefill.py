"""The declaration prepared for a person, over an in-memory gateway."""

import json
import stat
from datetime import date
from pathlib import Path

import pytest
from tests.unit.programs.fake_gateway import FakeGateway, FakePerson
from tests.unit.programs.notices import JUNE

from cloison.cli import app as command_line
from cloison.cli import prefill as command
from cloison.errors import InputError
from cloison.law import PolicySet
from cloison.law.question import Decision, Outcome
from cloison.law.records import Activity
from cloison.programs.prefill.declaration import Declaration, Missing
from cloison.programs.prefill.run import contest, find_line, prepare
from cloison.v1 import release_pb2

FEBRUARY, APRIL = JUNE - 4, JUNE - 2
PAYER = "73282932000074"


@pytest.fixture
def record(policy: PolicySet) -> Activity:
    return policy.activities["caf-prefill"]


@pytest.fixture
def caf(gateway: FakeGateway) -> FakeGateway:
    """One claim: an employee who earned in two of three months, a partner, a child at school."""
    gateway.activity, gateway.case_type = "caf-prefill", "prefill"
    salaries = {("salary", month): 140_000 for month in (FEBRUARY, APRIL)}
    gateway.add(
        "C1",
        FakePerson(income=salaries),
        FakePerson(role="partner", income={("pension", FEBRUARY): 80_000}),
        FakePerson(role="child", activity="child", born=date(2020, 1, 1)),
    )
    return gateway


def made(gateway: FakeGateway, record: Activity, reference: str = "C1") -> Declaration:
    return prepare(gateway, record, JUNE, reference)


def gaps(declaration: Declaration) -> list[tuple[int, str, Missing]]:
    return [(gap.place, str(gap.month or ""), gap.missing) for gap in declaration.gaps]


def test_prefill_shows_each_payment_with_payer_nature_and_source(
    caf: FakeGateway, record: Activity
) -> None:
    lines = made(caf, record).lines
    assert [(line.place, str(line.month), line.nature, line.amount_cents) for line in lines] == [
        (0, "2026-02", "salary", 140_000),
        (0, "2026-04", "salary", 140_000),
        (1, "2026-02", "pension", 80_000),
    ]
    assert {(line.payer, line.holder, line.source, line.version) for line in lines} == {
        (PAYER, "cnav", "message-1", 1)
    }
    assert all(line.receipt is not None for line in lines)


def test_prefill_month_without_a_line_is_said_and_is_no_zero(
    caf: FakeGateway, record: Activity
) -> None:
    declaration = made(caf, record)
    assert gaps(declaration) == [
        (0, "2026-03", Missing.NOTHING_DECLARED),
        (1, "2026-03", Missing.NOTHING_DECLARED),
        (1, "2026-04", Missing.NOTHING_DECLARED),
        (2, "", Missing.AT_SCHOOL),
    ]
    assert 0 not in [cents for *_, cents in declaration.proposed()]


def test_prefill_asks_nobody_about_a_child_at_school(caf: FakeGateway, record: Activity) -> None:
    made(caf, record)
    child = caf.cases[0].members[2].nir
    assert [one.dataset for one in caf.asked if one.persons[0].nir == child] == ["members"]


def test_prefill_asks_only_the_three_fields_it_shows(caf: FakeGateway, record: Activity) -> None:
    made(caf, record)
    incomes = [one for one in caf.asked if one.dataset == "monthly_resources"]
    assert {(one.fields, one.first, one.last) for one in incomes} == {
        (("mns", "nature", "payer"), FEBRUARY, APRIL)
    }


@pytest.mark.parametrize(
    ("status", "missing"),
    [
        (release_pb2.PERIOD_STATUS_NOT_YET_DUE, Missing.NOT_YET_DUE),
        (release_pb2.PERIOD_STATUS_UNDER_CORRECTION, Missing.UNDER_CORRECTION),
        (release_pb2.PERIOD_STATUS_LATE, Missing.LATE),
        (release_pb2.PERIOD_STATUS_UNSPECIFIED, Missing.NO_ANSWER),
    ],
)
def test_prefill_month_that_is_not_settled_has_neither_line_nor_total(
    caf: FakeGateway,
    record: Activity,
    status: "release_pb2.PeriodStatus.ValueType",
    missing: Missing,
) -> None:
    caf.status["cnav", caf.cases[0].members[0].nir, APRIL.number] = status or 99  # type: ignore[assignment]
    declaration = made(caf, record)
    assert (0, "2026-04", missing) in gaps(declaration)
    assert (0, APRIL) not in [(place, month) for place, month, *_ in declaration.proposed()]


def test_prefill_refusal_for_one_person_leaves_the_others_lines(
    caf: FakeGateway, record: Activity
) -> None:
    partner = caf.cases[0].members[1].nir
    caf.decide = lambda question: Decision(
        *(
            (Outcome.DENY, "PERSON_NOT_ANSWERABLE")
            if question.dataset == "monthly_resources" and question.persons[0].nir == partner
            else (Outcome.PERMIT, "PERMITTED")
        )
    )
    declaration = made(caf, record)
    assert [line.place for line in declaration.lines] == [0, 0]
    (gap,) = [gap for gap in declaration.gaps if gap.place == 1]
    assert (gap.missing, gap.reason) == (Missing.NO_ANSWER, "PERSON_NOT_ANSWERABLE")


def test_prefill_holder_that_cannot_be_asked_is_said(caf: FakeGateway, record: Activity) -> None:
    caf.decide = lambda question: (
        None if question.holder == "cnav" else Decision(Outcome.PERMIT, "PERMITTED")
    )
    declaration = made(caf, record)
    assert {gap.reason for gap in declaration.gaps if gap.missing is Missing.NO_ANSWER} == {
        "PEER_UNAVAILABLE"
    }
    assert declaration.lines == ()


def test_prefill_person_without_a_permanent_number_is_not_asked_about(
    gateway: FakeGateway, record: Activity
) -> None:
    gateway.activity, gateway.case_type = "caf-prefill", "prefill"
    gateway.add("C1", FakePerson(temporary=True))
    declaration = made(gateway, record)
    assert gaps(declaration) == [(0, "", Missing.NO_PERMANENT_NIR)]
    assert (gateway.asked, gateway.deposits) == ([], [])


def test_prefill_scheme_that_no_holder_answers_for_bars_every_total(
    gateway: FakeGateway, record: Activity
) -> None:
    gateway.activity, gateway.case_type = "caf-prefill", "prefill"
    gateway.add("C1", FakePerson(schemes="general marin", income={("salary", FEBRUARY): 1_000}))
    declaration = made(gateway, record)
    assert (0, "", Missing.NO_HOLDER) in gaps(declaration)
    assert declaration.proposed() == []


def test_prefill_payment_without_its_amount_makes_no_total(
    caf: FakeGateway, record: Activity
) -> None:
    applicant = caf.cases[0].members[0].nir
    rows = caf.held["cnav", "monthly_resources", applicant]
    rows.append((FEBRUARY.number, {"nature": "salary", "payer": PAYER}))
    declaration = made(caf, record)
    assert None in [line.amount_cents for line in declaration.lines]
    assert (0, FEBRUARY) not in [(place, month) for place, month, *_ in declaration.proposed()]


def test_prefill_deposits_totals_and_sources_and_keeps_its_case_open(
    caf: FakeGateway, record: Activity
) -> None:
    made(caf, record)
    ((output, reference, content, cited),) = caf.deposits
    assert (output, reference, cited) == ("declaration", "C1", 5)
    assert content["proposed"] == [
        {"person": 0, "month": "2026-02", "nature": "salary", "amount_cents": 140_000},
        {"person": 0, "month": "2026-04", "nature": "salary", "amount_cents": 140_000},
        {"person": 1, "month": "2026-02", "nature": "pension", "amount_cents": 80_000},
    ]
    assert caf.closed == {}


# --- contested ------------------------------------------------------------------------------------


def test_prefill_contest_names_the_line_as_its_holder_does(
    caf: FakeGateway, record: Activity
) -> None:
    mark = made(caf, record).lines[1].mark
    contest(caf, record, JUNE, "C1", mark, "Faux", 120_000)
    (sent,) = caf.contests
    assert (sent.month, sent.source, sent.version) == (APRIL, "message-1", 1)
    assert sent.question.persons[sent.person] == caf.cases[0].members[0]
    assert (sent.says, sent.amount_cents) == ("Faux", 120_000)


def test_prefill_contest_of_a_line_that_changed_since_it_was_shown_is_refused(
    caf: FakeGateway, record: Activity
) -> None:
    mark = made(caf, record).lines[0].mark
    applicant = caf.cases[0].members[0].nir
    rows = caf.held["cnav", "monthly_resources", applicant]
    rows[0] = (rows[0][0], {**rows[0][1], "mns": 150_000})
    with pytest.raises(InputError) as caught:
        contest(caf, record, JUNE, "C1", mark, "Faux", None)
    assert caught.value.reason == "LINE_CHANGED"
    assert caf.contests == []


@pytest.mark.parametrize("mark", ["", "9-0000", "x", "-", "1"])
def test_prefill_mark_that_is_no_line_is_refused(
    caf: FakeGateway, record: Activity, mark: str
) -> None:
    with pytest.raises(InputError, match="line:"):
        find_line(made(caf, record), mark)


# --- the command ----------------------------------------------------------------------------------

SHOW = ["prefill", "show", "--case", "C1", "--month", "2026-06"]
CONTEST = ["prefill", "contest", "--case", "C1", "--month", "2026-06", "--line"]


@pytest.fixture
def shell(caf: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> FakeGateway:
    monkeypatch.setattr(command, "connect", lambda *_: caf)
    monkeypatch.setenv("COLUMNS", "200")
    return caf


@pytest.mark.usefixtures("shell")
def test_prefill_show_is_in_french_with_amounts_sources_and_what_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command_line.run(SHOW) == 0
    shown = capsys.readouterr().out
    for words in (
        "Déclaration trimestrielle préremplie\u00a0: juin 2026",
        "1\u202f400,00\u00a0€",
        f"SIRET {PAYER}",
        "rien de déclaré",
        "Enfant à l'école",
        "pensions alimentaires et les dons",
        "Contester une ligne",
    ):
        assert words in shown


def test_prefill_show_json_and_page_name_no_number(
    shell: FakeGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "declaration.html"
    assert command_line.run([*SHOW, "--json"]) == 0
    printed = capsys.readouterr().out
    assert command_line.run([*SHOW, "--html", str(page)]) == 0
    assert len(json.loads(printed)["lines"]) == 3
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    for member in shell.cases[0].members:
        assert member.nir not in printed + page.read_text("utf-8")


def test_prefill_contest_command_passes_the_amount_on_in_cents(
    shell: FakeGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    command_line.run([*SHOW, "--json"])
    mark = json.loads(capsys.readouterr().out)["lines"][0]["line"]
    assert command_line.run([*CONTEST, mark, "--amount", "1234,56"]) == 0
    assert [one.amount_cents for one in shell.contests] == [123_456]
    assert "transmise à cnav" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([*CONTEST, "1-0000"], "NOTHING_SAID"),
        ([*CONTEST, "1-0000", "--amount", "12.3"], "BAD_AMOUNT"),
        ([*CONTEST, "1-0000", "--amount", "-1"], "BAD_AMOUNT"),
        ([*CONTEST, "1-0000", "--says", "x" * 1001], "TOO_LARGE"),
        ([*CONTEST, "1-0000", "--says", "a\tb"], "MALFORMED"),
        ([*CONTEST, "1-0000", "--says", "faux"], "LINE_CHANGED"),
        ([*SHOW[:2], "--case", "C9", "--month", "2026-06"], "UNKNOWN_CLAIM"),
        ([*SHOW, "--body", "dgfip"], "UNKNOWN_ACTIVITY"),
    ],
)
@pytest.mark.usefixtures("shell")
def test_prefill_bad_input_exits_3_with_its_reason(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.run(arguments) == 3
    assert reason in capsys.readouterr().err
