"""What a cohort brought binds its asker as what a single question brought: destruction, notices."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from typing import NoReturn, cast

import pytest
from tests.federation import (
    ANNE,
    CAF,
    CNAV,
    ELSA,
    FIRST,
    MONTH,
    Federation,
    ManyResponse,
    Someone,
    run,
)
from tests.unit.wire.contesting import SAYS, item_of, send
from tests.unit.wire.objecting import objection
from tests.unit.wire.persons import Reader
from tests.unit.wire.test_wire_cohort import Cohort, Request, only
from tests.unit.wire.test_wire_destruction import destruction
from tests.unit.wire.test_wire_received import Depositor

from cloison.errors import CloisonError
from cloison.exchange import limits
from cloison.identity import cohort_salts
from cloison.programs.person.compare import differences
from cloison.v1 import statement_pb2
from cloison.wire import cohort_requester, questions
from cloison.wire.cohort_requester import Passing
from cloison.wire.destruction import DestructionDesk
from cloison.wire.gateway import BATCH, Contest, Member, Reply
from cloison.wire.notices import NoticeDesk
from cloison.wire.plans import Why
from cloison.wire.vault import Vault

NOTICE = "first-contact"


class Outreach(Cohort):
    """One household that made no claim, asked about as a cohort under its case."""

    def __init__(self, federation: Federation) -> None:
        super().__init__(federation.program("caf-outreach"), ())
        self.cases = [self.program.open_case("HE", "outreach")]
        self.size = 1
        self.signed = self._signed()
        self.statement_hash = sha256(self.signed.statement).digest()

    def _signed(self) -> statement_pb2.SignedStatement:
        announced = statement_pb2.Cohort(
            size=1, batch_persons=1, case_type="outreach", case_month=MONTH.number
        )
        question = self.program.question(None, purpose="non-take-up", legal_basis="crpa-l114-8")
        now = self.program.federation.clock()
        question = replace(question, persons=())
        built = questions.build_statement(self.program.keys, question, now, announced)
        return questions.build_items(self.program.keys, [built])[0].statement

    def ask_all(self) -> None:
        self.ask([self.batch(0, self.cases[0], last=True)], self.signed)

    def left(self, federation: Federation) -> int:
        """How many batches are still kept."""
        return len(federation.node(CAF).store.doomed_of_statement(self.statement_hash))


@pytest.fixture
def outreach(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> Outreach:
    monkeypatch.setattr(limits, "COHORT_BATCH_LEAST", 1)
    return Outreach(federation)


def desk(federation: Federation) -> DestructionDesk:
    return DestructionDesk(federation.node(CAF))


def destroy(federation: Federation, outreach: Outreach) -> None:
    demand = destruction(outreach.program, outreach.cases[0])
    desk(federation).destroy("caf-outreach", demand)


def test_destroy_of_a_case_takes_the_batches_it_was_asked_under(
    federation: Federation, outreach: Outreach
) -> None:
    outreach.ask_all()
    assert outreach.left(federation) == 1
    destroy(federation, outreach)
    (entry,) = federation.entries(CAF, "destroyed")
    assert entry.destroyed.releases == 1
    assert list(entry.destroyed.statement_hashes) == [outreach.statement_hash]
    assert outreach.left(federation) == 0


def test_batches_are_found_by_person_wherever_one_may_object(
    federation: Federation, outreach: Outreach, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are in one, and whatever its permit obliges to."""
    monkeypatch.setattr(cohort_requester, "HONOUR_OBJECTION", "no obligation of any permit")
    monkeypatch.setattr(limits, "PERSONS_PER_STATEMENT", 0)
    outreach.ask_all()
    destroy(federation, outreach)
    assert outreach.left(federation) == 0


def test_objection_ends_the_case_of_the_batch_and_what_rests_on_it(
    federation: Federation, outreach: Outreach
) -> None:
    outreach.ask_all()
    (case,) = outreach.cases
    made = Depositor(outreach.program, case, [])
    made.deposit.output = "letter"
    made.deposit.parts.add(statement_hash=outreach.statement_hash, batch_index=0)
    made.put()
    desk(federation).object("caf-outreach", objection(outreach.program, nir=ELSA.nir))
    (entry,) = federation.entries(CAF, "destroyed")
    assert (entry.destroyed.releases, len(entry.destroyed.deposit_hashes)) == (1, 1)
    (closed,) = federation.entries(CAF, "case_closed")
    assert closed.case_closed.case_leaf_hash == case.leaf_hash
    assert outreach.left(federation) == 0


def test_destroyed_cohort_sent_again_brings_nothing_back(
    federation: Federation, outreach: Outreach
) -> None:
    batch = outreach.batch(0, outreach.cases[0], last=True)
    outreach.ask([batch], outreach.signed)
    desk(federation).arrived(outreach.statement_hash, Why.OBJECTION)
    desk(federation).finish()
    with pytest.raises(CloisonError) as caught:
        outreach.ask([batch], outreach.signed)
    assert caught.value.reason == "DESTROYED"
    assert outreach.left(federation) == 0


def test_destroy_while_a_batch_is_on_its_way_keeps_it_from_the_program(
    federation: Federation, outreach: Outreach
) -> None:
    def destroyed(response: ManyResponse) -> ManyResponse:
        if only(response).last:
            destroy(federation, outreach)
        return response

    federation.link(CAF, CNAV).after_part = destroyed
    with pytest.raises(CloisonError) as caught:
        outreach.ask_all()
    assert caught.value.reason == "CASE_CLOSED"
    desk(federation).finish()
    assert outreach.left(federation) == 0


def test_notice_of_a_cohort_is_owed_to_the_persons_of_each_case_its_batches_held(
    federation: Federation, outreach: Outreach
) -> None:
    notices = NoticeDesk(federation.node(CAF))
    outreach.ask_all()
    (case,) = outreach.cases
    (one,) = notices.owed("caf-outreach")
    assert (one.reference, one.case_leaf_hash, one.notice) == ("HE", case.leaf_hash, NOTICE)
    notices.give("caf-outreach", [case.leaf_hash], NOTICE, BATCH)
    assert list(notices.owed("caf-outreach")) == []


# --- losses --------------------------------------------------------------------------------------


def lost(federation: Federation) -> list[tuple[str, bytes]]:
    found = [entry.lost for entry in federation.entries(CAF, "lost")]
    return [(one.reason, b"".join(one.statement_hashes)) for one in found]


def test_cohort_whose_node_was_stopped_with_a_batch_on_its_way_is_lost_at_the_next_start(
    federation: Federation, outreach: Outreach, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its decision came; the batch left, and no one has it."""

    class Killed(Exception):  # noqa: N818 - no error of the house: the process is gone
        pass

    def die(*_: object) -> NoReturn:
        raise Killed

    monkeypatch.setattr(Passing, "_keep", die)
    with pytest.raises(Killed):
        outreach.ask_all()
    monkeypatch.undo()
    federation.kill(CAF)
    assert lost(federation) == [("STOPPED", outreach.statement_hash)]


def test_cohort_that_came_whole_is_not_lost_by_a_stop(
    federation: Federation, outreach: Outreach
) -> None:
    outreach.ask_all()
    federation.kill(CAF)
    assert lost(federation) == []


@pytest.mark.parametrize(("answers", "found"), [(1, 1), (2, 0)])
def test_cohort_whose_program_leaves_is_lost_unless_all_of_it_came(
    federation: Federation, outreach: Outreach, answers: int, found: int
) -> None:
    batch = outreach.batch(0, outreach.cases[0], last=True)

    async def requests() -> AsyncIterator[Request]:
        yield Request(header=outreach.signed)
        yield Request(run=batch)

    async def leave() -> None:
        stream = federation.cohorts(CAF).relay("caf-outreach", requests())
        for _ in range(answers):
            await anext(stream)
        await cast("AsyncGenerator[object]", stream).aclose()

    run(leave())
    assert lost(federation) == [("PROGRAM_LEFT", outreach.statement_hash)] * found


# --- contestations -------------------------------------------------------------------------------


def contest(outreach: Outreach, salt: bytes, who: Someone = ELSA) -> str:
    """Why a line that is said to have come with the cohort may not be contested; empty: it is."""
    (case,) = outreach.cases
    member = Member("applicant", who.nir, who.birth_name, who.birth_date)
    asked = outreach.program.question(case, member)
    reply = Reply(outreach.statement_hash, None, None, None, salts=(salt,))
    line = Contest(asked, reply, 0, FIRST, f"dsn-{FIRST}", 1, SAYS, 120_000)
    try:
        send(outreach.program, item_of(outreach.program, line))
    except CloisonError as error:
        return error.reason
    return ""


@pytest.fixture
def salt(outreach: Outreach) -> bytes:
    """Of the only person of the cohort, which was answered."""
    batch = outreach.batch(0, outreach.cases[0], last=True)
    outreach.ask([batch], outreach.signed)
    return cohort_salts(batch.salt_seed, 1)[0]


def test_contest_of_a_line_that_came_with_a_cohort_stands_in_both_ledgers(
    federation: Federation, outreach: Outreach, salt: bytes
) -> None:
    assert contest(outreach, salt) == ""
    assert [len(federation.entries(body, "contested")) for body in (CAF, CNAV)] == [1, 1]


def test_contest_of_a_line_of_nobody_in_the_cohort_is_refused(
    federation: Federation, outreach: Outreach, salt: bytes
) -> None:
    """Another salt, another person; or one of whom it was not answered."""
    assert contest(outreach, bytes(32)) == "LINE_UNKNOWN"
    assert contest(outreach, salt, ANNE) == "LINE_UNKNOWN"
    node = federation.node(CNAV)
    with node.vault.transaction():
        until = federation.clock() + timedelta(days=1)
        node.vault.objections.keep(node.row_key(ELSA.nir), "non-take-up", until)
    assert contest(outreach, salt) == "LINE_UNKNOWN"
    assert federation.entries(CNAV, "contested") == []


# --- what the person is shown --------------------------------------------------------------------


def shown(federation: Federation, hours: int) -> list[str]:
    """How the two ledgers differ about the person, so long after."""
    federation.clock.advance(hours=hours, seconds=1)
    read = {body: Reader(federation, ELSA, body).read() for body in (CAF, CNAV)}
    return differences(read)


def test_differences_finds_a_body_that_hides_from_a_person_that_a_batch_came(
    federation: Federation, outreach: Outreach, monkeypatch: pytest.MonkeyPatch
) -> None:
    caf = federation.node(CAF).vault
    real = Vault.trace_keys

    def double(vault: Vault, rows: Sequence[bytes], day: date) -> list[bytes]:
        persons = list(rows)
        return [bytes([7]) * 32 for _ in persons] if vault is caf else real(vault, persons, day)

    with monkeypatch.context() as patched:
        patched.setattr(Vault, "trace_keys", double)
        outreach.ask_all()
    assert shown(federation, hours=0) == []
    (found,) = shown(federation, hours=1)
    assert "caf ne montre pas" in found


def test_differences_of_honest_bodies_over_a_cohort_are_none(
    federation: Federation, outreach: Outreach
) -> None:
    outreach.ask_all()
    assert shown(federation, hours=2) == []
