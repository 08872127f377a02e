"""The notice: the amount can be redone from it alone, and nothing in it is invented."""

import json
import re
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from tests.unit.pages.spoken import read_aloud
from tests.unit.programs import on_paper
from tests.unit.programs.fake_gateway import FakeGateway, FakePerson, Values
from tests.unit.programs.notices import (
    JUNE,
    NOW,
    Json,
    amounts,
    not_detailed,
    notice_of,
    paid,
    pay,
    recompute,
)

from cloison.errors import InputError, IntegrityError
from cloison.law import PolicySet
from cloison.law.question import Decision, Outcome
from cloison.pages.notice_pdf import notice_pdf
from cloison.programs.entitlement import openfisca_adapter
from cloison.programs.entitlement.inputs import Benefit, SetAside
from cloison.programs.entitlement.needs import Needs
from cloison.programs.entitlement.run import run
from cloison.programs.explanation import notice as notices
from cloison.programs.explanation.document import notice_document
from cloison.programs.explanation.engine import Engine, _references
from cloison.programs.explanation.notice import Notice, make_notice
from cloison.programs.explanation.record import notice_record
from cloison.programs.explanation.words import LIMITS, NEXT, WHY
from cloison.v1 import release_pb2

GOLDEN = [
    ("caf-ppa", 140_000, 0, 246_90),
    ("caf-ppa", 0, 304_00, 0),
    ("caf-rsa", 0, 304_00, 573_49),
    ("caf-rsa", 140_000, 0, 0),
    ("caf-al", 0, 0, 304_00),
    ("caf-al", 80_000, 0, 196_00),
    ("caf-al", 140_000, 0, 0),
]
OWN: Values = {"self_employed": 600_000, "notice": "N1", "capital": 12_345, "alimony_paid": 90_000}
COUPLE = (
    FakePerson(activity="self_employed", marital="married", income=pay(65_123), notice=OWN),
    FakePerson(
        "partner",
        date(1988, 3, 4),
        "unemployed",
        marital="married",
        unemployed_since=2026_05_10,
        income=pay(31_234, "unemployment"),
    ),
    FakePerson("child", date(2018, 2, 2), "child"),
    FakePerson("child", date(2015, 2, 2), "child"),
)
LONE = (
    FakePerson(born=date(1999, 5, 6), income=pay(41_000)),
    FakePerson("child", date(2025, 1, 2), "child"),
)
RETIRED = (FakePerson(born=date(1956, 1, 1), activity="retired", income=pay(80_000, "pension")),)
STUDENT = (FakePerson(born=date(2003, 1, 1), activity="student", income=pay(130_000)),)
HOUSEHOLDS = {
    "couple": (COUPLE, {}, {"rent": 80_000}),
    "lone parent": (LONE, paid("al", 210_00), {}),
    "retired, owner": (RETIRED, {}, {"status": "owner", "rent": 0}),
    "student, shared": (STUDENT, {}, {"status": "shared_tenant"}),
    "disabled": ((FakePerson(income=pay(50_000)),), paid("aah", 400_00), {"rent": 95_000}),
}


def record_of(gateway: FakeGateway, policy: PolicySet, activity: str) -> Json:
    """The notice as whoever gets the JSON reads it."""
    found: Json = json.loads(json.dumps(notice_record(notice_of(gateway, policy, activity))))
    return found


@pytest.fixture(scope="module")
def golden(policy: PolicySet) -> Notice:
    """The prime d'activité of the golden household."""
    gateway = FakeGateway()
    gateway.add("C1", FakePerson(income=pay(140_000)))
    return notice_of(gateway, policy, "caf-ppa")


# --- the sum can be done again


@pytest.mark.parametrize(("activity", "cents", "al", "amount"), GOLDEN)
def test_notice_of_golden_household_alone_gives_the_golden_amount(
    gateway: FakeGateway, policy: PolicySet, activity: str, cents: int, al: int, amount: int
) -> None:
    gateway.add("C1", FakePerson(income=pay(cents) if cents else {}), paid=paid("al", al))
    record = record_of(gateway, policy, activity)

    assert recompute(record) == record["amount_cents"] == amount
    assert not_detailed(record) == []


@pytest.mark.parametrize("activity", ["caf-ppa", "caf-rsa", "caf-al"])
def test_notice_of_every_kind_of_household_alone_gives_its_amount(
    gateway: FakeGateway, policy: PolicySet, activity: str
) -> None:
    for name, (persons, payments, home) in HOUSEHOLDS.items():
        gateway.add(name, *persons, paid=payments, **home)  # type: ignore[arg-type]
    record = policy.activities[activity]
    results = run(gateway, Needs.of(record), JUNE).results
    computed = [one for one in results if one.amount_cents is not None]

    for result in computed:
        made = make_notice(policy, record, JUNE, result, NOW)
        notice = notice_record(made)
        assert recompute(notice) == result.amount_cents, result.reference
        assert not_detailed(notice) == [], result.reference
        paper = read_aloud(notice_pdf(notice_document(made, policy), NOW))
        assert on_paper.recompute(paper) == result.amount_cents, result.reference
    assert len(computed) >= 4


def test_notice_alone_gives_another_amount_for_another_datum(golden: Notice) -> None:
    record: Json = json.loads(json.dumps(notice_record(golden)))
    wage = next(one for one in record["data"] if one["holder"] == "cnav")
    wage["values"]["mns"] += 1

    with pytest.raises(AssertionError):
        recompute(record)


def test_notice_each_step_follows_from_the_numbers_as_written(golden: Notice) -> None:
    """Within what four decimals leave out."""
    record: Json = json.loads(json.dumps(notice_record(golden)))
    written = {one["id"]: round(Fraction(one["value"]), 4) for one in record["steps"]}
    last = next(one for one in record["steps"] if one["variable"] == "ppa_bonification")
    by_hand = Fraction(1)
    for one in last["operation"]["args"]:
        by_hand *= written[one["line"]]

    assert abs(by_hand - written[last["id"]]) < Fraction(1, 100)


def test_notice_step_that_openfisca_sees_otherwise_is_said_not_detailed(
    gateway: FakeGateway, policy: PolicySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Engine.seen

    def other(self: Engine, variable: str, period: object, place: int = 0) -> Fraction:
        value = seen(self, variable, period, place)  # type: ignore[arg-type]
        return value + 100 if variable == "ppa_bonification" else value

    monkeypatch.setattr(Engine, "seen", other)
    gateway.add("C1", FakePerson(income=pay(140_000)))
    record = record_of(gateway, policy, "caf-ppa")

    assert set(not_detailed(record)) >= {"ppa_bonification"}
    assert recompute(record) == 246_90


# --- data, as the holders' receipts have them


def test_notice_data_are_what_holders_hold_under_their_receipts(
    gateway: FakeGateway, policy: PolicySet
) -> None:
    (member,) = gateway.add("C1", FakePerson(income=pay(141_233)), paid=paid("al", 100_00))
    notice = notice_of(gateway, policy, "caf-ppa")

    held = {
        (holder, dataset, period): values
        for (holder, dataset, nir), rows in gateway.held.items()
        for period, values in rows
        if nir == member.nir
    }
    for one in notice.table.data:
        assert one.receipt is not None
        question = gateway.asked[one.receipt.leaf_index - 1]
        assert (question.holder, question.dataset) == (one.holder, one.dataset)
        source = held[one.holder, one.dataset, one.period]
        assert {name: source.get(name) for name in one.values} == dict(one.values)
    assert sum(one.holder == "cnav" for one in notice.table.data) == 3


def test_notice_shows_every_question_with_its_purpose_and_text(golden: Notice) -> None:
    found = {(one.holder, one.dataset, one.purpose, one.legal_basis) for one in golden.table.asked}

    assert ("cnav", "monthly_resources", "calculation", "decret-2025-1288") in found
    assert len(found) == 4


def test_notice_data_count_in_no_line_but_their_own(golden: Notice) -> None:
    marks = [one.mark for one in golden.table.data]

    assert marks == [f"D{number}" for number in range(1, len(marks) + 1)]


def test_notice_holds_no_nir(gateway: FakeGateway, policy: PolicySet) -> None:
    members = gateway.add("C1", *COUPLE)
    text = json.dumps(notice_record(notice_of(gateway, policy, "caf-al")))

    assert all(member.nir not in text and member.nir[:13] not in text for member in members)


# --- parameters


@pytest.mark.parametrize("activity", ["caf-ppa", "caf-rsa", "caf-al"])
def test_notice_every_parameter_has_a_date_and_what_openfisca_cites(
    gateway: FakeGateway, policy: PolicySet, activity: str
) -> None:
    gateway.add("C1", *COUPLE, paid=paid("al", 100_00))
    notice = notice_of(gateway, policy, activity)

    assert notice.parameters
    for one in notice.parameters:
        found = openfisca_adapter.system().parameters
        for part in one.legal.name.split("."):
            found = found.children[part]
        dated = {date.fromisoformat(value.instant_str): value.value for value in found.values_list}
        assert Fraction(str(dated[one.legal.since])) == one.legal.value
        assert one.legal.since <= JUNE.first_day
        assert all(reference.title in str(found.metadata) for reference in one.legal.references)


def test_notice_shows_both_values_of_a_parameter_that_changed_in_the_quarter(
    golden: Notice,
) -> None:
    base = [one.legal for one in golden.parameters if one.legal.name.endswith("montant_de_base")]

    assert [str(one.since) for one in base] == ["2025-04-01", "2026-04-01"]


def test_engine_parameter_openfisca_did_not_read_is_refused(policy: PolicySet) -> None:
    gateway = FakeGateway()
    gateway.add("C1", FakePerson(income=pay(140_000)))
    needs = Needs.of(policy.activities["caf-ppa"])
    household = run(gateway, needs, JUNE).results[0].file.household
    assert household is not None
    engine = Engine(Benefit.PPA, needs.window(JUNE), household)

    name = "prestations_sociales.solidarite_insertion.minima_sociaux.rsa.rsa_maj"
    with pytest.raises(IntegrityError, match="did not read it"):
        engine.legal(f"{name}.montant_minimum_verse", JUNE.first_day)


@pytest.mark.parametrize(
    ("cited", "titles"),
    [
        (None, []),
        ({"2020-01-01": {"title": "A", "href": "https://a"}}, []),
        ({"2021-01-01": {"title": "A", "href": "https://a"}}, ["A"]),
        ({"2021-01-01": [{"title": "A"}, {"href": "https://b"}]}, ["A", "https://b"]),
        ({"title": "A", "href": "https://a"}, ["A"]),
        ("https://a", ["https://a"]),
        (["Article 1", "https://a"], ["Article 1", "https://a"]),
    ],
)
def test_references_are_those_of_the_day_and_never_of_another(
    cited: object, titles: list[str]
) -> None:
    assert [one.title for one in _references(cited, "2021-01-01")] == titles


# --- role, rights


def test_notice_says_role_and_mention_from_policy(golden: Notice, policy: PolicySet) -> None:
    record = notice_record(golden)
    role = policy.activities["caf-ppa"].algorithm
    assert role != "none"

    assert str(record["algorithm"]).count(role.role) == 1
    said = " ".join(golden.say(clause) for clause in golden.clauses)
    assert "{" not in said
    assert "d'un mois" in said
    assert "CADA" in said
    assert policy.activities["caf-ppa"].controller in said


def test_mention_that_names_an_unknown_place_is_refused(policy_files: dict[str, bytes]) -> None:
    spoiled = policy_files["mention.toml"].replace(b"{dpo}", b"{nir}")

    with pytest.raises(InputError, match="stands for nothing"):
        PolicySet.parse({**policy_files, "mention.toml": spoiled})


def test_make_notice_without_mention_is_refused(policy_files: dict[str, bytes]) -> None:
    del policy_files["mention.toml"]
    silent = PolicySet.parse(policy_files)
    gateway = FakeGateway()
    gateway.add("C1", FakePerson(temporary=True))

    with pytest.raises(InputError, match="no mention"):
        notice_of(gateway, silent, "caf-ppa")


# --- set aside


def test_notice_of_a_month_not_yet_due_says_which_and_gives_no_amount(
    gateway: FakeGateway, policy: PolicySet
) -> None:
    (member,) = gateway.add("C1", FakePerson(income=pay(140_000)))
    late = release_pb2.PERIOD_STATUS_NOT_YET_DUE
    gateway.status["cnav", member.nir, (JUNE - 2).number] = late
    record = record_of(gateway, policy, "caf-ppa")

    assert record["amount_cents"] is None
    assert (record["steps"], record["parameters"], record["result"]) == ([], [], None)
    assert record["set_aside"]["reason"] == "MONTH_NOT_YET_DUE"
    waiting = [one for one in record["data"] if one["status"] == "not yet due"]
    assert [(one["holder"], one["period"]) for one in waiting] == [("cnav", 202604)]


def test_notice_of_a_refused_question_names_its_reason_and_receipt(
    gateway: FakeGateway, policy: PolicySet
) -> None:
    gateway.add("C1", FakePerson(schemes="agricole"))
    permit = gateway.decide
    refusal = Decision(Outcome.DENY, "NO_TEXT")
    gateway.decide = lambda asked: refusal if asked.holder == "msa" else permit(asked)
    notice = notice_of(gateway, policy, "caf-ppa")

    refused = [one for one in notice.table.asked if one.outcome != "permitted"]
    assert [(one.holder, one.outcome) for one in refused] == [("msa", "NO_TEXT")]
    assert refused[0].receipt is not None
    assert notice.set_aside is SetAside.REFUSED


def test_notice_of_nobody_asked_has_no_data(gateway: FakeGateway, policy: PolicySet) -> None:
    gateway.add("C1", FakePerson(temporary=True))
    notice = notice_of(gateway, policy, "caf-ppa")

    assert (notice.table.asked, notice.table.data) == ((), ())


def test_words_are_there_for_every_reason_and_benefit() -> None:
    assert set(WHY) == set(SetAside) >= set(NEXT)
    assert set(LIMITS) == set(Benefit) == set(notices._REPLAYS)


# --- one path


def test_make_notice_asks_nothing_and_decides_nothing(
    gateway: FakeGateway, policy: PolicySet
) -> None:
    gateway.add("C1", FakePerson(income=pay(140_000)))
    record = policy.activities["caf-ppa"]
    result = run(gateway, Needs.of(record), JUNE).results[0]
    before = (len(gateway.asked), len(gateway.deposits), dict(gateway.closed))
    make_notice(policy, record, JUNE, result, NOW)

    assert (len(gateway.asked), len(gateway.deposits), dict(gateway.closed)) == before


def test_amounts_of_a_row_without_any_are_nothing_paid() -> None:
    assert amounts({"nature": "salary"}) == [0]


def test_parameters_named_in_the_replays_hold_no_value() -> None:
    """No legal constant in Python: a number in a replay is a place, a count or a rounding."""
    folder = Path(notices.__file__).parent
    allowed = {"0", "1", "2", "3", "6", "12", "100", "1000"}
    for name in ("ppa", "rsa", "families", "housing", "housing_rent", "housing_resources"):
        text = (folder / f"{name}.py").read_text("utf-8")
        code = re.sub(r'"[^"]*"|#[^\n]*', "", text)
        assert set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?", code)) <= allowed
