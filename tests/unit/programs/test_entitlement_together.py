"""Claims asked about together give what they give one by one."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.unit.programs.fake_gateway import PERMIT, FakeGateway, FakePerson

from cloison.errors import PeerError
from cloison.law import PolicySet
from cloison.law.question import Decision, Outcome
from cloison.months import Month
from cloison.programs.entitlement import together
from cloison.programs.entitlement.inputs import SetAside
from cloison.programs.entitlement.needs import Needs
from cloison.programs.entitlement.run import Outcome as Found
from cloison.programs.entitlement.run import run
from cloison.v1 import release_pb2
from cloison.wire.gateway import CasePromise, CohortPart, CohortReply

JUNE = Month.of(2026, 6)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two persons are enough for a cohort."""
    monkeypatch.setattr(together, "FEWEST_PERSONS", 2)


@pytest.fixture
def world(gateway: FakeGateway) -> FakeGateway:
    """Three claims: a couple of two schemes with a child, a farm worker, one without income."""
    months = list((JUNE - 13).to(JUNE - 2))
    paid = {("salary", month): 140_000 for month in months}
    child = FakePerson("child", activity="child")
    gateway.add("C1", FakePerson(income=paid), FakePerson("partner", income=paid), child)
    gateway.add("C2", FakePerson(schemes="agricole", income=paid))
    gateway.add("C3", FakePerson(activity="inactive"))
    return gateway


def run_of(gateway: FakeGateway, policy: PolicySet, *, as_cohorts: bool) -> Found:
    return run(gateway, Needs.of(policy.activities["caf-ppa"]), JUNE, together=as_cohorts)


def test_together_gives_the_same_amounts_and_inputs(world: FakeGateway, policy: PolicySet) -> None:
    single = run_of(world, policy, as_cohorts=False)
    world.closed.clear()
    world._ended.clear()
    both = run_of(world, policy, as_cohorts=True)
    assert [one.amount_cents for one in both.results] == [
        one.amount_cents for one in single.results
    ]
    assert [[source.row for source in one.sources] for one in both.results] == [
        [source.row for source in one.sources] for one in single.results
    ]
    assert both.summary == single.summary


def test_together_asks_one_cohort_a_shape_and_promises_its_cases(
    world: FakeGateway, policy: PolicySet
) -> None:
    run_of(world, policy, as_cohorts=True)
    shapes = [(question.holder, question.dataset) for question, _ in world.cohorts]
    assert sorted(shapes) == sorted(set(shapes))
    assert ("cnav", "monthly_resources") in shapes
    assert ("msa", "monthly_resources") not in shapes  # one person: asked alone
    assert set(world.promises) == {CasePromise("claim", JUNE)}
    assert not any(question.persons or question.case for question, _ in world.cohorts)


def test_together_deposits_cite_the_batches(world: FakeGateway, policy: PolicySet) -> None:
    found = run_of(world, policy, as_cohorts=True)
    couple = found.results[0]
    of_cohorts = [one.reply for one in couple.file.answers if one.reply.parts]
    assert of_cohorts
    assert all(source.receipt is not None for source in couple.sources)
    for reply in of_cohorts:
        assert len(reply.person_receipts) == len(reply.release.persons if reply.release else ())


def test_together_refused_is_refused_for_every_case(world: FakeGateway, policy: PolicySet) -> None:
    refusal = Decision(Outcome.DENY, "NO_TEXT")
    world.decide = lambda question: refusal if question.holder == "cnav" else PERMIT
    found = run_of(world, policy, as_cohorts=True)
    assert [one.set_aside for one in found.results] == [SetAside.REFUSED, None, SetAside.REFUSED]


def test_together_person_a_cohort_is_silent_about_is_not_answerable(
    world: FakeGateway, policy: PolicySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    persons = CohortPart.persons

    def silent(part: CohortPart) -> list[release_pb2.PersonRelease]:
        found = persons(part)
        if part.index == 0:
            del found[0].periods[:]
        return found

    monkeypatch.setattr(CohortPart, "persons", silent)
    found = run_of(world, policy, as_cohorts=True)
    assert found.results[0].set_aside is SetAside.PERSON_NOT_ANSWERABLE


def test_together_cut_sets_aside_whom_it_did_not_reach(
    world: FakeGateway, policy: PolicySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = world.ask_many

    def cut(*given: object, **named: object) -> CohortReply:
        answered = whole(*given, **named)  # type: ignore[arg-type]

        def parts() -> Iterator[CohortPart]:
            yield next(answered.parts)
            raise PeerError("COHORT_CUT", "cohort: the last batch is missing")

        return replace(answered, parts=parts())

    monkeypatch.setattr(world, "ask_many", cut)
    found = run_of(world, policy, as_cohorts=True)
    reasons = [one.set_aside for one in found.results]
    assert reasons[1:] == [SetAside.FAILED, SetAside.FAILED]
