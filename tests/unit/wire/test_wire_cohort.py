"""Many persons under one statement: every batch entered before it leaves, every person traced."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pytest
from tests.federation import (
    ANNE,
    BRUNO,
    CAF,
    CNAV,
    DENIS,
    DGFIP,
    LAST,
    MONTH,
    NOBODY,
    Federation,
    ManyRequest,
    ManyResponse,
    Program,
    Someone,
    fill_disk,
    run,
)
from tests.unit.wire.test_wire_received import Depositor

from cloison.bodies import BodyId
from cloison.errors import CloisonError, InputError, PeerError
from cloison.exchange import conclude, limits
from cloison.exchange.cohort_release import person_releases, read_cohort_release
from cloison.exchange.entries import parse_entry
from cloison.exchange.statement import parse_statement
from cloison.law import PolicySet
from cloison.law.decide import decide
from cloison.law.question import Decision, Granularity, Outcome
from cloison.ledger.tree import leaf_hash
from cloison.store import NewRecord, SlotName
from cloison.v1 import gateway_service_pb2, release_pb2, statement_pb2
from cloison.wire import questions
from cloison.wire.change_listener import ChangeListener
from cloison.wire.cohort import RunPersons, next_part, part_of, read_persons, write_persons
from cloison.wire.cohort_holder import CohortHolder
from cloison.wire.destruction import DestructionDesk
from cloison.wire.gateway import OpenedCase

Request = gateway_service_pb2.GatewayServiceAskManyRequest
Response = gateway_service_pb2.GatewayServiceAskManyResponse
Run = gateway_service_pb2.CohortRun
Answer = gateway_service_pb2.CohortAnswer


def people(*persons: tuple[Someone, int, bytes]) -> bytes:
    """Persons as they travel: who, the place of their case, the salt of their digest in it."""
    someones, cases, salts = zip(*persons, strict=True)
    return write_persons(
        RunPersons(
            [one.nir for one in someones],
            [one.birth_name for one in someones],
            [one.birth_date.isoformat() for one in someones],
            cases,
            salts,
        )
    )


def only(response: Response | ManyResponse) -> Answer:
    """The answer to a run of one batch; empty beside the header."""
    return next(iter(response.run.batches), Answer())


class Cohort:
    """A cohort of the prime d'activité, every person in a live case, ready to be spoiled."""

    def __init__(self, program: Program, claims: Sequence[str] = ("C1", "C2")) -> None:
        self.program = program
        self.cases = [program.open_case(claim) for claim in claims]
        self.size = len(claims)
        self.batch_persons = 1
        self.asked = b""
        self.sent: list[int] = []
        self.got: list[Response] = []

    def header(self) -> statement_pb2.SignedStatement:
        cohort = statement_pb2.Cohort(
            size=self.size,
            batch_persons=self.batch_persons,
            case_type="claim",
            case_month=MONTH.number,
        )
        question = replace(self.program.question(None), persons=())
        now = self.program.federation.clock()
        built = questions.build_statement(self.program.keys, question, now, cohort)
        return questions.build_items(self.program.keys, [built])[0].statement

    def batch(self, index: int, *cases: OpenedCase, last: bool = False) -> Run:
        """A run of one batch: the applicant of each case."""
        members = [case.members[0] for case in cases]
        persons = [
            (Someone(one.nir, one.birth_name, one.birth_date), place, one.case_salt)
            for place, one in enumerate(members)
        ]
        return Run(
            index=index,
            last=last,
            persons=people(*persons),
            salt_seed=os.urandom(32),
            case_leaf_hashes=[case.leaf_hash for case in cases],
        )

    def plain(self) -> list[Run]:
        return [self.batch(0, self.cases[0]), self.batch(1, self.cases[1], last=True)]

    def ask(
        self, batches: Sequence[Run], header: statement_pb2.SignedStatement | None = None
    ) -> list[Response]:
        async def requests() -> AsyncIterator[Request]:
            yield Request(header=header or self.header())
            for batch in batches:
                self.sent.append(batch.index)
                yield Request(run=batch)

        relay = self.program.federation.cohorts(self.program.body)

        async def collect() -> list[Response]:
            self.got = []
            async for answer in relay.relay(self.program.activity, requests()):
                self.got.append(answer)
            return self.got

        return run(collect())

    def open(self, answer: Response) -> tuple[release_pb2.Label, list[release_pb2.PersonRelease]]:
        """What a batch's answer holds, as its program reads it."""
        part = parse_entry(only(answer).receipt.entry).cohort_part
        place = part_of(part.batch_index, last=part.last)
        plain = self.program.opener.open_plain(
            only(answer).sealed_release, part.statement_hash, place
        )
        fields = sorted(self.program.question(None).fields)
        persons = len(part.person_digests)
        label, table = read_cohort_release(plain, part.statement_hash, fields, persons)
        return label, person_releases(table, part.person_digests)


@pytest.fixture
def cohort(ppa: Program) -> Cohort:
    return Cohort(ppa)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The federation has few people: batches smaller than the limit, but where that is tested."""
    monkeypatch.setattr(limits, "COHORT_BATCH_LEAST", 1)


def decide_as(monkeypatch: pytest.MonkeyPatch, outcome: Outcome) -> None:
    """No text read opens a cohort to a benefit: the mechanics are tested as if one did."""

    def decided(policy: PolicySet, *arguments: Any) -> Decision:
        made = decide(policy, *arguments)
        return replace(made, outcome=outcome, reason="PERMITTED", nearest=(), rules=())

    monkeypatch.setattr(conclude, "decide", decided)


@pytest.fixture(autouse=True)
def permitted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Outcome], None]:
    """Every question is permitted; called with another outcome, that one is decided."""
    decide_as(monkeypatch, Outcome.PERMIT)
    return partial(decide_as, monkeypatch)


def refused(cohort: Cohort, batches: Sequence[Run]) -> str:
    with pytest.raises(CloisonError) as caught:
        cohort.ask(batches)
    return caught.value.reason


def parts(federation: Federation) -> tuple[int, int]:
    """How many `cohort_part` entries the holder and the requester wrote."""
    return (
        len(federation.entries(CNAV, "cohort_part")),
        len(federation.entries(CAF, "cohort_part")),
    )


def test_ask_many_answers_each_batch_sealed_to_its_place(cohort: Cohort) -> None:
    header = cohort.header()
    _, *answers = cohort.ask(cohort.plain(), header)
    assert [(only(one).index, only(one).last) for one in answers] == [(0, False), (1, True)]
    assert all(cohort.open(answer)[1][0].periods for answer in answers)


def test_ask_many_between_nodes_of_two_sets_counts_it_once_on_both_sides(
    federation: Federation, cohort: Cohort
) -> None:
    node = federation.node(CNAV)
    node.policy = replace(node.policy, hash=bytes(32))
    cohort.ask(cohort.plain())
    assert federation.failures(CNAV)["caf"]["POLICY_SET_DIFFERS"] == 1
    assert federation.failures(CAF)["cnav"]["POLICY_SET_DIFFERS"] == 1


def test_ask_many_gives_each_person_what_ask_gives(cohort: Cohort) -> None:
    _, *answers = cohort.ask(cohort.plain())
    program = cohort.program
    for answer, case in zip(answers, cohort.cases, strict=True):
        (reply,) = program.ask(program.question(case))
        label, (person,) = cohort.open(answer)
        assert reply.release is not None
        assert person.periods == reply.release.persons[0].periods
        assert label == reply.release.label


def test_ask_many_leaves_a_trace_of_each_person_at_both_ends(
    federation: Federation, cohort: Cohort
) -> None:
    cohort.ask(cohort.plain())
    for body in (CNAV, CAF):
        entries = [entry.cohort_part for entry in federation.entries(body, "cohort_part")]
        assert [len(part.trace_keys) for part in entries] == [1, 1]
        assert [len(part.person_digests) for part in entries] == [1, 1]


def test_ask_many_is_kept_sealed_and_labelled_at_the_requester(
    federation: Federation, cohort: Cohort
) -> None:
    cohort.ask(cohort.plain())
    node = federation.node(CAF)
    question = cohort.program.question(None)
    kept = [
        node.store.received(
            "caf-ppa",
            "cnav",
            "monthly_resources",
            [node.row_key(one.nir)],
            question.fields,
            question.first,
            question.last,
        )
        for one in (ANNE, DENIS)
    ]
    assert [len(one) for one in kept] == [1, 1]


def test_ask_many_refused_ends_after_the_decision(
    federation: Federation, cohort: Cohort, permitted: Callable[[Outcome], None]
) -> None:
    permitted(Outcome.DENY)
    (answer,) = cohort.ask(cohort.plain())
    assert not answer.header.sealed_release
    assert parts(federation) == (0, 0)
    assert len(federation.entries(CAF, "received")) == 1


def test_ask_many_says_nothing_of_those_it_cannot_answer_about(ppa: Program) -> None:
    cohort = Cohort(ppa, ("C5", "C1", "C6"))
    cohort.batch_persons = 3
    assert cohort.cases[0].members[0].nir == NOBODY.nir
    _, answer = cohort.ask([cohort.batch(0, *cohort.cases, last=True)])
    assert [len(one.periods) for one in cohort.open(answer)[1]] == [0, 3, 0]


def test_ask_many_peer_killed_in_the_middle_is_an_error_and_what_came_stands_entered(
    federation: Federation, cohort: Cohort
) -> None:
    federation.link(CAF, CNAV).dies_after = 2  # the decision and one batch
    assert refused(cohort, cohort.plain()) == "PEER_UNAVAILABLE"
    assert parts(federation) == (1, 1)
    (said,) = federation.entries(CAF, "lost")
    assert said.lost.reason == "PEER_UNAVAILABLE"


def test_ask_many_peer_that_ends_early_is_an_error_never_an_end(
    federation: Federation, cohort: Cohort
) -> None:
    def drop_last(response: ManyResponse) -> ManyResponse | None:
        return None if only(response).last else response

    federation.link(CAF, CNAV).after_part = drop_last
    assert refused(cohort, cohort.plain()) == "COHORT_CUT"


@pytest.mark.parametrize("responses", [1, 2])
def test_ask_many_holder_that_falls_silent_is_given_up(
    federation: Federation,
    cohort: Cohort,
    monkeypatch: pytest.MonkeyPatch,
    responses: int,
) -> None:
    monkeypatch.setattr(limits, "STREAM_IDLE_SECONDS", 0.5)
    federation.link(CAF, CNAV).silent_after = responses
    with pytest.raises(PeerError, match="`cnav`: nothing came") as caught:
        cohort.ask(cohort.plain())
    assert caught.value.reason == "STREAM_IDLE"


@pytest.mark.parametrize(
    ("full", "once", "left"),
    [
        (CNAV, "header", ["header"]),  # the holder's disk, after its decision
        (CAF, "header", []),  # the requester's, before the decision is entered there
        (CAF, "run", ["header"]),  # the requester's, when the first batch comes
    ],
)
def test_ask_many_disk_that_fills_lets_no_batch_leave(
    federation: Federation, cohort: Cohort, full: BodyId, once: str, left: list[str]
) -> None:
    def fill(response: ManyResponse) -> ManyResponse:
        if response.WhichOneof("part") == once:
            fill_disk(federation.node(full).traces)
        return response

    federation.link(CAF, CNAV).after_part = fill
    assert refused(cohort, cohort.plain()) == "LEDGER_WRITE"
    assert [answer.WhichOneof("part") for answer in cohort.got] == left
    federation.kill(full)
    assert federation.entries(full, "cohort_part") == []


def test_ask_many_holder_that_cannot_write_decides_nothing(
    federation: Federation, cohort: Cohort
) -> None:
    fill_disk(federation.node(CNAV).traces)
    assert refused(cohort, cohort.plain()) == "LEDGER_WRITE"
    assert cohort.got == []
    federation.kill(CNAV)
    assert federation.entries(CNAV, "decided") == []


def test_ask_many_program_that_ends_early_is_an_error(
    federation: Federation, cohort: Cohort
) -> None:
    assert refused(cohort, cohort.plain()[:1]) == "MALFORMED"
    assert federation.failures(CNAV) == {"caf": {"MALFORMED": 1}}


def test_ask_many_batch_out_of_order_is_refused(federation: Federation, cohort: Cohort) -> None:
    cohort.size = 3
    first, second = cohort.plain()
    second.index, second.last = 2, True
    assert refused(cohort, [first, second]) == "MALFORMED"
    assert parts(federation) == (1, 1)


def test_ask_many_batch_twice_has_one_answer_and_one_entry(
    federation: Federation, cohort: Cohort
) -> None:
    first, second = cohort.plain()
    _, one, again, _ = cohort.ask([first, first, second])
    assert only(one).sealed_release == only(again).sealed_release
    assert only(one).receipt.leaf_index == only(again).receipt.leaf_index
    assert parts(federation) == (2, 2)


def test_ask_many_batch_again_with_others_in_it_is_refused(
    federation: Federation, cohort: Cohort
) -> None:
    first, second = cohort.plain()
    second.index, second.last = 0, False
    assert refused(cohort, [first, second]) == "BATCH_CHANGED"
    assert parts(federation) == (1, 1)


@pytest.mark.parametrize(
    ("size", "batch_persons", "reason"),
    [(1, 1, "COHORT_EXCEEDED"), (3, 1, "COHORT_SHORT"), (4, 2, "MALFORMED")],
)
def test_ask_many_other_persons_than_announced_do_not_leave_their_node(
    federation: Federation, cohort: Cohort, size: int, batch_persons: int, reason: str
) -> None:
    cohort.size, cohort.batch_persons = size, batch_persons
    assert refused(cohort, cohort.plain()) == reason
    left = 1 if reason == "COHORT_SHORT" else 0
    assert parts(federation) == (left, left)


def claim_more(run: Run) -> None:
    run.index = 5


def claim_the_end(run: Run) -> None:
    run.last = True


def take_one_away(run: Run) -> None:
    run.index, run.last = 0, False


@pytest.mark.parametrize(
    ("claim", "batch_persons", "reason"),
    [
        (claim_more, 1, "COHORT_EXCEEDED"),
        (claim_the_end, 1, "COHORT_SHORT"),
        (take_one_away, 2, "MALFORMED"),
    ],
)
def test_ask_many_other_persons_than_announced_are_refused_by_the_holder(
    federation: Federation,
    cohort: Cohort,
    claim: Callable[[Run], None],
    batch_persons: int,
    reason: str,
) -> None:
    def before(request: ManyRequest) -> None:
        if request.WhichOneof("part") == "run":
            claim(request.run)

    federation.link(CAF, CNAV).before_part = before
    cohort.batch_persons = batch_persons
    runs = cohort.plain()
    if batch_persons > 1:
        cohort.size = 1
        runs = [cohort.batch(0, cohort.cases[0], last=True)]
    assert refused(cohort, runs) == reason
    assert federation.failures(CNAV) == {"caf": {reason: 1}}
    assert parts(federation) == (0, 0)


@pytest.mark.parametrize(
    ("size", "batch", "taken"), [(500, 10, False), (500, 11, True), (5, 5, True)]
)
def test_ask_many_batches_are_no_smaller_than_the_law_lets_a_cohort_be(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch, size: int, batch: int, *, taken: bool
) -> None:
    monkeypatch.undo()
    cohort.size, cohort.batch_persons = size, batch
    if taken:
        parse_statement(cohort.header().statement)
    else:
        with pytest.raises(InputError, match="batch: 10, at least 11"):
            parse_statement(cohort.header().statement)


def test_ask_many_more_batches_in_a_run_than_any_may_hold_is_refused(cohort: Cohort) -> None:
    cohort.size = 1 + limits.COHORT_RUN_BATCHES
    run = cohort.batch(0, *(cohort.cases[0] for _ in range(cohort.size)), last=True)
    assert refused(cohort, [run]) == "TOO_LARGE"


def test_ask_many_case_of_another_person_is_refused(federation: Federation, cohort: Cohort) -> None:
    batch = cohort.batch(0, cohort.cases[0])
    stranger = cohort.cases[1].members[0]
    batch.persons = people((DENIS, 0, stranger.case_salt))
    assert refused(cohort, [batch]) == "BAD_CASE_PROOF"
    assert federation.failures(CNAV) == {"caf": {"BAD_CASE_PROOF": 1}}
    assert parts(federation) == (0, 0)


@pytest.mark.parametrize("place", [-1, 1, 7])
def test_ask_many_person_in_no_case_of_the_batch_is_refused(
    federation: Federation, cohort: Cohort, place: int
) -> None:
    batch = cohort.batch(0, cohort.cases[0])
    member = cohort.cases[0].members[0]
    batch.persons = people((ANNE, place, member.case_salt))
    assert refused(cohort, [batch]) == "BAD_CASE_PROOF"
    assert federation.failures(CNAV) == {"caf": {"BAD_CASE_PROOF": 1}}


def spoil_cases(
    federation: Federation, change: Callable[[gateway_service_pb2.EntriesProof], None]
) -> None:
    """The requester's node proves cases its own way."""

    def before(request: ManyRequest) -> None:
        if request.WhichOneof("part") == "run":
            change(request.run.cases)

    federation.link(CAF, CNAV).before_part = before


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: proof.hashes.append(bytes(32)),
        lambda proof: proof.hashes.pop(),
        lambda proof: proof.leaf_indexes.__setitem__(0, proof.leaf_indexes[0] + 1),
        lambda proof: proof.entries.__setitem__(0, proof.entries[0] + b"\x10\x00"),
        lambda proof: (proof.entries.pop(), proof.leaf_indexes.pop()),
        lambda proof: proof.leaf_indexes.extend(range(2000)),
        lambda proof: proof.entries.extend([b""] * 2000),
        lambda proof: proof.hashes.extend([bytes(32)] * 50_000),
        lambda proof: setattr(proof, "checkpoint", b"caf/traces\n0\n\n"),
        lambda proof: proof.Clear(),
    ],
)
def test_ask_many_forged_case_proof_is_refused(
    federation: Federation,
    cohort: Cohort,
    change: Callable[[gateway_service_pb2.EntriesProof], None],
) -> None:
    spoil_cases(federation, change)
    assert refused(cohort, cohort.plain()) == "BAD_CASE_PROOF"
    assert parts(federation) == (0, 0)


def test_ask_many_case_named_twice_is_refused(cohort: Cohort) -> None:
    batch = cohort.batch(0, cohort.cases[0])
    batch.case_leaf_hashes.append(cohort.cases[0].leaf_hash)
    assert refused(cohort, [batch]) == "MALFORMED"


def test_ask_many_case_this_node_never_opened_is_refused(cohort: Cohort) -> None:
    batch = cohort.batch(0, cohort.cases[0])
    batch.case_leaf_hashes[0] = bytes(32)
    assert refused(cohort, [batch]) == "CASE_UNKNOWN"


def test_ask_many_other_entry_in_a_case_s_place_is_refused(
    federation: Federation, cohort: Cohort
) -> None:
    def change(proof: gateway_service_pb2.EntriesProof) -> None:
        node = federation.node(CAF)
        index = node.index.first("asked", cohort.asked) or 0
        proof.entries[:] = [node.traces.entry(index)]
        proof.leaf_indexes[:] = [index]
        proof.hashes[:] = node.traces.subset_proof([index])
        proof.checkpoint = node.traces.checkpoint()

    header = cohort.header()
    cohort.asked = sha256(header.statement).digest()
    spoil_cases(federation, change)
    with pytest.raises(CloisonError) as caught:
        cohort.ask(cohort.plain(), header)
    assert caught.value.reason == "BAD_CASE_PROOF"


def test_ask_many_case_of_another_activity_is_refused(
    federation: Federation, cohort: Cohort
) -> None:
    rsa = federation.program("caf-rsa")
    other = Cohort(cohort.program)
    other.program = rsa
    assert refused(other, other.plain()) == "BAD_CASE_PROOF"
    assert federation.failures(CNAV) == {"caf": {"BAD_CASE_PROOF": 1}}


def test_ask_many_closed_case_is_refused_by_the_requesters_own_node(
    federation: Federation, cohort: Cohort
) -> None:
    batches = cohort.plain()
    cohort.program.cases.close("caf-ppa", [cohort.cases[1].leaf_hash], "decided")
    assert refused(cohort, batches) == "CASE_CLOSED"
    assert parts(federation) == (1, 1)


def test_ask_many_case_past_its_end_is_refused(federation: Federation, cohort: Cohort) -> None:
    federation.clock.now = cohort.cases[0].valid_until + timedelta(seconds=1)
    assert refused(cohort, cohort.plain()) == "BAD_CASE_PROOF"
    assert federation.failures(CNAV) == {"caf": {"BAD_CASE_PROOF": 1}}


def test_ask_many_renewed_case_counts_until_its_new_end(cohort: Cohort) -> None:
    case, clock = cohort.cases[0], cohort.program.federation.clock
    cohort.size = 1
    clock.now = case.valid_until - timedelta(days=1)
    end = case.valid_until + timedelta(days=30)
    cohort.program.cases.renew("caf-ppa", case.leaf_hash, end)
    clock.now = case.valid_until
    assert len(cohort.ask([cohort.batch(0, case, last=True)])) == 2
    clock.now = end
    assert refused(cohort, [cohort.batch(0, case, last=True)]) == "BAD_CASE_PROOF"


def test_ask_many_renewal_left_out_by_its_node_leaves_the_first_end(
    federation: Federation, cohort: Cohort
) -> None:
    case, clock = cohort.cases[0], federation.clock
    clock.now = case.valid_until - timedelta(days=1)
    cohort.program.cases.renew("caf-ppa", case.leaf_hash, case.valid_until + timedelta(days=30))
    clock.now = case.valid_until

    def without(proof: gateway_service_pb2.EntriesProof) -> None:
        node = federation.node(CAF)
        del proof.entries[1:], proof.leaf_indexes[1:]
        proof.hashes[:] = node.traces.subset_proof(proof.leaf_indexes)
        proof.checkpoint = node.traces.checkpoint()

    spoil_cases(federation, without)
    assert refused(cohort, cohort.plain()) == "BAD_CASE_PROOF"


def test_ask_many_seed_used_before_is_refused(cohort: Cohort) -> None:
    first, second = cohort.plain()
    second.salt_seed = first.salt_seed
    assert refused(cohort, [first, second]) == "SALT_REUSED"


def test_ask_many_seed_of_another_length_is_refused(cohort: Cohort) -> None:
    first, _ = cohort.plain()
    first.salt_seed = first.salt_seed[1:]
    assert refused(cohort, [first]) == "MALFORMED"


def test_ask_many_the_same_statement_again_has_the_same_answers(
    federation: Federation, cohort: Cohort
) -> None:
    header, batches = cohort.header(), cohort.plain()
    first = cohort.ask(batches, header)
    federation.clock.advance(minutes=50)
    again = cohort.ask(batches, header)
    assert [only(one).sealed_release for one in again] == [
        only(one).sealed_release for one in first
    ]
    assert parts(federation) == (2, 2)
    assert len(federation.entries(CAF, "asked")) == len(federation.entries(CAF, "received")) == 1


def test_ask_many_the_same_statement_long_after_is_a_replay(
    federation: Federation, cohort: Cohort
) -> None:
    header = cohort.header()
    cohort.ask(cohort.plain(), header)
    cohorts = federation.node(CNAV).vault.cohorts
    with federation.node(CNAV).vault.transaction():
        cohorts.forget_answers(federation.clock() + timedelta(seconds=1))
    with pytest.raises(CloisonError, match="answered before"):
        cohort.ask(cohort.plain(), header)
    assert federation.failures(CNAV) == {"caf": {"REPLAYED": 1}}


@pytest.mark.parametrize("killed", [(), (CNAV,), (CAF,), (CAF, CNAV)])
def test_ask_many_goes_on_after_a_cut_where_it_was(
    federation: Federation, cohort: Cohort, killed: tuple[BodyId, ...]
) -> None:
    header, batches = cohort.header(), cohort.plain()
    federation.link(CAF, CNAV).dies_after = 2  # the decision and one batch
    with pytest.raises(PeerError):
        cohort.ask(batches, header)
    assert parts(federation) == (1, 1)
    federation.link(CAF, CNAV).dies_after = None
    for body in killed:
        federation.kill(body)
    _, answer = cohort.ask(batches[1:], header)
    assert only(answer).last
    assert parts(federation) == (2, 2)
    assert [len(federation.entries(CNAV, kind)) for kind in ("decided",)] == [1]


def test_ask_many_answer_lost_on_its_way_comes_again(
    federation: Federation, cohort: Cohort
) -> None:
    header, batches = cohort.header(), cohort.plain()

    def lose(response: ManyResponse) -> ManyResponse | None:
        return response if response.WhichOneof("part") == "header" else None

    federation.link(CAF, CNAV).after_part = lose
    with pytest.raises(PeerError):
        cohort.ask(batches[:1], header)
    assert parts(federation) == (1, 0)
    federation.link(CAF, CNAV).after_part = None
    cohort.ask(batches, header)
    assert parts(federation) == (2, 2)


def test_ask_many_after_the_last_batch_nothing_more_is_answered(
    federation: Federation, cohort: Cohort
) -> None:
    header, batches = cohort.header(), cohort.plain()
    cohort.ask(batches, header)
    federation.restart(CNAV)
    late = cohort.batch(2, cohort.cases[0], last=True)
    with pytest.raises(CloisonError) as caught:
        cohort.ask([late], header)
    assert caught.value.reason in {"COHORT_EXCEEDED", "MALFORMED"}
    assert parts(federation) == (2, 2)


def test_ask_many_opened_again_by_another_body_is_refused(
    federation: Federation, cohort: Cohort
) -> None:
    header = cohort.header()
    cohort.ask(cohort.plain(), header)
    holder = federation.holder(CNAV)
    call = holder.call(DGFIP, b"", b"")
    with pytest.raises(PeerError, match="another requester"):
        CohortHolder(federation.node(CNAV), holder, call).open(header)


def test_ask_many_opened_again_under_another_signature_is_refused(cohort: Cohort) -> None:
    header = cohort.header()
    cohort.ask(cohort.plain(), header)
    header.signature = bytes(64)
    with pytest.raises(CloisonError) as caught:
        cohort.ask(cohort.plain(), header)
    assert caught.value.reason == "BAD_SIGNATURE"


def test_ask_many_stream_held_open_past_its_text_is_ended(
    federation: Federation, cohort: Cohort, permitted: Callable[[Outcome], None]
) -> None:
    class Turning(list[Run]):
        def __iter__(self):  # type: ignore[no-untyped-def] # noqa: ANN204 - a list's
            for batch in super().__iter__():
                yield batch
                permitted(Outcome.DENY)

    assert refused(cohort, Turning(cohort.plain())) == "NO_LONGER_PERMITTED"
    assert federation.failures(CNAV) == {"caf": {"NO_LONGER_PERMITTED": 1}}
    assert parts(federation) == (1, 1)


def test_ask_many_answer_for_other_persons_is_refused(
    federation: Federation, cohort: Cohort
) -> None:
    def swap(response: ManyResponse) -> ManyResponse:
        if response.WhichOneof("part") == "run":
            only(response).sealed_release += b"\x00"
        return response

    federation.link(CAF, CNAV).after_part = swap
    assert refused(cohort, cohort.plain()) == "BAD_RECEIPT"


def test_ask_many_ended_early_by_its_holder_with_a_true_receipt_is_refused(
    federation: Federation, cohort: Cohort
) -> None:
    def end(response: ManyResponse) -> ManyResponse:
        if response.WhichOneof("part") == "run":
            entry = parse_entry(only(response).receipt.entry)
            entry.cohort_part.last = only(response).last = True
            (receipt,) = federation.node(CNAV).append([entry.SerializeToString()])
            only(response).receipt.CopyFrom(receipt)
        return response

    federation.link(CAF, CNAV).after_part = end
    assert refused(cohort, cohort.plain()) == "BAD_ANSWER"


def test_ask_many_answered_about_others_with_a_true_receipt_is_refused(
    federation: Federation, cohort: Cohort
) -> None:
    def swap(response: ManyResponse) -> ManyResponse:
        for batch in response.run.batches:
            entry = parse_entry(batch.receipt.entry)
            entry.cohort_part.person_digests[0] = bytes(32)
            (receipt,) = federation.node(CNAV).append([entry.SerializeToString()])
            batch.receipt.CopyFrom(receipt)
        return response

    federation.link(CAF, CNAV).after_part = swap
    assert refused(cohort, cohort.plain()) == "BAD_RECEIPT"


def test_ask_many_last_flag_moved_is_refused(federation: Federation, cohort: Cohort) -> None:
    def cut(response: ManyResponse) -> ManyResponse:
        if response.WhichOneof("part") == "run":
            only(response).last = True
        return response

    federation.link(CAF, CNAV).after_part = cut
    assert refused(cohort, cohort.plain()) == "BAD_RECEIPT"


def test_ask_many_of_the_bodys_own_node_takes_the_same_path(
    federation: Federation, ppa: Program
) -> None:
    cohort = Cohort(ppa)
    question = replace(
        ppa.question(None),
        persons=(),
        holder=CAF,
        dataset="members",
        fields=("role",),
        granularity=Granularity.CURRENT,
        legal_basis="gdpr-5",
    )
    announced = statement_pb2.Cohort(
        size=2, batch_persons=1, case_type="claim", case_month=MONTH.number
    )
    built = questions.build_statement(ppa.keys, question, federation.clock(), announced)
    header = questions.build_items(ppa.keys, [built])[0].statement
    assert len(cohort.ask(cohort.plain(), header)) == 3
    assert len(federation.entries(CAF, "cohort_part")) == 4  # as holder, then as requester


def test_ask_many_of_the_bodys_own_node_that_ends_early_is_an_error(
    federation: Federation, ppa: Program
) -> None:
    cohort = Cohort(ppa)

    def own(statement: statement_pb2.Statement) -> None:
        statement.holder = CAF

    item = statement_pb2.AskItem(statement=cohort.header())
    header = ppa.altered(item, own).statement
    with pytest.raises(InputError, match="ended before its last batch"):
        cohort.ask([], header)
    assert parts(federation) == (0, 0)


def test_ask_many_without_a_cohort_is_refused(cohort: Cohort) -> None:
    item = cohort.program.item(cohort.program.question(cohort.cases[0]))
    with pytest.raises(InputError, match="announces no cohort"):
        cohort.ask([], item.statement)


# --- deposits that rest on batches ---------------------------------------------------------------


def deposit_on(cohort: Cohort, index: int, batch_index: int | None = None) -> Depositor:
    """A deposit about one of the cohort's cases, resting on a batch."""
    made = Depositor(cohort.program, cohort.cases[index], [])
    made.deposit.output = "entitlement"
    made.deposit.parts.add(
        statement_hash=cohort.asked, batch_index=index if batch_index is None else batch_index
    )
    return made


@pytest.fixture
def answered(cohort: Cohort) -> Cohort:
    """Asked, each case in a batch of its own."""
    header = cohort.header()
    cohort.asked = sha256(header.statement).digest()
    cohort.ask(cohort.plain(), header)
    return cohort


def test_deposit_cites_the_batch_its_case_stood_in(
    federation: Federation, answered: Cohort
) -> None:
    deposit_on(answered, 1).put()
    (entry,) = federation.entries(CAF, "deposited")
    (part,) = (
        one.cohort_part
        for one in federation.entries(CAF, "cohort_part")
        if one.cohort_part.batch_index == 1
    )
    assert list(entry.deposited.receipts) == [part.leaf_hash]
    assert [label.received_for for label in entry.deposited.labels] == ["calculation"]


@pytest.mark.parametrize(
    ("batch", "reason"), [(0, "ANOTHER_CASE"), (2, "ANOTHER_CASE"), (None, "RECEIPT_UNKNOWN")]
)
def test_deposit_cites_no_batch_without_its_case(
    answered: Cohort, batch: int | None, reason: str
) -> None:
    made = deposit_on(answered, 1, batch or 0)
    if batch is None:
        made.deposit.parts[0].statement_hash = bytes(32)
    with pytest.raises(CloisonError) as caught:
        made.put()
    assert caught.value.reason == reason


def test_deposit_cites_no_cohort_as_if_it_were_a_single_answer(answered: Cohort) -> None:
    made = deposit_on(answered, 1)
    del made.deposit.parts[:]
    made.deposit.statement_hashes.append(answered.asked)
    with pytest.raises(CloisonError) as caught:
        made.put()
    assert caught.value.reason == "ANOTHER_CASE"


def test_requester_s_entry_names_the_holder_s_and_counts_no_question(
    federation: Federation, answered: Cohort
) -> None:
    of_holder = [
        (leaf_hash(entry.SerializeToString(deterministic=True)), entry.cohort_part)
        for entry in federation.entries(CNAV, "cohort_part")
    ]
    came = [entry.cohort_part for entry in federation.entries(CAF, "cohort_part")]
    assert [part.leaf_hash for part in came] == [leaf for leaf, _ in of_holder]
    assert [list(part.case_leaf_hashes) for part in came] == [
        list(part.case_leaf_hashes) for _, part in of_holder
    ]
    assert federation.node(CAF).index.count("case", answered.cases[0].leaf_hash) == 0
    assert federation.node(CNAV).index.count("case", answered.cases[0].leaf_hash) == 1


# --- the Arrow table of a batch ------------------------------------------------------------------


def test_persons_written_and_read_are_the_same() -> None:
    written = RunPersons(
        [ANNE.nir, BRUNO.nir], ["Anne", "Bruno"], ["1984-03-09", "1982-11-30"], [3, -1], [b"s", b""]
    )
    assert read_persons(write_persons(written), 2) == written


@pytest.mark.parametrize(
    "born", ["1984-3-09", "1984-02-30", "0984-03-09", "3984-03-09", "19840309", "", "1984-03-09T00"]
)
def test_persons_born_on_no_day_are_refused(born: str) -> None:
    written = write_persons(RunPersons([ANNE.nir], ["Anne"], [born], [-1], [b""]))
    with pytest.raises(InputError) as caught:
        read_persons(written, 2)
    assert caught.value.reason == "BAD_DATE"


def test_persons_with_a_name_longer_than_any_are_refused() -> None:
    written = write_persons(RunPersons([ANNE.nir], ["A" * 201], ["1984-03-09"], [-1], [b""]))
    with pytest.raises(InputError, match="birth name"):
        read_persons(written, 2)


def _other_columns() -> bytes:
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([pa.array(["x"])], names=["nir"])
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _no_batch() -> bytes:
    sink = pa.BufferOutputStream()
    schema = pa.ipc.open_stream(people((ANNE, -1, b""))).schema
    pa.ipc.new_stream(sink, schema).close()
    return bytes(sink.getvalue())


def _with_null() -> bytes:
    batch = pa.ipc.open_stream(people((ANNE, -1, b""))).read_next_batch()
    columns = [pa.array([None], batch.schema.field(0).type), *batch.columns[1:]]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(pa.record_batch(columns, schema=batch.schema))
    return bytes(sink.getvalue())


def _not_utf8() -> bytes:
    written = people((ANNE, -1, b""))
    name = ANNE.birth_name.encode()
    return written.replace(name, b"\xff" * len(name))


def _offsets_beyond_the_buffer() -> bytes:
    written = people((ANNE, -1, b""))
    offsets = (0).to_bytes(4, "little") + (15).to_bytes(4, "little")
    return written.replace(offsets, (0).to_bytes(4, "little") + (1 << 30).to_bytes(4, "little"), 1)


def _compressed(codec: str) -> bytes:
    batch = pa.ipc.open_stream(people((ANNE, -1, b""))).read_next_batch()
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_persons_compressed_are_refused_before_they_unfold(codec: str) -> None:
    with pytest.raises(InputError, match="compressed"):
        read_persons(_compressed(codec), 5)


@pytest.mark.parametrize(
    "make", [_other_columns, _no_batch, _with_null, _not_utf8, _offsets_beyond_the_buffer]
)
def test_persons_in_another_shape_are_malformed(make: Callable[[], bytes]) -> None:
    with pytest.raises(InputError) as caught:
        read_persons(make(), 5)
    assert caught.value.reason == "MALFORMED"


def test_persons_any_cut_of_the_table_is_malformed() -> None:
    written = people((ANNE, -1, b""))
    for end in range(0, len(written) - 16, 7):
        with pytest.raises(InputError):
            read_persons(written[:end], 5)


def test_release_of_a_batch_is_bound_to_its_place() -> None:
    places = {part_of(index, last=last) for index in range(3) for last in (False, True)}
    assert len(places) == 6
    assert release_pb2.SealedRelease(part=part_of(0, last=True)).part == bytes(8) + b"\x01"


def test_stream_that_falls_silent_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent() -> AsyncIterator[int]:
        await asyncio.sleep(60)
        yield 1

    monkeypatch.setattr(limits, "STREAM_IDLE_SECONDS", 0.01)
    with pytest.raises(InputError) as caught:
        run(next_part(silent()))
    assert caught.value.reason == "STREAM_IDLE"


# --- objection in a cohort -----------------------------------------------------------------------


def keep_objection(federation: Federation) -> None:
    """DENIS objects to what cohorts ask for, as a record that lets him would have it."""
    node = federation.node(CAF)
    with node.vault.lasting():
        until = federation.clock() + timedelta(days=1)
        node.vault.objections.keep(node.row_key(DENIS.nir), "calculation", until)


def test_cohort_with_a_person_who_objected_does_not_leave(
    federation: Federation, ppa: Program
) -> None:
    cohort = Cohort(ppa)
    keep_objection(federation)
    assert refused(cohort, cohort.plain()) == "OBJECTED"
    answered = [entry.cohort_part.batch_index for entry in federation.entries(CNAV, "cohort_part")]
    assert answered in ([], [0])


def test_cohort_of_which_a_person_objects_meanwhile_is_destroyed(
    federation: Federation, ppa: Program
) -> None:
    def objects(response: ManyResponse) -> ManyResponse:
        if only(response).last:
            keep_objection(federation)
        return response

    federation.link(CAF, CNAV).after_part = objects
    cohort = Cohort(ppa)
    assert refused(cohort, cohort.plain()) == "OBJECTED"
    DestructionDesk(federation.node(CAF)).finish()
    (entry,) = federation.entries(CAF, "destroyed")
    assert (entry.destroyed.why, entry.destroyed.releases) == ("objection", 2)
    assert len(entry.destroyed.trace_keys) == 1  # the others objected to nothing
    assert federation.node(CAF).store.doomed_of_statement(entry.destroyed.statement_hashes[0]) == []


def correct_denis(federation: Federation) -> None:
    node = federation.node(CNAV)
    with node.store.loading("correction", b"c" * 32, federation.clock()) as loading:
        slot = loading.declare(
            "monthly_resources", SlotName("01/2", LAST.number), "dsn-2", "replace", 2
        )
        payload = '["73282932000074","salary",1,1,1,1,0,"1",null,null,"01"]'
        loading.append(slot, 0, NewRecord(node.row_key(DENIS.nir), LAST.number, payload))


def test_changes_of_a_person_of_a_cohort_name_their_case_and_batch(
    federation: Federation, cohort: Cohort
) -> None:
    cohort.ask(cohort.plain())
    correct_denis(federation)
    run(ChangeListener(federation.node(CAF), federation.requester(CAF)).hear(CNAV))
    (heard,) = federation.entries(CAF, "change_heard")
    second = federation.raw_entries(CNAV)[heard.change_heard.answer_leaf_index]
    assert heard.change_heard.case_leaf_hash == cohort.cases[1].leaf_hash
    assert parse_entry(second).cohort_part.batch_index == 1


def test_changes_of_a_cohort_past_the_end_of_its_cases_are_not_told(
    federation: Federation, cohort: Cohort
) -> None:
    cohort.ask(cohort.plain())
    correct_denis(federation)
    federation.clock.now = cohort.cases[1].valid_until
    run(ChangeListener(federation.node(CAF), federation.requester(CAF)).hear(CNAV))
    assert federation.entries(CNAV, "change_told") == []
