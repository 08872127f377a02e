"""A run end to end, over an in-memory gateway: what is asked, computed, set aside, deposited."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from tests.unit.programs.fake_gateway import FakeGateway, FakePerson, Values

from cloison.errors import InputError
from cloison.law import PolicySet
from cloison.law.question import Decision, Granularity, Outcome
from cloison.months import Month
from cloison.programs.entitlement.inputs import SetAside
from cloison.programs.entitlement.needs import Needs
from cloison.programs.entitlement.run import Outcome as RunOutcome
from cloison.programs.entitlement.run import run
from cloison.v1 import release_pb2
from cloison.wire.gateway import AskFor, Reply

JUNE = Month.of(2026, 6)
WINDOW = list((JUNE - 4).to(JUNE - 2))
YEAR = list((JUNE - 13).to(JUNE - 2))


def pay(cents: int, nature: str = "salary") -> dict[tuple[str, Month], int]:
    """The same income every month of the long window."""
    return {(nature, month): cents for month in YEAR}


@pytest.fixture
def needs(policy: PolicySet) -> Needs:
    """What CAF's prime d'activité may ask."""
    return Needs.of(policy.activities["caf-ppa"])


def asked_of(gateway: FakeGateway, holder: str) -> list[AskFor]:
    """Questions to one holder."""
    return [question for question in gateway.asked if question.holder == holder]


def outcome_of(gateway: FakeGateway, policy: PolicySet, activity: str) -> RunOutcome:
    """A whole run of that activity."""
    return run(gateway, Needs.of(policy.activities[activity]), JUNE)


# --- amounts


@pytest.mark.parametrize(
    ("activity", "cents", "al", "amount"),
    [
        ("caf-ppa", 140_000, 0, 246_90),
        ("caf-rsa", 0, 304_00, 573_49),
        ("caf-al", 0, 0, 304_00),
        ("caf-al", 80_000, 0, 196_00),
    ],
)
def test_run_golden_household_gives_golden_amount(
    gateway: FakeGateway, policy: PolicySet, activity: str, cents: int, al: int, amount: int
) -> None:
    paid = {("al", month): al for month in (JUNE - 4).to(JUNE - 1)} if al else {}
    gateway.add("C1", FakePerson(income=pay(cents) if cents else {}), paid=paid)

    assert outcome_of(gateway, policy, activity).results[0].amount_cents == amount


@pytest.mark.parametrize("activity", ["msa-ppa", "msa-rsa"])
def test_run_agricultural_body_computes_from_its_own_files(
    gateway: FakeGateway, policy: PolicySet, activity: str
) -> None:
    gateway.add("C1", FakePerson(schemes="agricole", income=pay(140_000)), body="msa")

    outcome = outcome_of(gateway, policy, activity)

    assert outcome.summary.computed == 1
    assert not asked_of(gateway, "cnav")


def test_run_sums_what_both_schemes_declare(gateway: FakeGateway, needs: Needs) -> None:
    (member,) = gateway.add("C1", FakePerson(schemes="agricole general", income=pay(70_000)))
    for month in WINDOW:
        row: Values = {"mns": 70_000, "net_fiscal": 70_000, "nature": "salary"}
        gateway.held["msa", "monthly_resources", member.nir].append((month.number, row))

    assert run(gateway, needs, JUNE).results[0].amount_cents == 246_90


# --- what is asked


def test_run_asks_incomes_of_the_window_and_nothing_more(
    gateway: FakeGateway, needs: Needs
) -> None:
    gateway.add("C1", FakePerson(income=pay(140_000)))
    run(gateway, needs, JUNE)

    (question,) = asked_of(gateway, "cnav")
    assert (question.first, question.last) == (JUNE - 4, JUNE - 2)
    assert question.fields == ("mns", "nature")
    assert question.granularity is Granularity.MONTH


def test_run_housing_aid_asks_totals_and_notices(gateway: FakeGateway, policy: PolicySet) -> None:
    gateway.add("C1", FakePerson(income=pay(80_000)))
    outcome_of(gateway, policy, "caf-al")

    (question,) = asked_of(gateway, "cnav")
    assert question.granularity is Granularity.WINDOW_TOTAL
    assert (question.first, question.last) == (JUNE - 13, JUNE - 2)
    assert [q.first.year for q in asked_of(gateway, "dgfip")] == [2024]


def test_run_asks_only_holders_the_own_file_points_to(gateway: FakeGateway, needs: Needs) -> None:
    gateway.add("C1", FakePerson(schemes="general"))
    run(gateway, needs, JUNE)

    assert {question.holder for question in gateway.asked} == {"caf", "cnav"}


def test_run_asks_notices_where_someone_is_self_employed(
    gateway: FakeGateway, needs: Needs
) -> None:
    self_employed = FakePerson(activity="self_employed", notice={"self_employed": 1_200_000})
    gateway.add("C1", self_employed)
    outcome = run(gateway, needs, JUNE)

    assert [question.fields for question in asked_of(gateway, "dgfip")] == [("self_employed",)]
    assert outcome.results[0].amount_cents


def test_run_never_asks_incomes_of_children(gateway: FakeGateway, needs: Needs) -> None:
    child = FakePerson("child", date(2018, 1, 1), "child")
    applicant, _ = gateway.add("C1", FakePerson(income=pay(140_000)), child)
    run(gateway, needs, JUNE)

    (question,) = asked_of(gateway, "cnav")
    assert question.persons == (applicant,)


def test_run_asks_in_batches_of_64(gateway: FakeGateway, needs: Needs) -> None:
    for number in range(50):
        gateway.add(f"C{number}", FakePerson(temporary=False))
    run(gateway, needs, JUNE)

    assert gateway.calls == [64, 64, 22, 50]


def test_run_large_household_is_asked_in_statements_of_eight(
    gateway: FakeGateway, needs: Needs
) -> None:
    children = [FakePerson("child", date(2015, 1, 1), "child") for _ in range(9)]
    gateway.add("C1", FakePerson(income=pay(140_000)), *children)
    outcome = run(gateway, needs, JUNE)

    members = [q for q in gateway.asked if q.dataset == "members"]
    assert [len(question.persons) for question in members] == [8, 2]
    assert outcome.summary.computed == 1


# --- set aside, never guessed


def spoil_temporary(gateway: FakeGateway) -> None:
    gateway.add("BAD", FakePerson(temporary=True))


def spoil_status(status: "release_pb2.PeriodStatus.ValueType") -> Callable[[FakeGateway], None]:
    def spoil(gateway: FakeGateway) -> None:
        (member,) = gateway.add("BAD", FakePerson(income=pay(140_000)))
        gateway.status["cnav", member.nir, WINDOW[1].number] = status

    return spoil


def spoil_decision(decision: Decision | None) -> Callable[[FakeGateway], None]:
    def spoil(gateway: FakeGateway) -> None:
        gateway.add("BAD", FakePerson(schemes="agricole"))
        permit = gateway.decide
        gateway.decide = lambda asked: decision if asked.holder == "msa" else permit(asked)

    return spoil


def spoil_own(dataset: str, **values: str | int) -> Callable[[FakeGateway], None]:
    def spoil(gateway: FakeGateway) -> None:
        (member,) = gateway.add("BAD", FakePerson())
        rows = gateway.held["caf", dataset, member.nir]
        gateway.held["caf", dataset, member.nir] = [
            (period, {**row, **values}) for period, row in rows if values
        ]

    return spoil


def spoil_income(**values: str) -> Callable[[FakeGateway], None]:
    def spoil(gateway: FakeGateway) -> None:
        (member,) = gateway.add("BAD", FakePerson())
        gateway.held["cnav", "monthly_resources", member.nir] = [(WINDOW[0].number, values)]

    return spoil


def spoil_huge(gateway: FakeGateway) -> None:
    gateway.add("BAD", FakePerson(income=pay(2**60)))


def spoil_february_only(gateway: FakeGateway) -> None:
    gateway.add("BAD", FakePerson(income={("salary", WINDOW[0]): 140_000}))


def deny(reason: str) -> Decision:
    return Decision(Outcome.DENY, reason)


def spoil_head(*roles: str) -> Callable[[FakeGateway], None]:
    def spoil(gateway: FakeGateway) -> None:
        gateway.add("BAD", *(FakePerson(role=role, income=pay(140_000)) for role in roles))

    return spoil


SPOILED = {
    "no head": (spoil_head("partner", "child"), SetAside.HEAD_UNCLEAR),
    "two heads": (spoil_head("applicant", "applicant"), SetAside.HEAD_UNCLEAR),
    "two partners": (spoil_head("applicant", "partner", "partner"), SetAside.HEAD_UNCLEAR),
    "children alone": (spoil_head("child"), SetAside.HEAD_UNCLEAR),
    "temporary NIR": (spoil_temporary, SetAside.NO_PERMANENT_NIR),
    "not yet due": (
        spoil_status(release_pb2.PERIOD_STATUS_NOT_YET_DUE),
        SetAside.MONTH_NOT_YET_DUE,
    ),
    "a payer is late": (
        spoil_status(release_pb2.PERIOD_STATUS_LATE),
        SetAside.SOURCE_LATE,
    ),
    "under correction": (
        spoil_status(release_pb2.PERIOD_STATUS_UNDER_CORRECTION),
        SetAside.UNDER_CORRECTION,
    ),
    "no status": (spoil_status(99), SetAside.FAILED),  # type: ignore[arg-type]
    "traits": (spoil_decision(deny("PERSON_NOT_ANSWERABLE")), SetAside.PERSON_NOT_ANSWERABLE),
    "law": (spoil_decision(deny("NO_TEXT")), SetAside.REFUSED),
    "peer away": (spoil_decision(None), SetAside.FAILED),
    "no home": (spoil_own("households"), SetAside.OWN_FILE_INCOMPLETE),
    "not a member": (spoil_own("members"), SetAside.OWN_FILE_INCOMPLETE),
    "unknown zone": (spoil_own("households", zone="9"), SetAside.OWN_FILE_INCOMPLETE),
    "unknown home": (spoil_own("households", status="houseboat"), SetAside.UNKNOWN_CODE),
    "unknown activity": (spoil_own("members", activity="astronaut"), SetAside.UNKNOWN_CODE),
    "unknown marital": (spoil_own("members", marital="?"), SetAside.OWN_FILE_INCOMPLETE),
    "no scheme": (spoil_own("members", schemes=""), SetAside.OWN_FILE_INCOMPLETE),
    "a scheme nobody holds": (
        spoil_own("members", schemes="general marins"),
        SetAside.OWN_FILE_INCOMPLETE,
    ),
    "unemployed on no day": (
        spoil_own("members", activity="unemployed", unemployed_since=2026_02_31),
        SetAside.UNKNOWN_CODE,
    ),
    "unemployed since?": (
        spoil_own("members", activity="unemployed"),
        SetAside.OWN_FILE_INCOMPLETE,
    ),
    "unknown nature": (spoil_income(nature="lottery", mns="1"), SetAside.UNKNOWN_CODE),
    "no amount": (spoil_income(nature="salary"), SetAside.AMOUNT_MISSING),
    "an amount of no one": (spoil_huge, SetAside.ENGINE_REFUSED),
    "february only": (spoil_february_only, SetAside.DEPENDS_ON_MONTH_NOT_ASKED),
}


def test_run_household_the_engine_refuses_holds_no_other_back(
    gateway: FakeGateway, needs: Needs
) -> None:
    gateway.add("C1", FakePerson(income=pay(140_000)))
    spoil_huge(gateway)
    gateway.add("C2", FakePerson(income=pay(140_000)))
    outcome = run(gateway, needs, JUNE)

    assert [one.amount_cents for one in outcome.results] == [246_90, None, 246_90]
    assert outcome.summary.set_aside == {"ENGINE_REFUSED": 1}
    assert gateway.closed == {"C1": "decided", "C2": "decided", "BAD": "set-aside"}
    assert [reference for _, reference, *_ in gateway.deposits] == ["C1", "C2"]


@pytest.mark.parametrize("name", SPOILED)
def test_run_what_is_not_known_is_set_aside(gateway: FakeGateway, needs: Needs, name: str) -> None:
    spoil, reason = SPOILED[name]
    spoil(gateway)
    outcome = run(gateway, needs, JUNE)

    assert outcome.summary.set_aside == {reason.value: 1}
    assert outcome.results[0].amount_cents is None
    assert gateway.closed == {"BAD": "set-aside"}
    assert gateway.deposits == []


def test_run_case_set_aside_leaves_the_others(gateway: FakeGateway, needs: Needs) -> None:
    gateway.add("GOOD", FakePerson(income=pay(140_000)))
    spoil_february_only(gateway)
    outcome = run(gateway, needs, JUNE)

    assert [result.amount_cents for result in outcome.results] == [246_90, None]
    assert gateway.closed == {"GOOD": "decided", "BAD": "set-aside"}


def test_run_temporary_nir_is_asked_of_nobody(gateway: FakeGateway, needs: Needs) -> None:
    spoil_temporary(gateway)
    run(gateway, needs, JUNE)

    assert gateway.asked == []


class ShortGateway(FakeGateway):
    """Leaves persons, months or values out of the answers of one holder."""

    cut: Callable[[release_pb2.Release], None]

    def _answer(self, question: AskFor) -> Reply:
        reply = super()._answer(question)
        if question.holder == "cnav" and reply.release is not None:
            self.cut(reply.release)
        return reply


def cut_person(release: release_pb2.Release) -> None:
    del release.persons[:]


def cut_month(release: release_pb2.Release) -> None:
    del release.persons[0].periods[1:]


def cut_value(release: release_pb2.Release) -> None:
    del release.persons[0].periods[0].records[0].values[1:]


@pytest.mark.parametrize("cut", [cut_person, cut_month, cut_value])
def test_run_answer_that_lacks_something_sets_aside(
    needs: Needs, cut: Callable[[release_pb2.Release], None]
) -> None:
    gateway = ShortGateway()
    gateway.cut = cut
    gateway.add("BAD", FakePerson(income=pay(140_000)))

    assert run(gateway, needs, JUNE).results[0].set_aside is SetAside.FAILED


# --- what stays


def test_run_deposits_amount_with_source_and_receipt_of_every_input(
    gateway: FakeGateway, needs: Needs
) -> None:
    gateway.add("C1", FakePerson(income=pay(140_000)))
    outcome = run(gateway, needs, JUNE)

    ((output, reference, content, cited),) = gateway.deposits
    inputs = content["inputs"]
    assert (output, reference, content["amount_cents"], cited) == ("entitlement", "C1", 24_690, 4)
    assert isinstance(inputs, list)
    assert [one["source"] for one in inputs if one["holder"] == "cnav"] == ["message-1"] * 3
    assert outcome.results[0].receipt is not None


def test_run_deposit_holds_no_input_amount(gateway: FakeGateway, needs: Needs) -> None:
    gateway.add("C1", FakePerson(income=pay(141_233)))
    run(gateway, needs, JUNE)

    assert "141233" not in repr(gateway.deposits)


def test_run_summary_adds_up(gateway: FakeGateway, needs: Needs) -> None:
    gateway.add("C1", FakePerson(income=pay(140_000)))
    spoil_temporary(gateway)
    summary = run(gateway, needs, JUNE).summary

    assert summary.computed + sum(summary.set_aside.values()) == summary.cases == 2
    assert (summary.asked, summary.permitted, summary.refused) == (4, 4, 0)


def test_run_named_claim_leaves_the_others(gateway: FakeGateway, needs: Needs) -> None:
    gateway.add("C1", FakePerson(income=pay(140_000)))
    gateway.add("C2", FakePerson(income=pay(140_000)))
    outcome = run(gateway, needs, JUNE, ["C2"])

    assert [result.reference for result in outcome.results] == ["C2"]


def test_run_tells_its_progress(gateway: FakeGateway, needs: Needs) -> None:
    gateway.add("C1", FakePerson())
    told: list[tuple[int, int]] = []
    run(gateway, needs, JUNE, (), lambda done, cases: told.append((done, cases)))

    assert told == [(1, 1)]


# --- the record


@pytest.mark.parametrize(
    "change",
    [
        {"benefit": "aah"},
        {"benefit": None},
        {"reads": ()},
    ],
)
def test_needs_of_a_record_that_does_not_say_how_to_ask_is_refused(
    policy: PolicySet, change: dict[str, object]
) -> None:
    record = policy.activities["caf-ppa"].model_copy(update=change)

    with pytest.raises(InputError, match="does not say what to ask") as refused:
        Needs.of(record)
    assert refused.value.reason == "RECORD_INCOMPLETE"


@pytest.mark.parametrize("key", ["fields", "granularity", "window"])
def test_needs_of_a_read_without_its_keys_is_refused(policy: PolicySet, key: str) -> None:
    record = policy.activities["caf-ppa"]
    lame: dict[str, object] = {key: ("payer",) if key == "fields" else None}
    reads = tuple(
        read.model_copy(update=lame) if read.dataset == "monthly_resources" else read
        for read in record.reads
    )

    with pytest.raises(InputError) as refused:
        Needs.of(record.model_copy(update={"reads": reads})).window(JUNE)
    assert refused.value.reason == "RECORD_INCOMPLETE"


@pytest.mark.parametrize("key", ["case_types", "outputs"])
def test_run_record_without_case_type_or_output_is_refused(
    gateway: FakeGateway, policy: PolicySet, key: str
) -> None:
    record = policy.activities["caf-ppa"].model_copy(update={key: ()})

    with pytest.raises(InputError, match="no case type or no output"):
        run(gateway, Needs.of(record), JUNE)


def test_run_claim_without_a_case_is_set_aside_and_the_others_go_on(
    gateway: FakeGateway, policy: PolicySet
) -> None:
    gateway.add("C1", FakePerson(income=pay(140_000)))
    gateway.cases.insert(0, replace(gateway.cases[0], reference="C0", leaf_hash=b"", members=()))

    found = outcome_of(gateway, policy, "caf-ppa")

    assert [one.set_aside for one in found.results] == [SetAside.OWN_FILE_INCOMPLETE, None]
    assert gateway.closed == {"C1": "decided"}
