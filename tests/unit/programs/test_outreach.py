"""Outreach: who is written to, what is asked for it, what is destroyed, what the letter says."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from tests.unit.programs.fake_gateway import FakeGateway, FakePerson
from tests.unit.programs.households import JUNE, MONTHS, random_households

from cloison.cli.policy import load_policy
from cloison.cli.root import find_root
from cloison.errors import InputError, PeerError
from cloison.law import PolicySet
from cloison.law.question import Decision, Granularity, Obligation, Outcome
from cloison.months import Month
from cloison.pages.notice import notice_page
from cloison.programs.entitlement import openfisca_adapter
from cloison.programs.entitlement.inputs import Benefit, Household, SetAside
from cloison.programs.outreach.estimate import ESTIMATE, estimate_needs
from cloison.programs.outreach.letter import Letter, letter_lines
from cloison.programs.outreach.run import Campaign, Ending, Outreach
from cloison.v1 import release_pb2
from cloison.wire.gateway import AskFor, Reply

NOW = datetime(2026, 6, 16, 9, 30, tzinfo=UTC)
WINDOW = list(MONTHS.months)


@pytest.fixture(scope="module")
def policy() -> PolicySet:
    return load_policy(find_root(Path(__file__).parent))


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway(activity="caf-outreach", case_type="outreach")


def outreach(gateway: FakeGateway, policy: PolicySet) -> Outreach:
    needs = estimate_needs(policy.activities["caf-outreach"])
    return Outreach(gateway, needs, policy, JUNE, NOW)


def run(gateway: FakeGateway, policy: PolicySet, most: int = 0) -> Campaign:
    return outreach(gateway, policy).run(most)


def paid(monthly: int, **more: str) -> FakePerson:
    return FakePerson(income={("salary", month): monthly for month in WINDOW}, **more)  # type: ignore[arg-type]


def endings(campaign: Campaign) -> dict[str, Ending]:
    return {one.reference: one.ending for one in campaign.results}


def test_run_writes_where_a_right_is_possible_and_destroys_where_none_shows(
    gateway: FakeGateway, policy: PolicySet
) -> None:
    gateway.add("MODEST", paid(140_000))
    gateway.add("WEALTHY", paid(900_000))
    gateway.add("NOTHING", FakePerson())
    campaign = run(gateway, policy)
    assert endings(campaign) == {
        "MODEST": Ending.INFORMED,
        "WEALTHY": Ending.NO_ENTITLEMENT,
        "NOTHING": Ending.NO_ENTITLEMENT,
    }
    assert [one[:2] for one in gateway.deposits] == [("letter", "MODEST")]
    assert gateway.destroyed == [("WEALTHY", "no-entitlement"), ("NOTHING", "no-entitlement")]
    assert gateway.closed["MODEST"] == "informed"


def test_run_says_who_was_told_what_the_permits_oblige_to_tell(
    gateway: FakeGateway, policy: PolicySet
) -> None:
    duties = (Obligation("notice", "first-contact", "inform"), Obligation("expire", "P12M", "x"))
    gateway.decide = lambda asked: (
        Decision(Outcome.PERMIT_WITH_OBLIGATIONS, "PERMITTED", obligations=duties)
        if asked.holder == "cnav"
        else Decision(Outcome.PERMIT, "PERMITTED")
    )
    gateway.add("MODEST", paid(140_000))
    gateway.add("WEALTHY", paid(900_000))
    run(gateway, policy)
    assert gateway.told == [("MODEST", "first-contact")]


def test_run_asks_only_what_the_estimate_needs(gateway: FakeGateway, policy: PolicySet) -> None:
    gateway.add("A", paid(140_000, schemes="general"))
    run(gateway, policy)
    asked = {(str(one.holder), one.dataset): one for one in gateway.asked}
    assert {key: one.fields for key, one in asked.items()} == {
        ("caf", "members"): ("activity", "schemes"),
        ("caf", "payments"): ("amount", "benefit"),
        ("cnav", "monthly_resources"): ("mns", "nature"),
    }
    assert {one.purpose for one in gateway.asked} == {"non-take-up"}
    incomes = asked["cnav", "monthly_resources"]
    assert (incomes.legal_basis, incomes.first, incomes.last) == (
        "crpa-l114-8",
        JUNE - 4,
        JUNE - 2,
    )
    assert incomes.granularity is Granularity.MONTH


def test_run_deposit_cites_every_answer_and_holds_no_amount(
    gateway: FakeGateway, policy: PolicySet
) -> None:
    gateway.add("A", paid(143_217))
    run(gateway, policy)
    ((_, _, content, cited),) = gateway.deposits
    assert cited == len(gateway.asked) == 3
    assert re.search(r"143.?217|1.?432", str(content)) is None


DENIED = Decision(Outcome.DENY, "PERSON_NOT_ANSWERABLE")


@pytest.mark.parametrize(
    ("person", "decide", "reason"),
    [
        (FakePerson(temporary=True), None, SetAside.NO_PERMANENT_NIR),
        (FakePerson(activity="self_employed"), None, SetAside.EARNINGS_NOT_ASKED),
        (FakePerson(schemes="marine"), None, SetAside.OWN_FILE_INCOMPLETE),
        (paid(140_000), DENIED, SetAside.PERSON_NOT_ANSWERABLE),
    ],
)
def test_run_what_cannot_be_estimated_is_set_aside_and_nothing_of_it_kept(
    gateway: FakeGateway,
    policy: PolicySet,
    person: FakePerson,
    decide: Decision | None,
    reason: SetAside,
) -> None:
    if decide is not None:
        gateway.decide = lambda _: decide
    gateway.add("A", person)
    gateway_result = run(gateway, policy)
    assert gateway_result.set_aside == {reason.value: 1}
    assert gateway.destroyed == [("A", "set-aside")]
    assert gateway.deposits == []


class Objecting(FakeGateway):
    """A node that keeps an objection, and says so."""

    def ask(self, questions: Sequence[AskFor]) -> list[Reply]:
        error = PeerError("OBJECTED", "persons: one of them objected to this purpose")
        return [Reply(b"s" * 32, None, None, None, error) for _ in questions]


def test_run_about_who_objected_meanwhile_says_so(policy: PolicySet) -> None:
    gateway = Objecting(activity="caf-outreach", case_type="outreach")
    gateway.add("A", paid(140_000))
    assert run(gateway, policy).set_aside == {"OBJECTED": 1}


def test_run_month_not_yet_due_is_set_aside(gateway: FakeGateway, policy: PolicySet) -> None:
    (member,) = gateway.add("A", paid(140_000))
    place = ("cnav", member.nir, (JUNE - 2).number)
    gateway.status[place] = release_pb2.PERIOD_STATUS_NOT_YET_DUE
    assert run(gateway, policy).set_aside == {"MONTH_NOT_YET_DUE": 1}


def test_run_takes_no_more_households_than_asked(gateway: FakeGateway, policy: PolicySet) -> None:
    for name in "ABC":
        gateway.add(name, paid(140_000))
    assert list(endings(run(gateway, policy, 2))) == ["A", "B"]
    assert set(gateway.closed) == {"A", "B"}


def test_run_letter_that_cannot_be_delivered_leaves_its_case_open(
    gateway: FakeGateway, policy: PolicySet
) -> None:
    gateway.add("A", paid(140_000))
    gateway.add("B", paid(900_000))

    def full(_: Letter) -> None:
        raise OSError(28, "no room")

    with pytest.raises(OSError, match="no room"):
        outreach(gateway, policy).run(deliver=full)
    assert gateway.closed == {"B": "no-entitlement"}


def test_run_of_a_record_that_does_not_say_how_to_object_is_refused_before_anything(
    gateway: FakeGateway, policy: PolicySet
) -> None:
    gateway.add("A", paid(140_000))
    one = outreach(gateway, policy)
    record = one.needs.activity.model_copy(update={"objection": None})
    with pytest.raises(InputError, match="objection"):
        replace(one, needs=replace(one.needs, activity=record)).run()
    assert (gateway.asked, gateway.closed) == ([], {})


# --- the estimate --------------------------------------------------------------------------------


def known_to_the_estimate(household: Household) -> Household:
    """What remains of a household when only what an estimate reads is known of it."""
    assert ESTIMATE.home is not None
    return replace(
        household,
        taxed_together=False,
        housing=ESTIMATE.home,
        tax_units=(),
        persons=tuple(replace(one, unemployed_since=None, totals={}) for one in household.persons),
    )


def without_notice(household: Household) -> Household:
    people = tuple(
        replace(one, self_employed_cents=0, alimony_received_cents=0) for one in household.persons
    )
    return replace(household, persons=people, tax_units=())


def test_estimate_is_never_below_the_benefit_the_calculation_gives() -> None:
    """What is not asked can only take away: no right by the estimate is no right."""
    whole = [without_notice(one) for one in random_households(7, 400)]
    estimates = openfisca_adapter.compute(
        Benefit.PPA, MONTHS, [known_to_the_estimate(one) for one in whole]
    )
    amounts = openfisca_adapter.compute(Benefit.PPA, MONTHS, whole)
    below = [
        (estimate, amount)
        for estimate, amount in zip(estimates, amounts, strict=True)
        if estimate < amount
    ]
    assert below == []
    assert sum(amount > 0 for amount in amounts) > 50
    assert any(estimate > amount for estimate, amount in zip(estimates, amounts, strict=True))


# --- the letter ----------------------------------------------------------------------------------


@pytest.fixture
def letter(gateway: FakeGateway, policy: PolicySet) -> Letter:
    child = FakePerson("child", date(2020, 1, 1), "child", "")
    partner = FakePerson("partner", schemes="agricole")
    gateway.add("H1", paid(140_000), partner, child)
    (result,) = run(gateway, policy).results
    assert result.letter is not None
    return result.letter


def text(letter: Letter) -> str:
    return "\n".join(letter_lines(letter.document))


@pytest.mark.parametrize(
    "said",
    [
        "Ce n'est pas une décision",
        "un droit est possible pour juin 2026",
        "de février 2026 à avril 2026",
        "demandez-la à l'organisme qui vous écrit",
        "ne peut servir à rien d'autre",
        "Accès et rectification",
        "Délégué à la protection des données",
        "Vous pouvez vous opposer à ce traitement",
        "détruites sans délai",
        "jusqu'au 16 juin 2028",
        "R114-9-7",
    ],
)
def test_letter_says(letter: Letter, said: str) -> None:
    assert said in text(letter)


def test_letter_names_each_holder_asked_about_whom_and_its_entry(
    letter: Letter, gateway: FakeGateway
) -> None:
    (grid,) = letter.document.parts[2].grids
    rows = [[cell[0].text for cell in row] for row in grid.rows]
    assert [row[0] for row in rows] == ["caf", "caf", "cnav", "msa"]
    assert [row[2] for row in rows] == [
        "vous, votre conjoint, enfant 1",
        "vous",
        "vous",
        "votre conjoint",
    ]
    assert [row[5] for row in rows] == [f"n° {n} de {row[0]}" for n, row in enumerate(rows, 1)]
    assert len(gateway.asked) == len(rows)


def test_letter_holds_no_number_of_a_person_and_no_amount(
    letter: Letter, gateway: FakeGateway
) -> None:
    for page in (text(letter), notice_page(letter.document)):
        assert all(member.nir not in page for case in gateway.cases for member in case.members)
        assert "€" not in page


def test_letter_page_escapes_what_the_file_says(gateway: FakeGateway, policy: PolicySet) -> None:
    gateway.add("H<script>", paid(140_000))
    (result,) = run(gateway, policy).results
    assert result.letter is not None
    assert "<script>" not in notice_page(result.letter.document)


def test_letter_of_labels_that_end_says_when(gateway: FakeGateway, policy: PolicySet) -> None:
    duty = Obligation("expire", "P12M", "crpa-l114-8/inform")
    gateway.decide = lambda _: Decision(
        Outcome.PERMIT_WITH_OBLIGATIONS, "PERMITTED", obligations=(duty,)
    )
    gateway.add("A", paid(140_000))
    (result,) = run(gateway, policy).results
    assert result.letter is not None
    assert "détruit le 16 juin 2027 au plus tard" in text(result.letter)


def test_months_of_the_tests_are_those_of_the_record(policy: PolicySet) -> None:
    assert estimate_needs(policy.activities["caf-outreach"]).window(Month.of(2026, 6)) == MONTHS
