"""Runs: batches that travel together, each entered, sealed, counted and answered by itself."""

from collections.abc import Callable

import pytest
from tests.federation import ANNE, CAF, CNAV, Federation, ManyResponse, Program
from tests.unit.wire.test_wire_cohort import (
    Answer,
    Cohort,
    Response,
    decide_as,
    parts,
    people,
    refused,
)
from tests.unit.wire.test_wire_cohort_law import ONCE_A_CASE, under

from cloison.bodies import BodyId
from cloison.errors import CloisonError, InputError, PeerError
from cloison.exchange import limits
from cloison.exchange.entries import parse_entry
from cloison.exchange.statement import Cohort as Announced
from cloison.law.question import Outcome
from cloison.v1 import entry_pb2, gateway_service_pb2, statement_pb2
from cloison.wire.cohort import Batch, batches_of, read_persons
from cloison.wire.cohort_client import Batches
from cloison.wire.gateway import Member

RunAnswer = gateway_service_pb2.CohortRunAnswer


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The federation has few people: batches smaller than the limit."""
    monkeypatch.setattr(limits, "COHORT_BATCH_LEAST", 1)


@pytest.fixture
def permitted(monkeypatch: pytest.MonkeyPatch) -> None:
    decide_as(monkeypatch, Outcome.PERMIT)


@pytest.fixture
def cohort(ppa: Program, permitted: None) -> Cohort:  # noqa: ARG001 - asked for its effect
    """Two persons, each in a case of their own, in batches of one."""
    return Cohort(ppa)


def entered(federation: Federation, body: BodyId) -> list[entry_pb2.CohortPart]:
    return [entry.cohort_part for entry in federation.entries(body, "cohort_part")]


def test_run_of_two_batches_is_answered_as_two_runs_of_one(
    federation: Federation, cohort: Cohort
) -> None:
    _, answer = cohort.ask([cohort.batch(0, *cohort.cases, last=True)])
    _, *apart = cohort.ask(cohort.plain())
    together = [Response(run=RunAnswer(batches=[one])) for one in answer.run.batches]
    assert [(one.index, one.last) for one in answer.run.batches] == [(0, False), (1, True)]
    for one, other in zip(together, apart, strict=True):
        (label, (mine,)), (_, (theirs,)) = cohort.open(one), cohort.open(other)
        assert mine.periods == theirs.periods
        assert label.received_by == "caf-ppa"
    assert parts(federation) == (4, 4)


def test_run_s_batches_are_entered_each_with_its_own_persons_and_cases(
    federation: Federation, cohort: Cohort
) -> None:
    _, answer = cohort.ask([cohort.batch(0, *cohort.cases, last=True)])
    for body in (CNAV, CAF):
        first, second = entered(federation, body)
        assert [list(one.case_leaf_hashes) for one in (first, second)] == [
            [case.leaf_hash] for case in cohort.cases
        ]
        assert len(first.person_digests) == len(second.person_digests) == 1
        assert len({*first.trace_keys, *second.trace_keys}) == 2
        assert (first.batch_index, second.batch_index) == (0, 1)
    theirs = [parse_entry(one.receipt.entry).cohort_part for one in answer.run.batches]
    assert theirs == entered(federation, CNAV)


@pytest.mark.parametrize("killed", [CNAV, CAF])
def test_run_sent_again_after_a_cut_has_the_same_answers(
    federation: Federation, cohort: Cohort, killed: BodyId
) -> None:
    header, run = cohort.header(), cohort.batch(0, *cohort.cases, last=True)

    def lose(response: ManyResponse) -> ManyResponse | None:
        return response if response.WhichOneof("part") == "header" else None

    federation.link(CAF, CNAV).after_part = lose
    with pytest.raises(PeerError):
        cohort.ask([run], header)
    assert parts(federation) == (2, 0)
    federation.link(CAF, CNAV).after_part = None
    federation.kill(killed)
    before = entered(federation, CNAV)
    _, answer = cohort.ask([run], header)
    assert [parse_entry(one.receipt.entry).cohort_part for one in answer.run.batches] == before
    assert parts(federation) == (2, 2)


def test_run_of_which_one_batch_was_answered_before_is_refused(
    federation: Federation, cohort: Cohort
) -> None:
    header, plain = cohort.header(), cohort.plain()
    federation.link(CAF, CNAV).dies_after = 2  # the decision and one batch
    with pytest.raises(PeerError):
        cohort.ask(plain, header)
    federation.link(CAF, CNAV).dies_after = None
    with pytest.raises(CloisonError) as caught:
        cohort.ask([cohort.batch(0, *cohort.cases, last=True)], header)
    assert caught.value.reason == "BATCH_CHANGED"
    assert parts(federation) == (1, 1)


def drop_one(run: list[Answer]) -> None:
    del run[1:]


def turn_round(run: list[Answer]) -> None:
    run.reverse()


def say_one_twice(run: list[Answer]) -> None:
    run[1] = run[0]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (drop_one, "BAD_ANSWER"),
        (turn_round, "BAD_ANSWER"),
        (say_one_twice, "BAD_RECEIPT"),
    ],
)
def test_run_answered_otherwise_than_batch_by_batch_is_refused(
    federation: Federation,
    cohort: Cohort,
    spoil: Callable[[list[Answer]], None],
    reason: str,
) -> None:
    def spoiled(response: ManyResponse) -> ManyResponse:
        if response.WhichOneof("part") == "run":
            answers = list(response.run.batches)
            spoil(answers)
            response.run.CopyFrom(RunAnswer(batches=answers))
        return response

    federation.link(CAF, CNAV).after_part = spoiled
    assert refused(cohort, [cohort.batch(0, *cohort.cases, last=True)]) == reason
    assert parts(federation) == (2, 0)


def test_run_answered_with_nothing_is_refused(federation: Federation, cohort: Cohort) -> None:
    def empty(response: ManyResponse) -> ManyResponse:
        if response.WhichOneof("part") == "run":
            del response.run.batches[:]
        return response

    federation.link(CAF, CNAV).after_part = empty
    assert refused(cohort, [cohort.batch(0, *cohort.cases, last=True)]) == "BAD_ANSWER"


def test_run_that_names_a_case_of_nobody_in_it_is_refused(
    federation: Federation, cohort: Cohort
) -> None:
    run = cohort.batch(0, cohort.cases[0])
    run.case_leaf_hashes.append(cohort.cases[1].leaf_hash)
    assert refused(cohort, [run]) == "BAD_CASE_PROOF"
    assert parts(federation) == (0, 0)


def test_run_too_large_for_a_message_does_not_leave(
    federation: Federation, cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "COHORT_RUN_BYTES", 500)
    with pytest.raises(InputError, match=r"run bytes: .* at most 500"):
        cohort.ask([cohort.batch(0, *cohort.cases, last=True)])
    assert parts(federation) == (0, 0)


def test_case_in_two_batches_of_a_run_is_counted_for_the_second(federation: Federation) -> None:
    cohort = Cohort(under(federation, ONCE_A_CASE), ("C1", "C1"))
    case = cohort.cases[0]
    run = cohort.batch(0, case, last=True)
    applicant = (ANNE, 0, case.members[0].case_salt)
    run.persons = people(applicant, applicant)
    assert refused(cohort, [run]) == "NO_LONGER_PERMITTED"
    assert parts(federation) == (0, 0)


SOMEBODY = Member("applicant", ANNE.nir, ANNE.birth_name, ANNE.birth_date, b"", b"")
ANNOUNCED = Announced(size=10, batch_persons=3, case_type="", case_month=None)


@pytest.mark.parametrize(
    ("index", "persons", "last", "spans"),
    [
        (0, 3, False, [(0, 0, 3, False)]),
        (0, 9, False, [(0, 0, 3, False), (1, 3, 6, False), (2, 6, 9, False)]),
        (2, 4, True, [(2, 0, 3, False), (3, 3, 4, True)]),
        (3, 1, True, [(3, 0, 1, True)]),
    ],
)
def test_batches_of_a_run_are_full_but_for_the_cohort_s_last(
    index: int, persons: int, *, last: bool, spans: list[tuple[int, int, int, bool]]
) -> None:
    assert batches_of(ANNOUNCED, index, persons, last=last) == [
        Batch(at, end_of_all, first, end) for at, first, end, end_of_all in spans
    ]


@pytest.mark.parametrize(
    ("index", "persons", "last", "reason"),
    [
        (0, 4, False, "MALFORMED"),
        (0, 9, True, "COHORT_SHORT"),
        (0, 12, False, "COHORT_EXCEEDED"),
        (3, 2, True, "COHORT_EXCEEDED"),
        (2**62, 3, False, "COHORT_EXCEEDED"),
    ],
)
def test_batches_of_a_run_that_is_not_as_announced_are_refused(
    index: int, persons: int, *, last: bool, reason: str
) -> None:
    with pytest.raises((InputError, PeerError)) as caught:
        batches_of(ANNOUNCED, index, persons, last=last)
    assert caught.value.reason == reason


@pytest.mark.parametrize("size", [1, 3, 10, 100, 1_000])
def test_runs_hold_everybody_once_and_grow_short_towards_the_end(size: int) -> None:
    batches = Batches(iter([SOMEBODY] * size), size, 3)
    requests = batches.requests(statement_pb2.SignedStatement())
    next(requests)
    sizes: list[int] = []
    for request in requests:
        run = request.run
        assert run.index * 3 == sum(sizes)
        sizes.append(len(read_persons(run.persons, 3 * limits.COHORT_RUN_BATCHES)))
        assert run.last == (sum(sizes) == size)
        batches.answered(run.index)
    assert sum(sizes) == size
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] <= 3
    if size > 3 * limits.COHORT_RUN_BATCHES * limits.COHORT_IN_FLIGHT:
        assert sizes[0] == 3 * limits.COHORT_RUN_BATCHES
