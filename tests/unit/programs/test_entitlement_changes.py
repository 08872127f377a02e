"""A review of each claim with a change: both amounts, both versions, both receipts."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.unit.programs import households
from tests.unit.programs.fake_gateway import PERMIT, FakeGateway, FakePerson, Values

from cloison.bodies import BodyId
from cloison.cli import app as command_line
from cloison.cli import changes as command
from cloison.errors import InputError, PeerError
from cloison.identity import Nir
from cloison.law import PolicySet
from cloison.law.question import Decision, Outcome
from cloison.law.records import Activity
from cloison.months import Month
from cloison.programs.entitlement import openfisca_adapter
from cloison.programs.entitlement.changes import Reviewed, review
from cloison.programs.entitlement.inputs import Benefit, Household, SetAside
from cloison.programs.entitlement.needs import Needs
from cloison.programs.entitlement.run import run
from cloison.v1 import release_pb2
from cloison.wire.gateway import AskFor, Change, ChangedClaim, Changes, ReceiptRef

JUNE = Month.of(2026, 6)
CNAV = BodyId("cnav")
MONTHS = tuple((JUNE - 4).to(JUNE - 2))
PAY = {("salary", month): 140_000 for month in MONTHS}
CHANGES = ["entitlement", "changes", "--benefit", "ppa"]


@pytest.fixture
def record(policy: PolicySet) -> Activity:
    return policy.activities["caf-ppa"]


class World:
    """CAF's gateway to a household that was computed once."""

    def __init__(self, gateway: FakeGateway, record: Activity) -> None:
        self.gateway, self.needs = gateway, Needs.of(record)
        self.members = gateway.add("C1", FakePerson(income=PAY), FakePerson("partner"))
        gateway.add("C2", FakePerson(income=PAY))
        (first, _) = run(gateway, self.needs, JUNE).results
        assert first.file.household is not None
        self.household: Household = first.file.household
        self.first_cents = first.amount_cents

    def correct(self, cents: int = 90_000, month: Month = MONTHS[-1]) -> None:
        """The pension fund now holds another amount for a month of the applicant."""
        nir: Nir = self.members[0].nir
        rows: list[tuple[int, Values]] = self.gateway.held["cnav", "monthly_resources", nir]
        rows[:] = [
            (period, {**values, "mns": cents} if period == month.number else values)
            for period, values in rows
        ]
        self.hear(self.told())

    def told(self, reference: str = "C1", leaf: int = 70) -> ChangedClaim:
        kept = next(
            (asked, release)
            for asked, release in self.gateway.kept
            if asked.dataset == "monthly_resources"
            and asked.case is not None
            and asked.case.reference == "C1"
        )
        case = next(one for one in self.gateway.cases if one.reference == "C1")
        answer = ReceiptRef(CNAV, 7, b"a" * 32, leaf + 1)
        statement = kept[1].statement_hash
        change = Change(CNAV, "monthly_resources", (MONTHS[-1].number,), statement, answer, leaf)
        persons = tuple((member.role, member.nir) for member in case.members)
        return ChangedClaim(reference, JUNE, case.leaf_hash, persons, (change,))

    def hear(self, *claims: ChangedClaim) -> None:
        self.gateway.heard = Changes(claims, {})

    def review(self) -> Reviewed:
        return review(self.gateway, self.needs)


@pytest.fixture
def world(gateway: FakeGateway, record: Activity) -> World:
    return World(gateway, record)


def directly(household: Household, cents: int) -> int:
    """OpenFisca on the household with another salary in the last month."""
    applicant = household.persons[0]
    months = {key: cents if key[1] == MONTHS[-1] else was for key, was in applicant.months.items()}
    persons = (replace(applicant, months=months), *household.persons[1:])
    return openfisca_adapter.compute(
        Benefit.PPA, households.MONTHS, [replace(household, persons=persons)]
    )[0]


def test_review_without_a_change_asks_and_opens_nothing(world: World) -> None:
    asked = len(world.gateway.asked)
    assert world.review() == Reviewed((), (), {})
    assert len(world.gateway.asked) == asked


def test_review_computes_both_amounts_as_openfisca_does(world: World) -> None:
    world.correct()
    (one,) = world.review().reviews
    assert one.earlier_cents == directly(world.household, 140_000) == world.first_cents
    assert one.amount_cents == directly(world.household, 90_000)
    assert one.difference_cents not in {None, 0}


def test_review_shows_both_versions_with_their_receipts(world: World) -> None:
    world.correct()
    (one,) = world.review().reviews
    (pair,) = one.differences
    (was,), (now,) = pair.earlier, pair.now
    assert (was.row.values["mns"], now.row.values["mns"]) == (140_000, 90_000)
    assert (was.role, was.row.period) == ("applicant", MONTHS[-1].number)
    assert was.receipt is not None
    assert was.receipt.leaf_index == 7
    assert now.receipt not in {None, was.receipt}


def test_review_is_deposited_and_closed_as_a_case_of_its_own(world: World) -> None:
    before = len(world.gateway.deposits)
    world.correct()
    (one,) = world.review().reviews
    (deposit,) = world.gateway.deposits[before:]
    assert (deposit[1], deposit[2]["amount_cents"]) == ("C1", one.amount_cents)
    assert world.gateway.closed["C1"] == "decided"


def test_review_asks_under_the_review_and_reads_back_what_this_activity_received(
    world: World,
) -> None:
    start = len(world.gateway.asked)
    world.correct()
    world.review()
    asked = world.gateway.asked[start:]
    leaves = {question.case.leaf_hash for question in asked if question.case}
    assert leaves.isdisjoint({case.leaf_hash for case in world.gateway.cases})
    assert len(leaves) == 1
    (back,) = [question for question in asked if question.received is not None]
    assert (back.holder, back.received and back.received.activity) == ("caf", "caf-ppa")


def test_review_of_a_change_to_the_same_amount_shows_no_difference(world: World) -> None:
    world.correct(140_000)
    (one,) = world.review().reviews
    assert (one.difference_cents, one.differences, one.comparable) == (0, (), True)


def test_review_of_a_month_under_correction_is_set_aside_and_shows_it(world: World) -> None:
    world.correct()
    nir = world.members[0].nir
    world.gateway.status["cnav", nir, MONTHS[-1].number] = (
        release_pb2.PERIOD_STATUS_UNDER_CORRECTION
    )
    (one,) = world.review().reviews
    assert (one.set_aside, one.amount_cents) == (SetAside.UNDER_CORRECTION, None)
    assert (one.earlier_cents, one.difference_cents) == (world.first_cents, None)
    assert [source.row.status for source in one.differences[0].now] == ["under correction"]
    assert world.gateway.closed["C1"] == "set-aside"


def test_review_of_another_household_than_then_gives_no_earlier_amount(world: World) -> None:
    world.correct()
    told = world.told()
    world.hear(replace(told, persons=tuple(reversed(told.persons))))
    (one,) = world.review().reviews
    assert (one.comparable, one.earlier_cents, one.differences) == (False, None, ())
    assert one.amount_cents is not None


def test_review_with_the_read_back_refused_gives_no_earlier_amount(world: World) -> None:
    def decide(question: AskFor) -> Decision | None:
        return PERMIT if question.received is None else Decision(Outcome.DENY, "FORBIDDEN")

    world.correct()
    world.gateway.decide = decide
    (one,) = world.review().reviews
    assert (one.comparable, one.earlier_cents) == (False, None)
    assert one.amount_cents is not None


def test_review_of_a_change_in_data_no_longer_asked_gives_no_earlier_amount(world: World) -> None:
    world.correct()
    told = world.told()
    other = replace(told.changes[0], holder=BodyId("msa"))
    world.hear(replace(told, changes=(*told.changes, other)))
    (one,) = world.review().reviews
    assert (one.comparable, one.earlier_cents) == (False, None)


@pytest.mark.parametrize("order", [("C1", "GONE"), ("GONE", "C1")])
def test_review_with_a_claim_no_longer_open_says_so_and_computes_the_others(
    world: World, order: Sequence[str]
) -> None:
    world.correct()
    claims = {"C1": world.told(), "GONE": world.told("GONE")}
    world.hear(*(claims[name] for name in order))
    found = world.review()
    assert [one.reference for one in found.reviews] == ["C1"]
    assert [one.reference for one in found.not_open] == ["GONE"]


def test_review_of_an_activity_without_one_is_refused(world: World, record: Activity) -> None:
    without = record.model_copy(update={"case_types": record.case_types[:1]})
    with pytest.raises(InputError) as refused:
        review(world.gateway, replace(world.needs, activity=without))
    assert refused.value.reason == "RECORD_INCOMPLETE"


def test_review_computes_everything_in_one_simulation(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    compute = openfisca_adapter.compute

    def counted(benefit: Benefit, window: object, households: Sequence[Household]) -> list[int]:
        calls.append(len(households))
        return compute(benefit, window, households)  # type: ignore[arg-type]

    monkeypatch.setattr(openfisca_adapter, "compute", counted)
    world.correct()
    world.review()
    assert calls == [2]


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def corrected(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(command, "connect", lambda *_: world.gateway)
    monkeypatch.setenv("COLUMNS", "220")
    world.correct()
    return world


@pytest.mark.usefixtures("corrected")
def test_changes_shows_amounts_versions_and_receipts(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.run(CHANGES) == 0
    shown = capsys.readouterr().out.replace("\u00a0", " ").replace("\u202f", " ")
    assert "C1 · juin 2026: " in shown
    assert "mns 1 400,00 €" in shown
    assert "mns 900,00 €" in shown
    assert "cnav told of monthly_resources 2026-04 in its entry 70" in shown
    assert "claims with a change" in shown


def test_changes_json_holds_both_sides(
    corrected: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.run([*CHANGES, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["reviews"]
    (pair,) = one["differences"]
    assert one["difference_cents"] == one["amount_cents"] - one["earlier_cents"]
    assert one["earlier_cents"] == corrected.first_cents
    assert [pair[side][0]["values"]["mns"] for side in ("earlier", "now")] == [140_000, 90_000]
    assert pair["earlier"][0]["leaf_index"] == 7


def test_changes_with_a_holder_unheard_shows_the_rest_and_fails(
    corrected: World, capsys: pytest.CaptureFixture[str]
) -> None:
    down = PeerError("PEER_UNAVAILABLE", "body `msa`: UNAVAILABLE")
    corrected.gateway.heard = replace(corrected.gateway.heard, unheard={BodyId("msa"): down})
    assert command_line.run(CHANGES) == 1
    shown = capsys.readouterr()
    assert "C1 · juin 2026" in shown.out
    assert "holder `msa`: could not be asked for changes" in shown.err
