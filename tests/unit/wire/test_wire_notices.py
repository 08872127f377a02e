"""What permits oblige to tell persons: a queue that the ledger alone holds."""

from datetime import timedelta

import pytest
from tests.federation import CAF, DGFIP, Federation, Program
from tests.unit.wire.test_wire_named_file import CONTROL, RECOVERY, notices

from cloison.errors import InputError, PeerError
from cloison.wire.cases import CaseDesk
from cloison.wire.gateway import BATCH, OpenedCase
from cloison.wire.notices import NoticeDesk
from cloison.wire.settings import INDEX

NOTICE = "content-and-origin"


@pytest.fixture
def agent(federation: Federation) -> str:
    federation.empower(CAF, dupont=[CONTROL, RECOVERY], durand=[RECOVERY])
    return federation.pseudonym(CAF, "dupont")


@pytest.fixture
def control(federation: Federation) -> Program:
    return federation.program(CONTROL)


def looked_into(program: Program, agent: str, file: str = "HC1") -> OpenedCase:
    """A case one permitted question of which obliges to tell its persons."""
    case = program.open_case(file, "control-file")
    (reply,) = program.ask(notices(program, case, agent=agent))
    assert reply.release is not None
    return case


def owed(federation: Federation, activity: str = CONTROL, *, given: bool = False) -> list[str]:
    desk = NoticeDesk(federation.node(CAF))
    return [one.notice for one in desk.owed(activity, given=given)]


def give(federation: Federation, case: OpenedCase, agent: str, notice: str = NOTICE) -> None:
    NoticeDesk(federation.node(CAF)).give(CONTROL, [case.leaf_hash], notice, agent)


def test_notice_is_owed_once_however_often_the_file_was_asked_for(
    federation: Federation, control: Program, agent: str
) -> None:
    began = federation.clock()
    case = looked_into(control, agent)
    federation.clock.now += timedelta(hours=1)
    assert control.ask(notices(control, case, agent=agent))[0].release is not None
    (one,) = NoticeDesk(federation.node(CAF)).owed(CONTROL)
    assert (one.reference, one.case_leaf_hash, one.notice) == ("HC1", case.leaf_hash, NOTICE)
    assert one.owed_since_ms == round(began.timestamp() * 1000)
    assert owed(federation, RECOVERY) == []


def test_notice_of_a_refused_question_is_not_owed(federation: Federation, control: Program) -> None:
    case = control.open_case("HC1", "control-file")
    (reply,) = control.ask(notices(control, case))
    assert reply.release is None
    assert owed(federation) == []


def test_notice_given_is_an_entry_with_traces_of_all_its_persons_and_leaves_the_queue(
    federation: Federation, control: Program, agent: str
) -> None:
    case = looked_into(control, agent)
    give(federation, case, agent)
    (entry,) = federation.entries(CAF, "notice_given")
    given = entry.notice_given
    assert (given.activity, given.case_leaf_hash, given.notice, given.agent) == (
        CONTROL,
        case.leaf_hash,
        NOTICE,
        agent,
    )
    assert len(given.trace_keys) == len(case.members)
    assert owed(federation) == []
    assert owed(federation, given=True) == [NOTICE]


def test_notice_queue_is_the_same_after_the_index_is_made_again(
    federation: Federation, control: Program, agent: str
) -> None:
    told = looked_into(control, agent)
    give(federation, told, agent)
    federation.kill(CAF)
    (federation.settings(CAF).state / INDEX).unlink()
    assert owed(federation) == []
    assert owed(federation, given=True) == [NOTICE]


def test_notice_of_a_closed_case_can_still_be_given(
    federation: Federation, control: Program, agent: str
) -> None:
    case = looked_into(control, agent)
    CaseDesk(federation.node(CAF)).close(CONTROL, [case.leaf_hash], "concluded")
    assert owed(federation) == [NOTICE]
    give(federation, case, agent)
    assert owed(federation) == []


def test_notice_that_is_not_owed_or_was_given_is_refused(
    federation: Federation, control: Program, agent: str
) -> None:
    case = looked_into(control, agent)
    with pytest.raises(PeerError) as refused:
        give(federation, case, agent, "first-contact")
    assert refused.value.reason == "NOTHING_OWED"
    give(federation, case, agent)
    with pytest.raises(PeerError) as again:
        give(federation, case, agent)
    assert again.value.reason == "NOTHING_OWED"
    assert len(federation.entries(CAF, "notice_given")) == 1


@pytest.mark.parametrize("name", ["durand", "nobody"])
def test_notice_by_an_agent_not_empowered_for_the_activity_is_refused(
    federation: Federation, control: Program, agent: str, name: str
) -> None:
    case = looked_into(control, agent)
    with pytest.raises(PeerError) as refused:
        give(federation, case, federation.pseudonym(CAF, name))
    assert refused.value.reason == "AGENT_NOT_EMPOWERED"
    assert federation.entries(CAF, "notice_given") == []


def test_notice_of_another_activitys_case_is_refused(
    federation: Federation, control: Program, agent: str
) -> None:
    case = looked_into(control, agent)
    with pytest.raises(PeerError) as refused:
        NoticeDesk(federation.node(CAF)).give(RECOVERY, [case.leaf_hash], NOTICE, agent)
    assert refused.value.reason == "CASE_UNKNOWN"


@pytest.mark.parametrize("times", [0, 2])
def test_notice_of_no_case_or_one_twice_is_malformed(
    federation: Federation, control: Program, agent: str, times: int
) -> None:
    case = looked_into(control, agent)
    with pytest.raises(InputError):
        NoticeDesk(federation.node(CAF)).give(CONTROL, [case.leaf_hash] * times, NOTICE, BATCH)


def test_received_entry_names_only_notices(
    federation: Federation, control: Program, agent: str
) -> None:
    looked_into(control, agent)
    (received,) = federation.entries(CAF, "received")
    assert list(received.received.notices) == [NOTICE]
    (decided,) = federation.entries(DGFIP, "decided")
    assert {one.kind for one in decided.decided.decision.obligations} == {"flag", "notice"}
